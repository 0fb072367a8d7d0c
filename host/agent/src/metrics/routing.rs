//! Routing.

use std::fmt;

use super::sheet::{Sheet, family};
use edge_cache_host::RoutingStatus;

pub(super) fn write(sheet: &mut Sheet<'_>, status: &RoutingStatus) -> fmt::Result {
    let candidates = family("routing_candidates", "Nodes that keys are routed to.");
    sheet.gauge(candidates, status.candidates)?;
    let assessed = family(
        "routing_assessed",
        "Labels of members that the component was asked to judge.",
    );
    sheet.counter(assessed, status.assessed)?;
    let failures = family(
        "routing_failures",
        "How often the component failed while it judged.",
    );
    sheet.counter(failures, status.failures)?;
    let unjudged = family(
        "routing_unjudged",
        "Members that are not judged by their present labels.",
    );
    sheet.gauge(unjudged, status.unjudged)?;
    let builds = family("routing_table_builds", "Routing tables that were made.");
    sheet.counter(builds, status.builds)?;
    let building = family("routing_table_build", "The time that making them took.");
    sheet.counter(building.seconds(), status.building)?;
    let table = family("routing_table", "The size of the table in force.");
    sheet.gauge(table.bytes(), status.table_bytes)
}
