//! What the operator may choose.

#[cfg(test)]
mod tests;

use thiserror::Error;

use crate::text::excerpt;

/// The key of the setting that chooses the weight of a candidate.
pub const SETTING_WEIGHT: &str = "weight";

/// The settings of the component.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Settings {
    /// What the weight of a candidate follows from.
    pub weight: WeightBy,
}

impl Settings {
    /// Reads the settings from pairs of key and value. What is left out keeps its default; where a
    /// key is given twice, the later one holds.
    ///
    /// # Errors
    ///
    /// A key that is no setting, or a value that the setting does not take. A slip is an error
    /// rather than the default, because it would change the placement of a whole cluster unseen.
    pub fn from_pairs(pairs: &[(String, String)]) -> Result<Self, SettingsError> {
        let mut settings = Self::default();
        for (key, value) in pairs {
            match key.as_str() {
                SETTING_WEIGHT => settings.weight = WeightBy::from_value(value)?,
                _ => return Err(SettingsError::UnknownKey(excerpt(key))),
            }
        }
        Ok(settings)
    }
}

/// What the weight of a candidate follows from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WeightBy {
    /// The advertised disk, in whole GiB: `disk`.
    #[default]
    Disk,
    /// The advertised memory, in whole GiB: `ram`.
    Ram,
    /// The advertised processor cores: `cpu`.
    Cpu,
    /// Nothing: every candidate has the same weight: `equal`.
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

/// Why the settings can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// There is no setting of this name; the text is an excerpt of it.
    #[error("unknown setting \"{0}\": the only setting is \"{SETTING_WEIGHT}\"")]
    UnknownKey(String),
    /// The weight can't follow from this; the text is an excerpt of the value.
    #[error(
        "setting \"{SETTING_WEIGHT}\" must be \"disk\", \"ram\", \"cpu\" or \"equal\", got \"{0}\""
    )]
    WrongWeight(String),
    /// The host did not give the settings; the text is an excerpt of its reason.
    #[error("the settings could not be read: {0}")]
    Unreadable(String),
}
