//! Small files that an operator gives, read within bounds.
//!
//! What lets somebody in must not lie open: a secret that others can read, or a list that others can write, is
//! refused, because nobody would notice otherwise. Nothing here ever shows what is in a file.

use std::fs::{self, File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use thiserror::Error;
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// The largest file: a chain of certificates takes some KiB, a thousand tokens less than this.
pub(super) const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Reading by others, and writing by anybody but the owner.
const EXPOSED_BITS: u32 = 0o026;

/// Why a file can't be used.
#[derive(Debug, Error)]
pub enum FileError {
    /// The system does not give it.
    #[error("the file cannot be read")]
    Read(#[from] io::Error),
    /// A directory, a pipe or a device, which might never end.
    #[error("it must be a regular file")]
    NotAFile,
    /// It is over the limit.
    #[error("it may have {FILE_BYTES_MAX} bytes")]
    TooLong,
    /// Others could read or change it.
    #[error(
        "its mode is {mode:04o}: others must not read it and only its owner may write it; `chmod 600` it"
    )]
    Exposed {
        /// The permissions.
        mode: u32,
    },
    /// It belongs to somebody who could change it.
    #[error(
        "it belongs to the user {owner}: it must belong to the user of this process, or to root"
    )]
    NotOwned {
        /// The owner's number.
        owner: u32,
    },
}

/// A file that anybody may read.
pub(super) fn read_public(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let (file, _) = open(path)?;
    read(file)
}

/// A file that is a secret, or that decides who is let in.
pub(super) fn read_private(path: &Path) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let (file, metadata) = open(path)?;
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

fn open(path: &Path) -> Result<(File, Metadata), FileError> {
    // Asked before the file is opened: to open a pipe is to wait for its other end.
    if !fs::metadata(path)?.is_file() {
        return Err(FileError::NotAFile);
    }
    let file = File::open(path)?;
    // Of what was opened: the path may lead elsewhere by now.
    let metadata = file.metadata()?;
    Ok((file, metadata))
}

fn read(file: File) -> Result<Zeroizing<Vec<u8>>, FileError> {
    let limit = FILE_BYTES_MAX.saturating_add(1);
    // All of it at once: a buffer that grows leaves copies of a secret behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(limit).unwrap_or(0)));
    file.take(limit).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_BYTES_MAX) {
        Ok(bytes)
    } else {
        Err(FileError::TooLong)
    }
}
