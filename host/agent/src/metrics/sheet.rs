//! What one scrape writes, family by family.

use std::fmt;
use std::time::Duration;

use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

use edge_cache_host::Histogram;

/// Histograms of times are counted in nanoseconds, and told in seconds.
const NANOS_PER_SECOND: f64 = 1e9;

/// Metrics of one name.
#[derive(Debug)]
pub(super) struct Family {
    name: &'static str,
    unit: Option<Unit>,
    help: &'static str,
}

/// A family of plain numbers. The prefix, the unit and `_total` are added to its name.
pub(super) fn family(name: &'static str, help: &'static str) -> Family {
    Family {
        name,
        unit: None,
        help,
    }
}

impl Family {
    /// The numbers are seconds.
    pub(super) fn seconds(self) -> Self {
        let unit = Some(Unit::Seconds);
        Self { unit, ..self }
    }

    /// The numbers are bytes.
    pub(super) fn bytes(self) -> Self {
        let unit = Some(Unit::Bytes);
        Self { unit, ..self }
    }
}

/// A value of a counter or a gauge.
#[derive(Debug, Clone, Copy)]
pub(super) enum Number {
    Whole(u64),
    Real(f64),
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        Self::Whole(u64::try_from(value).unwrap_or(u64::MAX))
    }
}

impl From<bool> for Number {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<Duration> for Number {
    fn from(value: Duration) -> Self {
        Self::Real(value.as_secs_f64())
    }
}

/// The labels of one series.
type Labels<'a, const N: usize> = [(&'static str, &'a str); N];

#[derive(Debug)]
pub(super) struct Sheet<'a> {
    encoder: DescriptorEncoder<'a>,
}

impl<'a> Sheet<'a> {
    pub(super) fn new(encoder: DescriptorEncoder<'a>) -> Self {
        Self { encoder }
    }

    pub(super) fn counter(&mut self, family: Family, value: impl Into<Number>) -> fmt::Result {
        self.counters(family, [([], value)])
    }

    pub(super) fn counters<'r, const N: usize, V: Into<Number>>(
        &mut self,
        family: Family,
        rows: impl IntoIterator<Item = (Labels<'r, N>, V)>,
    ) -> fmt::Result {
        let mut encoder = self.begin(&family, MetricType::Counter)?;
        for (labels, value) in rows {
            let mut row = encoder.encode_family(&labels)?;
            match value.into() {
                Number::Whole(value) => row.encode_counter::<NoLabelSet, _, f64>(&value, None)?,
                Number::Real(value) => row.encode_counter::<NoLabelSet, _, f64>(&value, None)?,
            }
        }
        Ok(())
    }

    pub(super) fn gauge(&mut self, family: Family, value: impl Into<Number>) -> fmt::Result {
        self.gauges(family, [([], value)])
    }

    pub(super) fn gauges<'r, const N: usize, V: Into<Number>>(
        &mut self,
        family: Family,
        rows: impl IntoIterator<Item = (Labels<'r, N>, V)>,
    ) -> fmt::Result {
        let mut encoder = self.begin(&family, MetricType::Gauge)?;
        for (labels, value) in rows {
            let mut row = encoder.encode_family(&labels)?;
            match value.into() {
                Number::Whole(value) => row.encode_gauge(&value)?,
                Number::Real(value) => row.encode_gauge(&value)?,
            }
        }
        Ok(())
    }

    pub(super) fn histograms<'r, 'h, const N: usize>(
        &mut self,
        family: Family,
        rows: impl IntoIterator<Item = (Labels<'r, N>, &'h Histogram)>,
    ) -> fmt::Result {
        let scale = match family.unit {
            Some(Unit::Seconds) => NANOS_PER_SECOND,
            _ => 1.0,
        };
        let mut encoder = self.begin(&family, MetricType::Histogram)?;
        for (labels, histogram) in rows {
            let bounds = histogram.bounds.iter().map(|bound| *bound as f64 / scale);
            let bounds = bounds.chain([f64::INFINITY]);
            let buckets: Vec<_> = bounds.zip(histogram.counts.iter().copied()).collect();
            encoder
                .encode_family(&labels)?
                .encode_histogram::<NoLabelSet>(
                    histogram.sum as f64 / scale,
                    histogram.count(),
                    &buckets,
                    None,
                )?;
        }
        Ok(())
    }

    fn begin<'s>(
        &'s mut self,
        family: &'s Family,
        kind: MetricType,
    ) -> Result<MetricEncoder<'s>, fmt::Error> {
        let unit = family.unit.as_ref();
        self.encoder
            .encode_descriptor(family.name, family.help, unit, kind)
    }
}
