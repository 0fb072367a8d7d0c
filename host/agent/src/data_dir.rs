//! `data-dir`: makes a data directory for an agent of another user.
//!
//! An init container of a pod uses it: a directory that Kubernetes makes on a node belongs to root.

use std::fs::{DirBuilder, Permissions, set_permissions};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;

use edge_cache_host::sandbox::trusted_file::DIRECTORY_MODE;

/// The permissions among the bits of a mode.
const PERMISSIONS: u32 = 0o7777;

/// Arguments of `data-dir`.
#[derive(Debug, Clone, Args)]
pub struct DataDirArgs {
    /// The directory; it is created where it is missing
    #[arg(value_name = "DIR")]
    pub directory: PathBuf,
    /// User and group of the agent, as numbers
    #[arg(long, value_name = "UID:GID", value_parser = parse_owner)]
    pub owner: Owner,
}

/// A user and a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    user: u32,
    group: u32,
}

/// Makes a directory that only its owner may use, and gives it to the owner. What is in it stays as it is.
///
/// # Errors
///
/// The directory cannot be made, or given away: only root may do that.
pub fn make(args: &DataDirArgs) -> Result<()> {
    let (directory, Owner { user, group }) = (&args.directory, args.owner);
    make_for(directory, args.owner).with_context(|| {
        format!(
            "cannot make the directory {} of {user}:{group}",
            directory.display()
        )
    })
}

fn make_for(directory: &Path, Owner { user, group }: Owner) -> Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(DIRECTORY_MODE)
        .create(directory)?;
    let found = directory.symlink_metadata()?;
    ensure!(found.is_dir(), "it is a link, or no directory");
    // While this process owns it, no further privilege is needed.
    if found.mode() & PERMISSIONS != DIRECTORY_MODE {
        set_permissions(directory, Permissions::from_mode(DIRECTORY_MODE))?;
    }
    if (found.uid(), found.gid()) != (user, group) {
        chown(directory, Some(user), Some(group))?;
    }
    Ok(())
}

fn parse_owner(text: &str) -> Result<Owner, String> {
    let owner = text.split_once(':').and_then(|(user, group)| {
        Some(Owner {
            user: user.parse().ok()?,
            group: group.parse().ok()?,
        })
    });
    owner.ok_or_else(|| {
        "an owner is the numbers of a user and a group, for example 65532:65532".to_string()
    })
}

#[cfg(test)]
mod tests;
