//! Names and versions of the interfaces of the world, and the grants to import them.

use std::collections::BTreeSet;

pub(super) const PACKAGE: &str = "zlayer:edge-cache";
/// The package of policies, which the composable form of a plugin imports.
pub(super) const POLICY_PACKAGE: &str = "zlayer:edge-cache-policy";
pub(super) const VERSION: &str = "0.1.0";
pub(crate) const WORLD: &str = "zlayer:edge-cache/edge-cache-plugin@0.1.0";
/// Major and minor version that an interface must have: within 0.1.x, any patch version fits.
const TRACK: (u64, u64) = (0, 1);

/// Names of the provided interfaces, without versions. Those of WASI are of 0.2.
pub(super) const PROVIDED: &[&str] = &[
    "zlayer:edge-cache/gossip-labels",
    "wasi:config/store",
    "wasi:logging/logging",
    "wasi:cli/environment",
    "wasi:cli/exit",
    "wasi:cli/stderr",
    "wasi:cli/stdin",
    "wasi:cli/stdout",
    "wasi:cli/terminal-input",
    "wasi:cli/terminal-output",
    "wasi:cli/terminal-stderr",
    "wasi:cli/terminal-stdin",
    "wasi:cli/terminal-stdout",
    "wasi:clocks/monotonic-clock",
    "wasi:clocks/wall-clock",
    "wasi:filesystem/preopens",
    "wasi:filesystem/types",
    "wasi:http/outgoing-handler",
    "wasi:http/types",
    "wasi:io/error",
    "wasi:io/poll",
    "wasi:io/streams",
    "wasi:random/insecure",
    "wasi:random/insecure-seed",
    "wasi:random/random",
    "wasi:sockets/instance-network",
    "wasi:sockets/ip-name-lookup",
    "wasi:sockets/network",
    "wasi:sockets/tcp",
    "wasi:sockets/tcp-create-socket",
    "wasi:sockets/udp",
    "wasi:sockets/udp-create-socket",
];

/// Interfaces that a plugin may import, by name without version. Default: all that the host provides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImportGrants(BTreeSet<String>);

impl ImportGrants {
    /// Returns the names, in ascending order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// Returns whether a plugin may import the interface.
    pub(crate) fn allow(&self, name: &str) -> bool {
        self.0.contains(name)
    }
}

impl Default for ImportGrants {
    fn default() -> Self {
        PROVIDED.iter().copied().collect()
    }
}

impl<S: Into<String>> FromIterator<S> for ImportGrants {
    fn from_iter<I: IntoIterator<Item = S>>(names: I) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }
}

/// Returns whether `name` is the given interface of this project, in a version that fits.
pub(super) fn is_own(name: &str, interface: &str) -> bool {
    without_version(name).strip_prefix(PACKAGE) == Some(&format!("/{interface}"))
        && track(name) == Some(TRACK)
}

/// Returns whether the host provides the version of an import, and describes the versions that it provides.
pub(super) fn served(name: &str) -> (bool, &'static str) {
    match without_version(name) {
        "wasi:config/store" => (name.ends_with("@0.2.0-rc.1"), "in version 0.2.0-rc.1"),
        bare @ "wasi:logging/logging" => (name == bare, "without a version"),
        bare if bare.starts_with(PACKAGE) => (track(name) == Some(TRACK), "in version 0.1"),
        _ => (track(name) == Some((0, 2)), "in version 0.2"),
    }
}

pub(super) fn without_version(name: &str) -> &str {
    name.split_once('@').map_or(name, |(bare, _)| bare)
}

/// Returns the major and minor version, or none for a pre-release, which matches only itself.
fn track(name: &str) -> Option<(u64, u64)> {
    let (_, version) = name.split_once('@')?;
    if version.contains('-') {
        return None;
    }
    let mut parts = version.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}
