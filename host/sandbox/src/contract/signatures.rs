//! Signatures of the functions of the world, as [`signature`](crate::signature) writes them.

macro_rules! capacity {
    () => {
        "record{cpu-cores: u32, ram-mib: u64, disk-mib: u64, geo: option<string>}"
    };
}
macro_rules! node {
    () => {
        concat!(
            "record{node-id: u64, capacity: ",
            capacity!(),
            ", enabled-at: record{seconds: u64, nanoseconds: u32}}"
        )
    };
}
macro_rules! stats {
    () => {
        "record{hits: u64, misses: u64}"
    };
}
macro_rules! error {
    () => {
        "variant{gossip(string), node-not-found(u64), invalid-capacity(string)}"
    };
}
macro_rules! entry {
    () => {
        concat!("record{node: ", node!(), ", stats: ", stats!(), "}")
    };
}
macro_rules! labels {
    () => {
        "list<record{key: string, value: string}>"
    };
}

/// Functions that a plugin exports: interface, name, and signature with all types written out.
///
/// A test compares the list with the reference plugin.
pub(super) const EXPORTS: &[(&str, &str, &str)] = &[
    (
        "registry",
        "enable",
        concat!(
            "func(node-id: u64, capacity: ",
            capacity!(),
            ") -> result<",
            node!(),
            ", ",
            error!(),
            ">"
        ),
    ),
    (
        "registry",
        "disable",
        concat!("func(node-id: u64) -> result<_, ", error!(), ">"),
    ),
    ("registry", "is-enabled", "func(node-id: u64) -> bool"),
    (
        "registry",
        "list-eligible",
        concat!("func() -> list<", node!(), ">"),
    ),
    (
        "registry",
        "stats",
        concat!("func(node-id: u64) -> ", stats!()),
    ),
    (
        "registry",
        "add-stats",
        concat!(
            "func(node-id: u64, delta: ",
            stats!(),
            ") -> result<",
            stats!(),
            ", ",
            error!(),
            ">"
        ),
    ),
    (
        "state",
        "load",
        concat!("func(entries: list<", entry!(), ">) -> result<_, string>"),
    ),
    (
        "state",
        "apply",
        concat!(
            "func(changes: list<variant{put(",
            entry!(),
            "), remove(u64)}>) -> result<_, string>"
        ),
    ),
    (
        "placement",
        "assess",
        concat!(
            "func(peer: record{node-id: u64, labels: ",
            labels!(),
            "}) -> option<record{weight: u32, geo: option<string>}>"
        ),
    ),
];

/// Interface `gossip-labels`, the only one of this project that a plugin imports.
pub(super) const LABELS: &str = "zlayer:edge-cache/gossip-labels";
/// The only function of [`LABELS`]: name and signature.
pub(super) const PUBLISH: (&str, &str) = (
    "publish",
    concat!(
        "func(node: u64, labels: ",
        labels!(),
        ") -> result<_, variant{denied(string), too-large(u32), unavailable(string)}>"
    ),
);
