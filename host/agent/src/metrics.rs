//! The agent's numbers as Prometheus text.
//!
//! Nothing is counted here: whoever does the work counts it, and a scrape reads what it finds. What it costs
//! is paid by whoever scrapes. The values of labels are words of this program, so their number is bounded:
//! never a node, a key, a path or an address.
//!
//! The only directory that knows prometheus-client.

mod gossip;
mod http;
mod plugin;
mod process;
mod registry;
mod routing;
mod sheet;

use std::fmt;
use std::time::SystemTime;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, prometheus_text};
use prometheus_client::registry::Registry;

use edge_cache_host::EdgeCacheRegistry;
use edge_cache_host::gossip::GossipPool;

pub(super) use self::http::{ConnectionNumbers, HttpNumbers, RequestNumbers};

use self::sheet::{Sheet, family};

/// The media type of the text.
pub(super) const MEDIA_TYPE: &str = prometheus_text::CONTENT_TYPE;
/// What every name begins with.
const PREFIX: &str = "edge_cache";

/// Where the numbers are.
#[derive(Debug)]
pub(super) struct Sources {
    /// The registry, its component and routing.
    pub(super) registry: EdgeCacheRegistry,
    /// The membership, if gossip is on.
    pub(super) gossip: Option<GossipPool>,
    /// What the HTTP API has counted.
    pub(super) http: HttpNumbers,
    /// When the agent was started.
    pub(super) started: SystemTime,
}

/// All numbers of this moment.
pub(super) fn text(sources: Sources) -> String {
    let mut registry = Registry::with_prefix(PREFIX);
    registry.register_collector(Box::new(sources));
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = prometheus_text::encode(&mut text, &registry);
    text
}

impl Collector for Sources {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut sheet = Sheet::new(encoder);
        let policy = self.registry.plugin().policy();
        sheet.gauges(
            family(
                "build_info",
                "The agent's version, and the policy by which its component judges.",
            ),
            [(
                [
                    ("version", env!("CARGO_PKG_VERSION")),
                    ("policy", policy.as_str()),
                ],
                1_u64,
            )],
        )?;
        let activity = self.registry.activity();
        registry::write(&mut sheet, &self.registry, &activity)?;
        plugin::write(&mut sheet, &self.registry, &activity)?;
        if let Some(pool) = &self.gossip {
            gossip::write(&mut sheet, pool)?;
        }
        routing::write(&mut sheet, &self.registry.routing())?;
        http::write(&mut sheet, &self.http)?;
        process::write(&mut sheet, self.started)
    }
}
