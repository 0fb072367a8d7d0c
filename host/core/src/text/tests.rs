use super::{clean, error_chain, without_passwords};

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

#[test]
fn a_text_is_cut_behind_its_last_whole_character_within_the_limit() {
    for (text, cleaned) in [
        ("", ""),
        ("12345", "12345"),
        ("123é", "123é"),
        ("123456", "12345…"),
        ("1234é", "1234…"),
        ("1\n2", "1\u{fffd}2"),
    ] {
        assert_eq!(clean(text, 5), cleaned);
    }
}

#[test]
fn an_error_stands_in_one_line_with_its_causes() {
    #[derive(Debug, thiserror::Error)]
    #[error("it fails")]
    struct Outer(#[source] std::fmt::Error);

    assert_eq!(error_chain(&std::fmt::Error), std::fmt::Error.to_string());
    let expected = format!("it fails: {}", std::fmt::Error);
    assert_eq!(error_chain(&Outer(std::fmt::Error)), expected);
}
