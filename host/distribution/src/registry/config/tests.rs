use super::{InvalidMirror, Mirror, RegistryConfig, RegistryConfigError, by_registry};
use crate::registry::RegistryClient;

#[test]
fn a_mirror_has_a_host_and_maybe_a_prefix() {
    let read = |text: &str| {
        let mirror: Mirror = text.parse().unwrap();
        let places = by_registry(&[mirror]).unwrap();
        places.into_iter().next().unwrap()
    };
    for (text, host, prefix) in [
        ("a.example=b.example", "b.example", ""),
        ("a.example=b.example:5000/", "b.example:5000", ""),
        ("a.example=[::1]:5000/x/y", "[::1]:5000", "x/y/"),
    ] {
        let text = text.trim_end_matches('/');
        let (registry, place) = read(text);
        assert_eq!(registry, "a.example");
        assert_eq!(place, (host.to_string(), prefix.to_string()), "{text}");
    }
}

#[test]
fn a_wrong_mirror_is_refused() {
    for text in [
        "",
        "a.example",
        "=b.example",
        "a.example=",
        "a.example=https://b.example",
        "a.example=b.example/",
        "a.example=b.example/../x",
        "a.example=user@b.example",
    ] {
        assert_eq!(text.parse::<Mirror>(), Err(InvalidMirror), "{text}");
    }
    let twice = ["a=b".parse().unwrap(), "a=c".parse().unwrap()];
    let error = by_registry(&twice).unwrap_err();
    assert!(matches!(error, RegistryConfigError::MirroredTwice(registry) if registry == "a"));
}

#[test]
fn bad_roots_are_refused_at_the_start() {
    // Another test may have set it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let damaged = "-----BEGIN CERTIFICATE-----\nMAoGCCqGSM49BAMC\n-----END CERTIFICATE-----\n";
    for pem in ["", "no PEM", damaged, &damaged[..40]] {
        let config = RegistryConfig {
            ca_pem: Some(pem.into()),
            ..RegistryConfig::default()
        };
        assert_eq!(
            RegistryClient::new(config).unwrap_err().to_string(),
            "the CA file must hold certificates in PEM (`-----BEGIN CERTIFICATE-----`), each undamaged",
            "{pem}"
        );
    }
}
