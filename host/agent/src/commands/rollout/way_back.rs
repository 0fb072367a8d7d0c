//! The way back of a rollout: the commands by which agents run their former plugins again.

use edge_cache_client::Plugin;
use edge_cache_distribution::{Digest, Reference};

use crate::cli::RolloutArgs;

/// The way in which an agent runs the plugin again that it ran before the rollout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Back {
    /// A rollout of the declared plugin's former version.
    Declared(Reference),
    /// A swap to the plugin of a registry that was swapped in before.
    Swapped(Reference),
    /// The declared plugin: the former one, or all that there is where the former one was sent as a file.
    Revert,
}

impl Back {
    /// Returns the way back to what an agent runs now.
    pub(super) fn to(plugin: &Plugin, args: &RolloutArgs) -> Self {
        let source: Option<Reference> = plugin.origin.source.parse().ok();
        match (running(plugin), source) {
            (Some(digest), Some(source)) if !plugin.is_declared => {
                Self::Swapped(source.with_digest(digest))
            }
            (Some(digest), _) if plugin.is_declared && !args.until_restart => {
                Self::Declared(args.reference.clone().with_digest(digest))
            }
            _ => Self::Revert,
        }
    }
}

/// Returns the digest of the manifest of the running plugin.
pub(super) fn running(plugin: &Plugin) -> Option<Digest> {
    plugin.origin.digest.as_ref()?.parse().ok()
}

/// Returns the commands that take these agents back, each an address with its way; none without agents.
pub(super) fn of_all<'a>(
    args: &RolloutArgs,
    agents: impl Iterator<Item = (&'a str, &'a Back)>,
) -> Option<String> {
    let mut groups: Vec<(&Back, Vec<&str>)> = Vec::new();
    for (address, back) in agents {
        match groups.iter_mut().find(|(way, _)| *way == back) {
            Some((_, addresses)) => addresses.push(address),
            None => groups.push((back, vec![address])),
        }
    }
    let files = files(args);
    let commands = groups.into_iter().map(|(back, addresses)| {
        let agents = addresses.join(",");
        match back {
            Back::Declared(reference) => {
                format!("`edge-cache-agent plugin rollout {reference} --agents {agents}{files}`")
            }
            Back::Swapped(reference) => format!(
                "`edge-cache-agent plugin rollout {reference} --agents {agents} --until-restart{files}`"
            ),
            Back::Revert => format!(
                "`for agent in {}; do edge-cache-agent plugin revert --addr $agent{files}; done`",
                addresses.join(" ")
            ),
        }
    });
    let commands: Vec<String> = commands.collect();
    (!commands.is_empty()).then(|| commands.join(", and "))
}

/// Returns the command that takes back an agent that may not be ready.
pub(super) fn of_one(args: &RolloutArgs, address: &str, back: &Back) -> String {
    let files = files(args);
    let command = match back {
        Back::Declared(reference) => match reference.digest() {
            Some(digest) => format!("reload --digest {digest}"),
            None => "reload".to_string(),
        },
        Back::Swapped(reference) => format!("swap {reference}"),
        Back::Revert => "revert".to_string(),
    };
    format!("`edge-cache-agent plugin {command} --addr {address}{files}`")
}

/// Returns the arguments with the files that the agents are reached by.
fn files(args: &RolloutArgs) -> String {
    let connection = &args.agent.connection;
    let files = [
        (" --token-file ", &connection.token_file),
        (" --ca-file ", &connection.ca_file),
    ];
    let given = files.into_iter().filter_map(|(flag, file)| {
        let file = file.as_ref()?.display().to_string();
        Some(format!("{flag}{}", word(&file)))
    });
    given.collect()
}

/// Returns a text as a word of a shell.
fn word(text: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-+:@".contains(&byte);
    if !text.is_empty() && text.bytes().all(is_plain) {
        return text.to_string();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}
