//! `plugin compose`: makes a plugin of a policy and the reference plugin, checks it and shows its costs.

mod composition;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};
use tokio::runtime::Runtime;

use super::check::{examined, samples};
use super::{ToolReport, file_name, grouped};
use crate::cli::{ComposeArgs, OutputFormat};
use crate::exit::usage;
use crate::plugin_files::write_plugin;
use edge_cache_host::sandbox::{CompilerProcess, Plugin, PluginFile};

pub use self::composition::CompositionError;

/// The ending of a plugin that is composed of a policy.
const ENDING: &str = "plugin.wasm";

/// Composes a plugin, checks it, and writes it if it passes. The report is that of the check.
///
/// # Errors
///
/// The settings contradict each other, a file cannot be read or written, the policy does not fit its interface, or the
/// binary has no reference plugin.
pub fn compose(
    args: &ComposeArgs,
    runtime: &Runtime,
    compiler: &CompilerProcess,
) -> Result<ToolReport> {
    let mut config = args.host.config()?;
    // The digest of a plugin that is made now cannot have been declared.
    config.sha256 = None;
    let samples = samples(args.sample.as_deref())?;
    let composable = edge_cache_reference::COMPOSABLE.context(
        "this binary is built without the reference plugin: run `cargo plugin`, and build it again",
    )?;
    let path = &args.policy;
    let policy = PluginFile::read(path, &config.limits).context("cannot read the policy")?;
    let plugin = composition::compose(composable, policy.bytes())
        .with_context(|| format!("cannot use the policy {}", path.display()))
        .map_err(usage)?;
    let output = args.output.clone().unwrap_or_else(|| beside(path));
    let is_same = fs::canonicalize(&output).ok() == fs::canonicalize(path).ok();
    if output.exists() && is_same {
        let text = "`--output` is the policy itself: choose another file";
        return Err(usage(anyhow!(text)));
    }
    let file = PluginFile::new(&file_name(&output), plugin.clone());
    let loaded = runtime.block_on(Plugin::load_in_child(file, config, compiler));
    let checked = examined(file_name(&output), loaded, &samples)?;
    if checked.passes {
        write_plugin(&output, &plugin)?;
    }
    let size = grouped(u64::try_from(plugin.len()).unwrap_or(u64::MAX));
    Ok(ToolReport::new(
        checked.passes,
        OutputFormat::Table,
        |out| {
            checked.table(out)?;
            match checked.passes {
                true => writeln!(out, "wrote {}, {size} bytes", output.display()),
                false if output.exists() => writeln!(
                    out,
                    "{} is not written: it is an older plugin",
                    output.display()
                ),
                false => writeln!(out, "{} is not written", output.display()),
            }
        },
        &(),
    ))
}

/// Returns the file beside a policy: `spare.plugin.wasm` beside `spare.wasm`.
fn beside(policy: &Path) -> PathBuf {
    policy.with_extension(ENDING)
}
