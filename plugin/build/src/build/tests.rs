use std::fs;
use std::path::{Path, PathBuf};

use super::{guests_dir, root, target_dir};

fn foreign_guest(folder: &Path) -> PathBuf {
    fs::create_dir_all(folder.join("src")).unwrap();
    fs::write(folder.join("src/lib.rs"), "").unwrap();
    let manifest = "[package]\nname = \"guest\"\nversion = \"0.0.0\"\nedition = \"2024\"\n";
    fs::write(folder.join("Cargo.toml"), manifest).unwrap();
    folder.join("Cargo.toml")
}

#[test]
fn guests_of_this_workspace_share_a_target_folder() {
    let reference = root().join("plugin/Cargo.toml");
    assert_eq!(target_dir(&reference).unwrap(), guests_dir());
}

#[test]
fn each_foreign_workspace_has_a_target_folder_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one", "two"].map(|name| foreign_guest(&folder.path().join(name)));
    let first = target_dir(&one).unwrap();
    assert!(first.starts_with(guests_dir()) && first != guests_dir());
    assert_eq!(target_dir(&one).unwrap(), first);
    assert_ne!(target_dir(&two).unwrap(), first);

    let workspace = "[workspace]\nmembers = [\"one\", \"two\"]\nresolver = \"3\"\n";
    fs::write(folder.path().join("Cargo.toml"), workspace).unwrap();
    assert_eq!(target_dir(&one).unwrap(), target_dir(&two).unwrap());
}
