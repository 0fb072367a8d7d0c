use axum::http::Request;

use super::*;

/// Returns the key of a request, as text.
fn key(target: &str, headers: &[(&str, &str)], parts: TrafficKey) -> Option<String> {
    let mut request = Request::builder().uri(target);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(()).unwrap();
    let target = request.uri().path_and_query().unwrap().as_str();
    let key = Pick::of(target)?.key(request.headers(), request.uri(), parts);
    Some(String::from_utf8(key.to_vec()).unwrap())
}

#[test]
fn the_key_is_what_follows_the_prefix() {
    for (target, path, path_and_query) in [
        ("/pick/a/b.js", "/a/b.js", "/a/b.js"),
        ("/pick/a?x=1&y=2", "/a", "/a?x=1&y=2"),
        ("/pick/a?x=1?y", "/a", "/a?x=1?y"),
        ("/pick/a%2Fb/../c", "/a%2Fb/../c", "/a%2Fb/../c"),
        ("/pick//a", "//a", "//a"),
        // Parameters of a client mean nothing.
        ("/pick/a?key=other", "/a", "/a?key=other"),
        ("/pick/a?header=x-other", "/a", "/a?header=x-other"),
        ("/pick/pick?key=other", "/pick", "/pick?key=other"),
        ("/pick*", "*", "*"),
    ] {
        let headers = [("x-other", "/evil"), ("x-original-uri", "/evil")];
        assert_eq!(key(target, &headers, TrafficKey::Path).unwrap(), path);
        let both = key(target, &headers, TrafficKey::PathAndQuery);
        assert_eq!(both.unwrap(), path_and_query);
    }
}

#[test]
fn only_the_header_that_the_proxy_names_is_read_and_only_if_it_is_given_once() {
    let path = TrafficKey::Path;
    let named = "/pick?header=x-original-uri";
    let one = [("x-original-uri", "/a?x=1"), ("x-forwarded-uri", "/evil")];
    assert_eq!(key(named, &one, path).unwrap(), "/a");
    assert_eq!(
        key(named, &one, TrafficKey::PathAndQuery).unwrap(),
        "/a?x=1"
    );
    let twice = [("x-original-uri", "/a"), ("x-original-uri", "/b")];
    assert_eq!(key(named, &twice, path).unwrap(), "");
    assert_eq!(key(named, &[], path).unwrap(), "");
    assert_eq!(key("/pick", &one, path).unwrap(), "");
    assert_eq!(key("/pick?headers=x-original-uri", &one, path).unwrap(), "");
    // The proxy's own parameter comes first.
    let more = "/pick?header=x-original-uri&key=/evil&header=x-forwarded-uri";
    assert_eq!(key(more, &one, path).unwrap(), "/a");
    assert_eq!(key("/pick?header=not%20a%20name", &one, path).unwrap(), "");
}

#[test]
fn a_key_parameter_is_the_key_as_it_is() {
    let host = [("host", "site.example")];
    for parts in [TrafficKey::Path, TrafficKey::HostPathAndQuery] {
        assert_eq!(key("/pick?key=a%20b%3Fc", &host, parts).unwrap(), "a b?c");
        assert_eq!(key("/pick?key=", &host, parts).unwrap(), "");
    }
}

#[test]
fn a_host_counts_in_lower_case_without_its_port() {
    let of = |host: &str| key("/pick/a?b", &[("host", host)], TrafficKey::HostAndPath).unwrap();
    assert_eq!(of("Site.Example"), "site.example/a");
    assert_eq!(of("site.example:8080"), "site.example/a");
    assert_eq!(of("[2001:DB8::1]:80"), "[2001:db8::1]/a");
    assert_eq!(of("[2001:db8::1]"), "[2001:db8::1]/a");
    let twice = [("host", "a"), ("host", "b")];
    assert_eq!(
        key("/pick/a", &twice, TrafficKey::HostAndPath).unwrap(),
        "/a"
    );
    let all = key(
        "/pick/a?b",
        &[("host", "A:1")],
        TrafficKey::HostPathAndQuery,
    );
    assert_eq!(all.unwrap(), "a/a?b");
    let named = [("host", "A"), ("x-original-uri", "/a?b")];
    let named = key(
        "/pick?header=x-original-uri",
        &named,
        TrafficKey::HostPathAndQuery,
    );
    assert_eq!(named.unwrap(), "a/a?b");
    assert_eq!(
        key("http://Agent:1/pick/a", &[], TrafficKey::HostAndPath).unwrap(),
        "agent/a"
    );
}

#[test]
fn other_paths_are_no_picks() {
    for target in [
        "/",
        "/pic",
        "/v3/discovery:endpoints",
        "/Pick/a",
        "/api/v1/agent",
    ] {
        assert_eq!(key(target, &[], TrafficKey::Path), None, "{target}");
    }
}

#[test]
fn an_answer_names_the_caches_best_first() {
    let cache = |port: u16| {
        let address: CacheAddress = format!("[::1]:{port}").parse().unwrap();
        let text = address.to_string().into();
        Cache { address, text }
    };
    let caches = [(3, cache(83)), (1, cache(81)), (u64::MAX, cache(82))];
    let headers = |count: usize| {
        let answer = answer(
            caches
                .iter()
                .take(count)
                .map(|(node, cache)| (*node, cache)),
        )?;
        let mut headers: Vec<_> = answer
            .headers()
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.to_str().unwrap()))
            .collect();
        headers.sort();
        Some(headers)
    };
    assert_eq!(headers(0), None);
    assert_eq!(
        headers(1).unwrap(),
        [
            "x-edge-cache-host: [::1]:83",
            "x-edge-cache-hosts: [::1]:83",
            "x-edge-cache-nodes: 3",
        ]
    );
    assert_eq!(
        headers(3).unwrap(),
        [
            "x-edge-cache-host-2: [::1]:81",
            "x-edge-cache-host: [::1]:83",
            "x-edge-cache-hosts: [::1]:83,[::1]:81,[::1]:82",
            "x-edge-cache-nodes: 3,1,18446744073709551615",
        ]
    );
    let fallback = answer_fallback("192.0.2.1:80".parse().unwrap());
    assert_eq!(fallback.headers()["x-edge-cache-fallback"], "true");
    assert_eq!(fallback.headers()["x-edge-cache-host"], "192.0.2.1:80");
}
