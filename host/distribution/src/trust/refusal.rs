//! Refusals: why a plugin is not trusted, and what would be right.

use std::fmt;

use jiff::Timestamp;
use semver::Version;
use thiserror::Error;

use super::rule::RuleName;
use crate::digest::Digest;
use crate::manifest::VERSION_ANNOTATION;
use crate::proof::{DamagedSignature, SIGNATURES_MAX};

/// The most findings that a refusal names.
const FINDINGS_MAX: usize = 8;

/// A plugin that the rules do not let in.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Refusal {
    /// The trust file denies the component or its manifest.
    #[error("the {part} {digest} is in `denied` of the trust file")]
    Denied {
        /// The kind of the content.
        part: &'static str,
        /// The digest of the content.
        digest: Digest,
    },
    /// A file or an upload has no proof.
    #[error(
        "it is not signed: `edge-cache-agent plugin sign --key KEY --identity REGISTRY/REPOSITORY FILE` writes its proof, \
         FILE.proof, which stands beside the file or comes with the upload"
    )]
    NoProof,
    /// The proof is of another component.
    #[error(
        "the signed manifest lists the component {listed}, and this one is {given}: sign this one"
    )]
    OtherComponent {
        /// The digest in the manifest.
        listed: Digest,
        /// The digest of the component.
        given: Digest,
    },
    /// The manifest has more signatures than are looked at.
    #[error(
        "its manifest has {count} signatures: at most {SIGNATURES_MAX} are allowed, remove those that are not needed"
    )]
    Signatures {
        /// The number of signatures.
        count: usize,
    },
    /// No rule is for the repository.
    #[error("the trust file has no rule for `{repository}`: add one whose `repository` matches it")]
    NoRule {
        /// The repository, of which a file or an upload has only the one in its signature.
        repository: String,
    },
    /// No signature of a file or an upload tells its repository.
    #[error("none of its signatures is of its manifest {manifest}{}", list(.findings))]
    NoIdentity {
        /// The digest of the manifest.
        manifest: Digest,
        /// The findings about the signatures.
        findings: Vec<Finding>,
    },
    /// The rule has ended.
    #[error("{rule} lets nothing in after {not_after}: renew its `not_after`")]
    Ended {
        /// The rule.
        rule: RuleName,
        /// The end of the rule.
        not_after: Timestamp,
    },
    /// The signatures are not those that the rule wants.
    #[error(transparent)]
    NotSigned(Box<NotSigned>),
    /// The manifest has a lower version than the rule wants.
    #[error("{rule} wants version {minimum} or later in `{VERSION_ANNOTATION}`, and {}", version(.found.as_deref()))]
    Version {
        /// The rule.
        rule: RuleName,
        /// The least version.
        minimum: Version,
        /// The annotation, shortened.
        found: Option<String>,
    },
}

/// A manifest that is not signed as its rule wants.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error(
    "{rule} wants the manifest {manifest} signed by {wanted} with the identity `{identity}`{}{}",
    signatures(.findings, .damaged),
    bundle(*.has_bundle)
)]
pub struct NotSigned {
    /// The rule.
    pub rule: RuleName,
    /// The digest of the manifest.
    pub manifest: Digest,
    /// The keys that must have signed.
    pub wanted: String,
    /// The identity that the signatures must hold, or its pattern.
    pub identity: String,
    /// The findings about the signatures.
    pub findings: Vec<Finding>,
    /// The signatures in the registry that cannot be read.
    pub damaged: Vec<DamagedSignature>,
    /// True if the registry has a sigstore bundle instead.
    pub has_bundle: bool,
}

/// The result of looking at a signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The place of the signature, from 1.
    pub number: usize,
    /// The finding about it.
    pub kind: FindingKind,
}

/// Kinds of signatures.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum FindingKind {
    /// The signed text makes no claim.
    #[error("has a payload that is not valid ({0})")]
    Payload(String),
    /// A claim about another manifest.
    #[error("is of another manifest, {0}")]
    OtherManifest(Digest),
    /// A claim about another repository.
    #[error("has the identity `{0}`")]
    OtherIdentity(String),
    /// A signature by none of the rule's keys.
    #[error("is by none of these keys, or damaged")]
    OtherKey,
    /// A signature by a key of the rule.
    #[error("is by `{name}`")]
    Key {
        /// The name of the key.
        name: String,
        /// The identity in the signature.
        identity: String,
    },
}

impl Finding {
    /// Returns the name of the rule's key that made the signature, and the identity in it.
    pub(crate) fn key(&self) -> Option<(&str, &str)> {
        match &self.kind {
            FindingKind::Key { name, identity } => Some((name, identity)),
            _ => None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "signature {} {}", self.number, self.kind)
    }
}

fn list(findings: &[Finding]) -> String {
    if findings.is_empty() {
        return "; it has no signature".to_string();
    }
    first(findings)
}

fn signatures(findings: &[Finding], damaged: &[DamagedSignature]) -> String {
    if findings.is_empty() && !damaged.is_empty() {
        return first(damaged);
    }
    list(findings) + &first(damaged)
}

/// Returns the first few in words.
fn first(things: &[impl fmt::Display]) -> String {
    let shown = things.iter().take(FINDINGS_MAX);
    let mut text: String = shown.map(|thing| format!("; {thing}")).collect();
    let more = things.len().saturating_sub(FINDINGS_MAX);
    if more > 0 {
        text.push_str(&format!("; and {more} more"));
    }
    text
}

fn bundle(has_bundle: bool) -> &'static str {
    match has_bundle {
        true => {
            "; its sigstore bundle is not read: sign with `cosign sign --key KEY --new-bundle-format=false \
             --use-signing-config=false` or with `edge-cache-agent plugin sign`"
        }
        false => "",
    }
}

fn version(found: Option<&str>) -> String {
    match found {
        Some(found) if Version::parse(found).is_ok() => format!("the manifest has `{found}`"),
        Some(found) => format!("the manifest has `{found}`, which is no semantic version"),
        None => "the manifest has none".to_string(),
    }
}
