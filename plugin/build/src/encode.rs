//! From a core module to a component: the step that other projects run `wasm-tools` for.

use std::path::Path;

use wit_component::{ComponentEncoder, metadata};

use crate::BuildError;

/// The component that the module at `path` describes by the world in its custom section.
///
/// There is no adapter: a guest for this target has no WASI preview 1 imports to adapt.
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
    // Without a world the encoder would make an empty component, to be refused only where it is
    // loaded.
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
