//! Selects the broken semantic.

use std::cell::OnceCell;

use crate::bindings::wasi::config::store;

/// Every mutation that there is.
const KNOWN: &[&str] = &[
    "none",
    "wrong-id",
    "disables-unknown",
    "labels-stay",
    "counters-survive",
    "commits-first",
    "publishes-in-vain",
    "labels-elsewhere",
    "touches-others",
    "own-clock",
    "exact-time",
    "takes-nothing",
    "unsorted",
    "wraps",
    "counts-unknown",
    "load-replaces",
    "load-restamps",
    "load-forgets-counters",
    "load-publishes-nothing",
    "load-half",
    "small",
    "apply-ignores-removes",
    "apply-half",
    "impure",
    "looks-at-state",
    "traps-on-strange",
    "unbounded-weight",
];

thread_local! {
    // Read once: the settings do not change while an instance lives.
    static MUTATION: OnceCell<String> = const { OnceCell::new() };
}

/// Tells whether this semantic is the broken one.
pub(crate) fn is(mutation: &str) -> bool {
    MUTATION.with(|chosen| chosen.get_or_init(read) == mutation)
}

/// Checks that the chosen mutation exists, so that a test with a slip in it fails.
pub(crate) fn check() -> Result<(), String> {
    if KNOWN.iter().any(|known| is(known)) {
        return Ok(());
    }
    Err(format!(
        "the setting `mutation` must be one of {}",
        KNOWN.join(", ")
    ))
}

fn read() -> String {
    let setting = store::get("mutation").ok().flatten();
    setting.unwrap_or_else(|| "none".to_string())
}
