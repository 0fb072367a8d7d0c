//! Geo tiers: the proximity of a node to the origin of a request.
//!
//! A geo is only a name: no distances are measured, and no names are known.

use std::ops::Range;
use std::sync::Arc;

/// Number of tiers, the nearest first: same geo, same region, the rest.
pub(super) const TIERS: usize = 3;

/// Returns the region of a geo: the part before its last `-`, or all of it.
pub(super) fn region(geo: &str) -> &str {
    geo.rsplit_once('-').map_or(geo, |(region, _)| region)
}

/// Sort key that groups geos by region, with nodes without geo first.
pub(super) type SortKey<'a> = (Option<&'a str>, Option<&'a str>);

pub(super) fn sort_key(geo: Option<&str>) -> SortKey<'_> {
    (geo.map(region), geo)
}

/// Geo of a request, as ranges of the geos of a [`Roster`](super::roster::Roster).
#[derive(Debug, Clone, Default)]
pub(super) struct Asker {
    /// Geos in the region of the request.
    region: Range<usize>,
    /// Geo of the request itself, if any node is in it.
    geo: Range<usize>,
}

impl Asker {
    /// Finds the geo of a request among `geos`, which are in the order of [`sort_key`].
    ///
    /// A request from a region without nodes equals a request without geo.
    pub(super) fn find(from: &str, geos: &[Option<Arc<str>>]) -> Self {
        fn at(geo: &Option<Arc<str>>) -> SortKey<'_> {
            sort_key(geo.as_deref())
        }
        let wanted = sort_key(Some(from));
        let region = geos.partition_point(|geo| at(geo).0 < wanted.0)
            ..geos.partition_point(|geo| at(geo).0 <= wanted.0);
        if region.is_empty() {
            return Self::default();
        }
        let geo = geos.partition_point(|geo| at(geo) < wanted)
            ..geos.partition_point(|geo| at(geo) <= wanted);
        Self { region, geo }
    }

    #[inline]
    pub(super) fn tier(&self, geo: u16) -> u8 {
        let geo = usize::from(geo);
        if self.geo.contains(&geo) {
            0
        } else if self.region.contains(&geo) {
            1
        } else {
            2
        }
    }

    /// Returns the ranges of each tier, of `count` geos in total. A tier has up to two ranges.
    pub(super) fn tiers(&self, count: usize) -> [[Range<usize>; 2]; TIERS] {
        let Self { region, geo } = self;
        [
            [geo.clone(), 0..0],
            [region.start..geo.start, geo.end..region.end],
            [0..region.start, region.end..count],
        ]
    }

    /// Returns whether all `count` geos are in one tier, so that the request equals one without geo.
    pub(super) fn has_one_tier(&self, count: usize) -> bool {
        let filled = self
            .tiers(count)
            .iter()
            .filter(|places| places.iter().any(|place| !place.is_empty()))
            .count();
        filled <= 1
    }
}

#[cfg(test)]
mod tests;
