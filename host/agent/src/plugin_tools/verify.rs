//! `plugin verify`: says which trust rule lets a plugin in, or why none does.

use std::fmt::{self, Write as _};
use std::time::SystemTime;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::ToolReport;
use crate::cli::VerifyArgs;
use crate::exit::usage;
use crate::plugin_files::{read_proof, read_trust};
use crate::settings::PluginSource;
use edge_cache_core::text;
use edge_cache_distribution::{Admission, Candidate, Digest, Proof, Refusal};
use edge_cache_host::sandbox::PluginFile;

/// Checks a plugin against trust rules. The report is good if a rule lets it in. Nothing is run or loaded; of a
/// reference, manifest and signatures are read.
///
/// # Errors
///
/// The trust file or the plugin cannot be read.
pub async fn verify(args: &VerifyArgs) -> Result<ToolReport> {
    let policy = read_trust(&args.trust).map_err(usage)?;
    args.limits
        .check()
        .map_err(|text| usage(anyhow::anyhow!(text)))?;
    let (repository, component, proof) = match &args.source {
        PluginSource::File(path) => {
            let file = PluginFile::read(path, &args.limits.limits())?;
            (None, Digest(*file.sha256()), read_proof(path)?)
        }
        PluginSource::Registry(reference) => {
            let proof = args.registry.client()?.proof(reference).await;
            let proof = proof.with_context(|| format!("cannot read {reference}"))?;
            (
                Some(reference.name()),
                proof.manifest.component.digest,
                Some(proof),
            )
        }
    };
    let verified = Verified {
        source: text::clean(&args.source.to_string(), text::ERROR_BYTES_MAX),
        component,
        result: policy.check(&Candidate {
            repository: repository.as_deref(),
            component,
            proof: proof.as_ref(),
            now: SystemTime::now(),
        }),
        proof,
    };
    Ok(ToolReport::new(
        verified.result.is_ok(),
        args.format,
        |out| verified.table(out),
        &verified.object(),
    ))
}

struct Verified {
    source: String,
    component: Digest,
    proof: Option<Proof>,
    result: Result<Admission, Refusal>,
}

impl Verified {
    fn table(&self, out: &mut String) -> fmt::Result {
        writeln!(out, "plugin     {}", self.source)?;
        writeln!(out, "component  {}", self.component)?;
        if let Some(proof) = &self.proof {
            writeln!(out, "manifest   {}", proof.manifest.digest)?;
        }
        match &self.result {
            Ok(admission) => {
                let keys = admission.keys.join(", ");
                writeln!(out, "identity   {}", admission.identity)?;
                writeln!(out, "trusted    by {}, signed by {keys}", admission.rule)
            }
            Err(refusal) => writeln!(out, "REFUSED    {refusal}"),
        }
    }

    fn object(&self) -> Value {
        let admission = self.result.as_ref().ok();
        json!({
            "source": self.source,
            "component": self.component,
            "manifest": self.proof.as_ref().map(|proof| proof.manifest.digest),
            "trusted": admission.is_some(),
            "rule": admission.map(|admission| &admission.rule),
            "keys": admission.map(|admission| &admission.keys),
            "identity": admission.map(|admission| &admission.identity),
            "refusal": self.result.as_ref().err().map(ToString::to_string),
        })
    }
}
