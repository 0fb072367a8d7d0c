mod bounds;
mod cluster;
mod digest_budget;
mod hostile;
mod wire;

use chitchat::{ChitchatId, ProtocolVersion};

use super::MessageValidator;

const CLUSTER: &str = "zlayer";

fn own() -> ChitchatId {
    ChitchatId::new("worker:1", 5, ([127, 0, 0, 1], 7946).into())
}

fn validator() -> MessageValidator {
    MessageValidator::new(&own(), CLUSTER, ProtocolVersion::V0)
}
