//! The conversion of a core module to a component, as `wasm-tools component new` does it.

use std::path::Path;

use wit_component::{ComponentEncoder, metadata};

use crate::error::BuildError;

/// Encodes the module at `path` as a component of the world in its custom section.
///
/// Guests for this target have no imports of WASI preview 1, so no adapter is needed.
pub(crate) fn component(path: &Path) -> Result<Vec<u8>, BuildError> {
    let module = std::fs::read(path).map_err(|source| BuildError::File {
        action: "read the module",
        path: path.to_path_buf(),
        source,
    })?;
    let failed = |source| BuildError::Encode {
        module: path.to_path_buf(),
        source,
    };
    // Without a world, the encoder would make an empty component.
    let (stripped, _) = metadata::decode(&module).map_err(|source| failed(source.into()))?;
    if stripped.is_none() {
        return Err(BuildError::NoWorld {
            module: path.to_path_buf(),
        });
    }
    let mut encoder = ComponentEncoder::default();
    let encoded = encoder
        .validate(true)
        .module(&module)
        .and_then(ComponentEncoder::encode);
    encoded.map_err(|source| failed(source.into()))
}
