//! `plugin push`: writes a plugin file, and the signatures of its proof, to a registry.

use anyhow::{Context, Result, ensure};

use super::publication::publication;
use crate::cli::PushArgs;
use crate::plugin_files::{proof_file, read_proof};
use edge_cache_host::sandbox::CompilerProcess;

/// Pushes a plugin. Returns the reference with its digest, as a line.
///
/// # Errors
///
/// The settings are invalid, no agent would load the file, its proof is of another plugin, or the registry refuses it.
pub async fn push(args: &PushArgs, compiler: &CompilerProcess) -> Result<String> {
    let client = args.registry.client()?;
    let (file, reference) = (&args.file, &args.reference);
    let mut publication = publication(file, &args.host, compiler).await?;
    let mut signatures = Vec::new();
    if let Some(proof) = read_proof(file)? {
        let proof_file = proof_file(file);
        let (own, signed) = (&publication.manifest, proof.manifest);
        ensure!(
            signed.component.digest == own.component.digest,
            "{} is of another plugin: sign {} again, or remove the proof",
            proof_file.display(),
            file.display()
        );
        // The signatures are of this manifest, which may have other annotations.
        ensure!(
            signed.config.digest == own.config.digest,
            "{} has a manifest that another tool made, which refers to more than the plugin: copy it from registry to \
             registry, as `skopeo copy` does, or remove the proof",
            proof_file.display()
        );
        publication.manifest = signed;
        signatures = proof.signatures;
    }
    let push = async {
        // First: an agent that pulls in between must not find the tag without its signatures.
        if !signatures.is_empty() {
            let digest = publication.manifest.digest;
            client
                .push_signatures(reference, &digest, &signatures)
                .await?;
        }
        client.push(reference, &publication).await
    };
    let pushed = push.await;
    let pushed = pushed.with_context(|| format!("cannot push to {reference}"))?;
    Ok(format!("{pushed}\n"))
}
