//! Access to the page's content, hostile texts in it, and accessibility.

use std::path::Path;

use edge_cache_tests::component::{reference_bytes, with_section};
use edge_cache_tests::foreign::node_modules;
use rcgen::generate_simple_self_signed;
use serde_json::json;

use super::tab::{Tab, row};
use super::{FAST, SOON};
use crate::access::{start, token, write};
use crate::gossip_node::{Node, meet};

/// Folder with the pinned version of axe-core.
const SOURCES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/page");
const MARKUP: &str = "<img src=x onerror=hacked=1>";

#[tokio::test]
async fn over_tls_only_a_token_that_reads_is_taken_and_kept_for_the_tab() {
    let directory = tempfile::tempdir().unwrap();
    let file = |name: &str| directory.path().join(name);
    let text = |name: &str| file(name).to_str().unwrap().to_string();
    let (watcher, ops) = (token("watcher", "read").await, token("ops", "admin").await);
    let feeder = token("feeder", "stats").await;
    write(&file("tokens"), &[&watcher, &ops, &feeder]);
    let pair = generate_simple_self_signed(["127.0.0.1".to_string()]).unwrap();
    std::fs::write(file("cert.pem"), pair.cert.pem()).unwrap();
    let key = pair.signing_key.serialize_pem();
    edge_cache_tests::agent::write_secret(&file("key.pem"), key).unwrap();
    let (certificate, key) = (text("cert.pem"), text("key.pem"));
    let tls = [
        "--http-tls-cert-file",
        &certificate,
        "--http-tls-key-file",
        &key,
    ];
    let node = start(&file("tokens"), &tls).await;
    let url = format!("https://{}/", node.http);
    let Some(tab) = Tab::open(&url).await else {
        return;
    };

    tab.shows("#sign-in", &["A token is needed"]).await;
    assert_eq!(tab.text("#mesh").await, "");
    let enter = async |secret: &str| {
        let typed = format!("{secret}\u{E007}");
        tab.0.type_into("#token", &typed).await.unwrap();
    };
    let kept = "return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])";
    let nothing = "[{},{},\"\"]";
    for (secret, said) in [
        ("ect_wrong", "a token that this agent knows"),
        (&*ops.secret, "role admin"),
        (&*feeder.secret, "`stats`"),
    ] {
        enter(secret).await;
        tab.shows("#sign-in-error", &[said]).await;
        assert_eq!(tab.run(kept).await, nothing);
        assert_eq!(tab.text("#mesh").await, "");
    }
    enter(&watcher.secret).await;
    tab.is_live().await;
    tab.shows("#members", &["alive"]).await;
    tab.expect_clean(&["status of 401", "status of 403"]).await;
    // The tab keeps it, and forgets it when told so.
    tab.0.open(&url).await.unwrap();
    tab.is_live().await;
    tab.run("document.getElementById('sign-out').click()").await;
    tab.shows("#sign-in", &["A token is needed"]).await;
    assert_eq!(tab.run(kept).await, nothing);
    // A token that is revoked ends what is shown.
    enter(&watcher.secret).await;
    tab.is_live().await;
    write(&file("tokens"), &[&ops]);
    node.signal(rustix::process::Signal::HUP);
    tab.shows("#sign-in-error", &["Refused"]).await;
    assert_eq!(tab.text("#mesh").await, "");
}

#[tokio::test]
async fn markup_stays_text_and_the_page_is_for_everybody() {
    let directory = tempfile::tempdir().unwrap();
    let plugin = directory.path().join(format!("{MARKUP}.wasm"));
    let described = with_section(reference_bytes().unwrap(), "version", MARKUP.as_bytes());
    std::fs::write(&plugin, described).unwrap();
    let label = format!("note={MARKUP}");
    let plugin = [&FAST[..], &["--plugin", plugin.to_str().unwrap()]].concat();
    let one = Node::start(1, &plugin).await.unwrap();
    let seed = one.gossip.to_string();
    let two = [&FAST[..], &["--seed", &seed, "--label", &label]].concat();
    let two = Node::start(2, &two).await.unwrap();
    meet(&[&one, &two], SOON).await;
    two.enable(4).await;
    let capacity = json!({"capacity": {"cpu_cores": 1, "ram_mib": 1, "disk_mib": 1, "geo": "<b>"}});
    let path = "/api/v1/nodes/40/edge-cache";
    one.ask(reqwest::Method::POST, path, Some(&capacity)).await;
    let Some(tab) = Tab::open(&format!("http://{}/", one.http)).await else {
        return;
    };
    tab.is_live().await;
    tab.shows(&row("nodes", 2), &[MARKUP, "routed"]).await;
    tab.shows("#plugin", &[MARKUP]).await;
    let made =
        "return [typeof window.hacked, document.querySelectorAll('img, iframe, b > b').length]";
    assert_eq!(tab.run(made).await, json!(["undefined", 0]));
    let inline = "return document.querySelectorAll('[style], [onclick], style').length";
    assert_eq!(tab.run(inline).await, 0);
    tab.expect_clean(&[]).await;

    for (width, colours) in [
        (360, "light"),
        (360, "dark"),
        (800, "light"),
        (1600, "dark"),
    ] {
        tab.0.look_at(width, 900, colours).await.unwrap();
        let wide = "return document.documentElement.scrollWidth";
        let wide = tab.run(wide).await.as_u64().unwrap();
        assert!(wide <= width.into(), "{wide} at {width}");
        let Some(tools) = node_modules("axe", Path::new(SOURCES)).unwrap() else {
            continue;
        };
        let axe = tools.join("node_modules/axe-core/axe.min.js");
        let axe = std::fs::read_to_string(axe).unwrap();
        let script = format!(
            "{axe}; return window.axe.run(document, {{preload: false}}).then((found) => found.violations.map((it) =>
                [it.impact, it.id, it.nodes.map((node) => node.html + ' ' + node.failureSummary)]))"
        );
        let found = tab.0.run(&script, &[]).await.unwrap();
        let found = found.as_array().unwrap();
        println!("axe-core at {width} in {colours}: {} findings", found.len());
        let grave: Vec<_> = found
            .iter()
            .filter(|it| it[0] == "serious" || it[0] == "critical")
            .collect();
        assert!(grave.is_empty(), "{grave:#?}");
    }
}
