//! The declared and the running plugin, each with its origin.

use edge_cache_distribution::{Admission, Digest, Proof};

/// The source of the plugin inside the binary.
const EMBEDDED: &str = "embedded";
/// The source of plugins that came over HTTP.
pub(super) const UPLOADED: &str = "uploaded";

/// The origin of a plugin, and what proves it.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The path of its file, its reference with digest, `embedded` or `uploaded`.
    pub source: String,
    /// Registry and repository, if it came from one.
    pub repository: Option<String>,
    /// The digest of its file.
    pub sha256: [u8; 32],
    /// The manifest and its signatures, if it came with them.
    pub proof: Option<Proof>,
    /// The time of the pull, in seconds since 1970.
    pub pulled_at: Option<u64>,
    /// The rule that let it in. None without rules, and for the plugin inside the binary.
    pub admission: Option<Admission>,
    /// True for the plugin inside the binary, which is trusted by being there. A file may have any name.
    pub(super) is_embedded: bool,
}

impl Origin {
    /// Creates the origin of the plugin inside the binary.
    pub(super) fn embedded(sha256: [u8; 32]) -> Self {
        Self {
            is_embedded: true,
            ..Self::of_file(EMBEDDED.to_string(), sha256, None)
        }
    }

    /// Creates the origin of an upload.
    pub(super) fn uploaded(sha256: [u8; 32], proof: Option<Proof>) -> Self {
        Self::of_file(UPLOADED.to_string(), sha256, proof)
    }

    /// Creates the origin of a file.
    pub(super) fn of_file(source: String, sha256: [u8; 32], proof: Option<Proof>) -> Self {
        Self {
            source,
            repository: None,
            sha256,
            proof,
            pulled_at: None,
            admission: None,
            is_embedded: false,
        }
    }

    /// Returns the digest of its manifest, if it came with one.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        Some(self.proof.as_ref()?.manifest.digest)
    }
}

/// A plugin that has been loaded.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The origin of its file.
    pub origin: Origin,
    /// The digest of its file and its settings, as agents compare it.
    pub policy: String,
}

/// The plugins of an agent.
#[derive(Debug, Clone)]
pub struct Plugins {
    /// The plugin that the next start runs, as it was last read.
    pub declared: Loaded,
    /// The plugin that runs.
    pub running: Loaded,
    /// The reason why the trust rules, read again since, would refuse the running plugin.
    pub refusal: Option<String>,
}

impl Plugins {
    /// Returns whether the declared plugin runs, with its declared settings.
    #[must_use]
    pub fn is_declared(&self) -> bool {
        self.declared.policy == self.running.policy
    }
}
