use std::collections::BTreeSet;

use super::routes;

#[test]
fn every_route_is_described_and_every_description_is_a_route() {
    let (router, _) = routes().split_for_parts();
    // The only way to see what a router holds: it prints its paths as strings.
    let printed = format!("{router:?}");
    let routed: BTreeSet<_> = printed
        .split('"')
        .filter(|text| text.starts_with('/'))
        // axum's own, for the fallback.
        .filter(|text| *text != "/" && !text.contains("__private__"))
        .map(str::to_string)
        .collect();
    let described: BTreeSet<_> = routes().into_openapi().paths.paths.into_keys().collect();
    assert!(!described.is_empty());
    assert_eq!(routed, described);
}
