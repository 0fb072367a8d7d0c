use super::*;

fn line(byte: u8) -> String {
    STANDARD.encode([byte; KEY_BYTES])
}

fn parse(text: &str) -> Result<Keyring, KeyringError> {
    Keyring::parse(text)
}

#[test]
fn a_generated_key_is_a_valid_keyring() {
    let one = Keyring::generate().unwrap();
    let other = Keyring::generate().unwrap();
    assert_eq!(one.len(), KEY_TEXT_BYTES);
    assert_ne!(one, other);
    assert_eq!(parse(&one).unwrap().key_ids().len(), 1);
    assert_ne!(
        parse(&one).unwrap().key_ids().next(),
        parse(&other).unwrap().key_ids().next()
    );
}

/// Operators compare ids between machines and over time.
#[test]
fn the_id_of_a_key_never_changes() {
    let ring = parse(&line(7)).unwrap();
    let id = ring.key_ids().next().unwrap();
    let hash = Sha256::digest([b"edge-cache gossip key id".as_slice(), &[7; 32]].concat());
    assert_eq!(id.0, hash[..4]);
    assert_eq!(id.to_string(), "9f99a2fd");
}

#[test]
fn the_first_key_encrypts_and_all_decrypt() {
    let text = format!("# new\n{}\n\n  # old\r\n  {}  \r\n", line(1), line(2));
    let ring = parse(&text).unwrap();
    let ids: Vec<_> = ring.key_ids().collect();
    assert_eq!(ids.len(), 2);
    assert_eq!(ring.sealing().unwrap().id, ids[0]);
    for id in ids {
        assert_eq!(ring.opening(id).unwrap().id, id);
    }
    let unknown = parse(&line(3)).unwrap().key_ids().next().unwrap();
    assert!(ring.opening(unknown).is_none());
}

#[test]
fn no_output_shows_a_key() {
    let ring = parse(&[line(1), line(2)].join("\n")).unwrap();
    let ids: Vec<_> = ring.key_ids().map(|id| id.to_string()).collect();
    assert_eq!(
        format!("{ring:?}"),
        format!("Keyring(2 keys: [{}, {}])", ids[0], ids[1])
    );
    let broken = format!("{}x", line(9));
    let error = parse(&broken).unwrap_err();
    let said = format!("{error} {error:?}");
    assert!(!said.contains(&broken[..8]), "{said}");
}

#[test]
fn the_error_names_an_invalid_line() {
    let long = STANDARD.encode([1; KEY_BYTES + 1]);
    let short = STANDARD.encode([1; KEY_BYTES - 1]);
    let unpadded = line(1).trim_end_matches('=').to_owned();
    let url_safe = line(0xff).replace('/', "_");
    // The last character has four unused bits, so two texts could give one key.
    let loose = line(0).replace("A=", "B=");
    let hex = "ab".repeat(22);
    for bad in [&long, &short, &unpadded, &url_safe, &loose, "x", &hex[..43]] {
        let error = parse(&format!("#\n{}\n{bad}\n", line(2))).unwrap_err();
        assert_eq!(
            error.to_string(),
            "line 3 of the gossip keys must be the base64 of 32 bytes: \
             44 characters with the padding",
            "{bad}"
        );
    }
}

#[test]
fn a_repeated_key_is_refused() {
    let error = parse(&format!("\n{}\n{}\n{}", line(1), line(2), line(1))).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 4 of the gossip keys repeats the key of line 2"
    );
}

#[test]
fn a_keyring_has_one_to_eight_keys() {
    for empty in ["", "\n\n", "# only\n"] {
        assert_eq!(
            parse(empty).unwrap_err().to_string(),
            "the gossip keys are empty: at least one key is needed"
        );
    }
    let mut lines: Vec<_> = (0..8).map(line).collect();
    assert_eq!(parse(&lines.join("\n")).unwrap().key_ids().len(), KEYS_MAX);
    lines.push(line(8));
    let error = parse(&lines.join("\n")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "line 9 of the gossip keys exceeds the limit of 8 keys"
    );
}

#[test]
fn the_length_is_limited() {
    let mut text = line(1) + "\n#";
    text += &"x".repeat(LIST_BYTES_MAX - text.len());
    assert_eq!(parse(&text).unwrap().key_ids().len(), 1);

    text.push('x');
    let error = parse(&text).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a list of gossip keys takes at most 16384 bytes"
    );
}
