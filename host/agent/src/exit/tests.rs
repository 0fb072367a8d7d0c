use edge_cache_client::StatusCode;

use super::*;

#[test]
fn each_refusal_has_its_exit_code() {
    for (status, expected, is_temporary) in [
        (400, REFUSED, false),
        (401, REFUSED, false),
        (403, REFUSED, false),
        (404, FAILED, false),
        (409, REFUSED, false),
        (412, REFUSED, false),
        (422, REFUSED, false),
        (301, FAILED, false),
        (500, FAILED, true),
        (503, FAILED, true),
    ] {
        let error = ClientError::Refused {
            request: "GET /".to_string(),
            address: "a:1".parse().unwrap(),
            status: StatusCode::from_u16(status).unwrap(),
            problem_type: None,
            detail: "because".to_string(),
        };
        assert_eq!(error.is_temporary(), is_temporary, "{error}");
        assert_eq!(code(&error.into()), expected, "{status}");
    }
}

#[test]
fn only_the_api_says_that_a_node_does_not_exist() {
    let error = ClientError::Refused {
        request: "GET /".to_string(),
        address: "a:1".parse().unwrap(),
        status: StatusCode::NOT_FOUND,
        problem_type: Some(ProblemType::NodeNotFound),
        detail: "because".to_string(),
    };
    assert_eq!(code(&error.into()), NOT_FOUND);
}
