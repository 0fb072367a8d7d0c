use super::*;

fn made(registered: bool, waited: bool) -> Made {
    Made {
        node_id: 7,
        registered,
        waited,
    }
}

#[test]
fn a_change_is_said_as_the_agent_says_one_that_is_pending() {
    let (on, off) = (
        json!({"node_id": 7, "registered": true}),
        json!({"node_id": 7, "registered": false}),
    );
    assert_eq!(made(true, false).json(), on);
    assert_eq!(made(false, false).json(), off);
    let seen = json!({"node_id": 7, "registered": true, "advertised": true});
    let gone = json!({"node_id": 7, "registered": false, "advertised": false});
    assert_eq!(made(true, true).json(), seen);
    assert_eq!(made(false, true).json(), gone);
}

#[test]
fn each_refusal_has_its_exit_code() {
    for (status, code, passes) in [
        (400, exit::REFUSED, false),
        (401, exit::REFUSED, false),
        (403, exit::REFUSED, false),
        (404, exit::NOT_FOUND, false),
        (409, exit::REFUSED, false),
        (412, exit::REFUSED, false),
        (422, exit::REFUSED, false),
        (301, exit::FAILED, false),
        (500, exit::FAILED, true),
        (503, exit::FAILED, true),
    ] {
        let error = ClientError::Refused {
            asked: "GET /".to_string(),
            address: "a:1".parse().unwrap(),
            status: StatusCode::from_u16(status).unwrap(),
            detail: "because".to_string(),
        };
        assert_eq!(
            (error.exit_code(), error.passes()),
            (code, passes),
            "{error}"
        );
    }
}
