//! The settings of a running agent, compared with those that the process declares now.

use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use crate::settings::{AgentSettings, EffectiveSetting};
use edge_cache_api::{ReloadOutcome, ReloadedPart, Setting};
use edge_cache_core::text;

/// The name of all settings together, as a part.
const SETTINGS: &str = "settings";
/// The longest value of a setting in a report, in bytes.
const VALUE_BYTES_MAX: usize = 256;

type ReadSettings = dyn Fn() -> Result<AgentSettings, String> + Send + Sync;

/// The settings of a running agent.
pub(crate) struct RunningSettings {
    /// The settings in effect.
    effective: ArcSwap<Vec<EffectiveSetting>>,
    /// The settings as the process declared them when they could be read last.
    declared: ArcSwap<AgentSettings>,
    /// Reads the settings as a start does.
    read: Arc<ReadSettings>,
    /// Held by the reload that reads them.
    turn: Mutex<()>,
}

impl RunningSettings {
    /// Creates the settings of an agent that has started with `started`. The error of `read` is for people.
    pub(crate) fn new(
        started: AgentSettings,
        read: impl Fn() -> Result<AgentSettings, String> + Send + Sync + 'static,
    ) -> Self {
        Self {
            effective: ArcSwap::from_pointee(started.effective.clone()),
            declared: ArcSwap::from_pointee(started),
            read: Arc::new(read),
            turn: Mutex::default(),
        }
    }

    /// Returns the settings in effect, without secrets.
    pub(super) fn shown(&self) -> Vec<Setting> {
        let effective = self.effective.load();
        effective
            .iter()
            .map(|setting| setting.shown.clone())
            .collect()
    }

    /// Returns the settings as the process declared them when they could be read last.
    pub(super) fn declared(&self) -> Arc<AgentSettings> {
        self.declared.load_full()
    }

    /// Puts declared settings with these keys into effect.
    pub(super) fn apply(&self, keys: &[&str], declared: &AgentSettings) {
        let apply = |former: &EffectiveSetting| {
            let key = &*former.shown.key;
            let mut declared = declared.effective.iter();
            let new = declared.find(|new| new.shown.key == key && keys.contains(&key));
            new.unwrap_or(former).clone()
        };
        self.effective
            .rcu(|effective| effective.iter().map(apply).collect::<Vec<_>>());
    }

    /// Reads the settings again. Returns an outcome for all of them, and for each that needs a restart: none of `applied`,
    /// which parts apply. Settings that cannot be used are refused as a whole.
    pub(super) async fn reload(&self, applied: &[&str]) -> Vec<ReloadedPart> {
        let _turn = self.turn.lock().await;
        let read = self.read.clone();
        let declared = tokio::task::spawn_blocking(move || read()).await;
        let declared = declared.unwrap_or_else(|error| Err(text::error_chain(&error)));
        let declared = match declared {
            Ok(declared) => declared,
            Err(reason) => return vec![part(SETTINGS, ReloadOutcome::Failed, reason)],
        };
        let restart: Vec<_> = declared
            .effective
            .iter()
            .filter(|new| !applied.contains(&&*new.shown.key))
            .filter_map(|new| self.restart(new))
            .collect();
        let (outcome, detail) = match restart.len() {
            0 => (ReloadOutcome::Unchanged, source(&declared)),
            count => (
                ReloadOutcome::NeedsRestart,
                format!("{}; a restart takes {count} more", source(&declared)),
            ),
        };
        self.declared.store(Arc::new(declared));
        let settings = part(SETTINGS, outcome, detail);
        [settings].into_iter().chain(restart).collect()
    }

    /// Describes a setting that differs from the one in effect, until the next start takes it.
    fn restart(&self, new: &EffectiveSetting) -> Option<ReloadedPart> {
        let effective = self.effective.load();
        let key = &*new.shown.key;
        let before = effective.iter().find(|setting| setting.shown.key == key);
        if before.is_some_and(|before| before.has_value_of(new)) {
            return None;
        }
        let before = before.and_then(|before| before.shown.value.as_deref());
        let detail = if before == new.shown.value.as_deref() {
            "another hidden value after a restart".to_string()
        } else {
            let (before, new) = (quoted(before), quoted(new.shown.value.as_deref()));
            format!("{before}, after a restart {new}")
        };
        Some(part(key, ReloadOutcome::NeedsRestart, detail))
    }
}

fn part(name: &str, outcome: ReloadOutcome, detail: String) -> ReloadedPart {
    ReloadedPart {
        part: name.to_string(),
        outcome,
        detail,
    }
}

/// Names the source of the settings.
fn source(declared: &AgentSettings) -> String {
    match &declared.config {
        Some(path) => format!("read from {}", path.display()),
        None => "no file".to_string(),
    }
}

fn quoted(value: Option<&str>) -> String {
    match value {
        Some(value) => format!("`{}`", text::clean(value, VALUE_BYTES_MAX)),
        None => "not set".to_string(),
    }
}
