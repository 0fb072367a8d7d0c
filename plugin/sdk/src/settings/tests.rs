use super::*;

#[test]
fn a_policy_sees_its_own_settings_alone() {
    let pairs = [("weight", "cpu"), ("policy.least", "4")];
    let pairs = pairs.map(|(key, value)| (key.to_string(), value.to_string()));
    let settings = Settings::of_plugin(pairs.to_vec());
    assert_eq!(settings, Settings::from([("least", "4")]));
    assert_eq!(settings.get("weight"), None);
    assert_eq!(settings.parse::<u32>("least"), Ok(Some(4)));
    assert_eq!(settings.parse::<u32>("most"), Ok(None));
}

#[test]
fn a_wrong_value_is_named() {
    let settings = Settings::from([("least", "many")]);
    let error = settings.parse::<u32>("least").unwrap_err();
    let expected =
        r#"setting "policy.least" is invalid: invalid digit found in string, got "many""#;
    assert_eq!(error, expected);
}

#[test]
fn an_unknown_name_is_named_beside_the_known_ones() {
    let settings = Settings::from([("leest", "4")]);
    assert_eq!(settings.expect_only(&["leest"]), Ok(()));
    let error = settings.expect_only(&["least", "most"]).unwrap_err();
    let expected =
        r#"unknown setting "policy.leest": the policy has "policy.least", "policy.most""#;
    assert_eq!(error, expected);
    let error = settings.expect_only(&[]).unwrap_err();
    assert_eq!(
        error,
        r#"unknown setting "policy.leest": the policy has none"#
    );
}
