mod bounds;
mod cluster;
mod digest_budget;
mod hostile;
mod state;
mod turns;
mod wire;

use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::sync::Arc;

use chitchat::{ChitchatId, ProtocolVersion};

use super::{MessageValidator, StateBudget};

const CLUSTER: &str = "zlayer";
/// The other side of all messages.
const PEER: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 9));

fn own() -> ChitchatId {
    ChitchatId::new("worker:1", 5, ([127, 0, 0, 1], 7946).into())
}

fn states() -> Arc<StateBudget> {
    Arc::new(StateBudget::new(1 << 30))
}

fn validator() -> MessageValidator {
    MessageValidator::new(&own(), CLUSTER, ProtocolVersion::V0, states())
}
