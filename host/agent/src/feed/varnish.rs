//! The counters of Varnish, which `varnishstat -j` prints.

use std::future::pending;
use std::io;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use edge_cache_client::EdgeCacheStats;
use edge_cache_core::text;
use serde_json::Value;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::time::timeout;

use super::cache::{Cache, Reading};
use crate::cli::VarnishArgs;
use crate::exit::usage;

#[cfg(test)]
mod tests;

/// The time for one run of varnishstat, which itself waits up to 5 s for a Varnish.
const RUN_WITHIN: Duration = Duration::from_secs(20);
/// The most that varnishstat may print, in bytes; with a thousand backends it prints 3 MiB.
const OUTPUT_BYTES_MAX: u64 = 32 * 1024 * 1024;
/// The error of a time in whole seconds.
const SECOND: Duration = Duration::from_secs(1);

/// A Varnish on this machine.
#[derive(Debug)]
pub(super) struct Varnish {
    program: PathBuf,
    instance: Option<PathBuf>,
    /// The uptime that was read last, and when.
    last: Option<(Duration, Instant)>,
}

impl Varnish {
    pub(super) fn new(args: &VarnishArgs) -> Self {
        Self {
            program: args.varnishstat.clone(),
            instance: args.instance.clone(),
            last: None,
        }
    }

    async fn print(&self) -> Result<Vec<u8>> {
        let program = self.program.display();
        let mut command = Command::new(&self.program);
        command.arg("-j");
        if let Some(instance) = &self.instance {
            command.arg("-n").arg(instance);
        }
        let spawned = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = match spawned {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(usage(anyhow!(
                    "{program} is not there: install Varnish, or name its program with --varnishstat"
                )));
            }
            spawned => spawned.with_context(|| format!("cannot run {program}"))?,
        };
        let (mut output, mut said) = (Vec::new(), Vec::new());
        let (out, err) = child
            .stdout
            .take()
            .zip(child.stderr.take())
            .context("no pipe")?;
        let (mut out, mut err) = (out.take(OUTPUT_BYTES_MAX), err.take(4 * 1024));
        tokio::try_join!(out.read_to_end(&mut output), err.read_to_end(&mut said))
            .with_context(|| format!("cannot read what {program} prints"))?;
        // Whoever prints more than that gets no reader.
        drop((out, err));
        let status = child.wait().await?;
        if !status.success() {
            let said = text::clean(String::from_utf8_lossy(&said).trim(), text::ERROR_BYTES_MAX);
            bail!("{program} ended with {status}: {said}");
        }
        Ok(output)
    }
}

impl Cache for Varnish {
    async fn read(&mut self) -> Result<Reading> {
        let program = self.program.display();
        let output = timeout(RUN_WITHIN, self.print())
            .await
            .with_context(|| format!("{program} runs for longer than {RUN_WITHIN:?}"))??;
        let (counters, uptime) =
            counters(&output).with_context(|| format!("{program} printed something else"))?;
        let now = Instant::now();
        let last = self.last.replace((uptime, now));
        let has_begun_again = last.is_some_and(|(former, at)| {
            has_restarted(former, now.saturating_duration_since(at), uptime)
        });
        Ok(Reading {
            counters,
            has_begun_again,
        })
    }

    async fn ended(&mut self) {
        pending().await
    }
}

/// Tells whether a Varnish with this uptime is another one than that with the former uptime so long ago.
///
/// Uptimes follow the clock of the system: one that was set back does not look like a restart.
fn has_restarted(former: Duration, elapsed: Duration, uptime: Duration) -> bool {
    let may_be_new = uptime <= elapsed.saturating_add(SECOND);
    let is_older =
        uptime.saturating_add(SECOND.saturating_mul(2)) >= former.saturating_add(elapsed);
    may_be_new && !is_older
}

/// Returns the counters and the uptime in the output of `varnishstat -j`: Varnish 6.5 and later have the counters in a
/// member of that name, earlier ones at the top.
fn counters(output: &[u8]) -> Result<(EdgeCacheStats, Duration)> {
    ensure!(!output.is_empty(), "nothing");
    let output: Value = serde_json::from_slice(output)?;
    let all = output.get("counters").unwrap_or(&output);
    let value = |name: &str| {
        let value = all.get(name).and_then(|counter| counter.get("value"));
        value
            .and_then(Value::as_u64)
            .with_context(|| format!("no {name}: Varnish does not serve"))
    };
    let stats = EdgeCacheStats {
        hits: value("MAIN.cache_hit")?,
        misses: value("MAIN.cache_miss")?,
    };
    Ok((stats, Duration::from_secs(value("MAIN.uptime")?)))
}
