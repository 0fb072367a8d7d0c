//! The labels that a node advertises.

use crate::Label;

/// Labels of one node, with those of other software on it, in ascending order of key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels(Vec<Label>);

impl Labels {
    pub(crate) const fn new(labels: Vec<Label>) -> Self {
        Self(labels)
    }

    /// Returns the value of a label.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&str> {
        self.iter()
            .find(|(found, _)| *found == key)
            .map(|(_, value)| value)
    }

    /// Iterates over keys and values.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0
            .iter()
            .map(|label| (label.key.as_str(), label.value.as_str()))
    }
}

/// Takes pairs of key and value, for tests.
impl<const N: usize> From<[(&str, &str); N]> for Labels {
    fn from(pairs: [(&str, &str); N]) -> Self {
        let mut labels: Vec<_> = pairs
            .into_iter()
            .map(|(key, value)| Label {
                key: key.to_string(),
                value: value.to_string(),
            })
            .collect();
        labels.sort_by(|a, b| a.key.cmp(&b.key));
        Self(labels)
    }
}
