//! The trust rules of an agent, read from their file at the start and at each reload.

use std::path::PathBuf;
use std::time::SystemTime;

use anyhow::Result;
use arc_swap::ArcSwap;

use super::Origin;
use super::reload::Reload;
use crate::plugin_files::read_trust;
use edge_cache_distribution::{Admission, Candidate, Digest, Refusal, TrustPolicy};

/// The rules that decide which plugins may run.
#[derive(Debug)]
pub(super) struct TrustRules {
    file: PathBuf,
    policy: ArcSwap<TrustPolicy>,
}

impl TrustRules {
    /// Reads the rules.
    pub(super) fn read(file: PathBuf) -> Result<Self> {
        let policy = ArcSwap::from_pointee(read_trust(&file)?);
        Ok(Self { file, policy })
    }

    /// Reads the rules again. Rules that cannot be read change nothing.
    pub(super) fn reload(&self) -> Result<Reload> {
        let policy = read_trust(&self.file)?;
        if policy == **self.policy.load() {
            return Ok(Reload::Unchanged);
        }
        self.policy.store(policy.into());
        Ok(Reload::Replaced)
    }

    /// Returns the rule that lets a plugin in.
    pub(super) fn check(&self, origin: &Origin) -> Result<Admission, Refusal> {
        let candidate = Candidate {
            repository: origin.repository.as_deref(),
            component: Digest(origin.sha256),
            proof: origin.proof.as_ref(),
            now: SystemTime::now(),
        };
        self.policy.load().check(&candidate)
    }
}
