//! A disk that can be filled, and one that can't be written: a file system in memory, mounted for a test.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use tempfile::TempDir;

/// A mounted file system. It is unmounted when this is dropped.
#[derive(Debug)]
pub struct SmallDisk {
    mount_point: TempDir,
}

impl SmallDisk {
    /// Mounts one of `kib` KiB; none where this machine does not let us, which is printed.
    ///
    /// # Errors
    ///
    /// Any error of making the mount point.
    pub fn mount(kib: u32) -> Result<Option<Self>> {
        let mount_point = tempfile::tempdir()?;
        let options = format!("size={kib}k,mode=0700");
        let mounted = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(mount_point.path())
            .output()
            .is_ok_and(|output| output.status.success());
        if !mounted {
            println!("skipped: mounting a small disk takes root on Linux");
            return Ok(None);
        }
        Ok(Some(Self { mount_point }))
    }

    /// Mount point.
    pub fn path(&self) -> &Path {
        self.mount_point.path()
    }

    /// Makes the disk read-only.
    ///
    /// # Errors
    ///
    /// While a file is open for writing there.
    pub fn make_read_only(&self) -> Result<()> {
        let status = Command::new("mount")
            .args(["-o", "remount,ro"])
            .arg(self.path())
            .status()?;
        ensure!(status.success(), "the disk can't be made read-only");
        Ok(())
    }

    /// Takes up all the space that is left.
    ///
    /// # Errors
    ///
    /// Any error other than a full disk.
    pub fn fill(&self) -> Result<()> {
        let mut file = File::create(self.filler())?;
        // A write that is larger than what is left takes only that; the next takes none.
        loop {
            match file.write_all(&[0; 4096]) {
                Ok(()) => {}
                Err(error) if error.kind() == ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(error).context("the disk can't be filled"),
            }
        }
    }

    /// Frees what [`SmallDisk::fill`] took.
    ///
    /// # Errors
    ///
    /// Where it did not take anything.
    pub fn free(&self) -> Result<()> {
        Ok(fs::remove_file(self.filler())?)
    }

    fn filler(&self) -> std::path::PathBuf {
        self.path().join("filler")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Lazily, so that a test that failed with files open there leaves no mount behind either.
        let _ = Command::new("umount")
            .arg("--lazy")
            .arg(self.path())
            .status();
    }
}
