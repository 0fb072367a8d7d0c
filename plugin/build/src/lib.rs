//! Turns a guest crate into a WebAssembly component.
//!
//! It exists because neither a build script nor a checked-in file does the job: a guest built by
//! `build.rs` waits for the lock of the cargo that runs it, and a file that somebody has to
//! remember to build tests yesterday's guest. Here people call a command and tests call [`build`];
//! both get the component of the sources as they are now, within half a second where nothing
//! changed.
//!
//! A guest is a plain library crate, so that its logic is compiled, linted and tested natively. It
//! becomes a module by being built as a `cdylib` for `wasm32-unknown-unknown`, and a component by
//! encoding that module with the world that wit-bindgen left in it. The compiler need not have that
//! target installed: see [`BuildError::NoCompiler`] for what is tried.

mod compiler;
mod encode;
mod environment;
mod error;
mod guest;
mod handover;
mod invocation;
mod nested;
mod output;
mod probe;
mod setup;
mod workspace;

pub use error::BuildError;
pub use guest::{Built, Guest};
pub use handover::hand_over_to_cargo;
pub use workspace::{build_guest, build_reference_plugin};

use std::path::Path;

/// The target that guests are compiled for. It has no system interface: a guest imports what its
/// world says, no more.
const TARGET: &str = "wasm32-unknown-unknown";

/// Builds `guest` and leaves its component at `output`, whose folder is made where it is missing.
///
/// `output` is replaced in one step, and only where its bytes change. Builds take turns: while
/// another process builds a guest in the same target folder, this one waits.
pub fn build(guest: &Guest, output: &Path) -> Result<Built, BuildError> {
    let target_dir = workspace::target_dir(guest)?;
    // From the choice of the compiler, which may install one, to the written file: what is read in
    // between must not be half written by another build.
    let _turn = output::take_turn(&target_dir)?;
    let compiler = setup::find_compiler(guest)?;
    let module = nested::build_module(guest, &compiler, &target_dir)?;
    let component = encode::component(&module)?;
    let changed = output::write_if_changed(output, &component)?;
    if changed {
        say(&format!(
            "wrote {} ({} bytes)",
            output.display(),
            component.len()
        ));
    }
    Ok(Built {
        path: output.to_path_buf(),
        size: component.len(),
        changed,
    })
}

/// Tells the person who waits, past any capture of the output by a test runner.
fn say(line: &str) {
    use std::io::Write as _;
    // With stderr closed there is nobody to tell.
    let _ = writeln!(std::io::stderr(), "edge-cache-build: {line}");
}

#[cfg(test)]
mod tests;
