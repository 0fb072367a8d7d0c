//! Loading of an instance with the remembered entries.

use crate::entries::Entries;
use edge_cache_core::Entry;
use edge_cache_sandbox::{Failure, Instance, InstanceConfig, LabelPolicy, Plugin, PublishedLabels};

/// Returns the instance configuration with the label grants of a plugin.
pub(crate) fn configured(config: &InstanceConfig, plugin: &Plugin) -> InstanceConfig {
    InstanceConfig {
        policy: LabelPolicy {
            grants: plugin.config().labels.clone(),
            ..config.policy.clone()
        },
        ..config.clone()
    }
}

/// Loads a fresh instance with the remembered entries, and checks that it lists the same.
///
/// Returns the instance and the labels that it published.
pub(crate) fn load(
    mut instance: Instance,
    remembered: &Entries,
) -> Result<(Instance, PublishedLabels), Failure> {
    let entries: Vec<Entry> = remembered
        .iter()
        .map(|labelled| labelled.entry.clone())
        .collect();
    let labels = instance.load(&entries)?;
    let listed = instance.list_eligible()?;
    if !listed.iter().eq(entries.iter().map(|entry| &entry.node)) {
        return Err(Failure::Contract {
            call: "list-eligible",
            reason: "it lists other entries than it was loaded with".to_string(),
        });
    }
    Ok((instance, labels))
}
