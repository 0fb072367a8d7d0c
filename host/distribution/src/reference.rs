//! References to plugins in registries: `oci://REGISTRY/REPOSITORY[:TAG][@sha256:DIGEST]`.
//!
//! Source of the grammar: OCI distribution specification, "Pulling manifests". A reference names its registry: there
//! is no default registry, and no default tag.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::digest::{Digest, InvalidDigest};

/// The scheme of references.
pub(crate) const SCHEME: &str = "oci://";
/// The longest registry and repository together, in bytes: the limit of most registries.
const NAME_BYTES_MAX: usize = 255;
/// The longest tag, in bytes.
const TAG_BYTES_MAX: usize = 128;

/// The name of an artifact in a registry. With a tag and a digest, the digest is asked for, and the tag only says
/// which version it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

/// A text that is no reference.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidReference {
    /// No scheme.
    #[error("a reference begins with `oci://`")]
    Scheme,
    /// No slash between registry and repository.
    #[error("a reference names a registry and a repository: `oci://REGISTRY/REPOSITORY:TAG`")]
    NoRepository,
    /// The registry is no host with an optional port.
    #[error("the registry must be a host, or HOST:PORT")]
    Registry,
    /// The repository has other characters, or is too long.
    #[error(
        "the repository may have lower-case letters, digits, `.`, `_`, `-` and `/`, at most {NAME_BYTES_MAX} bytes with \
         the registry"
    )]
    Repository,
    /// The tag has other characters, or is too long.
    #[error("the tag may have letters, digits, `.`, `_` and `-`, at most {TAG_BYTES_MAX} bytes")]
    Tag,
    /// The digest is invalid.
    #[error(transparent)]
    Digest(#[from] InvalidDigest),
    /// Neither tag nor digest.
    #[error("a reference ends with `:TAG`, with `@sha256:DIGEST`, or with both")]
    NoVersion,
}

impl Reference {
    /// Returns the host of the registry, with a port if there is one.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// Returns the path of the repository in its registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns registry and repository, the name that a signature proves.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// Returns the tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// Returns the digest of the manifest, if the reference pins it.
    #[must_use]
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Pins the digest of the manifest. The tag stays.
    #[must_use]
    pub fn with_digest(mut self, digest: Digest) -> Self {
        self.digest = Some(digest);
        self
    }

    /// Returns whether another reference means the same repository and tag, whatever digests they pin.
    #[must_use]
    pub fn is_version_of(&self, other: &Self) -> bool {
        (&self.registry, &self.repository, &self.tag)
            == (&other.registry, &other.repository, &other.tag)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}

impl FromStr for Reference {
    type Err = InvalidReference;

    fn from_str(text: &str) -> Result<Self, InvalidReference> {
        let text = text.strip_prefix(SCHEME).ok_or(InvalidReference::Scheme)?;
        let (text, digest) = match text.split_once('@') {
            Some((text, digest)) => (text, Some(digest.parse()?)),
            None => (text, None),
        };
        let (registry, path) = text.split_once('/').ok_or(InvalidReference::NoRepository)?;
        // The registry's port is before the slash, so that a colon after it begins the tag.
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if !is_registry(registry) {
            return Err(InvalidReference::Registry);
        }
        let fits = registry.len().saturating_add(repository.len()) < NAME_BYTES_MAX;
        if !fits || !repository.split('/').all(is_component) {
            return Err(InvalidReference::Repository);
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(InvalidReference::Tag);
        }
        if tag.is_none() && digest.is_none() {
            return Err(InvalidReference::NoVersion);
        }
        Ok(Self {
            registry: registry.to_string(),
            repository: repository.to_string(),
            tag: tag.map(str::to_string),
            digest,
        })
    }
}

/// Returns whether a text is a host name, an IPv4 address or a bracketed IPv6 address, with an optional port.
pub(crate) fn is_registry(text: &str) -> bool {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (text, None),
    };
    let is_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let v6 = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'));
    let is_host = match v6 {
        Some(v6) => v6.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b".-".contains(&byte);
            host.bytes().all(fits) && host.starts_with(|c: char| c.is_ascii_alphanumeric())
        }
    };
    is_port && is_host
}

/// Returns whether a text may stand between two slashes of a repository.
pub(crate) fn is_component(text: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends_plain = |byte: Option<u8>| byte.is_some_and(is_plain);
    ends_plain(text.bytes().next())
        && ends_plain(text.bytes().last())
        && text
            .bytes()
            .all(|byte| is_plain(byte) || b"._-".contains(&byte))
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    (1..=TAG_BYTES_MAX).contains(&text.len())
        && text.bytes().next().is_some_and(is_word)
        && text
            .bytes()
            .all(|byte| is_word(byte) || b".-".contains(&byte))
}

#[cfg(test)]
mod tests;
