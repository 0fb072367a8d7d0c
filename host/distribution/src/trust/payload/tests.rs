use super::*;

/// A payload as cosign's specification has it, in the form that cosign writes.
const PLAIN: &str = include_str!("../vectors/payload.json");
const MANIFEST: &str = "sha256:97fc222cee7991b5b061d4d4afdb5f3428fcb0c9054e1690313786befa1e4e36";

#[test]
fn a_payload_is_written_byte_for_byte_as_cosign_does() {
    let written = Payload::write(MANIFEST.parse().unwrap(), "registry.example/edge/cache");
    assert_eq!(String::from_utf8(written).unwrap(), PLAIN);
}

#[test]
fn an_identity_is_escaped() {
    let written = Payload::write(MANIFEST.parse().unwrap(), "a\"}\n");
    let parsed = Payload::parse(&written).unwrap();
    assert_eq!(parsed.identity, "a\"}\n");
}

#[test]
fn a_payload_of_cosign_is_read() {
    let expected = Payload {
        identity: "registry.example/edge/cache".to_string(),
        manifest: MANIFEST.parse().unwrap(),
    };
    let optional = include_str!("../vectors/payload-optional.json");
    let without = PLAIN.replace(",\"optional\":null", "");
    for text in [PLAIN, optional, &without] {
        assert_eq!(
            Payload::parse(text.as_bytes()),
            Ok(expected.clone()),
            "{text}"
        );
    }
}

#[test]
fn a_payload_has_a_limit() {
    let padded = |bytes: usize| format!("{PLAIN:<bytes$}");
    let longest = Payload::parse(padded(PAYLOAD_BYTES_MAX).as_bytes());
    assert!(longest.is_ok(), "{longest:?}");
    let longer = Payload::parse(padded(PAYLOAD_BYTES_MAX + 1).as_bytes());
    assert_eq!(longer, Err(InvalidPayload::TooLarge));
}
