//! Doors of plugins: files, and components of worlds like ours.

use edge_cache_host::sandbox::{
    CompilerProcess, Inspection, Plugin, PluginConfig, PluginError, PluginFile,
};
use tokio::runtime::Builder;

use super::Entered::{self, Ignored, Passed, Refused};
use super::{expect_line, refused};
use crate::dummy::dummy_with;

/// The longest refusal of a plugin, in bytes: it names all that does not fit.
const REFUSAL_BYTES_MAX: usize = 64 * 1024;
/// A program that is not there: nothing is compiled.
const NO_COMPILER: &str = "/dev/null/compiler";

/// A file up to the moment at which it would be compiled, and its metadata.
pub(super) fn plugin_file(input: &[u8]) -> Entered {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let compiler = CompilerProcess::new(NO_COMPILER, [""; 0]);
    let file = PluginFile::new("a plugin", input.to_vec());
    let config = PluginConfig::default();
    let inspection = Inspection::of(file, &config, &compiler);
    let inspection = runtime.block_on(inspection);
    let refusal = inspection.refusal.unwrap();
    expect_line(&refusal, REFUSAL_BYTES_MAX);
    let metadata = inspection.metadata;
    let texts = [
        metadata.name,
        metadata.version,
        metadata.licenses,
        metadata.description,
    ];
    for text in texts.into_iter().flatten().filter(|text| !text.is_empty()) {
        expect_line(&text, 256 + '…'.len_utf8());
    }
    match refusal {
        PluginError::Compiler(_) => Passed,
        _ => Refused(refusal.to_string()),
    }
}

/// A file up to its links with the host.
pub(super) fn plugin_code(input: &[u8]) -> Entered {
    check(Plugin::from_bytes(input, PluginConfig::default()))
}

/// A component of our world, in whose WIT the first line of the input was replaced by the others.
pub(super) fn wit(input: &[u8]) -> Entered {
    let Ok(text) = std::str::from_utf8(input) else {
        return Ignored;
    };
    let (from, to) = text.split_once('\n').unwrap_or((text, ""));
    if from.is_empty() {
        return Ignored;
    }
    // Most of what is written so is no WIT.
    let Ok(component) = dummy_with(|wit| wit.replace(from, to.trim_end_matches('\n'))) else {
        return Ignored;
    };
    check(Plugin::from_bytes(&component, PluginConfig::default()))
}

fn check(loaded: Result<Plugin, PluginError>) -> Entered {
    match loaded {
        Ok(plugin) => {
            expect_line(&plugin.name(), 256);
            Passed
        }
        Err(error) => refused(&error, REFUSAL_BYTES_MAX),
    }
}
