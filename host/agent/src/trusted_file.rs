//! Reading of small files from the operator: keys, tokens and certificates.
//!
//! A secret that other users can read, or a list that they can write, is refused. No error shows the content of a file.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Result, ensure};
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// The largest file: a certificate chain has some KiB, a thousand tokens have less than this.
pub(crate) const FILE_BYTES_MAX: u64 = 256 * 1024;
/// Write by anybody but the owner.
const WRITE_BITS: u32 = 0o022;
/// Read by others, or write by anybody but the owner.
const EXPOSED_BITS: u32 = 0o004 | WRITE_BITS;

/// Reads a file without secrets.
pub(crate) fn read_public(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    read(open(path)?)
}

/// Reads a file with secrets, or one that grants access by them.
pub(crate) fn read_secret(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    read_owned(
        path,
        EXPOSED_BITS,
        "others must not read the file and only its owner may write it; use `chmod 600`",
    )
}

/// Reads a file that grants access and holds no secret.
pub(crate) fn read_authority(path: &Path) -> Result<Zeroizing<Vec<u8>>> {
    read_owned(
        path,
        WRITE_BITS,
        "only the owner of the file may write it; use `chmod go-w`",
    )
}

fn read_owned(path: &Path, refused: u32, remedy: &str) -> Result<Zeroizing<Vec<u8>>> {
    let file = open(path)?;
    // Metadata of the open file: the path may name another file by now.
    let metadata = file.metadata()?;
    let mode = metadata.mode() & 0o7777;
    ensure!(mode & refused == 0, "file mode {mode:04o}: {remedy}");
    let owner = metadata.uid();
    ensure!(
        owner == 0 || owner == rustix::process::geteuid().as_raw(),
        "owned by user {owner}: the file must belong to the user of this process or to root"
    );
    read(file)
}

fn open(path: &Path) -> Result<File> {
    // Checked before the file is opened: opening a pipe waits for its other end.
    ensure!(fs::metadata(path)?.is_file(), "not a regular file");
    Ok(File::open(path)?)
}

fn read(file: File) -> Result<Zeroizing<Vec<u8>>> {
    let limit = FILE_BYTES_MAX.saturating_add(1);
    // Allocated at once: a buffer that grows leaves copies of a secret in memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(limit).unwrap_or(0)));
    file.take(limit).read_to_end(&mut bytes)?;
    let fits = u64::try_from(bytes.len()).is_ok_and(|length| length <= FILE_BYTES_MAX);
    ensure!(fits, "larger than {FILE_BYTES_MAX} bytes");
    Ok(bytes)
}
