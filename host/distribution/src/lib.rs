//! Plugins from OCI registries, and the rules that decide which plugin may run.
//!
//! A [`Reference`] names an artifact in a registry; its [`Manifest`] lists the component, and signatures prove the
//! digest of the manifest. Nothing here loads a plugin, and no credential helper is run.
//!
//! ```
//! use edge_cache_distribution::{Digest, InvalidReference, Reference};
//!
//! # fn main() -> Result<(), InvalidReference> {
//! let offered: Reference = "oci://registry.example/team/plugin:1.2.0".parse()?;
//! assert_eq!((offered.registry(), offered.tag()), ("registry.example", Some("1.2.0")));
//!
//! let pinned = offered.clone().with_digest(Digest::of(b"the manifest"));
//! assert!(pinned.is_version_of(&offered));
//! # Ok(())
//! # }
//! ```

mod artifact;
mod digest;
mod manifest;
mod proof;
mod publication;
mod reference;
mod registry;
mod signatures;
mod source;
mod store;
mod trust;

pub use self::artifact::Artifact;
pub use self::digest::{Digest, InvalidDigest};
pub use self::manifest::{
    COMPONENT_TYPE, CONFIG_TYPE, Descriptor, InvalidManifest, MANIFEST_BYTES_MAX, MANIFEST_TYPE,
    Manifest, VERSION_ANNOTATION,
};
pub use self::proof::{
    DamagedSignature, InvalidProof, PAYLOAD_BYTES_MAX, PROOF_BYTES_MAX, Proof, SIGNATURE_BYTES_MAX,
    SIGNATURES_MAX, Signature,
};
pub use self::publication::{Interface, Publication};
pub use self::reference::{InvalidReference, Reference};
pub use self::registry::{
    Credentials, InvalidCredentials, InvalidMirror, Mirror, RegistryClient, RegistryConfig,
    RegistryConfigError, RegistryError,
};
pub use self::signatures::InvalidSignatures;
pub use self::source::{
    Fetched, InvalidPullPolicy, PluginRepository, PullPolicy, Resolve, SourceError, SourceWarning,
};
pub use self::store::{BlobStore, Lookup, StoreError, StoreWarning};
pub use self::trust::{
    Admission, Algorithm, Candidate, Finding, FindingKind, InvalidAlgorithm, InvalidKey,
    InvalidPattern, InvalidTrust, KEYS_MAX, NoRandomBytes, NotSigned, PublicKey, RULES_MAX,
    Refusal, RuleName, SigningKey, TrustPolicy, TrustProblem, parse_identity,
};
