//! Prometheus metrics: structs of metrics, and collectors of values that are computed when metrics are read.

use std::fmt;
use std::sync::{Arc, Weak};

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, MetricEncoder};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::ConstGauge;

#[cfg(test)]
mod tests;

/// Labels of a metric whose names and values are words of the program.
pub type FixedLabels<const N: usize> = [(&'static str, &'static str); N];

/// Declares a struct of metrics, with `Default` and `register`.
///
/// A field is `name: Type = "metric_name"`, then `in Unit` and `, initial value` where they are needed. Its
/// documentation is the help text of the metric. A field without a metric name is a struct of metrics itself.
#[macro_export]
macro_rules! metrics {
    (
        $(#[$attribute:meta])*
        $visibility:vis struct $name:ident {
            $(
                $(#[doc = $help:literal])+
                $field_visibility:vis $field:ident: $type:ty
                    $(= $metric:literal $(in $unit:ident)? $(, $initial:expr)?)?;
            )+
        }
    ) => {
        $(#[$attribute])*
        $visibility struct $name {
            $($(#[doc = $help])+ $field_visibility $field: $type,)+
        }

        impl Default for $name {
            fn default() -> Self {
                Self {
                    $($field: $crate::metrics!(@initial $($($initial)?)?),)+
                }
            }
        }

        impl $name {
            /// Registers all of these metrics. The documented names have the prefix `edge_cache`, which is the
            /// Prometheus registry's.
            pub fn register(&self, registry: &mut ::prometheus_client::registry::Registry) {
                $($crate::metrics!(
                    @register registry, self.$field, concat!($($help),+) $(, $metric $(in $unit)?)?
                );)+
            }
        }
    };
    (@initial) => { Default::default() };
    (@initial $initial:expr) => { $initial };
    (@register $registry:ident, $field:expr, $help:expr) => { $field.register($registry) };
    (@register $registry:ident, $field:expr, $help:expr, $metric:literal) => {
        $registry.register($metric, $crate::metrics::help($help), $field.clone())
    };
    (@register $registry:ident, $field:expr, $help:expr, $metric:literal in $unit:ident) => {
        $registry.register_with_unit(
            $metric,
            $crate::metrics::help($help),
            ::prometheus_client::registry::Unit::$unit,
            $field.clone(),
        )
    };
}

/// Returns the help text in a doc comment, without the full stop that the Prometheus registry adds.
#[doc(hidden)]
pub fn help(doc: &'static str) -> &'static str {
    doc.trim().trim_end_matches('.')
}

/// Creates a family of counters whose series exist from the start.
pub fn counters<const N: usize>(
    series: impl IntoIterator<Item = FixedLabels<N>>,
) -> Family<FixedLabels<N>, Counter> {
    let family = Family::<FixedLabels<N>, Counter>::default();
    for labels in series {
        family.get_or_create_owned(&labels);
    }
    family
}

/// A collector of values that are computed from an object while that exists.
///
/// The collector does not keep the object alive: the values of a dropped object are left out.
pub struct Computed<T> {
    source: Weak<T>,
    write: fn(Arc<T>, &mut MetricsWriter<'_>) -> fmt::Result,
}

impl<T> Computed<T> {
    /// Creates a collector of the values that a function writes.
    pub fn new(
        source: &Arc<T>,
        write: fn(Arc<T>, &mut MetricsWriter<'_>) -> fmt::Result,
    ) -> Box<Self> {
        let source = Arc::downgrade(source);
        Box::new(Self { source, write })
    }
}

impl<T: Send + Sync + 'static> Collector for Computed<T> {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        match self.source.upgrade() {
            Some(source) => (self.write)(source, &mut MetricsWriter(encoder)),
            None => Ok(()),
        }
    }
}

impl<T> fmt::Debug for Computed<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Computed").finish_non_exhaustive()
    }
}

/// Writer of computed values. Its functions fail if the text cannot be written.
#[derive(Debug)]
pub struct MetricsWriter<'a>(DescriptorEncoder<'a>);

impl MetricsWriter<'_> {
    /// Writes a gauge without labels.
    pub fn gauge(&mut self, name: &str, help: &str, value: impl TryInto<u64>) -> fmt::Result {
        let encoder = self.metric(MetricType::Gauge, name, help)?;
        ConstGauge::new(whole(value)).encode(encoder)
    }

    /// Writes a counter without labels.
    pub fn counter(&mut self, name: &str, help: &str, value: u64) -> fmt::Result {
        let encoder = self.metric(MetricType::Counter, name, help)?;
        ConstCounter::new(value).encode(encoder)
    }

    /// Writes a gauge of 1 whose labels are the information.
    pub fn info(&mut self, name: &str, help: &str, labels: &[(&str, &str)]) -> fmt::Result {
        let mut family = self.metric(MetricType::Gauge, name, help)?;
        ConstGauge::new(1_u64).encode(family.encode_family(&labels)?)
    }

    /// Writes a family of gauges that differ in one label.
    pub fn gauges<'a, V: TryInto<u64>>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, V)>,
    ) -> fmt::Result {
        let mut family = self.metric(MetricType::Gauge, name, help)?;
        for (series, value) in values {
            let labels = [(label, series)];
            ConstGauge::new(whole(value)).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    /// Writes a family of counters that differ in one label.
    pub fn counters<'a>(
        &mut self,
        name: &str,
        help: &str,
        label: &str,
        values: impl IntoIterator<Item = (&'a str, u64)>,
    ) -> fmt::Result {
        let mut family = self.metric(MetricType::Counter, name, help)?;
        for (series, value) in values {
            let labels = [(label, series)];
            ConstCounter::new(value).encode(family.encode_family(&labels)?)?;
        }
        Ok(())
    }

    fn metric<'a>(
        &'a mut self,
        kind: MetricType,
        name: &'a str,
        help: &str,
    ) -> Result<MetricEncoder<'a>, fmt::Error> {
        self.0.encode_descriptor(name, help, None, kind)
    }
}

fn whole(value: impl TryInto<u64>) -> u64 {
    value.try_into().unwrap_or(u64::MAX)
}
