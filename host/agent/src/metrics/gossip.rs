//! The membership, and what it costs.

use std::fmt;

use super::sheet::{Sheet, family};
use edge_cache_host::gossip::{GossipPool, MemberStatus};

const STATUSES: [(&str, MemberStatus); 3] = [
    ("alive", MemberStatus::Alive),
    ("leaving", MemberStatus::Leaving),
    ("dead", MemberStatus::Dead),
];

pub(super) fn write(sheet: &mut Sheet<'_>, pool: &GossipPool) -> fmt::Result {
    let running = family("gossip_running", "1 while this agent takes part in gossip.");
    sheet.gauge(running, pool.is_running())?;
    let restarts = family("gossip_restarts", "How often gossip was started again.");
    sheet.counter(restarts, pool.restarts())?;
    let all = pool.members();
    let members = family(
        "gossip_members",
        "Members that are known, this agent among them, by what they are doing.",
    );
    sheet.gauges(
        members,
        STATUSES.iter().map(|(name, status)| {
            let count = all.iter().filter(|member| member.status == *status).count();
            ([("status", *name)], count)
        }),
    )?;
    let otherwise = family(
        "policy_mismatches",
        "Live agents that judge labels by another component or other settings than this one.",
    );
    sheet.gauge(otherwise, pool.policy_mismatches().len())?;
    let bad = family("gossip_bad_records", "Bad records of others, ignored.");
    sheet.counter(bad, pool.bad_records())?;
    let waiting = family(
        "gossip_decisions_waiting",
        "Decisions of others that wait to be looked at.",
    );
    sheet.gauge(waiting, pool.pending_decisions())?;
    write_traffic(sheet, pool)
}

fn write_traffic(sheet: &mut Sheet<'_>, pool: &GossipPool) -> fmt::Result {
    let traffic = pool.traffic();
    sheet.counters(
        family(
            "gossip_datagrams",
            "Datagrams that were sent, and those that arrived and were read as gossip.",
        ),
        [
            ([("direction", "sent")], traffic.datagrams_sent),
            ([("direction", "received")], traffic.datagrams_received),
        ],
    )?;
    let bytes = family(
        "gossip",
        "Bytes in these datagrams, without headers of UDP and below.",
    );
    sheet.counters(
        bytes.bytes(),
        [
            ([("direction", "sent")], traffic.bytes_sent),
            ([("direction", "received")], traffic.bytes_received),
        ],
    )?;
    let dropped = family(
        "gossip_dropped_datagrams",
        "Datagrams that were dropped, in both directions, by reason.",
    );
    let reasons = traffic.dropped.iter();
    sheet.counters(
        dropped,
        reasons.map(|(reason, count)| ([("reason", *reason)], *count)),
    )?;
    let digest = family(
        "gossip_digest",
        "The digest of all members as it was sent last: 65,507 bytes fit a datagram.",
    );
    sheet.gauge(digest.bytes(), traffic.digest_bytes)?;
    let pushes = family("gossip_pushes", "Rounds that were begun after a change.");
    sheet.counter(pushes, traffic.pushes)
}
