//! Errors of registries. Each names cause and remedy; none holds a secret, or a URL with its query.

use std::time::Duration;

use thiserror::Error;

use super::config::{REDIRECTS_MAX, TRIES_MAX};
use crate::digest::Digest;
use crate::manifest::{InvalidManifest, MANIFEST_BYTES_MAX};
use crate::signatures::InvalidSignatures;

/// A failed request to a registry. Texts of the registry are cut and cleaned.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum RegistryError {
    /// There is no connection, or it broke before a response.
    #[error("cannot reach the registry `{registry}`: {reason}: check its address and the network")]
    Unreachable {
        /// The registry.
        registry: String,
        /// The cause.
        reason: String,
    },
    /// The certificate is signed by none of the trusted roots, or is not valid for the host.
    #[error(
        "the certificate of the registry `{registry}` is not trusted ({reason}): set `plugin.registry_ca_file` to the \
         certificate of its issuer"
    )]
    Certificate {
        /// The registry.
        registry: String,
        /// The cause.
        reason: String,
    },
    /// The peer speaks no TLS.
    #[error(
        "the registry `{registry}` does not speak TLS: give it a certificate; `plugin.registry_plain_http` allows plain \
         HTTP for registries on loopback only"
    )]
    NoTls {
        /// The registry.
        registry: String,
    },
    /// Nothing came for too long.
    #[error(
        "the registry `{registry}` sent nothing for {within:?}: try again, or ask another one by `plugin.registry_mirror`"
    )]
    Silent {
        /// The registry.
        registry: String,
        /// The time.
        within: Duration,
    },
    /// A pull or push was not complete in time.
    #[error(
        "the registry `{registry}` was not done within {within:?}: try again, or ask another one by \
         `plugin.registry_mirror`"
    )]
    Slow {
        /// The registry.
        registry: String,
        /// The time.
        within: Duration,
    },
    /// The repository needs an account.
    #[error(
        "the registry `{registry}` asks for a user name and password: add the registry to \
         `plugin.registry_credentials_file`"
    )]
    NoCredentials {
        /// The registry.
        registry: String,
    },
    /// The account is wrong.
    #[error(
        "the registry `{registry}` refuses the user name and password: check its entry in \
         `plugin.registry_credentials_file`"
    )]
    WrongCredentials {
        /// The registry.
        registry: String,
    },
    /// The account may not do this.
    #[error(
        "the registry `{registry}` forbids access to `{repository}`{reason}: check what its account may do"
    )]
    Forbidden {
        /// The registry.
        registry: String,
        /// The repository.
        repository: String,
        /// The registry's text, after a colon and a blank.
        reason: String,
    },
    /// The registry asks for an authentication that is not supported, or that is not safe.
    #[error("cannot authenticate at the registry `{registry}`: {reason}")]
    Authentication {
        /// The registry.
        registry: String,
        /// The cause.
        reason: String,
    },
    /// There is no such manifest or blob.
    #[error("the registry `{registry}` has no {what}: check its name, and whether it was pushed")]
    NotFound {
        /// The registry.
        registry: String,
        /// The name of the content.
        what: String,
    },
    /// The registry refuses more requests for now.
    #[error(
        "the registry `{registry}` still has too many requests after {TRIES_MAX} tries: try again later"
    )]
    Busy {
        /// The registry.
        registry: String,
    },
    /// The registry failed, each time.
    #[error(
        "the registry `{registry}` failed with status {status} at each of {TRIES_MAX} tries{reason}: try again later"
    )]
    Failed {
        /// The registry.
        registry: String,
        /// The last status.
        status: u16,
        /// The registry's text, after a colon and a blank.
        reason: String,
    },
    /// The registry refused a request.
    #[error("the registry `{registry}` refused {what} with status {status}{reason}")]
    Refused {
        /// The registry.
        registry: String,
        /// The request.
        what: String,
        /// The status.
        status: u16,
        /// The registry's text, after a colon and a blank.
        reason: String,
    },
    /// The response is none of the distribution specification.
    #[error("the registry `{registry}` does not keep to the protocol: {reason}")]
    Protocol {
        /// The registry.
        registry: String,
        /// The difference.
        reason: String,
    },
    /// A redirect leads to a place that is not asked.
    #[error("the registry `{registry}` redirects to `{place}`, and only `https` is followed")]
    Redirect {
        /// The registry.
        registry: String,
        /// Scheme and host of the place.
        place: String,
    },
    /// Too many redirects.
    #[error("the registry `{registry}` redirects more than {REDIRECTS_MAX} times")]
    Redirects {
        /// The registry.
        registry: String,
    },
    /// The manifest is larger than the limit.
    #[error("the registry `{registry}` sends a manifest of more than {MANIFEST_BYTES_MAX} bytes")]
    ManifestTooLarge {
        /// The registry.
        registry: String,
    },
    /// The manifest is none of a plugin.
    #[error("{what} is no plugin")]
    Manifest {
        /// The name of the manifest.
        what: String,
        /// The cause.
        #[source]
        source: InvalidManifest,
    },
    /// A content has another digest than it was asked for by.
    #[error(
        "the registry `{registry}` sends {what} with the digest {found}, not {expected}: its copy is damaged: delete it there, then push it again"
    )]
    WrongDigest {
        /// The registry.
        registry: String,
        /// The kind of content.
        what: &'static str,
        /// The digest that was asked for.
        expected: Digest,
        /// The digest of what came.
        found: Digest,
    },
    /// The reference to push to has the digest of another manifest.
    #[error(
        "the reference ends with `@{expected}`, and this plugin's manifest is {found}: push it to a tag"
    )]
    OtherDigest {
        /// The digest in the reference.
        expected: Digest,
        /// The digest of the manifest.
        found: Digest,
    },
    /// The component is larger than the limit.
    #[error("the plugin has {bytes} bytes, and the limit `limits.plugin_bytes` is {max}")]
    ComponentTooLarge {
        /// The size that the manifest names.
        bytes: u64,
        /// The limit.
        max: u64,
    },
    /// A content ended early, or did not end.
    #[error("the registry `{registry}` sends {what} with {found} bytes, not {expected}: try again")]
    WrongSize {
        /// The registry.
        registry: String,
        /// The kind of content.
        what: &'static str,
        /// The size that the manifest names.
        expected: u64,
        /// The number of bytes that came; one more than expected if there were more, and the registry named no number.
        found: u64,
    },
    /// A response broke off.
    #[error("the connection to the registry `{registry}` broke off in {what}: try again")]
    BrokenOff {
        /// The registry.
        registry: String,
        /// The kind of content.
        what: &'static str,
    },
    /// The image of the signatures is damaged.
    #[error(
        "the signatures of `{what}` are damaged ({reason}): remove the tag `{tag}` and sign again"
    )]
    Signatures {
        /// The manifest.
        what: String,
        /// The cause.
        reason: InvalidSignatures,
        /// The tag with the signatures.
        tag: String,
    },
}

impl RegistryError {
    /// Returns whether a content itself is missing or damaged, which another try does not mend.
    pub(crate) fn is_damage(&self) -> bool {
        matches!(
            self,
            Self::NotFound { .. } | Self::WrongDigest { .. } | Self::WrongSize { .. }
        )
    }
}
