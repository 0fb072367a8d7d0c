//! The manifest of a plugin file, as `plugin push` and `plugin sign` make it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use anyhow::{Context, Result, bail};
use bytes::Bytes;

use super::file_name;
use crate::cli::HostArgs;
use edge_cache_core::text;
use edge_cache_distribution::{Interface, Publication, VERSION_ANNOTATION};
use edge_cache_host::sandbox::{CompilerProcess, Inspection, PluginConfig, PluginFile};

/// Annotations of the OCI image specification beside the version.
const TITLE_ANNOTATION: &str = "org.opencontainers.image.title";
const LICENSES_ANNOTATION: &str = "org.opencontainers.image.licenses";
const DESCRIPTION_ANNOTATION: &str = "org.opencontainers.image.description";
/// The annotation with the world that the plugin is made for: name and version of its WIT package.
const WORLD_ANNOTATION: &str = "zlayer.edge-cache.world";

/// Reads a plugin file and makes its manifest. The same file gives the same digest.
///
/// # Errors
///
/// The file cannot be read, or an agent with these settings would not load it.
pub(super) async fn publication(
    path: &Path,
    host: &HostArgs,
    compiler: &CompilerProcess,
) -> Result<Publication> {
    let config = host.config()?;
    let component = read(path, &config)
        .with_context(|| format!("cannot read the plugin {}", path.display()))?;
    let file = PluginFile::new(&file_name(path), component.clone());
    let inspection = Inspection::of(file, &config, compiler).await;
    if let Some(refusal) = &inspection.refusal {
        let reason = text::error_chain(refusal);
        bail!(
            "no agent with these settings would load {}: {reason}",
            inspection.name
        );
    }
    let annotations = annotations(&inspection);
    Ok(Publication::new(
        component,
        &interface(&inspection),
        annotations,
    )?)
}

fn read(path: &Path, config: &PluginConfig) -> io::Result<Bytes> {
    // One byte more tells a plugin that is too large from one that just fits.
    let limit = u64::try_from(config.limits.plugin_bytes.saturating_add(1)).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes.into())
}

fn interface(inspection: &Inspection) -> Interface {
    let functions = inspection.exports.iter();
    let mut exports: Vec<_> = functions
        .filter_map(|export| Some(export.function.split_once('#')?.0.to_string()))
        .collect();
    exports.dedup();
    Interface {
        exports,
        imports: inspection
            .imports
            .iter()
            .map(|import| import.name.clone())
            .collect(),
        target: inspection.world().map(str::to_string),
    }
}

fn annotations(inspection: &Inspection) -> BTreeMap<String, String> {
    let metadata = &inspection.metadata;
    let world = inspection.world().map(str::to_string);
    let annotations = [
        (TITLE_ANNOTATION, &metadata.name),
        (VERSION_ANNOTATION, &metadata.version),
        (LICENSES_ANNOTATION, &metadata.licenses),
        (DESCRIPTION_ANNOTATION, &metadata.description),
        (WORLD_ANNOTATION, &world),
    ];
    let given = annotations.into_iter();
    given
        .filter_map(|(key, value)| Some((key.to_string(), value.clone()?)))
        .collect()
}
