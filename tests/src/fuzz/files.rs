//! Doors of an operator's files: settings, tokens, keys and trust rules.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::LazyLock;

use edge_cache_agent::cli::{Parsed, parse};
use edge_cache_agent::http::Access;
use edge_cache_distribution::{PublicKey, SigningKey, TrustPolicy};
use edge_cache_gossip::Keyring;
use tempfile::TempDir;

use super::Entered::{self, Ignored, Passed};
use super::refused;

/// The longest error about one line of a file, in bytes.
const LINE_BYTES_MAX: usize = 1_100;
/// The longest error about settings, in bytes: it names all problems of a file.
const SETTINGS_BYTES_MAX: usize = 8 * 1024 + 16;
/// The most keys of a keyring.
const KEYS_MAX: usize = 8;

/// Writes a file that only its owner reads, of this process. Returns its path.
fn written(name: &str, content: &[u8]) -> PathBuf {
    static FOLDER: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().unwrap());
    let path = FOLDER.path().join(name);
    let mut file = fs::File::create(&path).unwrap();
    file.set_permissions(fs::Permissions::from_mode(0o600))
        .unwrap();
    file.write_all(content).unwrap();
    path
}

/// The settings file: an agent's settings, or one line of errors.
pub(super) fn settings_file(input: &[u8]) -> Entered {
    let path = written("settings.toml", input);
    let arguments = ["edge-cache-agent".into(), "--config".into(), path.into()];
    match parse(arguments, &|_| None) {
        Parsed::Cli(_) => Passed,
        Parsed::Text(text) => panic!("a file asks for help: {text}"),
        Parsed::Wrong { text, .. } => refused(&text, SETTINGS_BYTES_MAX),
    }
}

/// The token file.
pub(super) fn tokens(input: &[u8]) -> Entered {
    let path = written("tokens", input);
    let Err(error) = Access::with_tokens(path) else {
        return Passed;
    };
    let text = format!("{error:#}");
    // A secret may stand in the wrong place.
    assert!(
        !text.contains("ect_") && !text.contains("sha256:0"),
        "{text}"
    );
    refused(&text, LINE_BYTES_MAX)
}

/// The file with the keys of gossip.
pub(super) fn gossip_keys(input: &[u8]) -> Entered {
    let Ok(text) = std::str::from_utf8(input) else {
        return Ignored;
    };
    match Keyring::parse(text) {
        Err(error) => refused(&error, LINE_BYTES_MAX),
        Ok(keyring) => {
            assert!((1..=KEYS_MAX).contains(&keyring.key_ids().len()));
            let shown = format!("{keyring} {keyring:?}");
            for line in text.lines().map(str::trim).filter(|line| line.len() == 44) {
                assert!(!shown.contains(line));
            }
            Passed
        }
    }
}

/// The trust file.
pub(super) fn trust_file(input: &[u8]) -> Entered {
    let Ok(text) = std::str::from_utf8(input) else {
        return Ignored;
    };
    let Err(error) = TrustPolicy::parse(text) else {
        return Passed;
    };
    // The end of a text is behind its last line break.
    assert!(
        (1..=text.matches('\n').count() + 1).contains(&error.line),
        "{error}"
    );
    refused(&error, LINE_BYTES_MAX)
}

/// Keys in PEM: what is read is written and read again as the same.
pub(super) fn pem(input: &[u8]) -> Entered {
    let Ok(text) = std::str::from_utf8(input) else {
        return Ignored;
    };
    let public = match PublicKey::from_pem(text) {
        Err(error) => refused(&error, LINE_BYTES_MAX),
        Ok(key) => {
            assert_eq!(PublicKey::from_pem(&key.to_pem()), Ok(key));
            Passed
        }
    };
    let signing = match SigningKey::from_pem(text) {
        Err(error) => refused(&error, LINE_BYTES_MAX),
        Ok(key) => {
            let again = SigningKey::from_pem(&key.to_pem()).unwrap();
            assert_eq!(again.public(), key.public());
            assert_eq!(PublicKey::from_pem(&key.public_pem()), Ok(key.public()));
            Passed
        }
    };
    public.max(signing)
}
