use std::fs;

use super::*;

fn args(directory: PathBuf, owner: &str) -> DataDirArgs {
    DataDirArgs {
        directory,
        owner: parse_owner(owner).unwrap(),
    }
}

#[test]
fn a_directory_is_made_for_its_owner_alone_and_keeps_its_content() {
    let folder = tempfile::tempdir().unwrap();
    let found = folder.path().metadata().unwrap();
    let owner = format!("{}:{}", found.uid(), found.gid());
    let directory = folder.path().join("a/data");
    for _ in 0..2 {
        make(&args(directory.clone(), &owner)).unwrap();
        let mode = directory.metadata().unwrap().mode();
        assert_eq!(mode & PERMISSIONS, DIRECTORY_MODE);
        fs::write(directory.join("file"), "kept").unwrap();
        set_permissions(&directory, Permissions::from_mode(0o755)).unwrap();
    }
    let kept = fs::read_to_string(directory.join("file")).unwrap();
    assert_eq!(kept, "kept");

    let link = folder.path().join("link");
    std::os::unix::fs::symlink(&directory, &link).unwrap();
    let error = make(&args(link, &owner)).unwrap_err();
    assert!(format!("{error:#}").contains("it is a link"), "{error:#}");
}

#[test]
fn an_owner_is_two_numbers() {
    for wrong in ["", "1", "1:", ":1", "a:1", "1:1:1", "-1:1", "4294967296:1"] {
        let error = parse_owner(wrong).unwrap_err();
        assert!(error.contains("65532:65532"), "{wrong}: {error}");
    }
}
