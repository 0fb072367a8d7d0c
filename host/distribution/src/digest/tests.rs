use super::{Digest, InvalidDigest};

/// The SHA-256 of the empty text.
const EMPTY: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

#[test]
fn a_digest_is_read_as_it_is_written() {
    assert_eq!(EMPTY.parse(), Ok(Digest::of(b"")));
    assert_eq!(Digest::of(b"").to_string(), EMPTY);
}

#[test]
fn anything_else_is_refused() {
    for text in [
        "",
        "sha256:",
        "sha512:e3b0",
        &EMPTY.replace("sha256:", ""),
        &EMPTY[..EMPTY.len() - 1],
        &format!("{EMPTY}0"),
        &EMPTY.replace('e', "E"),
        &EMPTY.replace('e', "g"),
    ] {
        assert_eq!(text.parse::<Digest>(), Err(InvalidDigest), "{text}");
    }
}
