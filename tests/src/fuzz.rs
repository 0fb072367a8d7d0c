//! Doors: the places where bytes of others come in, each as a function that panics where a promise is broken.
//!
//! `tests/it/fuzz.rs` enters each door with the files of its corpus in `tests/fuzz/corpus`, and with changed ones.
//! `.ci/fuzz DOOR` lets libFuzzer look for inputs that reach more code.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a door fails by panicking"
)]

mod artifacts;
mod cluster;
mod events;
mod files;
mod http;
mod plugins;
mod registries;
mod stage;

use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};

use edge_cache_core::text::is_unprintable;

/// The variable that names the door of a fuzzer's process.
const DOOR: &str = "FUZZ_DOOR";
const CORPUS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/corpus");

/// A place where bytes of others come in.
#[derive(Debug)]
pub struct Door {
    /// Name of the door, and of the folder of its corpus.
    pub name: &'static str,
    enter: fn(&[u8]) -> Entered,
}

/// The end of an input.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Entered {
    /// The door is not for such bytes: they are no text, or no request.
    Ignored,
    /// This error says what is wrong with them.
    Refused(String),
    /// The input was accepted.
    Passed,
}

/// All doors.
pub const DOORS: &[Door] = &[
    door("api", http::api),
    door("credentials", artifacts::credentials),
    door("datagram", cluster::datagram),
    door("decision", cluster::decision),
    door("event_stream", events::event_stream),
    door("gossip_keys", files::gossip_keys),
    door("gossip_member", cluster::gossip_member),
    door("manifest", artifacts::manifest),
    door("node_info", cluster::node_info),
    door("pem", files::pem),
    door("plugin_code", plugins::plugin_code),
    door("plugin_file", plugins::plugin_file),
    door("proof", artifacts::proof),
    door("reference", artifacts::reference),
    door("registry", registries::registry),
    door("sealed", cluster::sealed),
    door("settings_file", files::settings_file),
    door("signature", artifacts::signature),
    door("tokens", files::tokens),
    door("traffic", http::traffic),
    door("trust_file", files::trust_file),
    door("wit", plugins::wit),
];

const fn door(name: &'static str, enter: fn(&[u8]) -> Entered) -> Door {
    Door { name, enter }
}

/// Returns the door that the variable `FUZZ_DOOR` names.
///
/// # Panics
///
/// No door has this name.
pub fn asked() -> &'static Door {
    let name = std::env::var(DOOR).unwrap_or_default();
    let door = DOORS.iter().find(|door| door.name == name);
    let names = || DOORS.iter().map(|door| door.name).collect::<Vec<_>>();
    door.unwrap_or_else(|| panic!("{DOOR} must be one of {:?}, not {name:?}", names()))
}

impl Door {
    /// Lets bytes in. Returns how far they came.
    ///
    /// # Panics
    ///
    /// The code behind the door panics, or breaks a promise.
    pub fn enter(&self, input: &[u8]) -> Entered {
        (self.enter)(input)
    }

    /// Returns the inputs of the corpus, in the order of their names.
    ///
    /// # Panics
    ///
    /// The door has no corpus.
    pub fn corpus(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let folder = Path::new(CORPUS).join(self.name);
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
        paths.sort();
        let read = |path: PathBuf| (path.clone(), fs::read(&path).unwrap());
        paths.into_iter().map(read).collect()
    }
}

/// Expects an error of [`expect_line`]. Returns that it refused the input.
fn refused(error: &dyn Display, bytes_max: usize) -> Entered {
    expect_line(error, bytes_max);
    Entered::Refused(error.to_string())
}

/// Expects that an error is one line of printable text, of at most so many bytes.
fn expect_line(error: &dyn Display, bytes_max: usize) {
    let text = error.to_string();
    assert!(!text.is_empty());
    assert!(text.len() <= bytes_max, "{} bytes: {text:?}", text.len());
    assert!(!text.contains(is_unprintable), "{text:?}");
}
