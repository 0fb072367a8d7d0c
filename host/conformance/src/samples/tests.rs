use super::*;

fn refusal(json: &str) -> String {
    match Samples::from_json(json.as_bytes()) {
        Ok(samples) => panic!("{json}: {samples:?}"),
        Err(error) => error,
    }
}

#[test]
fn samples_start_over_after_the_last() {
    let json = br#"[{"cpu_cores":1,"ram_mib":2,"disk_mib":3},{"cpu_cores":4,"ram_mib":5,"disk_mib":6,"geo":"x"}]"#;
    let samples = Samples::from_json(json).unwrap();
    assert_eq!(samples.nth(0), sample(1, 2, 3, None));
    assert_eq!(samples.nth(1), sample(4, 5, 6, Some("x")));
    assert_eq!(samples.nth(2), samples.nth(0));
    assert_eq!(samples.all().len(), 2);
}

#[test]
fn the_default_samples_are_valid() {
    let built_in = Samples::default();
    assert_eq!(Samples::new(built_in.all().to_vec()).unwrap(), built_in);
}

#[test]
fn invalid_samples_are_refused_with_the_expected_format() {
    assert!(refusal("{}").starts_with("samples are a JSON list of capacities such as [{"));
    assert!(refusal(r#"[{"cpu_cores":1}]"#).contains("missing field `ram_mib`"));
    assert_eq!(refusal("[]"), "there must be 1 to 64 samples, found 0");
    let one = r#"{"cpu_cores":1,"ram_mib":2,"disk_mib":3}"#;
    let many = format!("[{}]", [one; 65].join(","));
    assert_eq!(refusal(&many), "there must be 1 to 64 samples, found 65");
    let bad = format!(r#"[{one},{{"cpu_cores":0,"ram_mib":0,"disk_mib":0}}]"#);
    assert!(
        refusal(&bad)
            .starts_with("sample 2 is not a valid capacity: cpu_cores, ram_mib and disk_mib")
    );
}
