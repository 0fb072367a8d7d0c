//! The doors through which a plugin comes to an agent, and the rules and passwords that guard them.

use super::*;

#[tokio::test]
async fn trust_rules_stand_behind_every_door() -> Result<()> {
    let Some(house) = House::new().await? else {
        return Ok(());
    };
    let (first, other) = (version(1)?, version(2)?);
    let trust = house.trust(&house.key)?;
    let rules = ["--plugin-trust", &*trust];
    let reference = house.reference.to_string();

    // Registry: unsigned, then signed.
    let refused = house
        .fail(&[&["--plugin", &*reference], &rules[..]].concat())
        .await?;
    for said in ["cannot load the plugin", "rule 1", "it has no signature"] {
        assert!(refused.stderr.contains(said), "{said}: {refused:?}");
    }
    house.sign(&first).await?;
    let agent = house.start_from_registry(&rules).await?;
    let origin = agent.get(PLUGIN).await?["origin"].clone();
    assert_eq!(origin["keys"], json!(["release"]));
    assert_eq!(
        origin["rule"],
        format!("rule 1 (`{}/*`)", house.registry.address)
    );

    // Upload: without a proof, with the proof of another, with its own.
    let wasm = agent
        .request(Method::PUT, PLUGIN)
        .header(CONTENT_TYPE, "application/wasm");
    let refused = answer(wasm.body(other.component.to_vec())).await?;
    assert_eq!(refused.status, 422, "{refused:?}");
    let plugin = || Form::new().part("plugin", Part::bytes(other.component.to_vec()));
    let proof = |of: &Publication| -> Result<Part> {
        Ok(Part::text(house.proof(of, &house.key)?.to_json()))
    };
    for (case, form) in [
        ("no proof", plugin()),
        ("of another", plugin().part("proof", proof(&first)?)),
    ] {
        let refused = swap(&agent, form).await?;
        assert_eq!(refused.status, 422, "{case}: {refused:?}");
        assert_eq!(refused.body["type"], "/problems/plugin-refused", "{case}");
    }
    assert_eq!(digest(&agent).await?, text(&first));
    let let_in = swap(&agent, plugin().part("proof", proof(&other)?)).await?;
    assert_eq!(let_in.status, 200, "{let_in:?}");
    assert_eq!(let_in.body["origin"]["digest"], text(&other));
    assert_eq!(let_in.body["is_declared"], false);
    // Back again through the registry, by its reference.
    let body =
        json!({"source": house.reference.clone().with_digest(first.manifest.digest).to_string()});
    let back = agent.ask(Method::PUT, PLUGIN, Some(&body)).await?;
    assert_eq!(
        (back.status.as_u16(), &back.body["is_declared"]),
        (200, &json!(true)),
        "{back:?}"
    );

    // Reload: the tag moves to an unsigned plugin.
    house.push(&other).await?;
    let refused = post(&agent, &format!("{RELOAD}?pull=true")).await?;
    assert_eq!(refused.status, 422, "{refused:?}");
    assert_eq!(digest(&agent).await?, text(&first));

    // A start that asks for it again runs what ran before.
    agent.terminate().await?;
    let always = [&rules[..], &["--plugin-pull", "always"]].concat();
    let agent = house.start_from_registry(&always).await?;
    assert_eq!(digest(&agent).await?, text(&first));

    // New rules: the running plugin goes on, and the agent is not ready.
    house.trust(&SigningKey::generate(Algorithm::Ed25519)?)?;
    let reloaded = post(&agent, RELOAD).await?;
    let refusal = reloaded.body["refusal"].as_str().context("no refusal")?;
    assert!(refusal.starts_with("rule 1"), "{refusal}");
    let ready = agent.ask(Method::GET, "/health/readyz", None).await?;
    assert_eq!(ready.status, 503);
    let reason = ready.body["reasons"][0]
        .as_str()
        .unwrap_or_default()
        .to_string();
    assert!(
        reason.starts_with("the trust rules refuse the running plugin: "),
        "{reason}"
    );
    assert_eq!(digest(&agent).await?, text(&first));
    // Rules that cannot be read change nothing.
    fs::write(house.path("trust.toml"), "rules = 1")?;
    assert_eq!(post(&agent, RELOAD).await?.status, 422);
    house.trust(&house.key)?;
    assert_eq!(post(&agent, RELOAD).await?.status, 200);
    assert_eq!(
        agent.ask(Method::GET, "/health/readyz", None).await?.status,
        200
    );
    agent.terminate().await?;

    // File: without a proof, with one.
    let file = house.path("plugin.wasm");
    fs::write(&file, &first.component)?;
    let plugin = ["--plugin", file.to_str().context("text")?];
    let refused = house.fail(&[&plugin[..], &rules[..]].concat()).await?;
    assert!(refused.stderr.contains("not signed"), "{refused:?}");
    // Another kind of file: a proof would not help.
    fs::write(&file, "not a plugin")?;
    let refused = house.fail(&[&plugin[..], &rules[..]].concat()).await?;
    assert!(
        refused.stderr.contains("is not a WebAssembly file"),
        "{refused:?}"
    );
    fs::write(&file, &first.component)?;
    let proof = house.proof(&first, &house.key)?;
    fs::write(house.path("plugin.wasm.proof"), proof.to_json())?;
    let agent = house.start(&[&plugin[..], &rules[..]].concat()).await?;
    // Another content behind the same proof.
    fs::write(&file, &other.component)?;
    assert_eq!(post(&agent, RELOAD).await?.status, 422);
    assert_eq!(digest(&agent).await?, text(&first));
    agent.terminate().await?;

    // The plugin inside the binary is trusted by being there.
    let agent = house.start(&rules).await?;
    assert_eq!(agent.get(PLUGIN).await?["name"], "embedded");
    Ok(())
}

#[tokio::test]
async fn a_private_registry_needs_its_password_which_nobody_sees() -> Result<()> {
    let certificate = Certificate::new()?;
    let Some(registry) = docker_registry(Some(&certificate), true).await? else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let address = registry.address.to_string();
    let reference: Reference = format!("oci://{address}/acme/plugin:1").parse()?;
    fs::write(path("ca.pem"), &certificate.pem)?;
    fs::write(path("other.pem"), &Certificate::new()?.pem)?;
    write_secret(
        path("right.json").as_ref(),
        credentials_file(&address, USER, PASSWORD),
    )?;
    write_secret(
        path("wrong.json").as_ref(),
        credentials_file(&address, USER, "secret-of-nobody"),
    )?;
    let config = edge_cache_distribution::RegistryConfig {
        credentials: edge_cache_tests::registry::credentials(&address, USER, PASSWORD)?,
        ca_pem: Some(certificate.pem.clone().into_bytes()),
        plain_http: false,
        ..quick()
    };
    client(config)?.push(&reference, &version(1)?).await?;

    let args = |credentials: &str, ca: &str| {
        [
            "--node-id",
            "1",
            "--plugin",
            &reference.to_string(),
            "--plugin-registry-credentials-file",
            &path(credentials),
            "--plugin-registry-ca-file",
            &path(ca),
        ]
        .map(str::to_string)
    };
    for (credentials, ca, said) in [
        (
            "wrong.json",
            "ca.pem",
            format!(
                "the registry `{address}` refuses the user name and password: check its entry in \
                 `plugin.registry_credentials_file`"
            ),
        ),
        (
            "right.json",
            "other.pem",
            format!(
                "the certificate of the registry `{address}` is not trusted (BadSignature): set `plugin.registry_ca_file` to \
                 the certificate of its issuer"
            ),
        ),
    ] {
        let args = args(credentials, ca);
        let args = ["run", "--http-listen", "127.0.0.1:0"]
            .into_iter()
            .chain(args.iter().map(String::as_str));
        let ended = run_to_end(&args.collect::<Vec<_>>()).await?;
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let said = format!("edge-cache-agent: cannot load the plugin: {said}\n");
        assert!(ended.stderr.ends_with(&said), "{said}: {ended:?}");
        assert!(!ended.stderr.contains("secret-of"), "{ended:?}");
    }
    let args = args("right.json", "ca.pem");
    let agent = Agent::start(&args.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    let shown = agent.get(PLUGIN).await?.to_string();
    assert!(
        shown.contains("acme/plugin") && !shown.contains(PASSWORD),
        "{shown}"
    );
    Ok(())
}

#[tokio::test]
async fn a_plugin_from_a_mirror_is_judged_by_the_name_that_was_asked_for() -> Result<()> {
    let Some(house) = House::new().await? else {
        return Ok(());
    };
    // The publisher's registry is not there: its name stands in the signature, and the mirror answers.
    let asked: Reference = "oci://registry.example/acme/plugin:1".parse()?;
    let plugin = version(1)?;
    let signature = house.key.sign(plugin.manifest.digest, &asked.name())?;
    let client = client(quick())?;
    client
        .push_signatures(&house.reference, &plugin.manifest.digest, &[signature])
        .await?;
    let trust = house.trust(&house.key)?;
    let rules = fs::read_to_string(&trust)?;
    let address = house.registry.address.to_string();
    write_secret(trust.as_ref(), rules.replace(&address, "registry.example"))?;
    let mirror = format!("registry.example={address}");
    let args = [
        "--plugin-trust",
        &trust,
        "--plugin-registry-mirror",
        &mirror,
    ];
    let agent = house
        .start(&[&["--plugin", &asked.to_string()], &args[..]].concat())
        .await?;
    let origin = agent.get(PLUGIN).await?["origin"].clone();
    assert_eq!(origin["rule"], "rule 1 (`registry.example/*`)");
    let source = asked.with_digest(plugin.manifest.digest);
    assert_eq!(origin["source"], source.to_string());
    Ok(())
}

#[tokio::test]
async fn a_plugin_that_was_pulled_before_it_was_signed_is_let_in_by_its_digest() -> Result<()> {
    let Some(house) = House::new().await? else {
        return Ok(());
    };
    let (first, second) = (version(1)?, version(2)?);
    house.sign(&first).await?;
    let trust = house.trust(&house.key)?;
    let agent = house
        .start_from_registry(&["--plugin-trust", &trust])
        .await?;
    let digest_of = |plugin: &Publication| plugin.manifest.digest;
    // By a reload, and by a swap: each has the unsigned one in the store.
    for (plugin, is_reload) in [(&second, true), (&version(3)?, false)] {
        house.push(plugin).await?;
        let pinned = house.reference.clone().with_digest(digest_of(plugin));
        let path = format!("{RELOAD}?digest={}", digest_of(plugin));
        let door = async || match is_reload {
            true => post(&agent, &path).await,
            false => put(&agent, &pinned).await,
        };
        let refused = door().await?;
        assert_eq!(refused.status, 422, "{refused:?}");
        house.sign(plugin).await?;
        let let_in = door().await?;
        assert_eq!(let_in.status, 200, "{let_in:?}");
        assert_eq!(digest(&agent).await?, text(plugin));
    }
    Ok(())
}
