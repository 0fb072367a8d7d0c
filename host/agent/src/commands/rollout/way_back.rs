//! The way back of a rollout: the commands by which agents run their former plugins again.

use edge_cache_client::Plugin;
use edge_cache_distribution::{Digest, Reference};

use crate::cli::RolloutArgs;

/// The way in which an agent gets back what it declared and ran before the rollout. Without any step, `plugin revert` does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Back {
    /// The declared plugin's former version, where the rollout changes it.
    declared: Option<Reference>,
    /// The plugin of a registry that had been swapped in. One that was sent as a file cannot come back from here.
    swapped: Option<Reference>,
}

impl Back {
    /// Returns the way back to what an agent declares and runs now.
    pub(super) fn to(plugin: &Plugin, args: &RolloutArgs) -> Self {
        let digest = |text: &Option<String>| text.as_ref()?.parse::<Digest>().ok();
        let declared = digest(&plugin.declared.digest).filter(|_| !args.until_restart);
        let swapped = || {
            let source: Reference = plugin.origin.source.parse().ok()?;
            Some(source.with_digest(running(plugin)?))
        };
        Self {
            declared: declared.map(|digest| args.reference.clone().with_digest(digest)),
            swapped: (!plugin.is_declared).then(swapped).flatten(),
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
    let mut commands = Vec::new();
    for (back, addresses) in groups {
        let agents = addresses.join(",");
        if let Some(reference) = &back.declared {
            commands.push(format!(
                "`edge-cache-agent plugin rollout {reference} --agents {agents}{files}`"
            ));
        }
        if let Some(reference) = &back.swapped {
            commands.push(format!(
                "`edge-cache-agent plugin rollout {reference} --agents {agents} --until-restart{files}`"
            ));
        }
        if *back == Back::default() {
            commands.push(format!(
                "`for agent in {}; do edge-cache-agent plugin revert --addr $agent{files}; done`",
                addresses.join(" ")
            ));
        }
    }
    (!commands.is_empty()).then(|| commands.join(", and "))
}

/// Returns the commands that take back an agent that may not be ready.
pub(super) fn of_one(args: &RolloutArgs, address: &str, back: &Back) -> String {
    let files = files(args);
    let declared = back.declared.as_ref().and_then(Reference::digest);
    let declared = declared.map(|digest| format!("reload --digest {digest}"));
    let swapped = back
        .swapped
        .as_ref()
        .map(|reference| format!("swap {reference}"));
    let mut steps: Vec<String> = declared.into_iter().chain(swapped).collect();
    if steps.is_empty() {
        steps.push("revert".to_string());
    }
    let commands = steps
        .iter()
        .map(|step| format!("`edge-cache-agent plugin {step} --addr {address}{files}`"));
    commands.collect::<Vec<_>>().join(", and ")
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
