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
    for (mode, fine) in [
        (0o600, true),
        (0o400, true),
        (0o440, true),
        (0o644, false),
        (0o604, false),
        (0o602, false),
        (0o660, false),
    ] {
        let file = file(mode, b"secret");
        let found = read_secret(file.path());
        match found {
            Ok(bytes) => assert!(fine && *bytes == b"secret", "{mode:o}"),
            Err(FileError::Exposed { mode: seen }) => assert!(!fine && seen == mode, "{mode:o}"),
            Err(other) => panic!("{mode:o}: {other}"),
        }
        assert!(read_public(file.path()).is_ok(), "{mode:o}");
    }
}

#[test]
fn only_regular_files_within_the_limit_are_read() {
    let limit = usize::try_from(FILE_BYTES_MAX).unwrap();
    assert!(read_secret(file(0o600, &vec![b'x'; limit]).path()).is_ok());
    let long = file(0o600, &vec![b'x'; limit + 1]);
    assert!(matches!(read_secret(long.path()), Err(FileError::TooLong)));
    let directory = tempfile::tempdir().unwrap();
    assert!(matches!(
        read_secret(directory.path()),
        Err(FileError::NotAFile)
    ));
    assert!(matches!(
        read_secret(&directory.path().join("missing")),
        Err(FileError::Read(_))
    ));
}
