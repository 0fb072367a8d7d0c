use super::rotated::RotatedFile;
use super::{Counted, counted, filter};
use std::cell::Cell;
use std::fs::{self, File};
use std::io::{self, Write};

#[test]
fn a_filter_without_a_level_for_all_targets_keeps_the_log_on() {
    for (text, for_all_targets) in [
        ("edge_cache_gosip=debug", "info"),
        ("edge_cache_gosip=warn", "info"),
        ("warn", "warn"),
        ("warn,edge_cache_gossip=off", "warn"),
        ("off", "off"),
        ("debug", "info"),
        (" trace,chitchat=debug", "info"),
    ] {
        let filter = filter(text).to_string();
        let without_target: Vec<_> = filter.split(',').filter(|one| !one.contains('=')).collect();
        assert_eq!(without_target, [for_all_targets], "{text}: {filter}");
    }
}

#[test]
fn a_level_below_info_is_for_this_program_alone() {
    for level in ["debug", "TRACE", "5"] {
        let filter = filter(level).to_string();
        let own = filter
            .split(',')
            .filter(|one| one.starts_with("edge_cache="));
        assert_eq!(own.count(), 1, "{level}: {filter}");
    }
    let filter = filter("debug,wasmtime=debug").to_string();
    assert!(filter.contains("wasmtime=debug"), "{filter}");
}

#[test]
fn a_line_for_a_full_disk_is_counted() {
    let full = File::options().write(true).open("/dev/full").unwrap();
    let before = counted::failed_writes();
    Counted::new(full).write_all(b"a line\n").unwrap_err();
    assert!(counted::failed_writes() > before);
}

/// A disk with room for some bytes.
struct Disk<'a> {
    room: &'a Cell<usize>,
    bytes: &'a mut Vec<u8>,
}

impl Write for Disk<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = self.room.get();
        let fitting = bytes.len().min(room);
        if fitting == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.room.set(room - fitting);
        self.bytes.extend(&bytes[..fitting]);
        Ok(fitting)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_line_that_was_cut_by_a_full_disk_does_not_damage_the_next() {
    // The room, and what is there once there is room again.
    for (room, expected) in [
        (0, "later\nlast\n"),
        (1, "f\nlater\nlast\n"),
        (5, "first\nlater\nlast\n"),
        (6, "first\nlater\nlast\n"),
        (8, "first\nse\nlater\nlast\n"),
    ] {
        let (mut bytes, left) = (Vec::new(), Cell::new(room));
        let disk = Disk {
            room: &left,
            bytes: &mut bytes,
        };
        let mut lines = Counted::new(disk);
        for line in ["first\n", "second\n"] {
            let _ = lines.write_all(line.as_bytes());
        }
        left.set(100);
        for line in ["later\n", "last\n"] {
            lines.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!(str::from_utf8(&bytes).unwrap(), expected, "{room}");
    }
}

#[test]
fn a_file_that_ends_within_a_line_goes_on_with_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    for (before, after) in [("", "new\n"), ("old\n", "old\nnew\n"), ("ol", "ol\nnew\n")] {
        let path = folder.path().join("audit");
        fs::write(&path, before).unwrap();
        let mut lines = RotatedFile::open(&path).unwrap().lines();
        lines.write_all(b"new\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), after);
    }
}
