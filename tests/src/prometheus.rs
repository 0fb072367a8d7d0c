//! Strict parser of Prometheus text: everything that a scraper may refuse is an error.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, bail, ensure};
use edge_cache_host::EdgeCacheRegistry;
use prometheus_client::encoding::prometheus_text;
use prometheus_client::registry::Registry;

/// Words in a name that show that its unit is not a base unit.
const OTHER_UNITS: [&str; 9] = [
    "ms", "us", "ns", "millis", "micros", "nanos", "kib", "mib", "percent",
];
/// Maximum number of values of one label: more are no fixed list.
const VALUES_MAX: usize = 64;

/// Metrics of one scrape.
#[derive(Debug, Clone)]
pub struct Scrape {
    families: BTreeMap<String, Family>,
}

/// Metrics of one name.
#[derive(Debug, Clone)]
pub struct Family {
    /// Help text.
    pub help: String,
    /// `counter`, `gauge` or `histogram`.
    pub kind: String,
    /// Samples by name, with the suffix, and labels.
    samples: BTreeMap<(String, Labels), f64>,
}

type Labels = BTreeMap<String, String>;

impl Scrape {
    /// Reads the metrics of a registry without an agent, under their documented names.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn of(registry: &EdgeCacheRegistry) -> Result<Self> {
        let mut metrics = Registry::with_prefix("edge_cache");
        registry.register_metrics(&mut metrics);
        let mut text = String::new();
        prometheus_text::encode(&mut text, &metrics)?;
        Self::parse(&text)
    }

    /// Parses a text.
    ///
    /// # Errors
    ///
    /// Names the invalid line or the missing part.
    pub fn parse(text: &str) -> Result<Self> {
        ensure!(text.ends_with('\n'), "the last line does not end");
        let mut families = BTreeMap::<String, Family>::new();
        let mut current: Option<String> = None;
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').context("a help without text")?;
                let kind = lines
                    .next()
                    .and_then(|next| next.strip_prefix(&format!("# TYPE {name} ")))
                    .with_context(|| format!("no type after the help of {name}"))?;
                check_name(name, kind)?;
                ensure!(help.ends_with('.') && !help.ends_with(".."), "{help:?}");
                let family = Family {
                    help: help.to_string(),
                    kind: kind.to_string(),
                    samples: BTreeMap::new(),
                };
                let before = families.insert(name.to_string(), family);
                ensure!(before.is_none(), "{name} comes twice");
                current = Some(name.to_string());
                continue;
            }
            let name = current.as_ref().context("a sample before any family")?;
            let family = families.get_mut(name).context("no family")?;
            family
                .add(name, line)
                .with_context(|| format!("line {line:?}"))?;
        }
        ensure!(!families.is_empty(), "nothing in it");
        for (name, family) in &families {
            family.check().with_context(|| name.clone())?;
        }
        Ok(Self { families })
    }

    /// Returns the value of a series, `name{a="b"}` or `name`; zero if it does not exist yet.
    pub fn value(&self, series: &str) -> f64 {
        self.get(series).unwrap_or_default()
    }

    /// Returns the value of a series, `None` if it does not exist yet.
    pub fn get(&self, series: &str) -> Option<f64> {
        let (key, _) = sample(&format!("{series} 0")).ok()?;
        let mut families = self.families.values();
        families
            .find_map(|family| family.samples.get(&key))
            .copied()
    }

    /// Returns all families by name.
    pub fn families(&self) -> &BTreeMap<String, Family> {
        &self.families
    }
}

impl Family {
    /// Tells whether it has no series.
    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Returns the names of its labels except `le`, the bound of a bucket.
    pub fn labels(&self) -> BTreeSet<&str> {
        let labels = self.samples.keys().flat_map(|(_, labels)| labels.keys());
        let labels = labels.map(String::as_str);
        labels.filter(|label| *label != "le").collect()
    }

    /// Returns the values of a label.
    pub fn values(&self, label: &str) -> BTreeSet<&str> {
        let labels = self.samples.keys();
        let values = labels.filter_map(|(_, labels)| labels.get(label));
        values.map(String::as_str).collect()
    }

    fn add(&mut self, family: &str, line: &str) -> Result<()> {
        let (key, value) = sample(line)?;
        let suffix = key.0.strip_prefix(family).context("of another family")?;
        let suffixes: &[&str] = match self.kind.as_str() {
            "histogram" => &["_bucket", "_sum", "_count"],
            _ => &[""],
        };
        ensure!(suffixes.contains(&suffix), "the suffix {suffix:?}");
        ensure!(
            key.1.contains_key("le") == (suffix == "_bucket"),
            "`le` is for buckets"
        );
        ensure!(self.kind != "counter" || value >= 0.0, "below zero");
        ensure!(self.samples.insert(key, value).is_none(), "it comes twice");
        Ok(())
    }

    fn check(&self) -> Result<()> {
        for label in self.labels() {
            let values = self.values(label);
            ensure!(values.len() <= VALUES_MAX, "{label} has {values:?}");
        }
        if self.kind == "histogram" {
            let counts = self.samples.iter();
            for ((name, labels), count) in counts.filter(|((name, _), _)| name.ends_with("_count"))
            {
                let bucket = name.replace("_count", "_bucket");
                self.check_buckets(&bucket, labels, *count)?;
                let sum = (name.replace("_count", "_sum"), labels.clone());
                ensure!(self.samples.contains_key(&sum), "no sum for {labels:?}");
            }
        }
        Ok(())
    }

    /// Checks that buckets are cumulative and that the last one holds all values.
    fn check_buckets(&self, name: &str, labels: &Labels, count: f64) -> Result<()> {
        let mut buckets = Vec::new();
        for ((sample, of), value) in &self.samples {
            let mut of = of.clone();
            let bound = of.remove("le").filter(|_| sample == name && of == *labels);
            if let Some(bound) = bound {
                buckets.push((number(&bound)?, *value));
            }
        }
        buckets.sort_by(|(a, _), (b, _)| a.total_cmp(b));
        ensure!(
            buckets.is_sorted_by(|(_, a), (_, b)| a <= b),
            "{labels:?}: {buckets:?}"
        );
        ensure!(
            buckets.last() == Some(&(f64::INFINITY, count)),
            "{labels:?}: {buckets:?}, {count} in all"
        );
        Ok(())
    }
}

fn check_name(name: &str, kind: &str) -> Result<()> {
    ensure!(
        ["edge_cache_", "process_"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
            && name.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
        "the name {name:?}"
    );
    ensure!(
        ["counter", "gauge", "histogram"].contains(&kind),
        "{kind:?}"
    );
    ensure!(
        name.ends_with("_total") == (kind == "counter"),
        "{name} is a {kind}"
    );
    let unit = name.split('_').find(|word| OTHER_UNITS.contains(word));
    ensure!(unit.is_none(), "{name} is in {unit:?}");
    let is_time = ["duration", "latency"]
        .iter()
        .any(|word| name.contains(word));
    ensure!(!is_time || name.contains("_seconds"), "{name} has no unit");
    Ok(())
}

/// Parses a line of the form `name{label="value",…} number`.
fn sample(line: &str) -> Result<((String, Labels), f64)> {
    let (series, value) = line.rsplit_once(' ').context("no value")?;
    let mut labels = Labels::new();
    let name = match series.split_once('{') {
        None => series,
        Some((name, rest)) => {
            let inner = rest.strip_suffix('}').context("no closing brace")?;
            for pair in inner.split(',') {
                let (label, value) = pair.split_once('=').context("no `=`")?;
                let value = value.strip_prefix('"').and_then(|v| v.strip_suffix('"'));
                let value = value.context("no quotes")?;
                let is_plain = |c: char| c.is_ascii_graphic() && !"\"\\".contains(c);
                ensure!(
                    !value.is_empty() && value.chars().all(is_plain),
                    "the value {value:?}"
                );
                let before = labels.insert(label.to_string(), value.to_string());
                ensure!(before.is_none(), "{label} twice");
            }
            name
        }
    };
    Ok(((name.to_string(), labels), number(value)?))
}

fn number(text: &str) -> Result<f64> {
    if text == "+Inf" {
        return Ok(f64::INFINITY);
    }
    let Ok(value) = text.parse::<f64>() else {
        bail!("{text:?} is no number");
    };
    ensure!(value.is_finite(), "{text:?}");
    Ok(value)
}
