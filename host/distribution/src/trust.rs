//! Trust rules: which keys must have signed a plugin, by the repository that it comes from.
//!
//! The trust file is TOML:
//!
//! ```toml
//! denied = ["sha256:…"]                       # manifests and components, refused whatever rules say
//!
//! [keys]                                      # PEM, SubjectPublicKeyInfo: ECDSA P-256 or Ed25519
//! release = """
//! -----BEGIN PUBLIC KEY-----
//! …
//! -----END PUBLIC KEY-----
//! """
//!
//! [[rules]]                                   # the first rule whose pattern matches applies, and no other
//! repository = "registry.example/edge/*"      # a name, or its beginning and `*`, which matches slashes too
//! any_of = ["release"]                        # one of these keys must have signed
//! all_of = []                                 # each of these keys must have signed
//! identity = "ghcr.io/acme/edge"              # name or pattern in the signature; default: the repository asked for
//! minimum = "1.2.0"                           # least version in `org.opencontainers.image.version`
//! not_after = 2027-06-01T00:00:00Z            # the rule lets nothing in after it
//! ```
//!
//! A file or an upload comes from no repository: the identity in its signature stands for it, so that a key lets in only
//! what the rules let it sign. Names are compared without case, tag and digest; a port belongs to the name.
//!
//! Signatures prove the digest of the manifest, and the manifest the digest of the component. A registry can still answer
//! with an older manifest that was signed: a pinned digest, `minimum` and `denied` guard that.

mod file;
mod key;
mod name;
mod payload;
mod pem;
mod refusal;
mod rule;
mod signing;

use std::collections::BTreeSet;
use std::time::SystemTime;

use jiff::Timestamp;
use semver::Version;

use self::file::TrustFile;
use self::name::{Pattern, canonical};
use self::payload::Payload;
use self::rule::Rule;
use crate::digest::Digest;
use crate::proof::{Proof, SIGNATURES_MAX, Signature};
use edge_cache_core::text;

pub use self::file::{InvalidTrust, KEYS_MAX, RULES_MAX, TrustProblem};
pub use self::key::{Algorithm, InvalidAlgorithm, InvalidKey, PublicKey};
pub use self::name::{InvalidPattern, parse_identity};
pub use self::refusal::{Finding, FindingKind, NotSigned, Refusal};
pub use self::rule::RuleName;
pub use self::signing::{NoRandomBytes, SigningKey};

/// The longest excerpt of a signature or manifest in a refusal, in bytes.
const EXCERPT_BYTES_MAX: usize = 128;

/// The rules of a trust file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustPolicy {
    denied: Vec<Digest>,
    rules: Vec<Rule>,
}

/// A plugin that wants to run.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The registry and repository that were asked for; none for a file or an upload.
    pub repository: Option<&'a str>,
    /// The digest of the component's bytes.
    pub component: Digest,
    /// The manifest and its signatures, if there are any.
    pub proof: Option<&'a Proof>,
    /// The time.
    pub now: SystemTime,
}

/// The grounds on which a plugin is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The rule that applies: its place in the file, from 1, and its pattern.
    pub rule: String,
    /// The names of the rule's keys that signed, in the order of the rule.
    pub keys: Vec<String>,
    /// The identity in the signature of the first of these keys.
    pub identity: String,
    /// The time after which the rule lets nothing in.
    pub not_after: Option<SystemTime>,
}

/// The identity in a signature of the manifest, or what else the signature is.
type Claim = Result<String, FindingKind>;

/// The signatures of a manifest, read and not verified.
struct Claims<'a> {
    proof: &'a Proof,
    /// The claims, in the order of the signatures.
    identities: Vec<Claim>,
}

impl TrustPolicy {
    /// Reads a trust file.
    ///
    /// # Errors
    ///
    /// An [`InvalidTrust`], which names the line and the remedy.
    pub fn parse(text: &str) -> Result<Self, InvalidTrust> {
        let TrustFile { denied, rules } = TrustFile::parse(text)?;
        Ok(Self { denied, rules })
    }

    /// Decides whether a plugin may run.
    ///
    /// # Errors
    ///
    /// A [`Refusal`], which names the rule and what would be right.
    pub fn check(&self, candidate: &Candidate<'_>) -> Result<Admission, Refusal> {
        self.check_denied("component", candidate.component)?;
        let Some(proof) = candidate.proof else {
            return Err(Refusal::NoProof);
        };
        self.check_denied("manifest", proof.manifest.digest)?;
        let listed = proof.manifest.component.digest;
        let given = candidate.component;
        if listed != given {
            return Err(Refusal::OtherComponent { listed, given });
        }
        let count = proof.signatures.len();
        if count > SIGNATURES_MAX {
            return Err(Refusal::Signatures { count });
        }
        let claims = Claims::of(proof);
        match candidate.repository {
            Some(repository) => self.check_from(&canonical(repository), &claims, candidate.now),
            None => self.check_anywhere(&claims, candidate.now),
        }
    }

    fn check_denied(&self, part: &'static str, digest: Digest) -> Result<(), Refusal> {
        if self.denied.contains(&digest) {
            return Err(Refusal::Denied { part, digest });
        }
        Ok(())
    }

    /// Checks a plugin of a file or an upload: its signatures say where it comes from.
    fn check_anywhere(&self, claims: &Claims<'_>, now: SystemTime) -> Result<Admission, Refusal> {
        if claims.identities.is_empty() {
            return Err(Refusal::NoProof);
        }
        let mut refusal = None;
        let identities: BTreeSet<_> = claims.identities.iter().flatten().collect();
        for identity in identities {
            match self.check_from(identity, &claims.only(identity), now) {
                Ok(admission) => return Ok(admission),
                // A rule that applies says more than none.
                Err(other) => {
                    let is_rule = |refusal: &Refusal| !matches!(refusal, Refusal::NoRule { .. });
                    if !refusal.as_ref().is_some_and(is_rule) {
                        refusal = Some(other);
                    }
                }
            }
        }
        Err(refusal.unwrap_or_else(|| Refusal::NoIdentity {
            manifest: claims.proof.manifest.digest,
            findings: claims.findings(|_, identity| FindingKind::OtherIdentity(excerpt(identity))),
        }))
    }

    fn check_from(
        &self,
        repository: &str,
        claims: &Claims<'_>,
        now: SystemTime,
    ) -> Result<Admission, Refusal> {
        let mut rules = self.rules.iter();
        match rules.find(|rule| rule.pattern.matches(repository)) {
            Some(rule) => claims.check(rule, repository, now),
            None => Err(Refusal::NoRule {
                repository: excerpt(repository),
            }),
        }
    }
}

impl<'a> Claims<'a> {
    fn of(proof: &'a Proof) -> Self {
        let manifest = proof.manifest.digest;
        let claim = |signature: &Signature| match Payload::parse(&signature.payload) {
            Ok(payload) if payload.manifest == manifest => Ok(payload.identity),
            Ok(payload) => Err(FindingKind::OtherManifest(payload.manifest)),
            Err(error) => Err(FindingKind::Payload(error.to_string())),
        };
        Self {
            proof,
            identities: proof.signatures.iter().map(claim).collect(),
        }
    }

    /// Returns the claims of one identity: a signature that nobody has verified may choose the rule for itself, and not for
    /// others.
    fn only(&self, identity: &str) -> Self {
        let only = |claim: &Claim| match claim {
            Ok(other) if other != identity => Err(FindingKind::OtherIdentity(excerpt(other))),
            claim => claim.clone(),
        };
        Self {
            proof: self.proof,
            identities: self.identities.iter().map(only).collect(),
        }
    }

    fn check(&self, rule: &Rule, repository: &str, now: SystemTime) -> Result<Admission, Refusal> {
        if let Some(not_after) = rule.not_after
            && Timestamp::try_from(now).map_or(true, |now| now > not_after)
        {
            let rule = rule.name.clone();
            return Err(Refusal::Ended { rule, not_after });
        }
        let findings = self.findings(|signature, identity| {
            if !rule.has_right_identity(identity, repository) {
                return FindingKind::OtherIdentity(excerpt(identity));
            }
            match rule.keys().find(|key| key.key.verifies(signature)) {
                Some(key) => FindingKind::Key {
                    name: key.name.clone(),
                    identity: identity.to_string(),
                },
                None => FindingKind::OtherKey,
            }
        });
        let (keys, identities): (Vec<_>, Vec<_>) = findings.iter().filter_map(Finding::key).unzip();
        let (true, Some(identity)) = (rule.is_met_by(&keys), identities.first()) else {
            let identity = rule.identity.as_ref().map_or(repository, Pattern::as_str);
            return Err(Refusal::NotSigned(Box::new(NotSigned {
                rule: rule.name.clone(),
                manifest: self.proof.manifest.digest,
                wanted: rule.wanted(),
                identity: excerpt(identity),
                findings,
                damaged: self.proof.damaged.clone(),
                has_bundle: self.proof.has_bundle,
            })));
        };
        self.check_version(rule)?;
        let signed = rule.keys().map(|key| &key.name);
        Ok(Admission {
            rule: rule.name.to_string(),
            keys: signed
                .filter(|name| keys.contains(&name.as_str()))
                .cloned()
                .collect(),
            identity: (*identity).to_string(),
            not_after: rule.not_after.and_then(|end| end.try_into().ok()),
        })
    }

    fn check_version(&self, rule: &Rule) -> Result<(), Refusal> {
        let Some(minimum) = &rule.minimum else {
            return Ok(());
        };
        let found = self.proof.manifest.version();
        let version = found.and_then(|text| Version::parse(text).ok());
        if version.is_some_and(|version| version.cmp_precedence(minimum).is_ge()) {
            return Ok(());
        }
        Err(Refusal::Version {
            rule: rule.name.clone(),
            minimum: minimum.clone(),
            found: found.map(excerpt),
        })
    }

    /// Judges each signature of the manifest with its identity; others are judged by what they claim.
    fn findings(&self, judge: impl Fn(&Signature, &str) -> FindingKind) -> Vec<Finding> {
        let signatures = self.proof.signatures.iter().zip(&self.identities);
        let finding = |(number, (signature, claim)): (usize, (&Signature, &Claim))| Finding {
            number,
            kind: match claim {
                Ok(identity) => judge(signature, identity),
                Err(kind) => kind.clone(),
            },
        };
        (1..).zip(signatures).map(finding).collect()
    }
}

fn excerpt(text: &str) -> String {
    text::clean(text, EXCERPT_BYTES_MAX)
}

#[cfg(test)]
mod tests;
