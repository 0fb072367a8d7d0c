use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};

use super::{Challenge, token};
use crate::registry::place::{Access, Place};

fn place(base: &str) -> Place {
    Place {
        registry: "r".to_string(),
        repository: "a/b".to_string(),
        base: base.parse().unwrap(),
        account: None,
        access: Access::Push,
    }
}

fn read(base: &str, headers: &[&str]) -> Result<Challenge, String> {
    let mut map = HeaderMap::new();
    for header in headers {
        map.append(WWW_AUTHENTICATE, HeaderValue::from_str(header).unwrap());
    }
    Challenge::read(&place(base), &map).map_err(|error| error.to_string())
}

fn bearer(url: &str) -> Result<Challenge, String> {
    Ok(Challenge::Bearer(url.parse::<Url>().unwrap()))
}

#[test]
fn a_token_is_preferred_and_asked_for_with_service_and_scope() {
    let tls = "https://r/v2/a/b/";
    let full = r#"Bearer realm="https://t/token?x=1",service="s r",scope="repository:a/b:pull""#;
    let with_all = "https://t/token?x=1&service=s+r&scope=repository%3Aa%2Fb%3Apull";
    assert_eq!(read(tls, &[full]), bearer(with_all));
    assert_eq!(read(tls, &["Basic realm=\"r\"", full]), bearer(with_all));
    assert_eq!(
        read(tls, &[r#"bearer realm="https://t""#]),
        bearer("https://t/?scope=repository%3Aa%2Fb%3Apull%2Cpush")
    );
    assert_eq!(read(tls, &[r#"Basic realm="r""#]), Ok(Challenge::Basic));
    let plain = r#"Bearer realm="http://127.0.0.2:1/token",scope="s""#;
    assert_eq!(
        read("http://127.0.0.1:5000/v2/a/b/", &[plain]),
        bearer("http://127.0.0.2:1/token?scope=s")
    );
}

#[test]
fn an_unsafe_or_unknown_challenge_is_refused() {
    let text = |reason: &str| Err(format!("cannot authenticate at the registry `r`: {reason}"));
    let tls = "https://r/v2/a/b/";
    for (base, header, reason) in [
        (
            tls,
            r#"Bearer realm="http://t/token?secret""#,
            "its token service `http://t` is not asked, because it is not `https`",
        ),
        (
            tls,
            r#"Bearer realm="http://127.0.0.1:9/token""#,
            "its token service `http://127.0.0.1:9` is not asked, because it is not `https`",
        ),
        (
            "http://127.0.0.1/v2/a/b/",
            r#"Bearer realm="http://t/token""#,
            "its token service `http://t` is not asked, because it is not `https`",
        ),
        (
            tls,
            "Bearer realm=\"x\"",
            "its challenge names no token service",
        ),
        (
            tls,
            "Bearer service=\"x\"",
            "its challenge names no token service",
        ),
        (
            tls,
            "Negotiate",
            "it asks for `Negotiate`, and only Basic and Bearer are supported",
        ),
        (tls, "=", "its challenge cannot be parsed"),
    ] {
        assert_eq!(read(base, &[header]), text(reason), "{header}");
    }
    assert_eq!(
        read(tls, &[]),
        text("it asks for ``, and only Basic and Bearer are supported")
    );
}

#[test]
fn a_token_has_two_names() {
    let place = place("https://r/v2/a/b/");
    let read = |body: &str| {
        let token = token(&place, body.as_bytes());
        token.map(|header| header.to_str().unwrap().to_string())
    };
    assert_eq!(read(r#"{"token":"t"}"#).unwrap(), "Bearer t");
    assert_eq!(read(r#"{"access_token":"a"}"#).unwrap(), "Bearer a");
    for body in [
        "",
        "{}",
        r#"{"token":""}"#,
        r#"{"token":"a\nb"}"#,
        r#"{"token":1}"#,
    ] {
        assert_eq!(
            read(body).unwrap_err().to_string(),
            "cannot authenticate at the registry `r`: its token service gives no token",
            "{body}"
        );
    }
}
