use edge_cache_client::StatusCode;

use super::*;

#[test]
fn each_refusal_has_its_exit_code() {
    for (status, code, is_temporary) in [
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
            request: "GET /".to_string(),
            address: "a:1".parse().unwrap(),
            status: StatusCode::from_u16(status).unwrap(),
            problem_type: None,
            detail: "because".to_string(),
        };
        assert_eq!(error.is_temporary(), is_temporary, "{error}");
        assert_eq!(CommandError::from(error).exit_code(), code, "{status}");
    }
}
