//! Selects the misbehaviour of a call.

use std::cell::OnceCell;

use crate::bindings::wasi::config::store;
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
/// where nothing is.
pub(crate) fn due(export: &str, triggered: bool) -> &'static str {
    if !triggered {
        return "";
    }
    let behaviour = BEHAVIOUR.with(|behaviour| *behaviour.get_or_init(read));
    behaviour
        .split(',')
        .filter_map(|part| part.split_once('@'))
        .find_map(|(what, wanted)| (wanted == export).then_some(what))
        .unwrap_or_default()
}

fn read() -> &'static str {
    let setting = store::get("behaviour").ok().flatten();
    setting.unwrap_or_default().leak()
}
