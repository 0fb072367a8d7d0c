//! `plugin sign`: signs the manifest of a plugin, in a file or in a registry.

use std::path::Path;

use anyhow::{Context, Result, anyhow, ensure};

use super::publication::publication;
use crate::cli::SignArgs;
use crate::exit::usage;
use crate::plugin_files::{proof_file, read_key, read_proof, write_proof};
use crate::settings::PluginSource;
use edge_cache_distribution::{Digest, Proof, Reference, SIGNATURES_MAX, Signature, SigningKey};
use edge_cache_host::sandbox::CompilerProcess;

/// Signs a plugin. Returns what was signed, as lines.
///
/// # Errors
///
/// The key or the plugin cannot be read, an agent would not load it, or the signature cannot be written.
pub async fn sign(args: &SignArgs, compiler: &CompilerProcess) -> Result<String> {
    let key = read_key(&args.key).map_err(usage)?;
    match &args.source {
        PluginSource::File(path) => sign_file(args, path, &key, compiler).await,
        PluginSource::Registry(reference) => sign_reference(args, reference, &key).await,
    }
}

async fn sign_file(
    args: &SignArgs,
    path: &Path,
    key: &SigningKey,
    compiler: &CompilerProcess,
) -> Result<String> {
    let identity = args.identity.as_deref().ok_or_else(|| {
        usage(anyhow!(
            "a file has no repository: say which one the signature is for, `--identity REGISTRY/REPOSITORY`"
        ))
    })?;
    let publication = publication(path, &args.host, compiler).await?;
    let former = read_proof(path)?;
    let listed = publication.manifest.component.digest;
    // A manifest of the same component may come from a registry, with annotations of its own.
    let (mut proof, other) = match former {
        Some(proof) if proof.manifest.component.digest == listed => (proof, None),
        former => (Proof::new(publication.manifest, Vec::new()), former),
    };
    let manifest = proof.manifest.digest;
    let (state, signature) = signature(key, manifest, identity, &proof.signatures)?;
    proof.signatures.extend(signature);
    ensure!(
        proof.signatures.len() <= SIGNATURES_MAX,
        "{} has {SIGNATURES_MAX} signatures already, the most that are allowed",
        proof_file(path).display()
    );
    write_proof(path, &proof)?;
    let replaced = other.map(|other| {
        format!(
            "replaced   a proof of another component, {}\n",
            other.manifest.component.digest
        )
    });
    Ok(format!(
        "{state}{manifest}\nidentity   {identity}\nproof      {}\n{}",
        proof_file(path).display(),
        replaced.unwrap_or_default()
    ))
}

async fn sign_reference(
    args: &SignArgs,
    reference: &Reference,
    key: &SigningKey,
) -> Result<String> {
    let client = args.registry.client()?;
    let proof = client.proof(reference).await;
    let proof = proof.with_context(|| format!("cannot read {reference}"))?;
    let name = reference.name();
    let identity = args.identity.as_deref().unwrap_or(&name);
    let manifest = proof.manifest.digest;
    let (state, signature) = signature(key, manifest, identity, &proof.signatures)?;
    if let Some(signature) = signature {
        let pushed = client
            .push_signatures(reference, &manifest, &[signature])
            .await;
        pushed.with_context(|| format!("cannot write the signature of {reference}"))?;
    }
    Ok(format!("{state}{manifest}\nidentity   {identity}\n"))
}

/// Signs a manifest, unless the key has signed it with the same identity.
fn signature(
    key: &SigningKey,
    manifest: Digest,
    identity: &str,
    present: &[Signature],
) -> Result<(&'static str, Option<Signature>)> {
    if key.has_signed(manifest, identity, present) {
        return Ok(("unchanged  ", None));
    }
    let signature = key.sign(manifest, identity).context("cannot sign")?;
    Ok(("signed     ", Some(signature)))
}
