use super::*;

#[test]
fn an_address_without_a_scheme_is_plain_http() {
    for (text, shown) in [
        ("127.0.0.1:7947", "http://127.0.0.1:7947"),
        ("[::1]:7947", "http://[::1]:7947"),
        ("cache-1.internal:80", "http://cache-1.internal"),
        ("http://localhost:7947/", "http://localhost:7947"),
        ("https://10.0.0.1:7947", "https://10.0.0.1:7947"),
        ("https://cache-1", "https://cache-1"),
    ] {
        let address: Address = text.parse().unwrap();
        assert_eq!(address.to_string(), shown);
        assert_eq!(address.is_tls(), shown.starts_with("https"), "{text}");
    }
}

#[test]
fn invalid_addresses_are_refused() {
    for text in [
        "",
        "7947",
        "localhost",
        "::1:7947",
        "http://",
        "ftp://a:1",
        "unix:///run/agent",
        "http://a:1/api",
        "http://a:1?key=b",
        "http://a:1#b",
        "http://name:secret@a:1",
        "name@a:1",
        "a:b:1",
        "a:65536",
    ] {
        assert_eq!(text.parse::<Address>(), Err(AddressError), "{text}");
    }
}

#[test]
fn only_addresses_of_this_machine_are_loopback() {
    for text in ["127.0.0.2:1", "[::1]:1", "localhost:1", "https://localhost"] {
        assert!(text.parse::<Address>().unwrap().is_loopback(), "{text}");
    }
    for text in [
        "10.0.0.1:1",
        "[2001:db8::1]:1",
        "localhost.evil.example:1",
        "127.0.0.1.evil.example:1",
    ] {
        assert!(!text.parse::<Address>().unwrap().is_loopback(), "{text}");
    }
}

#[test]
fn query_parameters_are_escaped() {
    let address: Address = "a:1".parse().unwrap();
    let mut url = address.url("/api");
    assert_eq!(url.as_str(), "http://a:1/api");
    url.query_pairs_mut().append_pair("key", "/v?a=b&c d#é\n");
    assert_eq!(
        url.as_str(),
        "http://a:1/api?key=%2Fv%3Fa%3Db%26c+d%23%C3%A9%0A"
    );
}
