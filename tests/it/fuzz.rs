//! Every door with its corpus, and with inputs that differ from it in a few places.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use edge_cache_tests::dummy::dummy;
use edge_cache_tests::fuzz::{DOORS, Door, Entered};
use edge_cache_tests::long_tests;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{RngSeed, TestRunner};

use crate::docs::keep;

/// Time for changed inputs at one door; all doors together take less than a minute.
const USUAL: Duration = Duration::from_secs(2);
const LONG: Duration = Duration::from_secs(60);
/// Inputs between two looks at the clock.
const CASES: u32 = 16;
/// The beginning of the names of inputs that are refused.
const REFUSED: &str = "refused_";
const EDITS_MAX: usize = 6;
const INSERTED_BYTES_MAX: usize = 8;

/// An input, shown as text as far as it is.
struct Input(Vec<u8>);

impl fmt::Debug for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b\"{}\"", self.0.escape_ascii())
    }
}

/// A change of an input.
#[derive(Debug, Clone)]
enum Edit {
    Set(Index, u8),
    Flip(Index, u32),
    Insert(Index, Vec<u8>),
    /// From one place to another.
    Remove(Index, Index),
    Repeat(Index, Index),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        any::<(Index, u8)>().prop_map(|(at, byte)| Edit::Set(at, byte)),
        (any::<Index>(), 0..8_u32).prop_map(|(at, bit)| Edit::Flip(at, bit)),
        (any::<Index>(), vec(any::<u8>(), 1..=INSERTED_BYTES_MAX))
            .prop_map(|(at, bytes)| Edit::Insert(at, bytes)),
        any::<(Index, Index)>().prop_map(|(from, to)| Edit::Remove(from, to)),
        any::<(Index, Index)>().prop_map(|(from, to)| Edit::Repeat(from, to)),
    ]
}

impl Edit {
    fn apply(&self, input: &mut Vec<u8>) {
        let places = input.len() + 1;
        let range = |one: &Index, other: &Index| {
            let (one, other) = (one.index(places), other.index(places));
            one.min(other)..one.max(other)
        };
        match self {
            Self::Set(at, byte) => input
                .iter_mut()
                .skip(at.index(places))
                .take(1)
                .for_each(|it| *it = *byte),
            Self::Flip(at, bit) => input
                .iter_mut()
                .skip(at.index(places))
                .take(1)
                .for_each(|it| *it ^= 1 << bit),
            Self::Insert(at, bytes) => {
                drop(input.splice(at.index(places)..at.index(places), bytes.clone()))
            }
            Self::Remove(from, to) => drop(input.drain(range(from, to))),
            Self::Repeat(from, to) => input.extend_from_within(range(from, to)),
        }
    }
}

/// Enters a door with its corpus, and with inputs that are each a few changes away from it.
///
/// The corpus is accepted, apart from files whose names begin with [`REFUSED`]: else all changed inputs
/// could end at a first check.
fn enter(name: &str) {
    let door = named(name);
    let corpus = door.corpus();
    let mut wrong = Vec::new();
    for (path, input) in &corpus {
        let file = path.file_name().unwrap().to_str().unwrap();
        let entered = catch_unwind(AssertUnwindSafe(|| door.enter(input)));
        match (&entered, file.starts_with(REFUSED)) {
            (Ok(Entered::Refused(_)), true) | (Ok(Entered::Passed), false) => {}
            _ => wrong.push((file, entered.ok())),
        }
    }
    assert!(wrong.is_empty(), "the door `{name}`: {wrong:#?}");
    enter_changed(door, corpus.into_iter().map(|(_, input)| input).collect());
}

fn named(name: &str) -> &'static Door {
    DOORS.iter().find(|door| door.name == name).unwrap()
}

fn enter_changed(door: &Door, corpus: Vec<Vec<u8>>) {
    let inputs = (select(corpus), vec(edit(), 0..=EDITS_MAX)).prop_map(|(mut input, edits)| {
        edits.iter().for_each(|edit| edit.apply(&mut input));
        Input(input)
    });
    let config = ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    };
    let repeated = config.rng_seed != RngSeed::Random;
    let mut runner = TestRunner::new(config);
    let time = if long_tests() { LONG } else { USUAL };
    let begun = Instant::now();
    while begun.elapsed() < time {
        let entered = runner.run(&inputs, |input| {
            door.enter(&input.0);
            Ok(())
        });
        if let Err(error) = entered {
            panic!("the door `{}`: {error}", door.name);
        }
        if repeated {
            break;
        }
    }
}

macro_rules! doors {
    ($($name:ident)*) => {
        $(#[test]
        fn $name() {
            enter(stringify!($name));
        })*

        const TESTED: &[&str] = &[$(stringify!($name)),*];
    };
}

doors! {
    api credentials datagram decision event_stream gossip_keys gossip_member manifest node_info pem plugin_code
    plugin_file proof reference registry sealed settings_file signature tokens traffic trust_file wit
}

#[test]
fn a_component_of_our_world_is_in_the_corpus() {
    let component = dummy().unwrap();
    keep("tests/fuzz/corpus/plugin_code/fits", component).unwrap();
}

#[test]
fn every_door_is_tested() {
    let doors: Vec<_> = DOORS.iter().map(|door| door.name).collect();
    assert_eq!(doors, TESTED);
}
