mod bounds;
mod cluster;
mod digest_budget;
mod hostile;
mod wire;

use chitchat::{ChitchatId, ProtocolVersion};

use super::MessageValidator;
use super::rejection::Rejection;

const CLUSTER: &str = "zlayer";

fn own() -> ChitchatId {
    ChitchatId::new("worker:1", 5, ([127, 0, 0, 1], 7946).into())
}

fn validator() -> MessageValidator {
    MessageValidator::new(&own(), CLUSTER, ProtocolVersion::V0)
}

#[test]
fn every_reason_has_a_distinct_name() {
    let names = [
        Rejection::NotChitchat,
        Rejection::Malformed,
        Rejection::Inflated,
        Rejection::TooManyMembers,
        Rejection::TooManyOps,
        Rejection::LongName,
        Rejection::LargeValue,
        Rejection::BadKey,
        Rejection::BadMember,
        Rejection::BadVersion,
        Rejection::AboutSelf,
        Rejection::EchoesSelf,
        Rejection::DigestFull,
    ]
    .map(Rejection::as_str);
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}
