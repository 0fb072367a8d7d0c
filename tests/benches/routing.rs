//! Routing: lookups beside a plain map and a ring hash, changes, builds beside scans, memory, and lookups under a
//! writer.
//!
//! The contestants take turns. In each, one is asked for all keys once unmeasured, so that it finds its data in
//! the caches again, and then some times more. Compared are the times below which a tenth of its passes stayed:
//! what else the machine does only makes passes longer.

use std::collections::{BTreeMap, HashMap};
use std::hint::black_box;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use edge_cache_routing::{Candidate, NodeId, Router, RouterWriter, SLOTS};
use fastrand::Rng;
use pingora_ketama::{Bucket, Continuum};

const SIZES: [NodeId; 4] = [10, 100, 1_000, 3_000];

/// Distinct keys that each contestant is asked for, so that no answer is in the nearest cache.
const KEYS: usize = 1 << 16;

/// Times that a contestant is asked for all keys in one turn.
const PASSES: usize = 8;
const TURNS: usize = 21;

/// Tables that are built of each size, and slots that are scanned after each.
const BUILDS: usize = 5;
const SCANS: usize = 4_096;

/// Passes of a turn with a writer or without: it changes the table some ten times meanwhile.
const WRITER_PASSES: usize = 96;

const HOME: Option<&str> = Some("eu-central-1");
const STRANGER: Option<&str> = Some("us-east-2");
const GEOS: [&str; 4] = ["eu-central-1", "eu-central-2", "us-east-1", "us-east-2"];

/// Interval between two changes of the writer.
const CHANGE_EVERY: Duration = Duration::from_millis(10);

/// A lookup of the key with this number. What it returns keeps the compiler from leaving it out.
type Lookup<'a> = (&'static str, Box<dyn FnMut(usize) -> u64 + 'a>);

fn main() -> Result<()> {
    for size in SIZES {
        let mut field = Field::new(size)?;
        field.builds()?;
        field.lookups();
        field.scans();
        field.changes()?;
        field.under_a_writer()?;
    }
    Ok(())
}

struct Field {
    size: NodeId,
    candidates: BTreeMap<NodeId, Candidate>,
    router: Router,
    writer: RouterWriter,
    /// Members of the router by node id.
    map: HashMap<u64, u64>,
    /// A node for each key.
    asked: Vec<NodeId>,
    /// A router that remembers every key it has met.
    all_keys: HashMap<u64, u64>,
    keys: Vec<[u8; 8]>,
    paths: Vec<[u8; 24]>,
    ring: Continuum,
}

impl Field {
    fn new(size: NodeId) -> Result<Self> {
        let mut rng = Rng::with_seed(size);
        let ids: Vec<NodeId> = (0..size).map(|_| rng.u64(..)).collect();
        let numbered = (0_u16..).zip(&ids);
        let candidates = numbered
            .clone()
            .map(|(number, id)| (*id, candidate(number)))
            .collect();
        let buckets: Vec<Bucket> = numbered
            .map(|(number, _)| Bucket::new(address(number), candidate(number).weight))
            .collect();
        let keys: Vec<[u8; 8]> = (0..KEYS).map(|_| rng.u64(..).to_le_bytes()).collect();
        let (router, mut writer) = Router::new();
        writer.update(&candidates, HOME)?;
        println!("memory of {size}: {} KiB", router.table().bytes() / 1_024);
        Ok(Self {
            size,
            router,
            writer,
            map: ids.iter().map(|id| (*id, *id)).collect(),
            asked: (0..KEYS)
                .filter_map(|_| rng.choice(&ids).copied())
                .collect(),
            all_keys: keys
                .iter()
                .map(|key| (u64::from_le_bytes(*key), 1))
                .collect(),
            paths: keys.iter().map(path).collect(),
            keys,
            ring: Continuum::new(&buckets),
            candidates,
        })
    }

    /// Tables for one asker, beside scans of all nodes for each slot.
    fn builds(&self) -> Result<()> {
        let [mut builds, mut scans] = [Vec::new(), Vec::new()];
        for _ in 0..BUILDS {
            let (router, mut writer) = Router::new();
            let start = Instant::now();
            writer.update(&self.candidates, None)?;
            builds.push(start.elapsed().as_nanos() as f64 / SLOTS as f64);
            let table = router.table();
            let start = Instant::now();
            for key in self.keys.iter().take(SCANS) {
                black_box(table.route_among(black_box(key), 3, None, |_| true));
            }
            scans.push(start.elapsed().as_nanos() as f64 / SCANS as f64);
        }
        let (build, scan) = (least(builds, 10), least(scans, 10));
        let whole = Duration::from_nanos((build * SLOTS as f64) as u64);
        println!("whole table of {} for one asker: {whole:?}", self.size);
        let name = format!("whole table {}, a slot", self.size);
        print_ratio(&name, ("build", build), ("scan", scan));
        Ok(())
    }

    fn lookups(&self) {
        let key = |at: usize| self.keys.get(at).map_or(&[][..], |key| key);
        let path = |at: usize| self.paths.get(at).map_or(&[][..], |path| path);
        let one = |at: usize| {
            self.ring
                .node(key(at))
                .map_or(0, |node| u64::from(node.port()))
        };
        let times = in_turn(&mut [
            (
                "map",
                Box::new(|at| {
                    let node = self.asked.get(at).and_then(|id| self.map.get(id));
                    node.copied().unwrap_or_default()
                }),
            ),
            (
                "map of all keys",
                Box::new(|at| {
                    let key = self.keys.get(at).copied().unwrap_or_default();
                    let node = self.all_keys.get(&u64::from_le_bytes(key));
                    node.copied().unwrap_or_default()
                }),
            ),
            ("ring top-1", Box::new(one)),
            ("ring top-3", Box::new(|at| self.ring_three(key(at)))),
            (
                "top-1",
                Box::new(|at| sum(&self.router.route(key(at), 1, None))),
            ),
            (
                "top-3",
                Box::new(|at| sum(&self.router.route(key(at), 3, None))),
            ),
            (
                "top-1 from home",
                Box::new(|at| sum(&self.router.route(key(at), 1, HOME))),
            ),
            (
                "top-3 from home",
                Box::new(|at| sum(&self.router.route(key(at), 3, HOME))),
            ),
            (
                "top-3 of paths",
                Box::new(|at| sum(&self.router.route(path(at), 3, None))),
            ),
        ]);
        for (ours, time) in times.iter().filter(|(name, _)| name.starts_with("top")) {
            for (baseline, other) in &times {
                let is_peer = baseline.starts_with("map")
                    || baseline
                        .strip_prefix("ring ")
                        .is_some_and(|top| ours.starts_with(top));
                if is_peer {
                    print_ratio(
                        &format!("{ours} {}", self.size),
                        (ours, *time),
                        (baseline, *other),
                    );
                }
            }
        }
    }

    /// The first three nodes of the ring that are not the same.
    fn ring_three(&self, key: &[u8]) -> u64 {
        let mut found = [None; 3];
        let mut count = 0;
        let mut nodes = self.ring.node_iter(key);
        while let Some(place) = found.get_mut(count)
            && let Some(node) = nodes.next()
        {
            *place = Some(node.port());
            let before = found.get(..count).unwrap_or_default();
            count += usize::from(!before.contains(&Some(node.port())));
        }
        found.iter().flatten().map(|port| u64::from(*port)).sum()
    }

    /// Lookups that the memo does not hold.
    fn scans(&self) {
        for (name, replicas, from) in [("top-3 from a stranger", 3, STRANGER), ("top-8", 8, None)] {
            let start = Instant::now();
            for key in self.keys.iter().take(1_000) {
                black_box(self.router.route(black_box(key), replicas, from));
            }
            println!("{name} {}: {:?}", self.size, start.elapsed() / 1_000);
        }
    }

    fn changes(&mut self) -> Result<()> {
        let newcomer = 7;
        let leaving = *self.candidates.keys().next().context("no candidates")?;
        let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
        for _ in 0..TURNS {
            let left = self.candidates.remove(&leaving);
            self.time(&mut times, "leave")?;
            self.candidates.extend(left.map(|left| (leaving, left)));
            self.writer.update(&self.candidates, HOME)?;
            self.candidates.insert(newcomer, candidate(7));
            self.time(&mut times, "join")?;
            self.candidates.insert(newcomer, candidate(8));
            self.time(&mut times, "change of weight and geo")?;
            self.candidates.remove(&newcomer);
            self.writer.update(&self.candidates, HOME)?;
        }
        for (name, mut times) in times {
            times.sort();
            let median = times.get(times.len() / 2).copied().unwrap_or_default();
            println!("{name} at {}, both askers: {median:?}", self.size);
        }
        Ok(())
    }

    fn time(
        &mut self,
        times: &mut BTreeMap<&'static str, Vec<Duration>>,
        name: &'static str,
    ) -> Result<()> {
        let start = Instant::now();
        self.writer.update(&self.candidates, HOME)?;
        times.entry(name).or_default().push(start.elapsed());
        Ok(())
    }

    /// Turns with the writer and without.
    fn under_a_writer(&mut self) -> Result<()> {
        let (writes, done) = (AtomicBool::new(false), AtomicBool::new(false));
        let Self {
            candidates,
            writer,
            router,
            keys,
            ..
        } = self;
        std::thread::scope(|scope| {
            let writing = scope.spawn(|| {
                while !done.load(Ordering::Acquire) {
                    let next = Instant::now() + CHANGE_EVERY;
                    if writes.load(Ordering::Acquire) {
                        if candidates.remove(&7).is_none() {
                            candidates.insert(7, candidate(7));
                        }
                        writer.update(candidates, HOME)?;
                    }
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                }
                anyhow::Ok(())
            });
            let mut lookup = |at: usize| {
                let key = keys.get(at).map_or(&[][..], |key| key);
                sum(&router.route(key, 3, None))
            };
            let mut times = [Vec::new(), Vec::new()];
            for _ in 0..TURNS {
                for (write, times) in [false, true].into_iter().zip(&mut times) {
                    writes.store(write, Ordering::Release);
                    std::thread::sleep(CHANGE_EVERY * 2);
                    times.extend((0..WRITER_PASSES).map(|_| time_per_key(&mut lookup)));
                }
            }
            done.store(true, Ordering::Release);
            let [idle, busy] = times;
            // The mean has the passes that meet a new table, whose lines are not in this core's caches.
            let name = format!("top-3 {} under a writer, mean", self.size);
            print_ratio(&name, ("busy", mean(&busy)), ("idle", mean(&idle)));
            let name = format!("top-3 {} under a writer, median", self.size);
            print_ratio(&name, ("busy", least(busy, 2)), ("idle", least(idle, 2)));
            writing.join().ok().context("the writer failed")?
        })
    }
}

fn candidate(number: u16) -> Candidate {
    let geo = GEOS.get(usize::from(number) % GEOS.len());
    Candidate {
        weight: u32::from(number % 16) + 1,
        geo: geo.map(|geo| (*geo).to_string()),
    }
}

fn address(number: u16) -> SocketAddr {
    (Ipv4Addr::new(10, 0, 0, 1), number).into()
}

/// A key as paths are: longer, and alike at both ends.
fn path(key: &[u8; 8]) -> [u8; 24] {
    let mut path = *b"/assets/........js?v=007";
    if let Some(middle) = path.get_mut(8..16) {
        middle.copy_from_slice(key);
    }
    path
}

fn sum(nodes: &[NodeId]) -> u64 {
    nodes.iter().fold(0, |sum, id| sum ^ id)
}

/// The time of a lookup of each.
fn in_turn(lookups: &mut [Lookup<'_>]) -> Vec<(&'static str, f64)> {
    let mut times = vec![Vec::new(); lookups.len()];
    for _ in 0..TURNS {
        for ((_, lookup), times) in lookups.iter_mut().zip(&mut times) {
            time_per_key(lookup);
            times.extend((0..PASSES).map(|_| time_per_key(lookup)));
        }
    }
    let names = lookups.iter().map(|(name, _)| *name);
    names
        .zip(times.into_iter().map(|times| least(times, 10)))
        .collect()
}

fn time_per_key(lookup: &mut dyn FnMut(usize) -> u64) -> f64 {
    let start = Instant::now();
    for at in 0..KEYS {
        black_box(lookup(black_box(at)));
    }
    start.elapsed().as_nanos() as f64 / KEYS as f64
}

/// Returns the time below which one in `share` of the times lies.
fn least(mut times: Vec<f64>, share: usize) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / share).copied().unwrap_or_default()
}

fn mean(times: &[f64]) -> f64 {
    times.iter().sum::<f64>() / times.len() as f64
}

fn print_ratio(name: &str, (ours, a): (&str, f64), (baseline, b): (&str, f64)) {
    println!(
        "ratio {name}: {ours} {a:.1} ns / {baseline} {b:.1} ns = {:.3}",
        a / b
    );
}
