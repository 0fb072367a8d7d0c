use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use edge_cache_distribution::Algorithm;

use super::*;

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Ed25519).unwrap()
}

#[test]
fn a_key_is_written_for_its_owner_and_never_over_another() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("release.key");
    let first = key();
    write_key(&path, &first).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&path), 0o600);
    assert_eq!(read_key(&path).unwrap().public(), first.public());
    let public = fs::read_to_string(public_file(&path)).unwrap();
    assert_eq!(public, first.public_pem());
    let error = write_key(&path, &key()).unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        format!("cannot write {}: File exists (os error 17)", path.display())
    );
    // The public key alone is kept, too.
    fs::remove_file(&path).unwrap();
    write_key(&path, &key()).unwrap_err();
    assert!(!path.exists());
    assert_eq!(
        fs::read_to_string(public_file(&path)).unwrap(),
        first.public_pem()
    );
}

#[test]
fn a_key_that_others_read_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    write_key(&path, &key()).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o640 | 0o004)).unwrap();
    let error = format!("{:#}", read_key(&path).unwrap_err());
    assert_eq!(
        error,
        format!(
            "cannot use the key {}: file mode 0644: others must not read the file and only its owner may write it; use \
             `chmod 600`",
            path.display()
        )
    );
}

#[test]
fn trust_rules_may_be_read_by_others_and_not_written() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("trust.toml");
    let rules = format!(
        "[keys]\nk = '''{}'''\n[[rules]]\nrepository = \"a/b\"\nany_of = [\"k\"]\n",
        key().public_pem()
    );
    fs::write(&path, &rules).unwrap();
    let read = |mode| {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        read_trust(&path).map_err(|error| format!("{error:#}"))
    };
    read(0o644).unwrap();
    let cannot = format!("cannot use the trust rules {}: ", path.display());
    assert_eq!(
        read(0o664).unwrap_err(),
        format!(
            "{cannot}file mode 0664: only the owner of the file may write it; use `chmod go-w`"
        )
    );
    fs::write(&path, "").unwrap();
    assert_eq!(
        read(0o600).unwrap_err(),
        format!("{cannot}line 1: it holds no rule, and would refuse every plugin: add `[[rules]]`")
    );
    fs::write(&path, b"\xff").unwrap();
    assert!(
        read(0o600)
            .unwrap_err()
            .starts_with(&format!("{cannot}it is not UTF-8"))
    );
}

#[test]
fn a_proof_that_is_too_large_or_no_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let plugin = folder.path().join("p.wasm");
    assert_eq!(read_proof(&plugin).unwrap(), None);
    let proof = proof_file(&plugin);
    let cannot = format!("cannot use the proof {}: ", proof.display());
    let refused = || format!("{:#}", read_proof(&plugin).unwrap_err());
    fs::write(&proof, vec![b' '; PROOF_BYTES_MAX + 1]).unwrap();
    assert_eq!(
        refused(),
        format!("{cannot}the proof is larger than 8388608 bytes")
    );
    fs::remove_file(&proof).unwrap();
    fs::create_dir(&proof).unwrap();
    assert_eq!(refused(), format!("{cannot}not a regular file"));
}
