use std::time::Duration;

use axum::http::{Method, StatusCode};

use super::{RequestCounts, TIME_BOUNDS};

const NODE: &str = "/nodes/{id}";

fn counted(requests: &[(Option<&str>, &Method, StatusCode)]) -> Vec<String> {
    let counts = RequestCounts::new([NODE.to_string(), "/nodes".to_string()]);
    for (template, method, status) in requests {
        let place = counts.place(*template, method);
        counts.add(place, *status, Duration::from_micros(60));
    }
    let read = counts.read().into_iter();
    read.map(|of| {
        let total: u64 = of.answers.iter().map(|(_, count)| count).sum();
        assert_eq!(of.times.count(), total);
        format!("{} {} {:?}", of.route, of.method, of.answers)
    })
    .collect()
}

#[test]
fn requests_count_by_template_method_and_class() {
    let ok = StatusCode::OK;
    let read = counted(&[
        (Some(NODE), &Method::GET, ok),
        (Some(NODE), &Method::GET, StatusCode::NOT_FOUND),
        (Some(NODE), &Method::GET, StatusCode::UNAUTHORIZED),
        (Some(NODE), &Method::DELETE, StatusCode::NO_CONTENT),
        (Some("/nodes"), &Method::HEAD, ok),
    ]);
    assert_eq!(
        read,
        [
            r#"/nodes/{id} GET [("2xx", 1), ("4xx", 2)]"#,
            r#"/nodes/{id} DELETE [("2xx", 1)]"#,
            r#"/nodes HEAD [("2xx", 1)]"#,
        ]
    );
}

#[test]
fn whatever_is_asked_for_there_are_no_further_series() {
    let strange = Method::from_bytes(b"BREW").unwrap();
    let not_found = StatusCode::NOT_FOUND;
    let read = counted(&[
        (None, &strange, not_found),
        (None, &Method::PATCH, not_found),
        (Some("/new"), &Method::OPTIONS, not_found),
    ]);
    assert_eq!(read, [r#"none other [("4xx", 3)]"#]);
}

#[test]
fn bounds_ascend() {
    assert!(TIME_BOUNDS.is_sorted());
}
