//! `plugin keygen`, `plugin sign` and `plugin verify` of files, by themselves and beside openssl.

mod references;

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use edge_cache_tests::agent::{Ended, run_to_end};
use edge_cache_tests::component::{reference_bytes, with_section};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tempfile::TempDir;

const IDENTITY: &str = "registry.example/edge/cache";

/// A folder with a plugin, `p.wasm`.
struct Folder(TempDir);

impl Folder {
    fn new() -> Result<Self> {
        let folder = Self(tempfile::tempdir()?);
        fs::write(folder.path("p.wasm"), reference_bytes()?)?;
        Ok(folder)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn text(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Makes a key and returns its line for a trust file.
    async fn keygen(&self, name: &str, args: &[&str]) -> Result<String> {
        let file = self.text(name);
        let ended = run_to_end(&[&["plugin", "keygen", &file], args].concat()).await?;
        succeeded(&ended)?;
        Ok(ended.stdout)
    }

    async fn sign(&self, key: &str, args: &[&str]) -> Result<Ended> {
        let (plugin, key) = (self.text("p.wasm"), self.text(key));
        let words = ["plugin", "sign", &plugin, "--key", &key];
        run_to_end(&[&words, args].concat()).await
    }

    async fn verify(&self, args: &[&str]) -> Result<Ended> {
        let (plugin, trust) = (self.text("p.wasm"), self.text("trust.toml"));
        let words = ["plugin", "verify", &plugin, "--trust", &trust];
        run_to_end(&[&words, args].concat()).await
    }

    /// Writes trust rules with these lines in `[keys]`.
    fn trust(&self, keys: &[&str], rules: &str) -> Result<()> {
        let text = format!("[keys]\n{}[[rules]]\n{rules}\n", keys.concat());
        Ok(fs::write(self.path("trust.toml"), text)?)
    }

    fn proof(&self) -> Result<Value> {
        Ok(serde_json::from_slice(&fs::read(
            self.path("p.wasm.proof"),
        )?)?)
    }

    /// Returns the digest of the manifest in the proof.
    fn manifest(&self) -> Result<String> {
        let proof = self.proof()?;
        Ok(sha256(&decoded(&proof["manifest"])?))
    }
}

fn succeeded(ended: &Ended) -> Result<()> {
    ensure!(ended.code == Some(0), "{}{}", ended.stdout, ended.stderr);
    Ok(())
}

fn sha256(bytes: &[u8]) -> String {
    format!("sha256:{:x}", Sha256::digest(bytes))
}

fn decoded(base64: &Value) -> Result<Vec<u8>> {
    Ok(STANDARD.decode(base64.as_str().context("no text")?)?)
}

/// Runs openssl. Returns its output; none where this machine has no openssl.
fn openssl(args: &[&str]) -> Result<Option<String>> {
    let Ok(output) = Command::new("openssl").args(args).output() else {
        println!("skipped: this machine has no openssl");
        return Ok(None);
    };
    let (out, err) = (
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    ensure!(output.status.success(), "openssl {args:?}: {out}{err}");
    Ok(Some(out.into_owned()))
}

#[tokio::test]
async fn a_file_is_signed_and_let_in_by_the_rule_that_names_its_key() -> Result<()> {
    let folder = Folder::new()?;
    let release = folder.keygen("release.key", &[]).await?;
    let backup = folder
        .keygen("backup.key", &["--algorithm", "ed25519"])
        .await?;
    folder.trust(
        &[&release, &backup],
        "repository = \"registry.example/edge/*\"\nall_of = [\"release\", \"backup\"]\nminimum = \"0.1.0\"",
    )?;
    let component = sha256(reference_bytes()?);
    let plugin = folder.text("p.wasm");

    // Without a proof.
    let ended = folder.verify(&[]).await?;
    assert_eq!((ended.code, &*ended.stderr), (Some(1), ""));
    assert_eq!(
        ended.stdout,
        format!(
            "plugin     {plugin}\ncomponent  {component}\nREFUSED    it is not signed: `edge-cache-agent plugin sign --key KEY \
             --identity REGISTRY/REPOSITORY FILE` writes its proof, FILE.proof, which stands beside the file or comes \
             with the upload\n"
        )
    );

    // With one of two signatures.
    let ended = folder
        .sign("release.key", &["--identity", IDENTITY])
        .await?;
    succeeded(&ended)?;
    let manifest = folder.manifest()?;
    assert_eq!(
        ended.stdout,
        format!("signed     {manifest}\nidentity   {IDENTITY}\nproof      {plugin}.proof\n")
    );
    let ended = folder.verify(&[]).await?;
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.stdout,
        format!(
            "plugin     {plugin}\ncomponent  {component}\nmanifest   {manifest}\nREFUSED    rule 1 (`registry.example/edge/*`) \
             wants the manifest {manifest} signed by `release` and `backup` with the identity `{IDENTITY}`; signature 1 is \
             by `release`\n"
        )
    );

    // The second is added; the first, again, is not.
    succeeded(&folder.sign("backup.key", &["--identity", IDENTITY]).await?)?;
    let ended = folder
        .sign("release.key", &["--identity", IDENTITY])
        .await?;
    assert_eq!(
        ended.stdout,
        format!("unchanged  {manifest}\nidentity   {IDENTITY}\nproof      {plugin}.proof\n")
    );
    assert_eq!(
        folder.proof()?["signatures"].as_array().map(Vec::len),
        Some(2)
    );
    let ended = folder.verify(&[]).await?;
    succeeded(&ended)?;
    assert_eq!(
        ended.stdout,
        format!(
            "plugin     {plugin}\ncomponent  {component}\nmanifest   {manifest}\nidentity   {IDENTITY}\ntrusted    by rule 1 \
             (`registry.example/edge/*`), signed by release, backup\n"
        )
    );
    let ended = folder.verify(&["--format", "json"]).await?;
    let object: Value = serde_json::from_str(&ended.stdout)?;
    assert_eq!(object["trusted"], true);
    assert_eq!(object["keys"], serde_json::json!(["release", "backup"]));

    // Another component beside the same proof.
    fs::write(
        folder.path("p.wasm"),
        with_section(reference_bytes()?, "more", b"x"),
    )?;
    let other = sha256(&fs::read(folder.path("p.wasm"))?);
    let ended = folder.verify(&[]).await?;
    assert_eq!(ended.code, Some(1));
    let refused = format!(
        "REFUSED    the signed manifest lists the component {component}, and this one is {other}: sign this one\n"
    );
    assert!(ended.stdout.ends_with(&refused), "{}", ended.stdout);
    let ended = folder
        .sign("release.key", &["--identity", IDENTITY])
        .await?;
    let replaced = format!("replaced   a proof of another component, {component}\n");
    assert!(
        ended.stdout.ends_with(&replaced),
        "{}{}",
        ended.stdout,
        ended.stderr
    );
    assert_eq!(
        folder.proof()?["signatures"].as_array().map(Vec::len),
        Some(1)
    );
    assert!(!folder.path("p.wasm.proof.partial").exists());
    Ok(())
}

#[tokio::test]
async fn the_manifest_of_a_file_says_what_the_plugin_says_of_itself() -> Result<()> {
    let folder = Folder::new()?;
    folder.keygen("k", &[]).await?;
    succeeded(&folder.sign("k", &["--identity", IDENTITY]).await?)?;
    let manifest: Value = serde_json::from_slice(&decoded(&folder.proof()?["manifest"])?)?;
    let annotations = &manifest["annotations"];
    assert_eq!(
        annotations["org.opencontainers.image.title"],
        "edge-cache-plugin"
    );
    assert_eq!(annotations["org.opencontainers.image.version"], "0.1.0");
    assert_eq!(
        annotations["org.opencontainers.image.licenses"],
        "Apache-2.0"
    );
    assert_eq!(manifest["layers"][0]["digest"], sha256(reference_bytes()?));
    // Again, from the beginning: the same digest.
    let first = folder.manifest()?;
    fs::remove_file(folder.path("p.wasm.proof"))?;
    succeeded(&folder.sign("k", &["--identity", IDENTITY]).await?)?;
    assert_eq!(folder.manifest()?, first);
    Ok(())
}

#[tokio::test]
async fn openssl_verifies_our_signatures_and_makes_keys_that_sign() -> Result<()> {
    let folder = Folder::new()?;
    let made = folder.text("openssl.key");
    for (algorithm, options) in [
        (
            "ecdsa-p256",
            ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"].as_slice(),
        ),
        ("ed25519", ["-algorithm", "ED25519"].as_slice()),
    ] {
        let ours = format!("{algorithm}.key");
        folder.keygen(&ours, &["--algorithm", algorithm]).await?;
        // What openssl reads of our private key is our public key.
        let Some(public) = openssl(&["pkey", "-in", &folder.text(&ours), "-pubout"])? else {
            return Ok(());
        };
        assert_eq!(
            public,
            fs::read_to_string(folder.path(&format!("{ours}.pub")))?
        );
        openssl(&[["genpkey", "-out", &made].as_slice(), options].concat())?;
        fs::set_permissions(&made, Permissions::from_mode(0o600))?;
        openssl(&[
            "pkey",
            "-in",
            &made,
            "-pubout",
            "-out",
            &format!("{made}.pub"),
        ])?;
        for key in [&ours, "openssl.key"] {
            let _ = fs::remove_file(folder.path("p.wasm.proof"));
            succeeded(&folder.sign(key, &["--identity", IDENTITY]).await?)?;
            let signature = &folder.proof()?["signatures"][0];
            let payload = decoded(&signature["payload"])?;
            let expected = format!(
                r#"{{"critical":{{"identity":{{"docker-reference":"{IDENTITY}"}},"image":{{"docker-manifest-digest":"{}"}},"type":"cosign container image signature"}},"optional":null}}"#,
                folder.manifest()?
            );
            assert_eq!(String::from_utf8(payload.clone())?, expected);
            fs::write(folder.path("payload"), payload)?;
            fs::write(folder.path("signature"), decoded(&signature["signature"])?)?;
            let public = folder.text(&format!("{key}.pub"));
            let (payload, signature) = (folder.text("payload"), folder.text("signature"));
            let verify: &[&str] = match algorithm {
                "ed25519" => &[
                    "pkeyutl", "-verify", "-rawin", "-pubin", "-inkey", &public, "-in", &payload,
                    "-sigfile", &signature,
                ],
                _ => &[
                    "dgst",
                    "-sha256",
                    "-verify",
                    &public,
                    "-signature",
                    &signature,
                    &payload,
                ],
            };
            openssl(verify)?;
        }
    }
    Ok(())
}

#[tokio::test]
async fn keys_are_made_for_their_owner_and_named_by_their_file() -> Result<()> {
    let folder = Folder::new()?;
    let line = folder.keygen("my release.2027.key", &[]).await?;
    let public = fs::read_to_string(folder.path("my release.2027.key.pub"))?;
    assert_eq!(line, format!("my-release-2027 = \"\"\"\n{public}\"\"\"\n"));
    let file = folder.text("my release.2027.key");
    assert_eq!(fs::metadata(&file)?.permissions().mode() & 0o777, 0o600);
    let ended = run_to_end(&["plugin", "keygen", &file]).await?;
    assert_eq!(ended.code, Some(1));
    assert_eq!(
        ended.stderr,
        format!("edge-cache-agent: cannot write {file}: File exists (os error 17)\n")
    );
    let ended = run_to_end(&["plugin", "keygen", "x", "--algorithm", "rsa"]).await?;
    assert_eq!(ended.code, Some(2));
    assert_eq!(
        ended.stderr,
        "edge-cache-agent: invalid value 'rsa' for '--algorithm <ALGORITHM>': an algorithm is `ecdsa-p256` or `ed25519`; see \
         `edge-cache-agent plugin keygen --help`\n"
    );
    Ok(())
}

#[tokio::test]
async fn what_cannot_be_signed_or_verified_is_refused_with_the_remedy() -> Result<()> {
    let folder = Folder::new()?;
    let line = folder.keygen("release.key", &[]).await?;
    folder.trust(
        &[&line],
        "repository = \"registry.example/*\"\nany_of = [\"release\"]",
    )?;
    let refused = async |ended: Result<Ended>, code: i32, text: String| -> Result<()> {
        let ended = ended?;
        assert_eq!(ended.stderr, format!("edge-cache-agent: {text}\n"));
        assert_eq!((ended.code, &*ended.stdout), (Some(code), ""));
        Ok(())
    };
    refused(
        folder.sign("release.key", &[]).await,
        2,
        "a file has no repository: say which one the signature is for, `--identity REGISTRY/REPOSITORY`".to_string(),
    )
    .await?;
    refused(
        folder.sign("release.key", &["--identity", "registry.example/a:1"]).await,
        2,
        "invalid value 'registry.example/a:1' for '--identity <REGISTRY/REPOSITORY>': leave out the tag and the digest: a \
         pattern is REGISTRY/REPOSITORY; see `edge-cache-agent plugin sign --help`"
            .to_string(),
    )
    .await?;
    let public = folder.text("release.key.pub");
    fs::set_permissions(&public, Permissions::from_mode(0o600))?;
    refused(
        folder.sign("release.key.pub", &["--identity", IDENTITY]).await,
        2,
        format!(
            "cannot use the key {public}: it is a public key, and the private one is wanted: it stands in FILE beside \
             FILE.pub"
        ),
    )
    .await?;
    // A file that is no plugin.
    let wasm = folder.path("p.wasm");
    fs::write(&wasm, "(component)")?;
    refused(
        folder.sign("release.key", &["--identity", IDENTITY]).await,
        1,
        "no agent with these settings would load p.wasm: the plugin is not a WebAssembly file: it does not begin with `\\0asm`; \
         give the component that its build made"
            .to_string(),
    )
    .await?;
    assert!(!folder.path("p.wasm.proof").exists());
    // A proof that is none.
    fs::write(folder.path("p.wasm.proof"), "{}")?;
    refused(
        folder.verify(&[]).await,
        1,
        format!(
            "cannot use the proof {}.proof: the proof is not valid: make it with `edge-cache-agent plugin sign`: missing \
             field `manifest` at line 1 column 2",
            wasm.display()
        ),
    )
    .await?;
    // A trust file that others write, and one that is wrong.
    let trust = folder.text("trust.toml");
    let with_mode = |mode| fs::set_permissions(Path::new(&trust), Permissions::from_mode(mode));
    with_mode(0o666)?;
    refused(
        folder.verify(&[]).await,
        2,
        format!("cannot use the trust rules {trust}: file mode 0666: only the owner of the file may write it; use `chmod go-w`"),
    )
    .await?;
    with_mode(0o644)?;
    folder.trust(
        &[&line],
        "repository = \"registry.example/*\"\nany_of = [\"relaese\"]",
    )?;
    refused(
        folder.verify(&[]).await,
        2,
        format!(
            "cannot use the trust rules {trust}: line 10: rule 1 names the key `relaese`, which is not in `[keys]` (there: \
             `release`)"
        ),
    )
    .await
}
