//! Reading of small files from the operator: keys, tokens and certificates.
//!
//! A secret that other users can read, or a list that they can write, is refused. No error shows the content of a file.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use thiserror::Error;
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// The largest file: a certificate chain has some KiB, a thousand tokens have less than this.
pub(crate) const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Read by others, or write by anybody but the owner.
const EXPOSED_BITS: u32 = 0o026;

/// A file that cannot be used.
#[derive(Debug, Error)]
pub(crate) enum FileError {
    /// The file cannot be read.
    #[error(transparent)]
    Read(#[from] io::Error),
    /// A directory, a pipe or a device, whose content may never end.
    #[error("not a regular file")]
    NotAFile,
    /// The file exceeds the size limit.
    #[error("larger than {FILE_BYTES_MAX} bytes")]
    TooLong,
    /// Other users can read or change the file.
    #[error(
        "file mode {mode:04o}: others must not read the file and only its owner may write it; use `chmod 600`"
    )]
    Exposed {
        /// The mode bits.
        mode: u32,
    },
    /// The file belongs to another user, who can change it.
    #[error("owned by user {owner}: the file must belong to the user of this process or to root")]
    NotOwned {
        /// The owner's user id.
        owner: u32,
    },
}

/// Reads a file without secrets.
pub(crate) fn read_public(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    read(open(path)?)
}

/// Reads a file with secrets, or one that grants access.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let file = open(path)?;
    // Metadata of the open file: the path may name another file by now.
    let metadata = file.metadata()?;
    let mode = metadata.mode() & 0o7777;
    if mode & EXPOSED_BITS != 0 {
        return Err(FileError::Exposed { mode });
    }
    let owner = metadata.uid();
    if owner != 0 && owner != rustix::process::geteuid().as_raw() {
        return Err(FileError::NotOwned { owner });
    }
    read(file)
}

fn open(path: &Path) -> Result<File, FileError> {
    // Checked before the file is opened: opening a pipe waits for its other end.
    if !fs::metadata(path)?.is_file() {
        return Err(FileError::NotAFile);
    }
    Ok(File::open(path)?)
}

fn read(file: File) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let limit = FILE_BYTES_MAX.saturating_add(1);
    // Allocated at once: a buffer that grows leaves copies of a secret in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(limit).unwrap_or(0)));
    file.take(limit).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_BYTES_MAX) {
        Ok(bytes)
    } else {
        Err(FileError::TooLong)
    }
}
