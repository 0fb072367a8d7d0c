//! The cases: each a manifest with its signatures, the rules, and what comes of both.

use std::collections::BTreeMap;

use edge_cache_distribution::Interface;

use super::*;

pub(super) const UNSIGNED: &str = "it is not signed: `edge-cache-agent plugin sign --key KEY --identity REGISTRY/REPOSITORY FILE` writes its proof, \
     FILE.proof, which stands beside the file or comes with the upload";
const BUNDLE: &str = "; its sigstore bundle is not read: sign with `cosign sign --key KEY --new-bundle-format=false \
     --use-signing-config=false` or with `edge-cache-agent plugin sign`";
const BY_NONE: &str = "; signature 1 is by none of these keys, or damaged";

impl Table {
    /// Returns a case that a rule for the key `release` lets in: a manifest of its own, of the same component.
    pub(super) fn case(&self, name: &'static str, component: &Bytes) -> Result<Case> {
        let annotations = BTreeMap::from([
            (
                "org.opencontainers.image.version".to_string(),
                "1.2.3".to_string(),
            ),
            ("case".to_string(), name.to_string()),
        ]);
        let plugin = Publication::new(component.clone(), &Interface::default(), annotations)?;
        let signature = self.house.key.sign(plugin.manifest.digest, &self.name)?;
        Ok(Case {
            name,
            given: component.clone(),
            signatures: vec![signature],
            denied: Vec::new(),
            rules: self.rule("any_of = [\"release\"]"),
            from_registry: Ok(1),
            from_file: Ok(1),
            plugin,
        })
    }

    fn rule(&self, more: &str) -> String {
        format!("[[rules]]\nrepository = \"{}\"\n{more}\n", self.name)
    }

    /// Returns the text of a rule whose keys have not signed.
    fn wants(&self, case: &Case, keys: &str, found: &str) -> String {
        let (name, manifest) = (&self.name, case.plugin.manifest.digest);
        format!(
            "rule 1 (`{name}`) wants the manifest {manifest} signed by {keys} with the identity `{name}`{found}"
        )
    }

    pub(super) fn refused(&self, case: &mut Case, found: &str) {
        let text = self.wants(case, "`release`", found);
        (case.from_registry, case.from_file) = (Err(text.clone()), Err(text));
    }

    pub(super) fn cases(&self) -> Result<Vec<Case>> {
        let mut cases = self.of_signatures()?;
        cases.extend(self.of_rules()?);
        Ok(cases)
    }

    fn of_signatures(&self) -> Result<Vec<Case>> {
        let key = &self.house.key;
        let name = &self.name;
        let component = version(1)?.component;
        let mut case = self.case("signed", &component)?;
        case.rules = self.rule(
            "any_of = [\"release\", \"backup\"]\nminimum = \"1.2.3\"\nnot_after = 9000-01-01T00:00:00Z",
        );
        let mut cases = vec![case];

        let mut case = self.case("no rule", &component)?;
        case.rules = case.rules.replace(name, "elsewhere.example/*");
        let text = no_rule(name);
        (case.from_registry, case.from_file) = (Err(text.clone()), Err(text));
        cases.push(case);

        let mut case = self.case("unsigned", &component)?;
        case.signatures.clear();
        self.refused(&mut case, "; it has no signature");
        case.from_file = Err(UNSIGNED.to_string());
        cases.push(case);

        // The registry gets a bundle of this one, see `publish`.
        let mut case = self.case("bundle", &component)?;
        case.signatures.clear();
        self.refused(&mut case, &format!("; it has no signature{BUNDLE}"));
        case.from_file = Err(UNSIGNED.to_string());
        cases.push(case);

        let mut case = self.case("other key", &component)?;
        case.signatures = vec![self.stranger.sign(case.plugin.manifest.digest, name)?];
        self.refused(&mut case, BY_NONE);
        cases.push(case);

        let mut case = self.case("other digest", &component)?;
        let other = Digest::of(b"other");
        case.signatures = vec![key.sign(other, name)?];
        let found = format!("; signature 1 is of another manifest, {other}");
        self.refused(&mut case, &found);
        case.from_file = Err(none_of(&case, &found));
        cases.push(case);

        let mut case = self.case("other identity", &component)?;
        let other = format!("{name}/other");
        case.signatures = vec![key.sign(case.plugin.manifest.digest, &other)?];
        self.refused(
            &mut case,
            &format!("; signature 1 has the identity `{other}`"),
        );
        case.from_file = Err(no_rule(&other));
        cases.push(case);

        let mut case = self.case("mirrored", &component)?;
        let other = "ghcr.io/acme/edge";
        case.signatures = vec![key.sign(case.plugin.manifest.digest, other)?];
        case.rules = self.rule(&format!("any_of = [\"release\"]\nidentity = \"{other}\""));
        case.from_file = Err(no_rule(other));
        cases.push(case);

        // The registry gives another content too, see `publish`.
        let (signed, given) = (version(2)?.component, version(3)?.component);
        let mut case = self.case("swapped layer", &signed)?;
        let (listed, found) = (Digest::of(&signed), Digest::of(&given));
        case.given = given;
        case.from_registry = Err(format!(
            "the registry `{}` sends the plugin with the digest {found}, not {listed}: its copy is damaged: delete it there, then push it again",
            self.house.registry.address
        ));
        case.from_file = Err(format!(
            "the signed manifest lists the component {listed}, and this one is {found}: sign this one"
        ));
        cases.push(case);

        let mut case = self.case("cut signature", &component)?;
        for signature in &mut case.signatures {
            signature.signature.pop();
        }
        self.refused(&mut case, BY_NONE);
        cases.push(case);

        let mut case = self.case("cut text", &component)?;
        for signature in &mut case.signatures {
            signature.payload.truncate(100);
        }
        let found = "; signature 1 has a payload that is not valid (EOF while parsing a string at line 1 column 100)";
        self.refused(&mut case, found);
        case.from_file = Err(none_of(&case, found));
        cases.push(case);

        let mut case = self.case("doubled", &component)?;
        case.signatures
            .push(key.sign(case.plugin.manifest.digest, name)?);
        let signatures = case.signatures.clone();
        cases.push(case);
        let mut case = self.case("doubled", &component)?;
        case.signatures = signatures;
        case.rules = self.rule("all_of = [\"release\", \"backup\"]");
        let found = "; signature 1 is by `release`; signature 2 is by `release`";
        let text = self.wants(&case, "`release` and `backup`", found);
        (case.from_registry, case.from_file) = (Err(text.clone()), Err(text));
        cases.push(case);

        Ok(cases)
    }

    fn of_rules(&self) -> Result<Vec<Case>> {
        let name = &self.name;
        let component = version(1)?.component;
        let mut cases = Vec::new();
        for (label, more, said) in [
            (
                "ended",
                "not_after = 2026-01-01T00:00:00Z",
                "lets nothing in after 2026-01-01T00:00:00Z: renew its `not_after`",
            ),
            (
                "below the minimum",
                "minimum = \"1.2.4\"",
                "wants version 1.2.4 or later in `org.opencontainers.image.version`, and the manifest has `1.2.3`",
            ),
        ] {
            let mut case = self.case(label, &component)?;
            case.rules = self.rule(&format!("any_of = [\"release\"]\n{more}"));
            let text = format!("rule 1 (`{name}`) {said}");
            (case.from_registry, case.from_file) = (Err(text.clone()), Err(text));
            cases.push(case);
        }

        for part in ["manifest", "component"] {
            let mut case = self.case(part, &component)?;
            let digest = match part {
                "manifest" => case.plugin.manifest.digest,
                _ => Digest::of(&component),
            };
            case.denied = vec![digest];
            let text = format!("the {part} {digest} is in `denied` of the trust file");
            (case.from_registry, case.from_file) = (Err(text.clone()), Err(text));
            cases.push(case);
        }

        // Signed by an ECDSA key, and the rule names an Ed25519 one.
        let mut case = self.case("key of another type", &component)?;
        case.rules = self.rule("any_of = [\"backup\"]");
        let text = self.wants(&case, "`backup`", BY_NONE);
        (case.from_registry, case.from_file) = (Err(text.clone()), Err(text));
        cases.push(case);

        // The first rule that matches applies, and no other.
        let all = "[[rules]]\nrepository = \"*\"\nany_of = [\"release\"]\n";
        let mut case = self.case("two rules, strict first", &component)?;
        case.rules = self.rule("any_of = [\"backup\"]") + all;
        let text = self.wants(&case, "`backup`", BY_NONE);
        (case.from_registry, case.from_file) = (Err(text.clone()), Err(text));
        cases.push(case);
        let mut case = self.case("two rules, of another first", &component)?;
        case.rules =
            "[[rules]]\nrepository = \"ghcr.io/*\"\nany_of = [\"backup\"]\n".to_string() + all;
        (case.from_registry, case.from_file) = (Ok(2), Ok(2));
        cases.push(case);
        Ok(cases)
    }
}

fn none_of(case: &Case, found: &str) -> String {
    let manifest = case.plugin.manifest.digest;
    format!("none of its signatures is of its manifest {manifest}{found}")
}

fn no_rule(identity: &str) -> String {
    format!("the trust file has no rule for `{identity}`: add one whose `repository` matches it")
}
