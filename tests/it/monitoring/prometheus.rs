//! A Prometheus that scrapes agents every second, with rules that fire as soon as they are true.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Result;
use edge_cache_tests::agent::client;
use edge_cache_tests::debian::PROMETHEUS;
use edge_cache_tests::proxies::Server;
use edge_cache_tests::wait::until;
use reqwest::Url;
use serde_json::{Value, json};

use super::ALERTS;
use crate::gossip_node::Node;

/// Time for scrapes, gossip and rules, where many agents run at once on a busy machine.
pub(super) const FIRES_WITHIN: Duration = Duration::from_secs(180);

pub(super) struct Prometheus(Server);

/// Returns the address at which Prometheus finds the metrics of an agent.
pub(super) fn target(node: &Node) -> SocketAddr {
    node.health.unwrap_or(node.http)
}

impl Prometheus {
    /// Starts Prometheus for these agents, and waits until it has scraped each; none where it is not installed.
    pub(super) async fn start(targets: &[SocketAddr]) -> Result<Option<Self>> {
        let Some(program) = PROMETHEUS.program() else {
            return Ok(None);
        };
        let rules = ALERTS
            .lines()
            .filter(|line| !line.trim_start().starts_with("for: "));
        let rules = rules.collect::<Vec<_>>().join("\n");
        let names: Vec<_> = targets.iter().map(ToString::to_string).collect();
        let server = Server::start(|folder, address| {
            fs::write(folder.join("alerts.yaml"), &rules)?;
            let config = json!({
                "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
                "rule_files": ["alerts.yaml"],
                "scrape_configs": [{"job_name": "edge-cache", "static_configs": [{"targets": names}]}],
            });
            let file = folder.join("prometheus.yml");
            fs::write(&file, config.to_string())?;
            Ok(vec![
                program.to_string(),
                format!("--config.file={}", file.display()),
                format!("--storage.tsdb.path={}", folder.join("data").display()),
                format!("--web.listen-address={address}"),
            ])
        })
        .await?;
        let prometheus = Self(server);
        let all = targets.len().to_string();
        prometheus.expect_value("count(up == 1)", &all).await;
        Ok(Some(prometheus))
    }

    /// Waits until a query has this value.
    pub(super) async fn expect_value(&self, query: &str, value: &str) {
        until(query, FIRES_WITHIN, || async {
            let answer = self.get("/api/v1/query", &[("query", query)]).await;
            let is_there = answer["data"]["result"][0]["value"][1] == value;
            if is_there { Ok(()) } else { Err(answer) }
        })
        .await;
    }

    /// Returns the names of the alerts that fire.
    pub(super) async fn firing(&self) -> BTreeSet<String> {
        let found = self.get("/api/v1/alerts", &[]).await;
        let alerts = found["data"]["alerts"].as_array().cloned();
        let alerts = alerts.unwrap_or_default().into_iter();
        let names =
            alerts.filter_map(|alert| alert["labels"]["alertname"].as_str().map(str::to_string));
        names.collect()
    }

    /// Waits until all these alerts fire, and does `again` before each look.
    pub(super) async fn expect_doing(&self, names: &[&str], again: impl AsyncFn()) {
        until("alerts", FIRES_WITHIN, || async {
            again().await;
            let firing = self.firing().await;
            let mut missing = names.to_vec();
            missing.retain(|name| !firing.contains(*name));
            if missing.is_empty() {
                Ok(())
            } else {
                Err(missing.join(", "))
            }
        })
        .await;
    }

    /// Waits until all these alerts fire.
    pub(super) async fn expect(&self, names: &[&str]) {
        self.expect_doing(names, async || {}).await;
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> Value {
        let url = Url::parse_with_params(&self.0.url(path), query).unwrap();
        match client(&[]).unwrap().get(url).send().await {
            Ok(answer) => answer.json().await.unwrap_or_default(),
            Err(_) => Value::Null,
        }
    }
}
