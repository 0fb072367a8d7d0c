//! `config check`: tells whether an agent would start with its settings.
//!
//! The command takes the steps of `run` up to the sockets. It opens the data directory for reading, and writes nothing.

use crate::run::prepare;
use crate::run::steps::Step;
use crate::settings::AgentSettings;
use edge_cache_core::text;

/// Checks settings. Returns a line for each step of a start, and for each warning.
///
/// # Errors
///
/// An agent would not start. The error has the lines of all steps.
pub async fn check(settings: &AgentSettings) -> Result<String, String> {
    let steps = prepare::to_check(settings).await;
    let lines = steps.taken.iter().map(lines).collect();
    if steps.taken.iter().all(|step| step.result.is_ok()) {
        Ok(lines)
    } else {
        Err(lines)
    }
}

fn lines(step: &Step) -> String {
    let name = step.name;
    let mut lines = match &step.result {
        Ok(text) => format!("ok     {name}: {text}\n"),
        Err(error) => {
            let text = text::clean(&format!("{error:#}"), text::ERROR_BYTES_MAX);
            format!("error  {name}: {text}\n")
        }
    };
    for warning in &step.warnings {
        let warning = text::clean(warning, text::ERROR_BYTES_MAX);
        lines += &format!("warn   {name}: {warning}\n");
    }
    lines
}
