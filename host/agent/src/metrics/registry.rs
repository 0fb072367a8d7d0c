//! Nodes, changes, the queue and the store.

use std::fmt;

use super::sheet::{Sheet, family};
use edge_cache_host::{Activity, EdgeCacheRegistry};

pub(super) fn write(
    sheet: &mut Sheet<'_>,
    registry: &EdgeCacheRegistry,
    activity: &Activity,
) -> fmt::Result {
    let nodes = family("nodes", "Nodes that are eligible.");
    sheet.gauge(nodes, registry.list_eligible().len())?;
    let decisions = registry.decision_counts();
    sheet.gauges(
        family(
            "decisions",
            "Decisions that stand, by what they say; of each node one.",
        ),
        [
            ([("op", "enable")], decisions.enabled),
            ([("op", "disable")], decisions.disabled),
        ],
    )?;
    let refused = family(
        "decisions_refused",
        "Decisions that stand and that this agent's component did not follow.",
    );
    sheet.gauge(refused, decisions.refused)?;
    let changes = family("changes", "Changes, by operation and result.");
    let results = activity.results.iter();
    sheet.counters(
        changes,
        results.map(|((operation, result), count)| {
            ([("operation", *operation), ("result", *result)], *count)
        }),
    )?;
    let waiting = family("queue_depth", "Changes that wait for the writer.");
    sheet.gauge(waiting, registry.queue_depth())?;
    let sizes = family("batch_changes", "Changes that were made in one batch.");
    sheet.histograms(sizes, [([], &activity.batch_sizes)])?;
    let busy = family("writer_busy", "The time that the writer was at work.");
    sheet.counter(busy.seconds(), activity.busy)?;
    let commits = family(
        "store_commit_duration",
        "The times of commits to the store.",
    );
    sheet.histograms(commits.seconds(), [([], &activity.commits)])?;
    let failures = family(
        "store_failures",
        "Failures of the store, at a commit or when it was opened again.",
    );
    sheet.counter(failures, activity.store_failures)?;
    let failed = family(
        "store_failed",
        "1 while nothing can be made durable and changes are refused for it.",
    );
    sheet.gauge(failed, registry.status().store_failure.is_some())
}
