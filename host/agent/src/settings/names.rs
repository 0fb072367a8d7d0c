//! The names of settings in messages: people know them from the file, or from the command line.

/// Names a setting by its key in the file and by its flag, which has the regular name.
pub(crate) fn named(key: &str) -> String {
    let flag = key.replace(['.', '_'], "-");
    format!("`{key}` (`--{flag}`)")
}

/// The setting `gossip.insecure`, whose flag has an older name.
pub(crate) const INSECURE_GOSSIP: &str = "`gossip.insecure` (`--insecure-gossip`)";
/// The setting `http.insecure`, whose flag has an older name.
pub(crate) const INSECURE_HTTP: &str = "`http.insecure` (`--insecure-http`)";
/// The setting `gossip.seed`, whose flag has an older name.
pub(crate) const SEED: &str = "`gossip.seed` (`--seed`)";
