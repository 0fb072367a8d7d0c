//! Files beside plugins: proofs, trust rules, and the keys that sign.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use edge_cache_distribution::{PROOF_BYTES_MAX, Proof, SigningKey, TrustPolicy};

use crate::trusted_file;

#[cfg(test)]
mod tests;

/// The ending of the proof of a file.
const PROOF: &str = ".proof";
/// The ending of the public key of a private one.
const PUBLIC: &str = ".pub";
/// The ending of a file that is not complete.
const PARTIAL: &str = ".partial";
/// Read and written by its owner alone.
pub(crate) const SECRET_MODE: u32 = 0o600;
const PUBLIC_MODE: u32 = 0o644;

/// Returns the path of the proof of a plugin file.
pub(crate) fn proof_file(plugin: &Path) -> PathBuf {
    with_ending(plugin, PROOF)
}

/// Returns the path of the public key of a private one.
pub(crate) fn public_file(key: &Path) -> PathBuf {
    with_ending(key, PUBLIC)
}

/// Reads the proof beside a plugin file, if there is one.
pub(crate) fn read_proof(plugin: &Path) -> Result<Option<Proof>> {
    let path = proof_file(plugin);
    let read = || {
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        ensure!(file.metadata()?.is_file(), "not a regular file");
        let mut json = Vec::new();
        // One byte more tells a proof that is too large from one that just fits.
        let limit = u64::try_from(PROOF_BYTES_MAX).unwrap_or(u64::MAX);
        file.take(limit.saturating_add(1)).read_to_end(&mut json)?;
        Ok(Some(Proof::from_json(&json)?))
    };
    read().with_context(|| format!("cannot use the proof {}", path.display()))
}

/// Writes a plugin file. It is replaced as a whole, or stays as it was.
pub(crate) fn write_plugin(path: &Path, content: &[u8]) -> Result<()> {
    replace(path, PUBLIC_MODE, content)
        .with_context(|| format!("cannot write the plugin {}", path.display()))
}

/// Writes the proof beside a plugin file. It is replaced as a whole, or stays as it was.
pub(crate) fn write_proof(plugin: &Path, proof: &Proof) -> Result<()> {
    let path = proof_file(plugin);
    replace(&path, PUBLIC_MODE, proof.to_json().as_bytes())
        .with_context(|| format!("cannot write the proof {}", path.display()))
}

/// Reads the rules that decide which plugins may run. They are no secret: others may read the file, and not write it.
pub(crate) fn read_trust(path: &Path) -> Result<TrustPolicy> {
    let read = || {
        let bytes = trusted_file::read_authority(path)?;
        let text = std::str::from_utf8(&bytes).context("it is not UTF-8")?;
        Ok::<_, anyhow::Error>(TrustPolicy::parse(text)?)
    };
    read().with_context(|| format!("cannot use the trust rules {}", path.display()))
}

/// Reads a private key. Others must not read the file.
pub(crate) fn read_key(path: &Path) -> Result<SigningKey> {
    let read = || {
        let bytes = trusted_file::read_secret(path)?;
        // The cause would show bytes of the file.
        let text = std::str::from_utf8(&bytes).ok().context("it is not text")?;
        Ok::<_, anyhow::Error>(SigningKey::from_pem(text)?)
    };
    read().with_context(|| format!("cannot use the key {}", path.display()))
}

/// Writes a private key and its public one to files that do not exist yet.
pub(crate) fn write_key(path: &Path, key: &SigningKey) -> Result<()> {
    let public = public_file(path);
    let write = |path: &Path, mode, content: &str| {
        write_new(path, mode, content.as_bytes())
            .with_context(|| format!("cannot write {}", path.display()))
    };
    write(path, SECRET_MODE, &key.to_pem())?;
    write(&public, PUBLIC_MODE, &key.public_pem()).inspect_err(|_| {
        // A key without its public one is of no use; it is the one that was just made.
        let _ = fs::remove_file(path);
    })
}

/// Writes a file. It is replaced as a whole, or stays as it was.
pub(crate) fn replace(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    // As root, a rename could put a file in the place of `/dev/null`.
    if fs::metadata(path).is_ok_and(|there| !there.is_file()) {
        return Err(io::Error::other("not a regular file"));
    }
    let partial = with_ending(path, PARTIAL);
    // What a writer that was killed left behind.
    if partial.exists() {
        fs::remove_file(&partial)?;
    }
    let written = write_new(&partial, mode, content);
    written
        .and_then(|()| fs::rename(&partial, path))
        .inspect_err(|_| {
            // Part of a file is of no use.
            let _ = fs::remove_file(&partial);
        })?;
    sync_name(path)
}

fn write_new(path: &Path, mode: u32, content: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(mode)
        .open(path)?;
    file.write_all(content)?;
    file.sync_all()?;
    sync_name(path)
}

/// Makes the name of a file durable.
fn sync_name(path: &Path) -> io::Result<()> {
    let directory = path.parent().filter(|parent| *parent != Path::new(""));
    File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut path = path.as_os_str().to_os_string();
    path.push(ending);
    path.into()
}
