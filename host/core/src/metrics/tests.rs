use prometheus_client::encoding::text::encode;
use prometheus_client::registry::Registry;

use super::*;

fn text(registry: &Registry) -> String {
    let mut text = String::new();
    encode(&mut text, registry).unwrap();
    text
}

#[test]
fn the_series_of_a_family_exist_from_the_start_and_its_help_is_the_doc_comment() {
    let mut registry = Registry::default();
    let family = counters(["enable", "disable"].map(|op| [("op", op)]));
    registry.register("changes", help(" Changes that were made."), family);
    let text = text(&registry);
    for line in [
        "# HELP changes Changes that were made.",
        r#"changes_total{op="enable"} 0"#,
        r#"changes_total{op="disable"} 0"#,
    ] {
        assert!(text.lines().any(|it| it == line), "{line} in {text}");
    }
}

#[test]
fn computed_values_are_written_while_their_object_exists() {
    let object = Arc::new(7_u64);
    let mut registry = Registry::default();
    registry.register_collector(Computed::new(&object, |object, writer| {
        writer.gauge("nodes", "Nodes", *object)?;
        writer.gauge("most", "More than fits", u128::MAX)?;
        writer.counter("changes", "Changes", 3)?;
        writer.info("build", "Build", &[("version", "1.2.3")])?;
        writer.gauges("state", "State", "name", [("on", 1), ("off", 0)])?;
        writer.counters("drops", "Drops", "reason", [("late", 5)])
    }));
    insta::assert_snapshot!(text(&registry), @r#"
    # HELP nodes Nodes
    # TYPE nodes gauge
    nodes 7
    # HELP most More than fits
    # TYPE most gauge
    most 18446744073709551615
    # HELP changes Changes
    # TYPE changes counter
    changes_total 3
    # HELP build Build
    # TYPE build gauge
    build{version="1.2.3"} 1
    # HELP state State
    # TYPE state gauge
    state{name="on"} 1
    state{name="off"} 0
    # HELP drops Drops
    # TYPE drops counter
    drops_total{reason="late"} 5
    # EOF
    "#);
    drop(object);
    assert_eq!(text(&registry), "# EOF\n");
}
