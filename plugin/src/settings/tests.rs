use super::*;

fn parse(pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
    let pairs: Vec<_> = pairs
        .iter()
        .map(|(key, value)| (key.to_string(), value.to_string()))
        .collect();
    Settings::from_pairs(&pairs)
}

#[test]
fn no_settings_are_the_default() {
    let settings = parse(&[]).unwrap();
    assert_eq!(settings, Settings::default());
    assert_eq!(settings.weight, WeightBy::Disk);
}

#[test]
fn settings_of_other_components_are_left_alone() {
    let settings = parse(&[("policy.weight", "none"), ("weight", "cpu")]).unwrap();
    assert_eq!(settings.weight, WeightBy::Cpu);
    let mistyped = parse(&[("polcy.weight", "none")]).unwrap_err();
    assert_eq!(mistyped, SettingsError::UnknownKey("polcy.weight".into()));
}

#[test]
fn every_weight_has_its_name() {
    let cases = [
        ("disk", WeightBy::Disk),
        ("ram", WeightBy::Ram),
        ("cpu", WeightBy::Cpu),
        ("equal", WeightBy::Equal),
    ];
    for (value, weight) in cases {
        assert_eq!(parse(&[("weight", value)]), Ok(Settings { weight }));
    }
    let twice = parse(&[("weight", "ram"), ("weight", "cpu")]).unwrap();
    assert_eq!(twice.weight, WeightBy::Cpu);
}

#[test]
fn a_wrong_value_is_named_beside_the_right_ones() {
    for value in ["", "Disk", "disk ", "memory"] {
        let error = parse(&[("weight", value)]).unwrap_err();
        assert_eq!(error, SettingsError::WrongWeight(value.into()));
        assert_eq!(
            error.to_string(),
            format!(r#"setting "weight" must be "disk", "ram", "cpu" or "equal", got "{value}""#)
        );
    }
}

#[test]
fn an_unknown_key_is_named_beside_the_right_one() {
    let error = parse(&[("weight", "ram"), ("wieght", "cpu")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        r#"unknown setting "wieght": the only setting is "weight""#
    );
}

#[test]
fn errors_quote_no_more_than_an_excerpt() {
    let long = "\u{1B}".repeat(10_000);
    for error in [
        parse(&[("weight", &long)]).unwrap_err(),
        parse(&[(&long, "disk")]).unwrap_err(),
    ] {
        let text = error.to_string();
        assert!(text.len() < 256, "{}", text.len());
        assert!(!text.contains('\u{1B}'));
    }
}
