//! Geo tiers: how near a node is to the one who asks.
//!
//! A geo is a name, not a place: nothing here measures distances, and nothing knows the names.

use std::ops::Range;
use std::sync::Arc;

/// Tiers, of which the nearest comes first: same geo, same region, the rest.
pub(super) const TIERS: usize = 3;

/// The region that a geo is in: what stands before its last `-`, or all of it.
pub(super) fn region(geo: &str) -> &str {
    geo.rsplit_once('-').map_or(geo, |(region, _)| region)
}

/// Orders geos so that those of a region stand together, and nodes without any come first.
pub(super) type SortKey<'a> = (Option<&'a str>, Option<&'a str>);

/// The place of a geo in that order.
pub(super) fn sort_key(geo: Option<&str>) -> SortKey<'_> {
    (geo.map(region), geo)
}

/// Where somebody asks from, as ranges of the geos of a [`Roster`](super::roster::Roster).
#[derive(Debug, Clone, Default)]
pub(super) struct Asker {
    /// Those of the asker's region.
    region: Range<usize>,
    /// The asker's own, if it is among them.
    geo: Range<usize>,
}

impl Asker {
    /// Finds somebody's place among these geos, which are in the order of [`sort_key`].
    ///
    /// An asker whose region no node is in sees what an asker without geo sees.
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

    /// The tier of a geo.
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

    /// The geos of each tier, of which there are `count` in all. Those of a tier stand in up to two places.
    pub(super) fn tiers(&self, count: usize) -> [[Range<usize>; 2]; TIERS] {
        let Self { region, geo } = self;
        [
            [geo.clone(), 0..0],
            [region.start..geo.start, geo.end..region.end],
            [0..region.start, region.end..count],
        ]
    }

    /// Whether all of the `count` geos are in the same tier: such an asker sees what one without geo sees.
    pub(super) fn sees_one_tier(&self, count: usize) -> bool {
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
