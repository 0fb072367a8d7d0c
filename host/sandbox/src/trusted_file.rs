//! Files that only the user of this process can have written.
//!
//! A file is written completely or not at all. It is read only if it is a regular file that belongs to the
//! user of this process and that no other user can write. Compiled code and the store's database need this.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Mode of written files: only the owner reads and writes.
pub const FILE_MODE: u32 = 0o600;
/// Mode of the directories that hold such files.
pub const DIRECTORY_MODE: u32 = 0o700;
/// Mode bits that let other users write.
const WRITABLE_BY_OTHERS: u32 = 0o022;

/// Reads a trusted file of at most `bytes_max` bytes. Returns none if there is no such file.
///
/// # Errors
///
/// The text says why the file cannot be read or is not trusted.
pub fn read(path: &Path, bytes_max: u64) -> Result<Option<Vec<u8>>, String> {
    let described = |error: io::Error| format!("{}: {error}", path.display());
    // A link is not followed, and a pipe does not block.
    let flags = OFlags::NOFOLLOW.union(OFlags::NONBLOCK);
    let opened = OpenOptions::new()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path);
    let file = match opened {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(described)?,
    };
    // The metadata is that of the open file, since the path may have been replaced.
    let metadata = file.metadata().map_err(described)?;
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
    file.take(bytes_max)
        .read_to_end(&mut bytes)
        .map_err(described)?;
    Ok(Some(bytes))
}

/// Checks the owner and mode of a directory with trusted files, and of its parent.
///
/// A user who can write to the parent could replace the directory.
///
/// # Errors
///
/// The text says which directory is not trusted and why.
pub fn check_directory(path: &Path) -> Result<(), String> {
    let mut directories = path.parent().into_iter().chain([path]);
    directories.try_for_each(check_one_directory)
}

/// Checks the owner and mode of a directory, whatever those of its parent.
///
/// # Errors
///
/// The text says why the directory is not trusted.
pub fn check_one_directory(path: &Path) -> Result<(), String> {
    let metadata = path
        .symlink_metadata()
        .map_err(|error| format!("{}: {error}", path.display()))?;
    if !metadata.is_dir() {
        return Err(format!("{} is not a directory", path.display()));
    }
    check_owner(&metadata, path)
}

/// Checks that the user of this process is the owner, and that no other user can write.
fn check_owner(metadata: &Metadata, path: &Path) -> Result<(), String> {
    if metadata.uid() != rustix::process::geteuid().as_raw() {
        return Err(format!("{} is not the agent's own", path.display()));
    }
    if metadata.mode() & WRITABLE_BY_OTHERS != 0 {
        return Err(format!("{} is writable by others", path.display()));
    }
    Ok(())
}

/// Writes a file and moves it to `path` atomically.
///
/// The content is on disk afterwards. The name is durable after [`sync_directory`].
///
/// # Errors
///
/// The file could not be written. A file that was at `path` is unchanged.
pub fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let temporary = PathBuf::from(temporary);
    let written = write_new(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // An incomplete file would only take up disk space.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // The rest of an interrupted write is removed; `create_new` then refuses a link.
    remove(path)?;
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(FILE_MODE)
        .open(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

/// Removes a file, if it exists.
///
/// # Errors
///
/// The file exists and could not be removed.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Makes the names in a directory durable.
///
/// # Errors
///
/// The directory could not be synced.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
