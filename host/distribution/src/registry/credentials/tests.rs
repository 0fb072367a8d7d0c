use super::{Credentials, InvalidCredentials};

/// `user:pass:word`.
const AUTH: &str = "dXNlcjpwYXNzOndvcmQ=";

fn read(text: &str) -> Result<Credentials, InvalidCredentials> {
    Credentials::from_json(text.as_bytes())
}

#[test]
fn the_longest_entry_applies() {
    let credentials = read(&format!(
        r#"{{"auths":{{
            "registry.example:5000":{{"auth":"{AUTH}"}},
            "registry.example:5000/acme/edge":{{"username":"edge","password":"secret"}},
            "https://other.example/v1/":{{"auth":"{AUTH}"}}
        }},"HttpHeaders":{{"User-Agent":"x"}}}}"#
    ))
    .unwrap();
    let of = |registry, repository| {
        let account = credentials.of(registry, repository);
        account.map(|account| (account.user.as_str(), account.password.as_str()))
    };
    assert_eq!(
        of("registry.example:5000", "a/b"),
        Some(("user", "pass:word"))
    );
    assert_eq!(
        of("registry.example:5000", "acme/edge/plugin"),
        Some(("edge", "secret"))
    );
    assert_eq!(
        of("registry.example:5000", "acme/edge2"),
        Some(("user", "pass:word"))
    );
    assert_eq!(of("other.example", "a"), Some(("user", "pass:word")));
    assert_eq!(of("registry.example", "a"), None);
    let shown = format!("{credentials:?}");
    assert!(!shown.contains("pass") && !shown.contains(AUTH) && !shown.contains("secret"));
}

#[test]
fn a_password_in_the_name_of_an_entry_is_not_shown() {
    let entry = r#"{"username":"me","password":"secret"}"#;
    let text = format!(r#"{{"auths":{{"https://me:pa/ss@registry.example/v2/":{entry}}}}}"#);
    let shown = format!("{:?}", read(&text).unwrap());
    assert_eq!(shown, r#"{"registry.example"}"#);
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    let json = "it must be JSON like docker's `config.json`: {\"auths\":{\"REGISTRY\":{\"auth\":\"…\"}}} (line 1, column ";
    let no_password = "the entry `r` of `auths` has no user name and password: `auth` must be base64 of USER:PASSWORD \
                       (an access token can be the password)";
    for (text, error) in [
        ("secret", format!("{json}1)")),
        (r#"{"auths":["secret"]}"#, format!("{json}9)")),
        (
            "{}",
            "it has no `auths`: name a registry with user name and password".to_string(),
        ),
        (
            r#"{"auths":{"r":{}},"credsStore":"desktop"}"#,
            "it names credential helpers (`credsStore`), and an agent runs none: keep user name and password in `auths`, as \
             `skopeo login --authfile FILE` does"
                .to_string(),
        ),
        (
            r#"{"credHelpers":{"r":"gcloud"}}"#,
            "it names credential helpers (`credHelpers`), and an agent runs none: keep user name and password in `auths`, \
             as `skopeo login --authfile FILE` does"
                .to_string(),
        ),
        (r#"{"auths":{"r":{}}}"#, no_password.to_string()),
        (r#"{"auths":{"r":{"auth":"c2VjcmV0"}}}"#, no_password.to_string()),
        (r#"{"auths":{"r":{"auth":"?"}}}"#, no_password.to_string()),
        (
            r#"{"auths":{"https://user:secret@r":{"auth":"?"}}}"#,
            no_password.to_string(),
        ),
        (
            r#"{"auths":{"r":{"identitytoken":"secret"}}}"#,
            "the entry `r` of `auths` has an identity token, which is not supported: use a user name and a password"
                .to_string(),
        ),
    ] {
        assert_eq!(read(text).unwrap_err().to_string(), error, "{text}");
    }
}
