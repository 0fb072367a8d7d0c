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
    let text = |registered, advertised, alive| {
        change(registered, None).pending(&NodeChange {
            node_id: 7,
            registered,
            advertised: Some(advertised),
            alive,
            decision: None,
        })
    };
    assert_eq!(
        text(false, true, true),
        "node 7 is disabled; its labels are still seen"
    );
    let unheard = "node 7 is disabled; others may still see its labels: its member is silent without having left, or this \
                   agent is cut off or not ready";
    assert_eq!(text(false, true, false), unheard);
    // An agent that waits for its own id sees labels go, and may not be the one that others hear.
    assert_eq!(text(false, false, true), unheard);
    assert_eq!(
        text(true, false, true),
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
