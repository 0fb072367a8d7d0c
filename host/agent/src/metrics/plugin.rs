//! The component.

use std::fmt;

use super::sheet::{Sheet, family};
use edge_cache_host::{Activity, EdgeCacheRegistry, PluginState};

const STATES: [(&str, PluginState); 4] = [
    ("starting", PluginState::Starting),
    ("running", PluginState::Running),
    ("restarting", PluginState::Restarting),
    ("degraded", PluginState::Degraded),
];

pub(super) fn write(
    sheet: &mut Sheet<'_>,
    registry: &EdgeCacheRegistry,
    activity: &Activity,
) -> fmt::Result {
    let status = registry.status();
    let state = family(
        "plugin_state",
        "1 for what the component that takes changes is doing.",
    );
    let states = STATES.iter();
    sheet.gauges(
        state,
        states.map(|(name, state)| ([("state", *name)], *state == status.state)),
    )?;
    let restarts = family(
        "plugin_restarts",
        "Fresh instances that took the place of a failed one.",
    );
    sheet.counter(restarts, status.restarts)?;
    let calls = family(
        "plugin_call_duration",
        "The times of calls into the component, by export.",
    );
    let times = activity.calls.times.iter();
    sheet.histograms(
        calls.seconds(),
        times.map(|(export, times)| ([("export", *export)], times)),
    )?;
    let failures = family(
        "plugin_failures",
        "Failures of the component, by export and kind: the limit that it met, or what else it did.",
    );
    let failed = activity.calls.failures.iter();
    sheet.counters(
        failures,
        failed.map(|((export, kind), count)| ([("export", *export), ("kind", *kind)], *count)),
    )?;
    let log = registry.log();
    sheet.counters(
        family(
            "plugin_log_lines",
            "Lines of the component's log, by whether they were kept or too many.",
        ),
        [
            ([("fate", "kept")], log.kept_total()),
            ([("fate", "dropped")], log.dropped_total()),
        ],
    )
}
