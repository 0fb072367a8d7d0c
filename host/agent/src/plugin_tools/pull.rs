//! `plugin pull`: writes a plugin from a registry, and its proof, to files.

use std::path::PathBuf;

use anyhow::{Result, anyhow};

use super::artifact;
use crate::cli::PullArgs;
use crate::exit::usage;
use crate::plugin_files::{write_plugin, write_proof};
use edge_cache_distribution::Reference;

/// Pulls a plugin. Returns the reference with its digest, as a line. Nothing is verified but digests.
///
/// # Errors
///
/// The settings are invalid, the registry has no such plugin, or a file cannot be written.
pub async fn pull(args: &PullArgs) -> Result<String> {
    let limits = &args.limits;
    limits.check().map_err(|text| usage(anyhow!(text)))?;
    let reference = &args.reference;
    let artifact = artifact(reference, &args.registry, &limits.limits()).await?;
    let file = args.output.clone().unwrap_or_else(|| file_of(reference));
    write_plugin(&file, &artifact.component)?;
    write_proof(&file, &artifact.proof)?;
    let digest = artifact.proof.manifest.digest;
    Ok(format!("{}\n", reference.clone().with_digest(digest)))
}

/// Returns the file in the current directory that is named like the repository.
fn file_of(reference: &Reference) -> PathBuf {
    let repository = reference.repository();
    let name = repository.rsplit('/').next().unwrap_or(repository);
    PathBuf::from(format!("{name}.wasm"))
}
