//! The shelf on real files. What is no component is as good here: nothing is loaded.

use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use tempfile::TempDir;

use super::*;

const BYTES_MAX: usize = 1_024;
const SETTINGS: [u8; 32] = [1; 32];
const OTHER: [u8; 32] = [2; 32];
const NAMED: Named = Named {
    sha256: SETTINGS,
    pin: None,
};

fn component(content: &'static str) -> ComponentFile {
    ComponentFile::new("a component", content.as_bytes())
}

fn shelf() -> (TempDir, Shelf) {
    let data = tempfile::tempdir().unwrap();
    let shelf = Shelf::of(data.path());
    (data, shelf)
}

/// The content of what is kept.
fn taken(shelf: &Shelf) -> Result<Option<String>, String> {
    let Some(kept) = shelf.look()? else {
        return Ok(None);
    };
    let component = shelf.take(&kept, BYTES_MAX)?;
    Ok(Some(String::from_utf8(component.bytes().to_vec()).unwrap()))
}

fn files(shelf: &Shelf) -> usize {
    fs::read_dir(&shelf.directory).unwrap().count()
}

#[test]
fn what_was_kept_last_is_kept_and_nothing_else_is_left() {
    let (_data, shelf) = shelf();
    assert_eq!(taken(&shelf), Ok(None));
    for content in ["one", "two", "two"] {
        let component = component(content);
        let kept = shelf.put(&component, NAMED).unwrap().stand().unwrap();
        assert_eq!(kept.sha256(), component.sha256());
        assert_eq!(shelf.look(), Ok(Some(kept)));
        assert_eq!(taken(&shelf), Ok(Some(content.to_string())));
        assert_eq!(files(&shelf), 2);
        for file in fs::read_dir(&shelf.directory).unwrap() {
            assert_eq!(file.unwrap().metadata().unwrap().mode() & 0o777, 0o600);
        }
    }
    let mode = fs::metadata(&shelf.directory).unwrap().mode();
    assert_eq!(mode & 0o777, 0o700);
    shelf.point(None).unwrap();
    assert_eq!(taken(&shelf), Ok(None));
}

#[test]
fn what_the_settings_name_is_not_kept_in_its_own_place() {
    let (_data, shelf) = shelf();
    let own = component("own");
    let named = Named {
        sha256: *own.sha256(),
        pin: None,
    };
    assert_eq!(shelf.put(&own, named).unwrap().stand(), None);
    assert!(!shelf.directory.exists());
    shelf.put(&component("one"), named).unwrap().stand();
    assert_eq!(shelf.put(&own, named).unwrap().stand(), None);
    assert_eq!(taken(&shelf), Ok(None));
    assert_eq!(files(&shelf), 0);
}

#[test]
fn one_that_does_not_take_over_leaves_what_was_kept() {
    let (_data, shelf) = shelf();
    shelf.put(&component("one"), NAMED).unwrap().undo();
    assert_eq!((taken(&shelf), files(&shelf)), (Ok(None), 0));
    shelf.put(&component("one"), NAMED).unwrap().stand();
    for content in ["two", "one"] {
        shelf.put(&component(content), NAMED).unwrap().undo();
        assert_eq!(taken(&shelf), Ok(Some("one".to_string())), "{content}");
        assert_eq!(files(&shelf), 2);
    }
}

/// What can't be read is left too: whoever mends it has it again.
#[test]
fn one_that_is_not_kept_after_all_takes_nothing_away() {
    for which_says in [Some("{"), None] {
        let (_data, shelf) = shelf();
        shelf.put(&component("one"), NAMED).unwrap().stand();
        let which = shelf.directory.join(WHICH);
        let whole = fs::read(&which).unwrap();
        match which_says {
            Some(damaged) => fs::write(&which, damaged).unwrap(),
            None => fs::remove_file(&which).unwrap(),
        }
        let two = component("two");
        shelf.put(&two, NAMED).unwrap().undo();
        let blocked = shelf.file(two.sha256());
        fs::create_dir(&blocked).unwrap();
        shelf.put(&two, NAMED).unwrap_err();
        fs::remove_dir(&blocked).unwrap();
        assert_eq!(fs::read_to_string(&which).ok().as_deref(), which_says);
        fs::write(&which, &whole).unwrap();
        assert_eq!(taken(&shelf), Ok(Some("one".to_string())));
        assert_eq!(files(&shelf), 2);
    }
}

/// At each point at which a write can fail.
#[test]
fn one_that_cannot_be_written_leaves_what_was_kept() {
    let (data, shelf) = shelf();
    fs::write(&shelf.directory, "no directory").unwrap();
    shelf.put(&component("one"), NAMED).unwrap_err();
    fs::remove_file(&shelf.directory).unwrap();
    shelf.put(&component("one"), NAMED).unwrap().stand();
    let two = component("two");
    for blocked in [shelf.file(two.sha256()), shelf.directory.join(WHICH)] {
        let aside = data.path().join("aside");
        let is_there = blocked.exists();
        if is_there {
            fs::rename(&blocked, &aside).unwrap();
        }
        fs::create_dir_all(blocked.join("in the way")).unwrap();
        shelf.put(&two, NAMED).unwrap_err();
        fs::remove_dir_all(&blocked).unwrap();
        if is_there {
            fs::rename(&aside, &blocked).unwrap();
            assert_eq!(files(&shelf), 3, "what was kept was not to be seen");
        } else {
            assert_eq!(files(&shelf), 2, "nothing is left of the other");
        }
        assert_eq!(taken(&shelf), Ok(Some("one".to_string())));
    }
}

#[test]
fn what_is_not_as_it_was_kept_is_not_taken() {
    let (_data, shelf) = shelf();
    let one = component("one");
    let kept = shelf.put(&one, NAMED).unwrap().stand().unwrap();
    let file = shelf.file(one.sha256());
    let refused = |reason: &str| {
        let refusal = shelf.take(&kept, BYTES_MAX).unwrap_err();
        assert!(refusal.contains(reason), "{refusal}");
    };
    for content in ["onE", "on", "one ", ""] {
        fs::write(&file, content).unwrap();
        refused("is not what was kept");
    }
    fs::write(&file, "1".repeat(BYTES_MAX + 1)).unwrap();
    refused("is larger than 1024 bytes");
    fs::write(&file, "one").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o660)).unwrap();
    refused("is writable by others");
    let aside = shelf.directory.join("aside");
    fs::rename(&file, &aside).unwrap();
    refused("is gone");
    symlink(&aside, &file).unwrap();
    refused("symbolic link");
    refused(&file.display().to_string());
    fs::remove_file(&file).unwrap();
    fs::create_dir(&file).unwrap();
    refused("is not a regular file");
    // Whoever mends it has it again.
    fs::remove_dir(&file).unwrap();
    fs::write(&file, "one").unwrap();
    fs::set_permissions(&file, Permissions::from_mode(0o600)).unwrap();
    assert_eq!(taken(&shelf), Ok(Some("one".to_string())));
}

#[test]
fn a_directory_that_others_may_write_is_neither_read_nor_written() {
    let (data, shelf) = shelf();
    let kept = shelf.put(&component("one"), NAMED).unwrap().stand();
    let set_mode = |place: &Path, mode| {
        fs::set_permissions(place, Permissions::from_mode(mode)).unwrap();
    };
    for place in [&shelf.directory, data.path()] {
        for mode in [0o720, 0o702, 0o777] {
            set_mode(place, mode);
            let refusals = [
                shelf.look().unwrap_err(),
                shelf.take(kept.as_ref().unwrap(), BYTES_MAX).unwrap_err(),
                shelf.put(&component("two"), NAMED).unwrap_err().to_string(),
            ];
            for refusal in refusals {
                assert!(refusal.contains("is writable by others"), "{refusal}");
            }
        }
        set_mode(place, 0o700);
        assert_eq!(taken(&shelf), Ok(Some("one".to_string())));
        assert_eq!(files(&shelf), 2);
    }
}

#[test]
fn what_says_which_is_kept_is_judged_likewise() {
    let (_data, shelf) = shelf();
    shelf.put(&component("one"), NAMED).unwrap().stand();
    let which = shelf.directory.join(WHICH);
    let whole = fs::read(&which).unwrap();
    for wrong in ["", "{", "{}", r#"{"sha256":"12","in_place_of":"34"}"#] {
        fs::write(&which, wrong).unwrap();
        let refusal = shelf.look().unwrap_err();
        assert!(refusal.contains("is damaged"), "{refusal}");
    }
    fs::write(&which, "1".repeat(5_000)).unwrap();
    assert!(shelf.look().unwrap_err().contains("is larger than"));
    fs::write(&which, &whole).unwrap();
    fs::set_permissions(&which, Permissions::from_mode(0o606)).unwrap();
    assert!(shelf.look().unwrap_err().contains("is writable by others"));
    // Another one takes its place all the same.
    shelf.put(&component("two"), NAMED).unwrap().stand();
    assert_eq!(taken(&shelf), Ok(Some("two".to_string())));
}

#[test]
fn it_stands_in_for_what_the_settings_named_then() {
    let kept = component("one");
    let sha256 = *kept.sha256();
    let named = |sha256, pin| Named { sha256, pin };
    let pins = [None, Some(SETTINGS), Some(OTHER), Some(sha256)];
    for then in pins {
        let kept = Kept::new(sha256, named(SETTINGS, then));
        for now in pins {
            assert!(!kept.stands_in_for(named(OTHER, now)));
            let is_let_in = now.is_none() || now == then || now == Some(sha256);
            assert_eq!(kept.stands_in_for(named(SETTINGS, now)), is_let_in);
        }
    }
}
