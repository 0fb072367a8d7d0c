use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::{take_turn, write_if_changed};

#[test]
fn a_file_is_touched_only_where_its_bytes_change() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("new/folder/component.wasm");
    assert!(write_if_changed(&path, b"one").unwrap());
    // Long ago, so that a write within the clock's tick would show.
    let then = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .set_modified(then)
        .unwrap();

    assert!(!write_if_changed(&path, b"one").unwrap());
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), then);

    assert!(write_if_changed(&path, b"two").unwrap());
    assert_eq!(fs::read(&path).unwrap(), b"two");
    assert_ne!(fs::metadata(&path).unwrap().modified().unwrap(), then);
    assert_eq!(
        fs::read_dir(path.parent().unwrap()).unwrap().count(),
        1,
        "nothing is left beside it"
    );
}

#[test]
fn a_failed_write_leaves_nothing_behind_and_names_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("taken");
    fs::create_dir(&path).unwrap();
    let error = write_if_changed(&path, b"one").unwrap_err();
    assert_eq!(
        error.to_string(),
        format!("could not write {}", path.display())
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn builds_take_turns() {
    let folder = tempfile::tempdir().unwrap();
    let at_work = AtomicUsize::new(0);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let _turn = take_turn(folder.path()).unwrap();
                assert_eq!(at_work.fetch_add(1, Ordering::SeqCst), 0);
                thread::yield_now();
                at_work.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
}
