use super::without_passwords;

#[test]
fn passwords_before_a_host_are_hidden_and_nothing_else() {
    for (text, hidden) in [
        ("http://user:secret@host:8080/x", "http://…@host:8080/x"),
        (
            "registry.example=user:secret@host",
            "registry.example=…@host",
        ),
        ("a=https://user:secret@host/p b", "a=https://…@host/p b"),
        (
            "cannot be [\"a=u:secret@h\", \"b=u:s/ec=r@et@h\"]",
            "cannot be [\"a=…@h\", \"b=…@h\"]",
        ),
        ("user:secret@host: no port", "…@host: no port"),
        (
            "`oci://user:secret@h/r:1@sha256:ab`",
            "`oci://…@h/r:1@sha256:ab`",
        ),
    ] {
        assert_eq!(without_passwords(text), hidden);
    }
    for text in [
        "",
        "oci://host:5000/repository:tag@sha256:abc",
        "name@host",
        "https://name@host/",
        "[::1]:7946, 127.0.0.1:7946",
        "a: b @ c",
    ] {
        assert_eq!(without_passwords(text), text);
    }
}
