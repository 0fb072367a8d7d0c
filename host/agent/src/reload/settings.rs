//! The settings of a running agent, compared with those that the process declares now.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use tokio::sync::Mutex;

use crate::log::LogFilter;
use crate::settings::{AgentSettings, EffectiveSetting};
use edge_cache_api::{ReloadOutcome, ReloadedPart, Setting};
use edge_cache_core::text;

/// The name of all settings together, as a part.
const SETTINGS: &str = "settings";
/// The setting that applies at once.
const LOG_LEVEL: &str = "log.level";
/// The longest value of a setting in a report, in bytes.
const VALUE_BYTES_MAX: usize = 256;

type ReadSettings = dyn Fn() -> Result<AgentSettings, String> + Send + Sync;

/// The settings of a running agent. The default has none.
#[derive(Default)]
pub(crate) struct RunningSettings {
    /// The settings in effect.
    effective: ArcSwap<Vec<EffectiveSetting>>,
    /// Reads the settings as a start does; none where a reload reads no settings.
    read: Option<Arc<ReadSettings>>,
    /// The filter of the log; none where the process has no log.
    log_filter: Option<LogFilter>,
    /// Held by the reload that reads them.
    turn: Mutex<()>,
}

impl RunningSettings {
    /// Creates the settings of an agent that has started with `effective`. The error of `read` is for people.
    pub(crate) fn new(
        effective: Vec<EffectiveSetting>,
        read: impl Fn() -> Result<AgentSettings, String> + Send + Sync + 'static,
        log_filter: Option<LogFilter>,
    ) -> Self {
        Self {
            effective: ArcSwap::from_pointee(effective),
            read: Some(Arc::new(read)),
            log_filter,
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

    /// Reads the settings again, and applies the log level. Returns an outcome for all settings, for the log level, and
    /// for each setting that needs a restart. Settings that cannot be used are refused as a whole.
    pub(super) async fn reload(&self) -> Vec<ReloadedPart> {
        let _turn = self.turn.lock().await;
        let Some(read) = self.read.clone() else {
            return Vec::new();
        };
        let declared = tokio::task::spawn_blocking(move || read()).await;
        let declared = declared.unwrap_or_else(|error| Err(text::error_chain(&error)));
        let declared = match declared {
            Ok(declared) => declared,
            Err(reason) => return vec![part(SETTINGS, ReloadOutcome::Failed, reason)],
        };
        let mut differing = self.differences(&declared);
        let log_level = match differing.remove(LOG_LEVEL) {
            None => part(
                LOG_LEVEL,
                ReloadOutcome::Unchanged,
                quoted(Some(&declared.log_level)),
            ),
            Some(setting) => self.apply_log_level(&declared.log_level, setting),
        };
        let restart: Vec<_> = differing
            .into_values()
            .map(|new| self.restart(new))
            .collect();
        let (outcome, detail) = match restart.len() {
            0 => (ReloadOutcome::Unchanged, source(&declared)),
            count => (
                ReloadOutcome::NeedsRestart,
                format!("{}; a restart takes {count} more", source(&declared)),
            ),
        };
        let settings = part(SETTINGS, outcome, detail);
        [settings, log_level].into_iter().chain(restart).collect()
    }

    /// Returns the declared settings that differ from those in effect, by key.
    fn differences<'a>(
        &self,
        declared: &'a AgentSettings,
    ) -> BTreeMap<&'a str, &'a EffectiveSetting> {
        let declared = declared.effective.iter();
        let differ = declared.filter(|new| {
            let before = self.before(&new.shown.key);
            before.is_none_or(|before| !before.has_value_of(new))
        });
        differ.map(|new| (&*new.shown.key, new)).collect()
    }

    /// Returns a setting in effect.
    fn before(&self, key: &str) -> Option<EffectiveSetting> {
        let effective = self.effective.load();
        let found = effective.iter().find(|setting| setting.shown.key == key);
        found.cloned()
    }

    fn apply_log_level(&self, level: &str, new: &EffectiveSetting) -> ReloadedPart {
        let Some(filter) = &self.log_filter else {
            return self.restart(new);
        };
        if let Err(error) = filter.replace(level) {
            return part(LOG_LEVEL, ReloadOutcome::Failed, text::error_chain(&error));
        }
        let mut effective = Vec::clone(&self.effective.load());
        for setting in &mut effective {
            if setting.shown.key == LOG_LEVEL {
                *setting = new.clone();
            }
        }
        self.effective.store(Arc::new(effective));
        part(LOG_LEVEL, ReloadOutcome::Changed, quoted(Some(level)))
    }

    /// Describes a setting that the next start takes.
    fn restart(&self, new: &EffectiveSetting) -> ReloadedPart {
        let before = self.before(&new.shown.key);
        let before = before.and_then(|before| before.shown.value);
        let detail = if before == new.shown.value {
            "another hidden value after a restart".to_string()
        } else {
            let (before, new) = (
                quoted(before.as_deref()),
                quoted(new.shown.value.as_deref()),
            );
            format!("{before}, after a restart {new}")
        };
        part(&new.shown.key, ReloadOutcome::NeedsRestart, detail)
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
