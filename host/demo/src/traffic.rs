//! Requests to the caches: as the agents pick, and by turns.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use reqwest::{Client, Response};

use super::agent::Agent;
use super::cache::Cache;

/// The number of requests.
pub(super) const REQUESTS: usize = 2_000;
/// The number of objects that they are for.
pub(super) const KEYS: usize = 400;
/// The seed of the choice of objects, the same for all ways.
const SEED: u64 = 7;
/// The header of a pick with the caches of a key, best first.
const HOSTS: &str = "x-edge-cache-hosts";

/// Hits and misses of the caches over all requests.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Outcome {
    pub(super) hits: usize,
    pub(super) misses: usize,
    /// Requests that the second cache answered, because the first did not.
    pub(super) second: usize,
}

impl Outcome {
    /// Returns the share of hits in percent.
    pub(super) fn percent(self) -> usize {
        let all = self.hits + self.misses;
        (100 * self.hits).checked_div(all).unwrap_or_default()
    }
}

/// Sends the requests to the caches that the agents pick, each agent in turn.
pub(super) async fn by_picks(agents: &[Agent], caches: &[Cache]) -> Result<Outcome> {
    let client = client()?;
    let mut outcome = Outcome::default();
    for (agent, path) in agents.iter().cycle().zip(paths()) {
        let url = format!("http://{}/pick{path}", agent.traffic);
        let pick = client.get(&url).send().await;
        let pick = pick.with_context(|| format!("agent {} did not answer", agent.node_id))?;
        let hosts = pick.headers().get(HOSTS).context("a pick without caches")?;
        let mut hosts = hosts.to_str()?.split(',').map(str::parse);
        let first = hosts.next().context("a pick of nothing")??;
        if ask(&client, first, &path).await.is_err() {
            let second = hosts.next().context("no second cache")??;
            ask(&client, second, &path).await?;
            outcome.second += 1;
        }
    }
    Ok(collect(outcome, caches))
}

/// Sends the same requests to the caches by turns, as a proxy without the agents would.
pub(super) async fn by_turns(caches: &[Cache]) -> Result<Outcome> {
    let client = client()?;
    for (cache, path) in caches.iter().cycle().zip(paths()) {
        ask(&client, cache.address, &path).await?;
    }
    Ok(collect(Outcome::default(), caches))
}

fn client() -> Result<Client> {
    let client = Client::builder().no_proxy().build();
    client.context("cannot create an HTTP client")
}

/// Returns the paths of all requests. Some objects are asked for more often than others, as on the web.
fn paths() -> impl Iterator<Item = String> {
    let mut random = fastrand::Rng::with_seed(SEED);
    std::iter::repeat_with(move || {
        let key = (random.f64().powi(2) * KEYS as f64) as usize;
        format!("/object/{key}")
    })
    .take(REQUESTS)
}

async fn ask(client: &Client, cache: SocketAddr, path: &str) -> Result<()> {
    let answer = client.get(format!("http://{cache}{path}")).send().await;
    match answer.and_then(Response::error_for_status) {
        Ok(answer) => {
            // The connection is used again once the body is read.
            answer.bytes().await?;
            Ok(())
        }
        Err(error) => bail!("the cache at {cache} failed: {error}"),
    }
}

fn collect(outcome: Outcome, caches: &[Cache]) -> Outcome {
    caches
        .iter()
        .map(Cache::reset)
        .fold(outcome, |outcome, (hits, misses)| Outcome {
            hits: outcome.hits + hits,
            misses: outcome.misses + misses,
            ..outcome
        })
}
