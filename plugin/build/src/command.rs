//! The command line. Its four forms need no parser library.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::bail;

/// Text of `--help`, also printed after a usage error.
pub(crate) const USAGE: &str = "\
Builds a WebAssembly component from a guest crate.

  edge-cache-build                        build the reference plugin of this workspace
  edge-cache-build MANIFEST -o FILE       build the guest of a Cargo.toml, or of its folder
  edge-cache-build run -- ARGUMENT...     build the reference plugin, then run cargo with the arguments

REFERENCE_PLUGIN_FILE  path of the reference plugin; cargo sets it inside the workspace
EDGE_CACHE_INSTALL       1: where rustup cannot add the wasm target, install the distribution's (as root)
EDGE_CACHE_NO_INSTALL    1: never install anything, no target by rustup either
";

#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Help,
    Reference,
    Guest { manifest: PathBuf, output: PathBuf },
    Run { arguments: Vec<OsString> },
}

impl Command {
    pub(crate) fn parse(words: Vec<OsString>) -> anyhow::Result<Self> {
        let texts: Vec<_> = words
            .iter()
            .map(|word| word.to_str().unwrap_or_default())
            .collect();
        Ok(match (texts.as_slice(), words.as_slice()) {
            ([], _) => Self::Reference,
            (["-h" | "--help"], _) => Self::Help,
            (["run", "--", _, ..], [_, _, arguments @ ..]) => Self::Run {
                arguments: arguments.to_vec(),
            },
            ([_, "-o", _], [manifest, _, output]) => Self::Guest {
                manifest: manifest.into(),
                output: output.into(),
            },
            _ => bail!("unknown arguments\n\n{USAGE}"),
        })
    }
}

#[cfg(test)]
mod tests;
