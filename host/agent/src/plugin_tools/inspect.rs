//! `plugin inspect`: shows the imports and exports of a plugin file without running it.

use std::fmt::{self, Write as _};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{ToolReport, grouped, pulled};
use crate::cli::InspectArgs;
use crate::settings::PluginSource;
use edge_cache_core::text;
use edge_cache_host::sandbox::{
    CompilerProcess, Export, Import, Inspection, Mismatch, PluginError,
};

/// Inspects a plugin. The report is good if an agent with these settings would load it.
///
/// # Errors
///
/// The settings contradict each other, or the plugin cannot be read.
pub async fn inspect(args: &InspectArgs, compiler: &CompilerProcess) -> Result<ToolReport> {
    let config = args.host.config()?;
    let inspection = match &args.source {
        PluginSource::File(path) => Inspection::of_file(path, &config, compiler)
            .await
            .with_context(|| format!("cannot read the plugin {}", path.display()))?,
        PluginSource::Registry(reference) => {
            let file = pulled(reference, &args.registry, &config).await?;
            Inspection::of(file, &config, compiler).await
        }
    };
    Ok(ToolReport::new(
        inspection.refusal.is_none(),
        args.format,
        |out| table(out, &inspection),
        &object(&inspection),
    ))
}

fn table(out: &mut String, inspection: &Inspection) -> fmt::Result {
    let sha256 = inspection.sha256.as_ref().map(hex::encode);
    let loads = match inspection.refusal {
        None => "yes",
        Some(_) => "NO",
    };
    let producers = inspection.producers.iter();
    let producers: Vec<String> = producers
        .map(|by| format!("{} {} ({})", by.name, by.version, by.field))
        .collect();
    let producers = match producers.as_slice() {
        [] => "unknown".to_string(),
        producers => producers.join(", "),
    };
    writeln!(out, "file     {}", inspection.name)?;
    writeln!(out, "size     {} bytes", grouped(inspection.bytes))?;
    writeln!(out, "sha256   {}", sha256.as_deref().unwrap_or("not read"))?;
    writeln!(out, "kind     {}", inspection.kind)?;
    let metadata = &inspection.metadata;
    for (title, text) in [
        ("name", &metadata.name),
        ("version", &metadata.version),
        ("licences", &metadata.licenses),
        ("about", &metadata.description),
    ] {
        if let Some(text) = text {
            writeln!(out, "{title:<9}{text}")?;
        }
    }
    writeln!(out, "made by  {producers}")?;
    writeln!(
        out,
        "world    {}",
        inspection.world().unwrap_or("none of this host")
    )?;
    writeln!(out, "loads    {loads}")?;
    let refusal = inspection.refusal.as_ref();
    if inspection.imports.is_empty() && inspection.exports.is_empty() {
        return match refusal {
            Some(refusal) => writeln!(out, "because  {}", text::error_chain(refusal)),
            None => Ok(()),
        };
    }
    writeln!(out, "\nimports")?;
    for import in &inspection.imports {
        writeln!(out, "  {:<9}{}", import_status(import), import.name)?;
        if let Some(mismatch) = &import.mismatch {
            writeln!(out, "           {mismatch}")?;
        }
    }
    writeln!(out, "\nexports")?;
    for export in &inspection.exports {
        writeln!(out, "  {:<9}{}", export_status(export), export.function)?;
        match &export.mismatch {
            None => {}
            Some(mismatch @ Mismatch::Differs { .. }) => {
                for difference in mismatch.differences() {
                    writeln!(out, "           {difference}")?;
                }
            }
            Some(mismatch) => {
                writeln!(out, "           expected {}", export.expected)?;
                if let Mismatch::MissingInterface {
                    other: Some(other), ..
                } = mismatch
                {
                    writeln!(out, "           found    the interface `{other}`")?;
                }
            }
        }
    }
    match refusal {
        None | Some(PluginError::Mismatch(_)) => Ok(()),
        Some(refusal) => writeln!(out, "\nbut {}", text::error_chain(refusal)),
    }
}

fn object(inspection: &Inspection) -> Value {
    let imports = inspection.imports.iter().map(|import| {
        json!({
            "name": import.name,
            "status": import_status(import).to_lowercase(),
            "reason": import.mismatch.as_ref().map(ToString::to_string),
        })
    });
    let exports = inspection.exports.iter().map(|export| {
        let found = match &export.mismatch {
            None => Some(export.expected),
            Some(Mismatch::Differs { found, .. }) => Some(found.as_str()),
            Some(_) => None,
        };
        json!({
            "function": export.function,
            "status": export_status(export).to_lowercase(),
            "expected": export.expected,
            "found": found,
        })
    });
    json!({
        "file": inspection.name,
        "bytes": inspection.bytes,
        "sha256": inspection.sha256.as_ref().map(hex::encode),
        "kind": inspection.kind,
        "metadata": inspection.metadata,
        "producers": inspection.producers,
        "world": inspection.world(),
        "imports": imports.collect::<Vec<_>>(),
        "exports": exports.collect::<Vec<_>>(),
        "loads": inspection.refusal.is_none(),
        "refusal": inspection.refusal.as_ref().map(|refusal| text::error_chain(refusal)),
    })
}

fn import_status(import: &Import) -> &'static str {
    match &import.mismatch {
        Some(_) => "REFUSED",
        None if import.is_types_only => "types",
        None => "granted",
    }
}

fn export_status(export: &Export) -> &'static str {
    match &export.mismatch {
        None => "ok",
        Some(Mismatch::Differs { .. }) => "DIFFERS",
        Some(_) => "MISSING",
    }
}
