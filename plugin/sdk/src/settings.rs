//! The settings that the operator gave a policy.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

/// Beginning of the keys of a policy among the settings of its plugin.
const PREFIX: &str = "policy.";

/// Settings of a policy by name, without `policy.` before it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings(BTreeMap<String, String>);

impl Settings {
    /// Takes the settings of a policy out of those of its plugin.
    pub(crate) fn of_plugin(pairs: Vec<(String, String)>) -> Self {
        let own = pairs.into_iter().filter_map(|(key, value)| {
            let name = key.strip_prefix(PREFIX)?.to_string();
            Some((name, value))
        });
        Self(own.collect())
    }

    /// Refuses settings with other names than these.
    pub(crate) fn expect_only(&self, names: &[&str]) -> Result<(), String> {
        match self.0.keys().find(|name| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) if names.is_empty() => Err(format!(
                "unknown setting \"{PREFIX}{name}\": the policy has none"
            )),
            Some(name) => {
                let names: Vec<_> = names
                    .iter()
                    .map(|name| format!("\"{PREFIX}{name}\""))
                    .collect();
                let names = names.join(", ");
                Err(format!(
                    "unknown setting \"{PREFIX}{name}\": the policy has {names}"
                ))
            }
        }
    }

    /// Returns a setting; none where the operator gave none.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// Returns a setting as a value of a type; none where the operator gave none.
    ///
    /// # Errors
    ///
    /// The text is no such value; the error names the setting and the reason.
    pub fn parse<T>(&self, name: &str) -> Result<Option<T>, String>
    where
        T: FromStr<Err: Display>,
    {
        let Some(text) = self.get(name) else {
            return Ok(None);
        };
        let parsed = text.parse().map(Some);
        parsed.map_err(|error| {
            format!("setting \"{PREFIX}{name}\" is invalid: {error}, got \"{text}\"")
        })
    }
}

/// Takes pairs of name and value, for tests.
impl<const N: usize> From<[(&str, &str); N]> for Settings {
    fn from(pairs: [(&str, &str); N]) -> Self {
        let pairs = pairs.into_iter();
        Self(
            pairs
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        )
    }
}
