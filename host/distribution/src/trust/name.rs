//! Names of repositories, and patterns of names.

use thiserror::Error;

use crate::reference::{InvalidReference, Reference, SCHEME};

/// The name of a repository, or the beginning of names, followed by `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Pattern(String);

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidPattern {
    /// The text begins with the scheme of references.
    #[error("leave out `{SCHEME}`: a pattern is REGISTRY/REPOSITORY")]
    Scheme,
    /// The text has a tag or a digest.
    #[error("leave out the tag and the digest: a pattern is REGISTRY/REPOSITORY")]
    Version,
    /// A `*` stands before the end, or in the name of the registry.
    #[error(
        "a `*` may stand only at the end, after the slash that ends the registry: `REGISTRY/*`, `REGISTRY/PREFIX*`, or \
         `*` alone"
    )]
    Star,
    /// An identity has a `*`.
    #[error("leave out the `*`: an identity is one REGISTRY/REPOSITORY")]
    NotOne,
    /// The rest is no name of a repository.
    #[error("it is not REGISTRY/REPOSITORY: {0}")]
    Name(InvalidReference),
}

impl Pattern {
    pub(crate) fn parse(text: &str) -> Result<Self, InvalidPattern> {
        let name = text.to_ascii_lowercase();
        if name.starts_with(SCHEME) {
            return Err(InvalidPattern::Scheme);
        }
        let (registry, path) = name.split_once('/').unwrap_or((&name, ""));
        let path_stem = path.strip_suffix('*').unwrap_or(path);
        if name != "*" {
            if registry.contains('*') || path_stem.contains('*') {
                return Err(InvalidPattern::Star);
            }
            if path.contains([':', '@']) {
                return Err(InvalidPattern::Version);
            }
            // The beginning of a name is one that has a name after it.
            let example = format!("{SCHEME}{}:tag", name.replace('*', "x"));
            let parsed = example.parse::<Reference>();
            parsed.map_err(InvalidPattern::Name)?;
        }
        Ok(Self(name))
    }

    /// Returns whether it means a name, which is canonical.
    pub(crate) fn matches(&self, name: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(prefix) => name.starts_with(prefix),
            None => name == self.0,
        }
    }

    /// Returns whether it means every name that another one means.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        let is_exact = !self.0.ends_with('*');
        let other_is_exact = !other.0.ends_with('*');
        (other_is_exact || !is_exact) && self.matches(other.0.trim_end_matches('*'))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// Reads the name of one repository, for a signature.
///
/// # Errors
///
/// Any [`InvalidPattern`].
pub fn parse_identity(text: &str) -> Result<String, InvalidPattern> {
    let Pattern(name) = Pattern::parse(text)?;
    match name.ends_with('*') {
        true => Err(InvalidPattern::NotOne),
        false => Ok(name),
    }
}

/// Returns the name of a repository without tag and digest, in lower case: hosts are compared without case.
pub(crate) fn canonical(reference: &str) -> String {
    let name = reference
        .split_once('@')
        .map_or(reference, |(name, _)| name);
    // A colon before the last slash begins a port.
    let slash = name.rfind('/').unwrap_or(name.len());
    let tag = name.rfind(':').filter(|colon| *colon > slash);
    let name = tag.and_then(|tag| name.get(..tag)).unwrap_or(name);
    name.to_ascii_lowercase()
}

#[cfg(test)]
mod tests;
