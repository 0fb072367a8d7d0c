use super::is_local;

#[test]
fn only_names_of_this_machine_are_local() {
    for (host, local) in [
        ("localhost", true),
        ("LOCALHOST:7947", true),
        ("127.0.0.1", true),
        ("127.8.8.8:7947", true),
        ("[::1]", true),
        ("[::1]:7947", true),
        ("", false),
        ("example.org", false),
        ("localhost.example.org", false),
        ("127.0.0.1.example.org", false),
        ("localhost@example.org", false),
        ("0.0.0.0", false),
        ("10.0.0.1:7947", false),
        ("[::]", false),
        ("[fe80::1]", false),
    ] {
        assert_eq!(is_local(host), local, "{host}");
    }
}
