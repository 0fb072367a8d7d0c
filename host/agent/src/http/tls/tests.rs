use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::*;
use edge_cache_core::text;

/// A file with this text in a directory, only for its owner.
fn file(directory: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = directory.path().join(name);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn error(certificates: PathBuf, key: PathBuf) -> String {
    text::error_chain(Tls::read(certificates, key).unwrap_err().as_ref())
}

#[test]
fn files_that_hold_something_else_are_named() {
    let directory = tempfile::tempdir().unwrap();
    let words = file(&directory, "words", "no PEM at all");
    let cut = file(
        &directory,
        "cut",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n-----BEGIN CERTIFICATE-----\n",
    );
    let good = file(
        &directory,
        "good",
        "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    );
    let missing = directory.path().join("missing");
    for (certificates, key, said) in [
        (&words, &words, "words must hold 1 to 16 certificates"),
        (&cut, &words, "cut must hold 1 to 16 certificates"),
        (&missing, &words, "missing cannot be used"),
        (&good, &words, "words must hold a private key"),
        (&good, &good, "good must hold a private key"),
    ] {
        let error = error(certificates.clone(), key.clone());
        assert!(error.contains(said), "{error}");
    }
    std::fs::set_permissions(&words, Permissions::from_mode(0o644)).unwrap();
    let error = error(good, words);
    assert!(error.contains("file mode 0644"), "{error}");
}
