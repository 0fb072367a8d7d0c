use std::time::Duration;

use super::*;

fn change(registered: bool, wait: Option<Duration>) -> Change {
    Change {
        node_id: 7,
        registered,
        wait: WaitArgs { wait },
    }
}

#[test]
fn a_pending_change_says_whether_the_node_is_heard() {
    let text = |registered, alive| {
        change(registered, None).pending(&NodeChange {
            node_id: 7,
            registered,
            advertised: Some(false),
            alive,
            decision: None,
        })
    };
    assert_eq!(
        text(false, true),
        "node 7 is disabled; its labels may still be seen: its agent has not followed yet, or this agent is cut off or not \
         ready"
    );
    assert_eq!(
        text(false, false),
        "node 7 is disabled; its labels may still be seen: its member is silent without having left, or this agent is cut \
         off or not ready"
    );
    assert_eq!(
        text(true, true),
        "node 7 is enabled; its labels are not seen yet"
    );
}

#[test]
fn the_json_of_a_change_has_the_fields_of_a_pending_one() {
    let (enable, disable) = (true, false);
    let on = json!({"node_id": 7, "registered": true});
    let off = json!({"node_id": 7, "registered": false});
    for wait in [None, Some(Duration::ZERO)] {
        assert_eq!(change(enable, wait).json(), on);
        assert_eq!(change(disable, wait).json(), off);
    }
    let wait = Some(Duration::from_secs(1));
    let seen = json!({"node_id": 7, "registered": true, "advertised": true});
    let gone = json!({"node_id": 7, "registered": false, "advertised": false});
    assert_eq!(change(enable, wait).json(), seen);
    assert_eq!(change(disable, wait).json(), gone);
}
