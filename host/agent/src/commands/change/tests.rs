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
