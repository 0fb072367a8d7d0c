//! `plugin rollout`: the agents of a cluster run another version of their plugin, one after the other.
//!
//! Nothing changes before every agent has been asked. Then each agent must be ready, and another one must see its
//! labels, before the next one is asked to reload. The first refusal ends the rollout, with the command that goes back.

mod way_back;

use std::fmt;
use std::io::{self, Write};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use edge_cache_client::{
    Client, ClientError, Member, MemberStatus, MembersQuery, Plugin, PluginOffer, ReloadQuery,
    Setting, SwapQuery, SwapSource,
};
use edge_cache_distribution::{Digest, Reference};
use serde_json::json;
use tokio::signal::ctrl_c;

use self::way_back::{Back, running};
use super::{Session, connect};
use crate::cli::{ConnectionArgs, RolloutArgs};
use crate::exit::{self, usage};

/// The time between two looks at an agent that is to become ready.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// An agent of the rollout.
struct Target {
    address: String,
    node_id: u64,
    client: Client,
    settings: Vec<Setting>,
    /// The digest of the manifest of its plugin before the rollout, if it had one.
    former: Option<Digest>,
    back: Back,
}

/// The effect of a failed step on its agent.
#[derive(Clone, Copy)]
enum Effect {
    None,
    Possible,
}

impl Session {
    /// Rolls a plugin out.
    pub(super) async fn rollout(&self, args: &RolloutArgs) -> Result<u8> {
        let mut targets = self.targets(args).await?;
        for target in &mut targets {
            target.examine(args).await?;
        }
        let mut is_way_back_told = false;
        let mut digest = args.reference.digest();
        for (at, target) in targets.iter().enumerate() {
            let begun = Instant::now();
            let witness = match at.checked_sub(1) {
                Some(before) => targets.get(before),
                None => targets.get(1),
            };
            let known = digest;
            let stopped = |error, effect| stopped(error, args, (&targets, at, known), effect);
            let unchanged = |error| stopped(error, Effect::None);
            let changed = |error| stopped(error, Effect::Possible);
            let step = async {
                for other in &targets {
                    other.ready().await.map_err(unchanged)?;
                }
                let plugin = match target.update(args, digest).await {
                    Err(error) if is_refusal(&error) => return Err(unchanged(error)),
                    updated => updated.map_err(changed)?,
                };
                // Whatever interrupts this command from now on, its terminal has the way back.
                let new = running(&plugin);
                if target.former != new && !is_way_back_told {
                    is_way_back_told = true;
                    let back =
                        way_back::of_all(args, changed_by(&targets, new).map(Target::way_back));
                    let back = back.unwrap_or_default();
                    eprintln(&format!("the way back: {back}"));
                }
                let waited = target.wait(&plugin, witness, args.patience).await;
                waited.map_err(changed)?;
                Ok(plugin)
            };
            let plugin = tokio::select! {
                stepped = step => stepped?,
                _ = ctrl_c() => return Err(changed(anyhow!("interrupted"))),
            };
            digest = digest.or_else(|| running(&plugin));
            let reported = self.report(target, &plugin, begun.elapsed());
            reported.map_err(changed)?;
        }
        for target in &targets {
            target
                .look_again(digest)
                .await
                .context("the rollout is over, but not everywhere")?;
        }
        Ok(exit::SUCCESS)
    }

    fn report(&self, target: &Target, plugin: &Plugin, time: Duration) -> Result<()> {
        let digest = plugin.origin.digest.clone().unwrap_or_default();
        let seconds = time.as_secs_f64();
        let text = format!(
            "node {}: {digest}, ready and seen after {seconds:.1} s",
            target.node_id
        );
        let json = json!({
            "node_id": target.node_id,
            "address": target.address,
            "digest": digest,
            "sha256": plugin.sha256,
            "seconds": seconds,
        });
        self.say(&text, &json)
    }

    /// Returns the agents that the arguments name, or those that announce their address.
    async fn targets(&self, args: &RolloutArgs) -> Result<Vec<Target>> {
        let connection = &args.agent.connection;
        if !args.agents.is_empty() {
            let mut targets = Vec::new();
            for address in &args.agents {
                let connection = ConnectionArgs {
                    addr: address.clone(),
                    ..connection.clone()
                };
                let target = Target::connect(&connection).await?;
                let known = targets
                    .iter()
                    .find(|known: &&Target| known.node_id == target.node_id);
                if let Some(known) = known {
                    let error = anyhow!("--agents names {known} twice, as {}", target.address);
                    return Err(usage(error));
                }
                targets.push(target);
            }
            return Ok(targets);
        }
        let members = self.client.members(MembersQuery::default()).send().await?;
        let members = members.members.into_iter();
        let agents = members.filter(|it| it.is_agent && it.status != MemberStatus::Left);
        let mut targets = Vec::new();
        for member in agents {
            let node = format!("node {}", member.node_id);
            ensure!(
                member.status == MemberStatus::Alive,
                "{node} is {}, and nothing was changed: repair it, or name all other agents by --agents",
                member.status
            );
            let api = member.api.with_context(|| {
                format!("{node} announces no address of its API: set `http.advertise` there, or name all agents by --agents")
            });
            let address = api.map_err(usage)?;
            let address = address.parse().with_context(|| {
                format!("{node} announces {address:?} as the address of its API")
            })?;
            let connection = announced(connection, address).with_context(|| node.clone())?;
            let target = Target::connect(&connection).await?;
            ensure!(
                target.node_id == member.node_id,
                "at the address that {node} announces, {}, node {} answers",
                target.address,
                target.node_id
            );
            targets.push(target);
        }
        Ok(targets)
    }
}

/// Returns the connection to an announced address. A member may announce any: a token goes there only by TLS, to a
/// holder of a certificate that the given roots prove.
fn announced(
    connection: &ConnectionArgs,
    address: edge_cache_client::Address,
) -> Result<ConnectionArgs> {
    if connection.token_file.is_some() && !address.is_tls() {
        let error = anyhow!(
            "the token would be sent to the announced address {address} unencrypted: `http.advertise` must begin with \
             https://, or name all agents by --agents"
        );
        return Err(usage(error));
    }
    Ok(ConnectionArgs {
        addr: address,
        insecure_http: false,
        ..connection.clone()
    })
}

impl Target {
    async fn connect(connection: &ConnectionArgs) -> Result<Self> {
        let client = connect(connection)?;
        let agent = client.agent().send().await;
        let agent = agent
            .with_context(|| format!("nothing was changed: {} is not reached", connection.addr))?;
        Ok(Self {
            address: connection.addr.to_string(),
            node_id: agent.node_id,
            settings: agent.settings,
            client,
            former: None,
            back: Back::default(),
        })
    }

    /// Returns the address with the way back.
    fn way_back(&self) -> (&str, &Back) {
        (&self.address, &self.back)
    }

    async fn ready(&self) -> Result<()> {
        let ready = self.client.readyz().send().await;
        ready
            .map(drop)
            .with_context(|| format!("node {} is not ready", self.node_id))
    }

    /// Checks that the agent is ready and declares the plugin, and remembers which one it runs.
    async fn examine(&mut self, args: &RolloutArgs) -> Result<()> {
        self.ready().await.context("nothing was changed")?;
        let plugin = self.client.plugin().send().await?;
        self.former = running(&plugin);
        self.back = Back::to(&plugin, args);
        self.check_pins(args)?;
        if args.until_restart {
            return Ok(());
        }
        let declared: Option<Reference> = plugin.declared.source.parse().ok();
        let declares = declared.is_some_and(|declared| args.reference.is_version_of(&declared));
        ensure!(
            declares,
            "node {} declares {} as its plugin, and its next start would not run {}: set `plugin.source` on all agents \
             first, or use --until-restart; nothing was changed",
            self.node_id,
            plugin.declared.source,
            args.reference
        );
        Ok(())
    }

    /// Checks that the settings of the agent pin no other plugin.
    fn check_pins(&self, args: &RolloutArgs) -> Result<()> {
        let new = args.reference.digest();
        if new.is_some() && new == self.former {
            return Ok(());
        }
        let value = |key| {
            let setting = self.settings.iter().find(|setting| setting.key == key)?;
            setting.value.as_deref()
        };
        let source: Option<Reference> = value("plugin.source").and_then(|it| it.parse().ok());
        let pinned = source.and_then(|source| source.digest());
        let pin = if value("plugin.sha256").is_some() {
            "`plugin.sha256`"
        } else if pinned.is_some() && pinned != new && !args.until_restart {
            "the digest of `plugin.source`"
        } else {
            return Ok(());
        };
        bail!(
            "node {} runs one plugin only by {pin} in its settings: remove it, then reload; nothing was changed",
            self.node_id
        );
    }

    /// Lets the agent run the plugin.
    async fn update(&self, args: &RolloutArgs, digest: Option<Digest>) -> Result<Plugin> {
        let client = &self.client;
        if !args.until_restart {
            let query = ReloadQuery {
                pull: digest.is_none(),
                digest: digest.map(|digest| digest.to_string()),
            };
            return Ok(client.reload_plugin(&query).send().await?);
        }
        let reference = args.reference.clone();
        let reference = match digest {
            Some(digest) => reference.with_digest(digest),
            None => reference,
        };
        let source = SwapSource {
            source: reference.to_string(),
            settings: None,
        };
        let offer = PluginOffer::Registry(source);
        Ok(client
            .swap_plugin(offer, SwapQuery::default())
            .send()
            .await?)
    }

    /// Checks that nobody else has replaced the plugin meanwhile.
    async fn look_again(&self, digest: Option<Digest>) -> Result<()> {
        let plugin = self.client.plugin().send().await;
        let plugin = plugin.with_context(|| format!("{self} is not reached"))?;
        ensure!(
            running(&plugin) == digest,
            "somebody else has replaced the plugin meanwhile: {self} runs {}",
            plugin.origin.source
        );
        Ok(())
    }

    /// Waits until the agent is ready with the plugin, and another agent sees it so.
    async fn wait(
        &self,
        plugin: &Plugin,
        witness: Option<&Self>,
        patience: Duration,
    ) -> Result<()> {
        let deadline = Instant::now().checked_add(patience);
        loop {
            let missing = match self.look(plugin, witness).await {
                Ok(None) => return Ok(()),
                Ok(Some(missing)) => missing,
                Err(error) => format!("{error:#}"),
            };
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                let patience = humantime::format_duration(patience);
                bail!(
                    "node {} took longer than {patience} (--patience): {missing}",
                    self.node_id
                );
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Returns what is missing until the agent is ready with the plugin and another agent sees it so.
    async fn look(&self, plugin: &Plugin, witness: Option<&Self>) -> Result<Option<String>> {
        self.client.readyz().send().await?;
        let now = self.client.plugin().send().await?;
        ensure!(
            now.sha256 == plugin.sha256,
            "it runs the plugin {}",
            now.sha256
        );
        let Some(witness) = witness else {
            return Ok(None);
        };
        let (own, seen) = (self.member_of(self).await?, self.member_of(witness).await?);
        let is_current = own.as_ref().and_then(|own| own.policy.as_ref());
        let is_current = is_current.is_some_and(|policy| policy.starts_with(&plugin.policy));
        if is_current && own == seen {
            return Ok(None);
        }
        Ok(Some(format!(
            "node {} does not see its labels yet",
            witness.node_id
        )))
    }

    /// Returns this node as an agent sees it, without when and by which key that agent heard it last.
    async fn member_of(&self, agent: &Self) -> Result<Option<Member>> {
        let members = agent.client.members(MembersQuery::default()).send().await?;
        let mut members = members.members.into_iter();
        let member = members.find(|member| member.node_id == self.node_id);
        Ok(member.map(|member| Member {
            last_heard: None,
            key_id: None,
            ..member
        }))
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "node {} ({})", self.node_id, self.address)
    }
}

/// Returns whether an agent has refused, so that nothing changed there.
fn is_refusal(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<ClientError>();
    error.is_some_and(|error| matches!(error, ClientError::Refused { .. }))
}

/// Iterates over the agents that did not run this plugin before.
fn changed_by(targets: &[Target], new: Option<Digest>) -> impl Iterator<Item = &Target> {
    targets.iter().filter(move |target| target.former != new)
}

/// Says where the rollout has stopped, and how to go back. The agent at `at` may have changed.
fn stopped(
    error: anyhow::Error,
    args: &RolloutArgs,
    (targets, at, new): (&[Target], usize, Option<Digest>),
    effect: Effect,
) -> anyhow::Error {
    let done = targets.get(..at).unwrap_or_default();
    let Some(target) = targets.get(at) else {
        return error;
    };
    let mut text = format!("the rollout has stopped at {target}");
    if let Effect::Possible = effect {
        let back = way_back::of_one(args, &target.address, &target.back);
        text += &format!(", which may run the new plugin: {back} takes it back");
    }
    let changed = || changed_by(done, new);
    text += &match way_back::of_all(args, changed().map(Target::way_back)) {
        Some(back) => {
            let names: Vec<String> = changed().map(ToString::to_string).collect();
            let names = names.join(", ");
            format!("; the new plugin runs at {names}: {back} goes back")
        }
        None => match effect {
            Effect::None => "; no agent was changed".to_string(),
            Effect::Possible => "; no other agent was changed".to_string(),
        },
    };
    error.context(text)
}

/// Prints a line on standard error, which may be closed.
fn eprintln(text: &str) {
    let _ = writeln!(io::stderr(), "edge-cache-agent: {text}");
}
