use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;

use super::*;

fn file(mode: u32, bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), bytes).unwrap();
    fs::set_permissions(file.path(), Permissions::from_mode(mode)).unwrap();
    file
}

#[test]
fn files_that_others_can_read_or_write_are_refused() {
    for (mode, is_secret, has_authority) in [
        (0o600, true, true),
        (0o400, true, true),
        (0o440, true, true),
        (0o644, false, true),
        (0o604, false, true),
        (0o602, false, false),
        (0o660, false, false),
    ] {
        let file = file(mode, b"secret");
        for (found, fine) in [
            (read_secret(file.path()), is_secret),
            (read_authority(file.path()), has_authority),
        ] {
            match found {
                Ok(bytes) => assert!(fine && *bytes == b"secret", "{mode:o}"),
                Err(error) => {
                    let said = error.to_string();
                    assert!(
                        !fine && said.starts_with(&format!("file mode {mode:04o}: ")),
                        "{said}"
                    );
                }
            }
        }
        assert!(read_public(file.path()).is_ok(), "{mode:o}");
    }
}

#[test]
fn only_regular_files_within_the_limit_are_read() {
    let limit = usize::try_from(FILE_BYTES_MAX).unwrap();
    assert!(read_secret(file(0o600, &vec![b'x'; limit]).path()).is_ok());
    let long = file(0o600, &vec![b'x'; limit + 1]);
    let said = |path: &Path| read_secret(path).unwrap_err().to_string();
    assert_eq!(said(long.path()), "larger than 262144 bytes");
    let directory = tempfile::tempdir().unwrap();
    assert_eq!(said(directory.path()), "not a regular file");
    let missing = read_secret(&directory.path().join("missing")).unwrap_err();
    assert!(missing.is::<std::io::Error>(), "{missing}");
}
