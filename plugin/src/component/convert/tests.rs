use super::*;

fn node(seconds: u64, nanoseconds: u32) -> types::EdgeCacheNode {
    types::EdgeCacheNode {
        node_id: 7,
        capacity: types::NodeCapacity {
            cpu_cores: 1,
            ram_mib: 2,
            disk_mib: 3,
            geo: Some("eu-central-1".into()),
        },
        enabled_at: Datetime {
            seconds,
            nanoseconds,
        },
    }
}

fn entry(seconds: u64, nanoseconds: u32) -> types::Entry {
    types::Entry {
        node: node(seconds, nanoseconds),
        stats: types::EdgeCacheStats { hits: 4, misses: 5 },
    }
}

#[test]
fn an_entry_arrives_as_it_is() {
    let arrived = Entry::try_from(entry(1_700_000_000, 123_000_000)).unwrap();
    let expected = Entry {
        node: EdgeCacheNode {
            node_id: 7,
            capacity: NodeCapacity {
                cpu_cores: 1,
                ram_mib: 2,
                disk_mib: 3,
                geo: Some("eu-central-1".into()),
            },
            enabled_at: Timestamp::from_unix_millis(1_700_000_000_123).unwrap(),
        },
        stats: EdgeCacheStats { hits: 4, misses: 5 },
    };
    assert_eq!(arrived, expected);

    let change = Change::try_from(state::Change::Put(entry(1_700_000_000, 123_000_000)));
    assert_eq!(change, Ok(Change::Put(expected)));
}

#[test]
fn a_node_leaves_as_it_arrived() {
    let sent = node(1_700_000_000, 123_000_000);
    let back = types::EdgeCacheNode::from(EdgeCacheNode::try_from(sent.clone()).unwrap());
    assert_eq!(format!("{back:?}"), format!("{sent:?}"));
}

#[test]
fn a_time_that_is_no_timestamp_is_refused_and_names_the_node() {
    for (seconds, nanoseconds) in [(0, 1), (0, 1_000_000_000), (253_402_300_800, 0)] {
        let refusal = Entry::try_from(entry(seconds, nanoseconds)).unwrap_err();
        assert_eq!(refusal, Refusal::EnabledAt(7));
        let put = state::Change::Put(entry(seconds, nanoseconds));
        assert_eq!(Change::try_from(put), Err(Refusal::EnabledAt(7)));
    }
    assert_eq!(
        Refusal::EnabledAt(7).to_string(),
        "node 7: enabled-at must be in whole milliseconds before the year 10000"
    );
}
