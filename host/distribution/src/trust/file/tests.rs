use super::{KEYS_MAX, RULES_MAX, TrustFile};
use crate::trust::key::Algorithm;
use crate::trust::signing::SigningKey;

const ECDSA: &str = include_str!("../vectors/ecdsa-p256.pub");
const ED25519: &str = include_str!("../vectors/ed25519.pub");

/// A whole file. Its keys are in lines 2 to 10, its rule begins in line 13.
fn good() -> String {
    format!(
        "denied = [\"sha256:{}\"]\n[keys]\nrelease = \"\"\"\n{ECDSA}\"\"\"\nbackup = '''{ED25519}'''\n[[rules]]\n\
         repository = \"registry.example/edge/*\"\nall_of = [\"release\"]\nany_of = [\"backup\"]\n\
         identity = \"ghcr.io/acme/edge\"\nminimum = \"1.2.0\"\nnot_after = 2027-06-01T00:00:00Z\n",
        "0".repeat(64)
    )
}

#[track_caller]
fn refused(text: &str, error: &str) {
    match TrustFile::parse(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(found) => assert_eq!(found.to_string(), error, "{text}"),
    }
}

#[test]
fn a_whole_file_is_read() {
    let file = TrustFile::parse(&good()).unwrap();
    assert_eq!(file.denied.len(), 1);
    let rule = &file.rules[0];
    assert_eq!(rule.name.to_string(), "rule 1 (`registry.example/edge/*`)");
    assert_eq!(rule.wanted(), "`release` and `backup`");
    assert_eq!(
        rule.identity.as_ref().unwrap().as_str(),
        "ghcr.io/acme/edge"
    );
    assert_eq!(rule.minimum.as_ref().unwrap().to_string(), "1.2.0");
    assert_eq!(rule.not_after.unwrap().to_string(), "2027-06-01T00:00:00Z");
}

#[test]
fn what_is_wrong_is_refused_with_line_field_and_remedy() {
    for (from, to, error) in [
        (
            "denied = [",
            "denied = [[], ",
            "line 1: invalid type: sequence, expected a string",
        ),
        (
            "denied = [\"sha256:0",
            "denied = [\"sha256:",
            "line 1: `denied` holds `sha256:000000000000000000000000000000000000000000000000000000000000000`: a digest is `sha256:` and 64 hexadecimal digits in lower case",
        ),
        (
            "denied",
            "deny",
            "line 1: unknown field `deny`, expected one of `denied`, `keys`, `rules`",
        ),
        ("[keys]", "[keys", "line 2: unclosed table, expected `]`"),
        (
            "all_of",
            "allof",
            "line 15: unknown field `allof`, expected one of `repository`, `all_of`, `any_of`, `identity`, `minimum`, `not_after`",
        ),
        (
            "repository = \"registry.example/edge/*\"\n",
            "",
            "line 13: missing field `repository`",
        ),
        (
            "[\"release\"]",
            "\"release\"",
            "line 15: invalid type: string \"release\", expected a sequence",
        ),
        (
            "[\"release\"]",
            "[\"relaese\"]",
            "line 15: rule 1 names the key `relaese`, which is not in `[keys]` (there: `backup`, `release`)",
        ),
        (
            "[\"release\"]",
            "[\"release\", \"release\"]",
            "line 15: rule 1 names the key `release` twice in one list: a key counts once",
        ),
        (
            "all_of = [\"release\"]\n",
            "",
            "line 3: no rule names the key `release`: put it into `any_of` or `all_of` of a rule, or remove it",
        ),
        (
            "all_of = [\"release\"]\nany_of = [\"backup\"]\n",
            "",
            "line 13: rule 1 names no key: give it `any_of`, `all_of` or both",
        ),
        (
            "all_of = [\"release\"]\nany_of = [\"backup\"]\n",
            "any_of = []\nall_of = []\n",
            "line 13: rule 1 names no key: give it `any_of`, `all_of` or both",
        ),
        (
            "release = \"",
            "\"re lease\" = \"",
            "line 3: the name of the key `re lease` must have 1 to 64 letters, digits, dots, dashes and underscores",
        ),
        (
            "registry.example/edge/*",
            "*.example/edge",
            "line 14: `repository` of rule 1 cannot be `*.example/edge`: a `*` may stand only at the end, after the slash that ends the registry: `REGISTRY/*`, `REGISTRY/PREFIX*`, or `*` alone",
        ),
        (
            "ghcr.io/acme/edge",
            "ghcr.io/acme/edge:1",
            "line 17: `identity` of rule 1 cannot be `ghcr.io/acme/edge:1`: leave out the tag and the digest: a pattern is REGISTRY/REPOSITORY",
        ),
        (
            "\"1.2.0\"",
            "\"1.2\"",
            "line 18: `minimum` of rule 1 cannot be `1.2`: it must be a semantic version, for example \"1.2.0\"",
        ),
        (
            "\"1.2.0\"",
            "1.2",
            "line 18: invalid type: floating point `1.2`, expected a string",
        ),
        (
            "00Z",
            "00",
            "line 19: `not_after` of rule 1 cannot be 2027-06-01T00:00:00: it must be a time with its offset, for example 2027-06-01T00:00:00Z",
        ),
        (
            "T00:00:00Z",
            "",
            "line 19: `not_after` of rule 1 cannot be 2027-06-01: it must be a time with its offset, for example 2027-06-01T00:00:00Z",
        ),
        (
            "2027-06-01T00:00:00Z",
            "\"tomorrow\"",
            "line 19: invalid type: string \"tomorrow\", expected a TOML datetime",
        ),
    ] {
        let text = good().replacen(from, to, 1);
        assert_ne!(text, good(), "{from}");
        refused(&text, error);
    }
}

#[test]
fn a_key_of_another_kind_is_refused_by_name() {
    let private = SigningKey::generate(Algorithm::EcdsaP256).unwrap().to_pem();
    for (pem, reason) in [
        (
            include_str!("../vectors/refused-ecp384.pub"),
            "it is an ECDSA P-384 key, and must be ECDSA P-256 or Ed25519: `edge-cache-agent plugin keygen` makes one",
        ),
        (
            include_str!("../vectors/refused-rsa2048.pub"),
            "it is an RSA key, and must be ECDSA P-256 or Ed25519: `edge-cache-agent plugin keygen` makes one",
        ),
        (
            include_str!("../vectors/refused-certificate.pem"),
            "it is a certificate, and a public key is wanted: `openssl x509 -in FILE -noout -pubkey` prints the one in it",
        ),
        (
            &private,
            "it is a private key, and the public one is wanted: `edge-cache-agent plugin keygen FILE` wrote it to FILE.pub, and `openssl pkey -in FILE -pubout` prints it",
        ),
        (
            "release.pub",
            "it must be one key in PEM, from `-----BEGIN PUBLIC KEY-----` to `-----END PUBLIC KEY-----`",
        ),
    ] {
        let text = good().replace(ECDSA, pem);
        refused(
            &text,
            &format!("line 3: the key `release` cannot be used: {reason}"),
        );
    }
}

#[test]
fn a_key_has_one_name() {
    refused(
        &good().replace(ED25519, ECDSA),
        "line 3: the key `release` is the key `backup` again: a key has one name, so that it counts once",
    );
}

#[test]
fn a_rule_that_never_applies_is_refused() {
    let rule =
        |pattern: &str| format!("[[rules]]\nrepository = \"{pattern}\"\nany_of = [\"backup\"]\n");
    let covered = |earlier: usize, pattern: &str| {
        format!(
            "line 21: rule 2 never applies: rule {earlier} is before it and covers `{pattern}`, and the first rule that \
             matches applies; put the narrower one first"
        )
    };
    for pattern in [
        "registry.example/edge/cache",
        "registry.example/edge/*",
        "Registry.Example/edge/a*",
    ] {
        let text = good() + &rule(pattern);
        refused(&text, &covered(1, &pattern.to_lowercase()));
    }
    for pattern in ["registry.example/*", "*"] {
        TrustFile::parse(&(good() + &rule(pattern))).unwrap();
    }
}

#[test]
fn a_file_without_rules_or_with_too_many_is_refused() {
    let empty = "line 1: it holds no rule, and would refuse every plugin: add `[[rules]]`";
    refused("", empty);
    refused("# nothing\n", &empty.replace('1', "2"));
    refused("rules = []", empty);
    let mut many = good();
    for number in 0..RULES_MAX {
        many.push_str(&format!(
            "[[rules]]\nrepository = \"a/{number}\"\nany_of = [\"backup\"]\n"
        ));
    }
    let lines = many.lines().count() + 1;
    refused(
        &many,
        &format!("line {lines}: it holds 257 rules: at most 256 are allowed"),
    );
    let mut keys = "[keys]\n".to_string();
    for number in 0..=KEYS_MAX {
        let key = SigningKey::generate(Algorithm::Ed25519).unwrap();
        keys.push_str(&format!(
            "k{number:02} = \"\"\"{}\"\"\"\n",
            key.public_pem()
        ));
    }
    refused(
        &keys,
        &format!(
            "line {}: it holds 65 keys: at most 64 are allowed",
            KEYS_MAX * 4 + 2
        ),
    );
}
