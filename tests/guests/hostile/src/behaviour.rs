//! Selects the misbehaviour of a call.

use std::cell::OnceCell;

use crate::bindings::wasi::cli::stdout;
use crate::bindings::wasi::config::store;
use crate::bindings::wasi::logging::logging::{Level, log};
use crate::bindings::zlayer::edge_cache::types::NodeId;

thread_local! {
    // Read once: the settings do not change while an instance lives.
    static BEHAVIOUR: OnceCell<&'static str> = const { OnceCell::new() };
    static TRIGGER: OnceCell<NodeId> = const { OnceCell::new() };
}

/// The node that brings out the guest's bad side: the setting `trigger`, or 666.
pub(crate) fn trigger() -> NodeId {
    TRIGGER.with(|trigger| {
        *trigger.get_or_init(|| {
            let setting = store::get("trigger").ok().flatten();
            setting.and_then(|id| id.parse().ok()).unwrap_or(666)
        })
    })
}

/// What the setting `behaviour` asks for in `export`, where the call has to do with the trigger. Empty
/// where nothing is. After `say-`, the guest logs something first.
pub(crate) fn due(export: &str, triggered: bool) -> &'static str {
    if !triggered {
        return "";
    }
    let behaviour = BEHAVIOUR.with(|behaviour| *behaviour.get_or_init(read));
    let what = behaviour
        .split(',')
        .filter_map(|part| part.split_once('@'))
        .find_map(|(what, wanted)| (wanted == export).then_some(what))
        .unwrap_or_default();
    match what.strip_prefix("say-") {
        Some(what) => {
            say();
            what
        }
        None => what,
    }
}

/// Logs a line, and prints one and a half.
fn say() {
    log(Level::Info, "say", "logged");
    drop(stdout::get_stdout().blocking_write_and_flush(b"printed\nunfinish"));
}

fn read() -> &'static str {
    let setting = store::get("behaviour").ok().flatten();
    setting.unwrap_or_default().leak()
}
