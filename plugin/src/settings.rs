//! The settings of the plugin.

#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::text::excerpt;

/// Key of the setting for the weight of candidates.
pub const SETTING_WEIGHT: &str = "weight";

/// Beginning of the keys of a policy's settings.
const POLICY: &str = "policy.";

/// Settings of the plugin.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// Source of a candidate's weight.
    pub weight: WeightBy,
}

impl Settings {
    /// Parses pairs of key and value. Missing settings have their defaults; the last value of a key counts.
    ///
    /// Keys that begin with `policy.` are for a policy that the plugin is composed with.
    ///
    /// # Errors
    ///
    /// An unknown key or an invalid value. A default instead would change the placement of a whole cluster
    /// unnoticed.
    pub fn from_pairs(pairs: &[(String, String)]) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        for (key, value) in pairs {
            match key.as_str() {
                key if key.starts_with(POLICY) => {}
                SETTING_WEIGHT => settings.weight = WeightBy::from_value(value)?,
                _ => return Err(SettingsError::UnknownKey(excerpt(key))),
            }
        }
        Ok(settings)
    }
}

/// Source of a candidate's weight.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WeightBy {
    /// The advertised disk, in whole GiB: `disk`.
    #[default]
    Disk,
    /// The advertised memory, in whole GiB: `ram`.
    Ram,
    /// The advertised processor cores: `cpu`.
    Cpu,
    /// `equal`: all candidates have one weight.
    Equal,
}

impl WeightBy {
    fn from_value(value: &str) -> Result<Self, SettingsError> {
        match value {
            "disk" => Ok(Self::Disk),
            "ram" => Ok(Self::Ram),
            "cpu" => Ok(Self::Cpu),
            "equal" => Ok(Self::Equal),
            _ => Err(SettingsError::WrongWeight(excerpt(value))),
        }
    }
}

/// An error in the settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// The key is unknown; the text is an excerpt of it.
    #[error("unknown setting \"{0}\": the only setting is \"{SETTING_WEIGHT}\"")]
    UnknownKey(String),
    /// The value of the weight is invalid; the text is an excerpt of it.
    #[error(
        "setting \"{SETTING_WEIGHT}\" must be \"disk\", \"ram\", \"cpu\" or \"equal\", got \"{0}\""
    )]
    WrongWeight(String),
    /// The host failed to return the settings; the text is an excerpt of its reason.
    #[error("the settings could not be read: {0}")]
    Unreadable(String),
}
