//! The native core with one defect at a time: each is one that a registry could really have.

mod subject;

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use edge_cache_conformance::{RegistryUnderTest, Settings, Violation};
use edge_cache_host::labels::Labels;
use edge_cache_host::{EdgeCacheStats, Entry, NodeCapacity, NodeId};
use edge_cache_tests::native::NativeRegistry;

/// Defect of a registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defect {
    ListsDescending,
    DisableKeepsTheNode,
    DisablesTheUnknown,
    NotFoundIsAGossipError,
    CountsForTheUnknown,
    CountersSurviveEnable,
    CountersSurviveDisable,
    CountersWrap,
    TimeIsNotCut,
    EnableResetsOthers,
    TakesACapacityOfNothing,
    EnablesWithoutLabels,
    DisablesWithoutLabels,
    LoadsWithoutLabels,
    LoadsUpToTheRefusal,
    RemovesWithoutLabels,
    AppliesUpToTheRefusal,
    LabelsStay,
    LoadReplacesAll,
    LoadStampsTheTime,
    LoadForgetsCounters,
    LoadPublishesNothing,
    ApplyPublishesNothing,
    ApplyKeepsCounters,
    AppliesRemovalsFirst,
    RemovesOnlyTheKnown,
    AssessLooksAtTheState,
    FailsOverStrangeLabels,
    ForgetsBeyondAThousand,
    ASixthLabel,
    AnEmptyGeoLabel,
    CountsTheGeoInCharacters,
    TakesUnprintableGeos,
    RefusesEveryZero,
    CapsTheDisk,
    TakesInvalidEntries,
    WeighsInMebibytes,
    ReadsAPlusSign,
    DoesNotKnowItsOwnLabels,
    IgnoresSettings,
}

/// Every defect, and the check that is there for it.
pub(super) const CAUGHT_BY: &[(Defect, &str)] = &[
    (Defect::ListsDescending, "ascending"),
    (Defect::DisableKeepsTheNode, "round-trip"),
    (Defect::DisablesTheUnknown, "disable-unknown"),
    (Defect::NotFoundIsAGossipError, "native-texts"),
    (Defect::CountsForTheUnknown, "stats-zero"),
    (Defect::CountersSurviveEnable, "enable-again"),
    (Defect::CountersSurviveDisable, "stats-zero"),
    (Defect::CountersWrap, "add-stats"),
    (Defect::TimeIsNotCut, "enabled-at"),
    (Defect::EnableResetsOthers, "one-entry"),
    (Defect::TakesACapacityOfNothing, "invalid-capacity"),
    (Defect::EnablesWithoutLabels, "undo-enable"),
    (Defect::DisablesWithoutLabels, "undo-disable"),
    (Defect::LoadsWithoutLabels, "undo-load"),
    (Defect::LoadsUpToTheRefusal, "undo-half"),
    (Defect::RemovesWithoutLabels, "undo-load"),
    (Defect::AppliesUpToTheRefusal, "undo-half"),
    (Defect::LabelsStay, "labels-go"),
    (Defect::LoadReplacesAll, "load"),
    (Defect::LoadStampsTheTime, "load"),
    (Defect::LoadForgetsCounters, "load"),
    (Defect::LoadPublishesNothing, "load-labels"),
    (Defect::ApplyPublishesNothing, "load-labels"),
    (Defect::ApplyKeepsCounters, "apply"),
    (Defect::AppliesRemovalsFirst, "apply"),
    (Defect::RemovesOnlyTheKnown, "apply"),
    (Defect::AssessLooksAtTheState, "assess-pure"),
    (Defect::FailsOverStrangeLabels, "assess-strange"),
    (Defect::ForgetsBeyondAThousand, "full"),
    (Defect::ASixthLabel, "five-labels"),
    (Defect::AnEmptyGeoLabel, "four-labels"),
    (Defect::CountsTheGeoInCharacters, "geo-length"),
    (Defect::TakesUnprintableGeos, "geo-printable"),
    (Defect::RefusesEveryZero, "single-zero"),
    (Defect::CapsTheDisk, "as-given"),
    (Defect::TakesInvalidEntries, "invalid-entries"),
    (Defect::WeighsInMebibytes, "weights"),
    (Defect::ReadsAPlusSign, "not-eligible"),
    (Defect::DoesNotKnowItsOwnLabels, "own-labels"),
    (Defect::IgnoresSettings, "wrong-settings"),
];

/// A registry with a defect.
pub(super) struct Defective {
    inner: NativeRegistry,
    defect: Defect,
    now: SystemTime,
    /// The nodes that came by `load`.
    loaded: BTreeSet<NodeId>,
    /// The nodes that came by `apply`.
    applied: BTreeSet<NodeId>,
    /// The last counters of each node that was counted for.
    last_counters: BTreeMap<NodeId, EdgeCacheStats>,
    /// The last labels of each node that were some.
    last_labels: BTreeMap<NodeId, Labels>,
}

impl Defective {
    pub(super) fn new(settings: &Settings, defect: Defect) -> Self {
        let none = Settings::new();
        let settings = if defect == Defect::IgnoresSettings {
            &none
        } else {
            settings
        };
        Self {
            inner: NativeRegistry::new(settings),
            defect,
            now: SystemTime::UNIX_EPOCH,
            loaded: BTreeSet::new(),
            applied: BTreeSet::new(),
            last_counters: BTreeMap::new(),
            last_labels: BTreeMap::new(),
        }
    }

    fn has(&self, defect: Defect) -> bool {
        self.defect == defect
    }

    fn remember_labels(&mut self, node_id: NodeId) {
        let labels = self.inner.labels(node_id);
        if !labels.is_empty() {
            self.last_labels.insert(node_id, labels);
        }
    }

    /// The capacity that the defect makes of the one given.
    fn mended(&self, capacity: &NodeCapacity) -> NodeCapacity {
        let mut capacity = capacity.clone();
        let geo = capacity.geo.clone().unwrap_or_default();
        let nothing = (capacity.cpu_cores, capacity.ram_mib, capacity.disk_mib) == (0, 0, 0);
        match self.defect {
            Defect::TakesACapacityOfNothing if nothing => capacity.disk_mib = 1,
            Defect::CapsTheDisk => capacity.disk_mib = capacity.disk_mib.min(1_000_000),
            Defect::CountsTheGeoInCharacters if geo.len() > 64 && geo.chars().count() <= 64 => {
                capacity.geo = Some("too long".to_string());
            }
            Defect::TakesUnprintableGeos if !geo.is_empty() && geo.len() <= 64 => {
                let printable = |c: &char| c.is_alphanumeric() || c.is_ascii_punctuation();
                capacity.geo = Some(geo.chars().filter(printable).chain(['x']).collect());
            }
            _ => {}
        }
        capacity
    }

    fn reset_others(&mut self, node_id: NodeId) -> Result<(), Violation> {
        let others: Vec<Entry> = self
            .inner
            .list_eligible()?
            .into_iter()
            .filter(|node| node.node_id != node_id)
            .map(|node| Entry {
                node,
                stats: EdgeCacheStats::default(),
            })
            .collect();
        self.inner.load(&others)?
    }
}
