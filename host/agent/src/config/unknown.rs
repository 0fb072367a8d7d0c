//! Variables that look like settings and are none.

use std::collections::BTreeSet;
use std::ffi::OsString;

use clap::Command;

use super::setting::quoted;

/// The prefix of the variables of settings.
const PREFIX: &str = "EDGE_CACHE_";
/// Variables that had other names before, without the prefix.
const RENAMED: [(&str, &str); 4] = [
    ("INSECURE_GOSSIP", "GOSSIP_INSECURE"),
    ("INSECURE_HTTP", "HTTP_INSECURE"),
    ("PLUGIN", "PLUGIN_SOURCE"),
    ("SEED", "GOSSIP_SEED"),
];
/// The least similarity of a suggestion, where 1 means equal. Other software may set any variable.
const SIMILARITY_MIN: f64 = 0.9;
/// The most warnings. An environment may have any number of variables.
const WARNINGS_MAX: usize = 32;

/// Returns a warning for each name with the prefix of settings that no argument of a command reads.
pub(crate) fn unknown_variables(
    whole: &Command,
    names: impl IntoIterator<Item = OsString>,
) -> Vec<String> {
    let mut known = BTreeSet::new();
    collect(whole, &mut known);
    let names: BTreeSet<OsString> = names.into_iter().collect();
    let unknown = names.iter().filter_map(|name| {
        let name = name.to_string_lossy();
        let end = name.strip_prefix(PREFIX)?;
        (!known.contains(end)).then(|| warning(&name, end, &known))
    });
    unknown.take(WARNINGS_MAX).collect()
}

fn warning(name: &str, end: &str, known: &BTreeSet<String>) -> String {
    let renamed = RENAMED.iter().find(|(before, _)| *before == end);
    let nearest = || {
        let similar = known
            .iter()
            .map(|other| (strsim::jaro_winkler(end, other), other));
        let similar = similar.filter(|(similarity, _)| *similarity >= SIMILARITY_MIN);
        let nearest = similar.max_by(|(one, _), (other, _)| one.total_cmp(other));
        nearest.map(|(_, other)| other.as_str())
    };
    let suggestion = renamed.map(|(_, now)| *now).or_else(nearest);
    let suggestion = suggestion.map(|end| format!("; did you mean `{PREFIX}{end}`?"));
    format!(
        "the variable {} is no setting{}",
        quoted(name),
        suggestion.unwrap_or_default()
    )
}

/// Collects the ends of the variables that a command and its subcommands read.
fn collect(command: &Command, known: &mut BTreeSet<String>) {
    let variables = command
        .get_arguments()
        .filter_map(|arg| arg.get_env()?.to_str());
    known.extend(variables.filter_map(|name| Some(name.strip_prefix(PREFIX)?.to_string())));
    for below in command.get_subcommands() {
        collect(below, known);
    }
}
