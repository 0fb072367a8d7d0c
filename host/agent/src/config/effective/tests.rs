use super::*;

#[test]
fn secrets_are_hidden() {
    assert_eq!(shown("plugin.settings", "token=x=y"), "token=(hidden)");
    assert_eq!(
        shown("cache.check", "http://user:secret@127.0.0.1:1/a@b"),
        "http://(hidden)@127.0.0.1:1/a@b"
    );
    for value in [
        "http://127.0.0.1:1/a@b",
        "oci://a.example/b:1@sha256:0",
        "a@b",
        "",
    ] {
        assert_eq!(shown("cache.check", value), value);
    }
}
