//! Whatever somebody puts in the place of compiled code is compiled anew and never loaded.
//!
//! Only [`TrustedCode`] can be loaded, and only a digest that fits makes one. So each test asks for the reason
//! why there is none, and then how often was compiled.

use std::collections::BTreeMap;
use std::fs::{File, Permissions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, lchown, symlink};
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::Duration;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::*;
use crate::engine;
use edge_cache_core::Limits;
use wasmtime::Config;

/// A component with nothing in it but a custom section without content.
const ONE: &[u8] = b"\0asm\x0d\0\x01\0\0\x02\x01a";
/// One with an empty module, so with other code.
const OTHER: &[u8] = b"\0asm\x0d\0\x01\0\x01\x08\0asm\x01\0\0\0";
/// Changes of the engine after which code is other code.
const OTHER_ENGINES: [fn(&mut Config) -> &mut Config; 6] = [
    |config| config.wasm_gc(false).wasm_exceptions(false),
    |config| config.wasm_multi_memory(false),
    |config| config.wasm_memory64(true),
    |config| config.relaxed_simd_deterministic(false),
    |config| config.cranelift_nan_canonicalization(false),
    |config| config.memory_reservation(0),
];
/// Somebody who is neither root nor whoever runs the tests.
const SOMEBODY: u32 = 54_321;

#[derive(Debug, Default)]
struct Kept(Mutex<BTreeMap<String, [u8; 32]>>);

impl Digests for Kept {
    fn get(&self, name: &str) -> Option<[u8; 32]> {
        self.0.lock().unwrap().get(name).copied()
    }

    fn put(&self, name: &str, digest: [u8; 32], names: &BTreeSet<String>) -> Result<(), String> {
        let mut kept = self.0.lock().unwrap();
        kept.insert(name.to_string(), digest);
        kept.retain(|name, _| names.contains(name));
        Ok(())
    }
}

/// A cache that has kept one component.
struct Fixture {
    data: TempDir,
    engine: Engine,
    digests: Arc<Kept>,
    cache: CodeCache,
}

impl Fixture {
    fn new() -> Self {
        let data = tempfile::tempdir().unwrap();
        let digests = Arc::new(Kept::default());
        let fixture = Self {
            engine: engine::engine(&Limits::default()).unwrap(),
            cache: CodeCache::new(data.path().join("code"), digests.clone()),
            data,
            digests,
        };
        assert!(fixture.compiles(ONE), "there was nothing to take");
        assert!(!fixture.compiles(ONE), "what was kept is taken");
        fixture
    }

    /// Asks for a component; answers whether it was compiled.
    fn compiles(&self, component: &[u8]) -> bool {
        let sha256 = Sha256::digest(component).into();
        if self.cache.get(&self.engine, &sha256).is_some() {
            return false;
        }
        let compiled = Component::from_binary(&self.engine, component).unwrap();
        self.cache
            .put(&self.engine, &sha256, &compiled.serialize().unwrap());
        true
    }

    fn name(&self, component: &[u8]) -> String {
        file_name(&self.engine, &Sha256::digest(component).into())
    }

    fn path(&self) -> PathBuf {
        self.cache.directory.join(self.name(ONE))
    }

    /// Why what is there is not loaded.
    fn refusal(&self) -> String {
        match self.cache.read(&self.name(ONE)) {
            Ok(code) => panic!("taken as own code: {}", code.is_some()),
            Err(reason) => reason,
        }
    }

    /// Checks that the cached file is refused for this reason, compiled again and replaced by a valid one.
    fn mends(&self, reason: &str) {
        let refusal = self.refusal();
        assert!(refusal.contains(reason), "{refusal}");
        assert!(self.compiles(ONE), "{reason}: it was taken from the cache");
        assert!(!self.compiles(ONE), "{reason}: what was compiled is kept");
    }

    /// Checks that the code is compiled again where the directory can not be trusted.
    fn does_without(&self, reason: &str) {
        for _ in 0..2 {
            let refusal = self.refusal();
            assert!(refusal.contains(reason), "{refusal}");
            assert!(self.compiles(ONE), "{reason}: it was taken from the cache");
        }
    }
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
}

/// Tells whether the tests may change the owner of a file, as only root may.
fn may_give_away() -> bool {
    let root = rustix::process::geteuid().is_root();
    if !root {
        println!("skipped: only root can give a file to somebody else");
    }
    root
}

#[test]
fn one_flipped_bit_anywhere_is_seen() {
    let fixture = Fixture::new();
    let bytes = fs::read(fixture.path()).unwrap();
    let places = (0..64).map(|part| part * (bytes.len() - 1) / 63);
    for place in places {
        let mut poisoned = bytes.clone();
        poisoned[place] ^= 1 << (place % 8);
        fs::write(fixture.path(), &poisoned).unwrap();
        fixture.mends("not what was written");
    }
}

#[test]
fn too_little_and_too_much_is_seen() {
    let fixture = Fixture::new();
    let bytes = fs::read(fixture.path()).unwrap();
    for length in [0, 1, bytes.len() / 2, bytes.len() - 1] {
        fs::write(fixture.path(), &bytes[..length]).unwrap();
        fixture.mends("not what was written");
    }
    fs::write(fixture.path(), [&bytes[..], b"\0"].concat()).unwrap();
    fixture.mends("not what was written");
    // It has no content on the disk, and is not read.
    let file = File::options().write(true).open(fixture.path()).unwrap();
    file.set_len(1 << 40).unwrap();
    fixture.mends("is larger than");
}

#[test]
fn the_code_of_another_component_is_not_taken_for_it() {
    let fixture = Fixture::new();
    assert!(fixture.compiles(OTHER));
    let other = fixture.cache.directory.join(fixture.name(OTHER));
    fs::copy(&other, fixture.path()).unwrap();
    fixture.mends("not what was written");
    fs::rename(other, fixture.path()).unwrap();
    fixture.mends("not what was written");
}

#[test]
fn code_without_a_digest_is_not_looked_at() {
    let fixture = Fixture::new();
    fixture.digests.0.lock().unwrap().clear();
    assert!(fixture.cache.read(&fixture.name(ONE)).unwrap().is_none());
    assert!(fixture.compiles(ONE));
    assert!(!fixture.compiles(ONE));
    let other = Sha256::digest(b"other code").into();
    let name = fixture.name(ONE);
    fixture.digests.0.lock().unwrap().insert(name, other);
    fixture.mends("not what was written");
}

#[test]
fn code_that_others_may_write_is_not_taken() {
    let fixture = Fixture::new();
    for mode in [0o620, 0o602, 0o666] {
        set_mode(&fixture.path(), mode);
        fixture.mends("is writable by others");
        let mode = fs::metadata(fixture.path()).unwrap().mode();
        assert_eq!(mode & 0o777, trusted_file::FILE_MODE);
    }
}

#[test]
fn code_of_somebody_else_is_not_taken() {
    let fixture = Fixture::new();
    if may_give_away() {
        chown(fixture.path(), Some(SOMEBODY), None).unwrap();
        fixture.mends("is not the agent's own");
    }
}

#[test]
fn a_link_is_not_followed_and_what_it_leads_to_is_left_alone() {
    let fixture = Fixture::new();
    // Even to the right content.
    let aside = fixture.data.path().join("aside");
    fs::rename(fixture.path(), &aside).unwrap();
    let bytes = fs::read(&aside).unwrap();
    symlink(&aside, fixture.path()).unwrap();
    fixture.mends("symbolic link");
    assert!(fs::symlink_metadata(fixture.path()).unwrap().is_file());
    assert_eq!(fs::read(&aside).unwrap(), bytes);

    // One that leads nowhere.
    fs::remove_file(fixture.path()).unwrap();
    symlink(fixture.data.path().join("nothing"), fixture.path()).unwrap();
    fixture.mends("symbolic link");
}

#[test]
fn a_link_where_the_next_file_is_written_is_not_followed() {
    let fixture = Fixture::new();
    let precious = fixture.data.path().join("precious");
    fs::write(&precious, "as it was").unwrap();
    let fresh = fixture
        .cache
        .directory
        .join(format!("{}.new", fixture.name(ONE)));
    symlink(&precious, fresh).unwrap();
    fs::write(fixture.path(), "poison").unwrap();
    fixture.mends("not what was written");
    assert_eq!(fs::read_to_string(precious).unwrap(), "as it was");
}

#[test]
fn a_pipe_is_not_waited_for() {
    let (done, waits) = mpsc::channel();
    thread::spawn(move || {
        let fixture = Fixture::new();
        let mode = Mode::RUSR.union(Mode::WUSR);
        fs::remove_file(fixture.path()).unwrap();
        mknodat(CWD, fixture.path(), FileType::Fifo, mode, 0).unwrap();
        fixture.mends("is not a regular file");
        let fresh = format!("{}.new", fixture.name(ONE));
        let fresh = fixture.cache.directory.join(fresh);
        mknodat(CWD, fresh, FileType::Fifo, mode, 0).unwrap();
        fs::write(fixture.path(), "poison").unwrap();
        fixture.mends("not what was written");
        done.send(()).unwrap();
    });
    // Nobody is at the other end: who opens it to wait does so for ever.
    waits.recv_timeout(Duration::from_secs(20)).unwrap();
}

#[test]
fn a_directory_in_its_place_is_done_without() {
    let fixture = Fixture::new();
    fs::remove_file(fixture.path()).unwrap();
    fs::create_dir(fixture.path()).unwrap();
    set_mode(&fixture.path(), 0o700);
    fixture.does_without("is not a regular file");
    // And does not keep others from their room.
    for name in 0..2 * FILES_MAX {
        fs::create_dir(fixture.cache.directory.join(name.to_string())).unwrap();
    }
    assert!(fixture.compiles(OTHER));
    assert!(!fixture.compiles(OTHER));
}

#[test]
fn a_directory_that_others_may_write_is_neither_read_nor_written() {
    let fixture = Fixture::new();
    let directory = fixture.cache.directory.clone();
    let above = fixture.data.path().to_path_buf();
    for place in [&directory, &above] {
        for mode in [0o720, 0o702, 0o777] {
            set_mode(place, mode);
            fixture.does_without("is writable by others");
            assert!(fixture.compiles(OTHER));
        }
        set_mode(place, 0o700);
        assert!(!fixture.compiles(ONE), "it may be used again");
    }
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1);
    if may_give_away() {
        for place in [&directory, &above] {
            chown(place, Some(SOMEBODY), None).unwrap();
            fixture.does_without("is not the agent's own");
            chown(place, Some(0), None).unwrap();
        }
    }
}

#[test]
fn a_link_to_a_directory_is_not_followed() {
    let fixture = Fixture::new();
    let aside = fixture.data.path().join("aside");
    fs::rename(&fixture.cache.directory, &aside).unwrap();
    symlink(&aside, &fixture.cache.directory).unwrap();
    fixture.does_without("is not a directory");
    if may_give_away() {
        lchown(&fixture.cache.directory, Some(SOMEBODY), None).unwrap();
        fixture.does_without("is not a directory");
    }
}

#[test]
fn what_was_checked_is_what_is_loaded() {
    let fixture = Fixture::new();
    let code = fixture.cache.read(&fixture.name(ONE)).unwrap().unwrap();
    // In place: an open or mapped file would show it.
    let file = File::options().write(true).open(fixture.path()).unwrap();
    file.set_len(0).unwrap();
    (&file).write_all(b"poison").unwrap();
    code.component(&fixture.engine).unwrap();
}

#[test]
fn the_oldest_go_to_make_room() {
    let fixture = Fixture::new();
    // The last byte is the name of the section.
    let component = |number: usize| {
        let number = u8::try_from(number).unwrap();
        [&ONE[..11], &[b'a' + number]].concat()
    };
    for number in 1..FILES_MAX {
        assert!(fixture.compiles(&component(number)));
    }
    assert!(!fixture.compiles(ONE), "there is room for so many");
    assert!(fixture.compiles(&component(FILES_MAX)));
    let files = fs::read_dir(&fixture.cache.directory).unwrap().count();
    assert_eq!(files, FILES_MAX);
    // Their digests with them.
    assert_eq!(fixture.digests.0.lock().unwrap().len(), FILES_MAX);
    assert!(fixture.cache.read(&fixture.name(ONE)).unwrap().is_none());
    assert!(fixture.compiles(ONE));
}

#[test]
fn the_code_of_another_engine_has_another_name() {
    let name = |change: fn(&mut Config) -> &mut Config| {
        let mut config = engine::config(&Limits::default());
        file_name(&Engine::new(change(&mut config)).unwrap(), &[0; 32])
    };
    let ours = name(|config| config);
    for change in OTHER_ENGINES {
        assert_ne!(name(change), ours);
    }
    assert_eq!(name(|config| config), ours);
}
