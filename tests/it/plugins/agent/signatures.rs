//! Each case of signatures and rules through each door of an agent, and through `plugin verify`.

use axum::body::Bytes;
use edge_cache_distribution::{SIGNATURES_MAX, Signature};
use futures_util::future::try_join;

use super::*;

use self::cases::UNSIGNED;

mod cases;

const PLAIN: &str = "--plugin-registry-plain-http";

/// The number of the rule that lets a plugin in, or the text of the refusal.
type Outcome = Result<usize, String>;

/// A plugin with its signatures, and the rules that judge it.
struct Case {
    name: &'static str,
    plugin: Publication,
    /// The content of the file and of the upload.
    given: Bytes,
    signatures: Vec<Signature>,
    denied: Vec<Digest>,
    rules: String,
    from_registry: Outcome,
    /// The outcome for a file or a form with its proof.
    from_file: Outcome,
}

/// The keys, and the registry's names.
struct Table {
    house: House,
    backup: SigningKey,
    stranger: SigningKey,
    name: String,
}

impl Table {
    async fn new() -> Result<Option<Self>> {
        let Some(house) = House::new().await? else {
            return Ok(None);
        };
        Ok(Some(Self {
            name: house.reference.name(),
            house,
            backup: SigningKey::generate(Algorithm::Ed25519)?,
            stranger: SigningKey::generate(Algorithm::EcdsaP256)?,
        }))
    }

    /// Brings a case into the registry, and its rules and its file into the folder.
    async fn publish(&self, case: &Case) -> Result<()> {
        let house = &self.house;
        let digest = house.push(&case.plugin).await?;
        if !case.signatures.is_empty() {
            let client = client(quick())?;
            client
                .push_signatures(&house.reference, &digest, &case.signatures)
                .await?;
        }
        if case.name == "bundle" {
            self.push_bundle(case).await?;
        }
        if case.given != case.plugin.component {
            // The registry's disk is damaged, or its owner has other plans.
            let hex = case.plugin.manifest.component.digest.hex();
            let blob = format!(
                "data/docker/registry/v2/blobs/sha256/{}/{hex}/data",
                &hex[..2]
            );
            fs::write(house.registry.folder().join(blob), &case.given)?;
        }
        let keys = [("release", &house.key), ("backup", &self.backup)];
        let keys = keys
            .into_iter()
            .filter(|(name, _)| case.rules.contains(name));
        let keys: String = keys
            .map(|(name, key)| format!("{name} = \"\"\"\n{}\"\"\"\n", key.public_pem()))
            .collect();
        let denied: Vec<String> = case.denied.iter().map(|it| format!("\"{it}\"")).collect();
        let denied = denied.join(", ");
        let trust = format!("denied = [{denied}]\n[keys]\n{keys}{}", case.rules);
        write_secret(&house.path("trust.toml"), trust)?;
        fs::write(house.path("p.wasm"), &case.given)?;
        fs::write(house.path("p.wasm.proof"), proof(case).to_json())?;
        Ok(())
    }

    /// Adds a sigstore bundle to the manifest, as registries without the API of referrers hold it.
    async fn push_bundle(&self, case: &Case) -> Result<()> {
        let manifest = &case.plugin.manifest;
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [{
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "digest": manifest.digest,
                "size": manifest.bytes.len(),
                "artifactType": "application/vnd.dev.sigstore.bundle.v0.3+json",
            }],
        });
        let path = format!("/v2/acme/plugin/manifests/sha256-{}", manifest.digest.hex());
        let answer = edge_cache_tests::agent::client(&[])?
            .put(self.house.registry.url(&path))
            .header(CONTENT_TYPE, "application/vnd.oci.image.index.v1+json")
            .body(index.to_string())
            .send()
            .await?;
        ensure!(answer.status() == 201, "{answer:?}");
        Ok(())
    }

    fn text(&self, name: &str) -> String {
        self.house.path(name).display().to_string()
    }

    /// Starts an agent with this plugin and without a data directory, and compares.
    async fn start(&self, case: &Case, plugin: &str, expected: &Outcome) -> Result<()> {
        let trust = self.text("trust.toml");
        let args = ["--node-id", "1", "--allow-local-admin", PLAIN];
        let args = [&args[..], &["--plugin-trust", &trust, "--plugin", plugin]].concat();
        match expected {
            Ok(rule) => {
                let agent = Agent::start(&args).await?;
                self.let_in(case, &agent.get(PLUGIN).await?, *rule);
                agent.terminate().await?;
            }
            Err(text) => {
                let run = ["run", "--http-listen", "127.0.0.1:0"];
                let ended = run_to_end(&[&run[..], &args].concat()).await?;
                assert_eq!(ended.code, Some(1), "{}: {ended:?}", case.name);
                let said = format!("cannot load the plugin: {text}\n");
                assert!(
                    ended.stderr.ends_with(&said),
                    "{}: {ended:?}\n{said}",
                    case.name
                );
            }
        }
        Ok(())
    }

    async fn verify(&self, case: &Case, plugin: &str, expected: &Outcome) -> Result<()> {
        let trust = self.text("trust.toml");
        let args = ["plugin", "verify", plugin, "--trust", &trust, PLAIN];
        let ended = run_to_end(&args).await?;
        let (code, last) = match expected {
            Ok(rule) => (0, format!("trusted    by rule {rule} (")),
            Err(text) => (1, format!("REFUSED    {text}")),
        };
        assert_eq!(ended.code, Some(code), "{}: {ended:?}", case.name);
        let found = ended.stdout.lines().last().unwrap_or_default();
        assert!(found.starts_with(&last), "{}: {found}\n{last}", case.name);
        Ok(())
    }

    fn let_in(&self, case: &Case, shown: &Value, rule: usize) {
        let origin = &shown["origin"];
        assert_eq!(origin["digest"], text(&case.plugin), "{}", case.name);
        let found = origin["rule"].as_str().unwrap_or_default();
        let expected = format!("rule {rule} (");
        assert!(found.starts_with(&expected), "{}: {shown}", case.name);
    }

    fn compare(&self, case: &Case, answer: &Answer, expected: &Outcome) -> Result<()> {
        match expected {
            Ok(rule) => {
                assert_eq!(answer.status, 200, "{}: {answer:?}", case.name);
                self.let_in(case, &answer.body, *rule);
            }
            Err(text) => {
                let status = if text.starts_with("the registry") {
                    502
                } else {
                    422
                };
                assert_eq!(answer.status, status, "{}: {answer:?}", case.name);
                assert_eq!(detail(answer)?, text, "{}", case.name);
            }
        }
        Ok(())
    }
}

fn proof(case: &Case) -> Proof {
    Proof::new(case.plugin.manifest.clone(), case.signatures.clone())
}

#[tokio::test]
async fn each_case_has_the_outcome_of_its_rule_at_the_doors_of_a_running_agent() -> Result<()> {
    let Some(table) = Table::new().await? else {
        return Ok(());
    };
    let house = &table.house;
    let cases = table.cases()?;
    let good = &cases[0];
    table.publish(good).await?;
    let trust = table.text("trust.toml");
    let rules = ["--plugin-trust", &*trust];
    let pulling = house.start_from_registry(&rules).await?;
    let file = table.text("p.wasm");
    let args = ["--node-id", "2", "--allow-local-admin", "--plugin", &*file];
    let reading = Agent::start(&[&args[..], &rules].concat()).await?;
    for case in &cases {
        // What ran before is what a refusal leaves.
        let before = digest(&pulling).await?;
        table.publish(case).await?;
        let reload = post(&pulling, &format!("{RELOAD}?pull=true")).await?;
        table.compare(case, &reload, &case.from_registry)?;
        let source = put(&pulling, &house.reference).await?;
        table.compare(case, &source, &case.from_registry)?;
        let upload = Form::new().part("plugin", Part::bytes(case.given.to_vec()));
        let upload = upload.part("proof", Part::text(proof(case).to_json()));
        table.compare(case, &swap(&pulling, upload).await?, &case.from_file)?;
        // Without a proof, nothing is let in.
        let wasm = pulling
            .request(Method::PUT, PLUGIN)
            .header(CONTENT_TYPE, "application/wasm");
        let wasm = answer(wasm.body(case.given.to_vec())).await?;
        let expected = match case.name {
            "component" => case.from_file.clone(),
            _ => Err(UNSIGNED.to_string()),
        };
        table.compare(case, &wasm, &expected)?;
        if case.from_registry.is_err() && case.from_file.is_err() {
            assert_eq!(digest(&pulling).await?, before, "{}", case.name);
        }
        let reload = post(&reading, RELOAD).await?;
        table.compare(case, &reload, &case.from_file)?;
    }
    Ok(())
}

#[tokio::test]
async fn each_case_has_the_outcome_of_its_rule_at_a_start_and_for_verify() -> Result<()> {
    let Some(table) = Table::new().await? else {
        return Ok(());
    };
    let (reference, file) = (table.house.reference.to_string(), table.text("p.wasm"));
    for case in table.cases()? {
        table.publish(&case).await?;
        // Only a pull reads the component.
        let verified = match case.name {
            "swapped layer" => Ok(1),
            _ => case.from_registry.clone(),
        };
        try_join(
            try_join(
                table.start(&case, &reference, &case.from_registry),
                table.start(&case, &file, &case.from_file),
            ),
            try_join(
                table.verify(&case, &reference, &verified),
                table.verify(&case, &file, &case.from_file),
            ),
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_damaged_signature_in_the_registry_is_named_unless_another_is_enough() -> Result<()> {
    let Some(table) = Table::new().await? else {
        return Ok(());
    };
    let house = &table.house;
    let mut case = table.case("damaged", &version(1)?.component)?;
    table.publish(&case).await?;
    let digest = case.plugin.manifest.digest;
    let path = format!("/v2/acme/plugin/manifests/sha256-{}.sig", digest.hex());
    let url = house.registry.url(&path);
    let http = edge_cache_tests::agent::client(&[])?;
    let image_type = "application/vnd.oci.image.manifest.v1+json";
    let image = http.get(&url).header("accept", image_type).send().await?;
    let image = image.text().await?;
    let damaged = image.replace("dev.cosignproject.cosign/signature", "other");
    assert_ne!(damaged, image);
    let put = http.put(&url).header(CONTENT_TYPE, image_type);
    assert_eq!(put.body(damaged).send().await?.status(), 201);
    let payload = Digest::of(&case.signatures[0].payload);
    table.refused(
        &mut case,
        &format!(
            "; the signature `{payload}` is damaged (its annotation holds no signature in base64)"
        ),
    );
    let reference = house.reference.to_string();
    table.start(&case, &reference, &case.from_registry).await?;
    table.verify(&case, &reference, &case.from_registry).await?;
    // Signed once more, beside the damaged one.
    house.sign(&case.plugin).await?;
    table.start(&case, &reference, &Ok(1)).await?;
    table.verify(&case, &reference, &Ok(1)).await?;
    Ok(())
}

#[tokio::test]
async fn a_key_of_a_type_that_is_not_read_is_refused_with_its_line() -> Result<()> {
    let Some(house) = House::new().await? else {
        return Ok(());
    };
    house.sign(&version(1)?).await?;
    let trust = house.trust(&house.key)?;
    let rules = fs::read_to_string(&trust)?;
    let agent = house
        .start_from_registry(&["--plugin-trust", &trust])
        .await?;
    let rsa = include_str!("../../../../host/distribution/src/trust/vectors/refused-rsa2048.pub");
    let wrong = rules.replace(&house.key.public_pem(), rsa);
    assert_ne!(wrong, rules);
    write_secret(trust.as_ref(), wrong)?;
    let said = format!(
        "cannot use the trust rules {trust}: line 2: the key `release` cannot be used: it is an RSA key, and must be ECDSA \
         P-256 or Ed25519: `edge-cache-agent plugin keygen` makes one"
    );
    let refused = post(&agent, RELOAD).await?;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(detail(&refused)?, said);
    // The former rules go on.
    let before = digest(&agent).await?;
    let unsigned = house.push_as("acme/plugin:2", &version(2)?).await?;
    assert_eq!(put(&agent, &unsigned).await?.status, 422);
    assert_eq!(digest(&agent).await?, before);
    agent.terminate().await?;
    let args = house.args(&["--plugin-trust", &trust]);
    let run = ["run", "--http-listen", "127.0.0.1:0"].into_iter();
    let args: Vec<&str> = run.chain(args.iter().map(String::as_str)).collect();
    let ended = run_to_end(&args).await?;
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(ended.stderr.contains(&said), "{ended:?}");
    Ok(())
}

#[tokio::test]
async fn more_signatures_than_are_read_are_an_error_of_the_pull() -> Result<()> {
    let Some(house) = House::new().await? else {
        return Ok(());
    };
    let plugin = version(1)?;
    let digest = plugin.manifest.digest;
    let mut signatures = Vec::new();
    for _ in 0..=SIGNATURES_MAX {
        signatures.push(house.key.sign(digest, &house.reference.name())?);
    }
    let (last, most) = signatures.split_last().context("none")?;
    let client = client(quick())?;
    client
        .push_signatures(&house.reference, &digest, most)
        .await?;
    let more = client.push_signatures(&house.reference, &digest, std::slice::from_ref(last));
    let expected = format!(
        "the signatures of `acme/plugin@{digest}` are damaged (there are 65, and at most 64 are read): remove the tag \
         `sha256-{}.sig` and sign again",
        digest.hex()
    );
    assert_eq!(more.await.unwrap_err().to_string(), expected);
    let trust = house.trust(&house.key)?;
    house
        .start_from_registry(&["--plugin-trust", &trust])
        .await?;
    Ok(())
}
