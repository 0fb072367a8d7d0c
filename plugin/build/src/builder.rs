//! The steps of a build.

use std::path::Path;

use crate::error::BuildError;
use crate::guest::{Built, Guest};
use crate::report::report;
use crate::{encode, nested, output, setup, target_dir};

/// Builds `guest` and writes its component to `output`, whose folder is created if it is missing.
///
/// `output` is replaced atomically, and only if its bytes change. While another process builds a guest in the
/// same target folder, this one waits.
///
/// # Errors
///
/// Any [`BuildError`] but [`BuildError::NoOutput`].
pub fn build(guest: &Guest, output: &Path) -> Result<Built, BuildError> {
    let target_dir = target_dir::of(guest)?;
    // The lock covers all steps from the choice of the compiler, which may install one, to the output file.
    let _turn = output::take_turn(&target_dir)?;
    let compiler = setup::find_compiler(guest)?;
    let module = nested::build_module(guest, &compiler, &target_dir)?;
    let component = encode::component(&module)?;
    let changed = output::write_if_changed(output, &component)?;
    if changed {
        report(&format!(
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
