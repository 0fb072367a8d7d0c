mod bounds;
mod cluster;
mod hostile;
mod room;
mod wire;

use chitchat::{ChitchatId, ProtocolVersion};

use super::{Plaintext, Refused};

const CLUSTER: &str = "zlayer";

fn own() -> ChitchatId {
    ChitchatId::new("worker:1", 5, ([127, 0, 0, 1], 7946).into())
}

fn plaintext() -> Plaintext {
    Plaintext::new(&own(), CLUSTER, ProtocolVersion::V0)
}

#[test]
fn every_reason_has_a_name_of_its_own() {
    let names = [
        Refused::NotChitchat,
        Refused::Malformed,
        Refused::Inflated,
        Refused::TooManyMembers,
        Refused::TooManyOps,
        Refused::LongName,
        Refused::LargeValue,
        Refused::BadKey,
        Refused::BadMember,
        Refused::BadVersion,
        Refused::AboutSelf,
        Refused::EchoesSelf,
        Refused::DigestFull,
    ]
    .map(Refused::as_str);
    let distinct: std::collections::BTreeSet<_> = names.iter().collect();
    assert_eq!(distinct.len(), names.len());
}
