//! Plugins as a registry or the blob store holds them.

use bytes::Bytes;

use crate::proof::Proof;

/// A plugin with the manifest that lists it. The digests of all contents are verified, no signature is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The content of the plugin.
    pub component: Bytes,
    /// The config, for other tools. Absent if the registry has none, or a large one.
    pub config: Option<Bytes>,
    /// The manifest and its signatures.
    pub proof: Proof,
}
