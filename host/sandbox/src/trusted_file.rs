//! Files that the agent writes for itself and takes back only as its own.
//!
//! They are written whole or not at all. What belongs to somebody else, can be written by somebody else or is no
//! regular file is not read: nobody but the agent's user has a say in what it finds there.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Nobody but the agent's user reads or writes them.
pub const FILE_MODE: u32 = 0o600;
/// Nor the directories that they are in.
pub const DIRECTORY_MODE: u32 = 0o700;
/// The mode bits that would let somebody else write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// The content of a file of the agent's own; none where nothing is there. In words, why it is not taken.
pub fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, String> {
    let said = |error: io::Error| format!("{}: {error}", path.display());
    if path
        .symlink_metadata()
        .is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
    {
        return Ok(None);
    }
    // Not through a link, and without waiting for the other end of a pipe.
    let flags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK);
    let file = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)
        .map_err(said)?;
    // Of what was opened: the path may lead elsewhere by now.
    let metadata = file.metadata().map_err(said)?;
    if !metadata.is_file() {
        return Err(format!("{} is not a regular file", path.display()));
    }
    check_owner(&metadata, path)?;
    if metadata.len() > bytes_max {
        return Err(format!(
            "{} is larger than {bytes_max} bytes",
            path.display()
        ));
    }
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes).map_err(said)?;
    Ok(Some(bytes))
}

/// A directory with files of the agent's own. Who can write to the one above could put another in its place, so
/// that one is judged too.
pub fn check_directory(path: &Path) -> Result<(), String> {
    for directory in path.parent().into_iter().chain([path]) {
        let metadata = directory
            .symlink_metadata()
            .map_err(|error| format!("{}: {error}", directory.display()))?;
        if !metadata.is_dir() {
            return Err(format!("{} is not a directory", directory.display()));
        }
        check_owner(&metadata, directory)?;
    }
    Ok(())
}

/// Returns whether the file belongs to the user of this process.
fn is_own(metadata: &Metadata) -> bool {
    metadata.uid() == rustix::process::geteuid().as_raw()
}

/// The agent's user must be the owner, and nobody else a writer.
fn check_owner(metadata: &Metadata, path: &Path) -> Result<(), String> {
    if !is_own(metadata) {
        return Err(format!("{} is not the agent's own", path.display()));
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(format!("{} is writable by others", path.display()));
    }
    Ok(())
}

/// Puts a file in the place of what is at `path`. Its content is on the disk then; its name is once the
/// directory has been [synced](sync_directory).
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(".new");
    let fresh = PathBuf::from(fresh);
    let written = write_fresh(&fresh, bytes).and_then(|()| fs::rename(&fresh, path));
    if written.is_err() {
        // Half a file would only take up the room that was lacking.
        let _ = fs::remove_file(&fresh);
    }
    written
}

fn write_fresh(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // What is left from a write that was cut short must go: a new file is no link that leads elsewhere.
    remove(path)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes a file, if it is there.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes durable which files a directory has.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
