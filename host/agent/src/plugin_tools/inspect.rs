//! `plugin inspect`: shows the imports and exports of a plugin file without running it.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::report::{ToolReport, document, grouped};
use crate::cli::{InspectArgs, OutputFormat};
use crate::run::RunError;
use edge_cache_core::text;
use edge_cache_host::sandbox::{Export, Import, Inspection, Mismatch, PluginError, Producer};

/// Inspects a file. The report is good if an agent with these settings would load the plugin.
///
/// # Errors
///
/// The settings contradict each other, or the file cannot be read.
pub fn inspect(args: &InspectArgs) -> Result<ToolReport, RunError> {
    let config = args.host.config().map_err(RunError::Usage)?;
    let inspection = Inspection::of_file(&args.file, &config).map_err(|source| {
        RunError::Plugin(PluginError::Read {
            path: args.file.clone(),
            source,
        })
    })?;
    let text = match args.format {
        OutputFormat::Table => table(&inspection),
        OutputFormat::Json => document(&object(&inspection)),
    };
    Ok(ToolReport {
        text,
        is_good: inspection.refusal.is_none(),
    })
}

fn table(inspection: &Inspection) -> String {
    let sha256 = inspection.sha256.as_ref().map(hex::encode);
    let producers: Vec<String> = inspection.producers.iter().map(producer).collect();
    let rows = [
        ("file", inspection.name.clone()),
        ("size", format!("{} bytes", grouped(inspection.bytes))),
        ("sha256", sha256.unwrap_or_else(|| "not read".to_string())),
        ("kind", inspection.kind.description().to_string()),
        ("made by", list(&producers)),
        (
            "world",
            inspection
                .world()
                .unwrap_or("none of this host")
                .to_string(),
        ),
        (
            "loads",
            if inspection.refusal.is_none() {
                "yes"
            } else {
                "NO"
            }
            .to_string(),
        ),
    ];
    let mut out = String::new();
    for (name, value) in rows {
        line(&mut out, &format!("{name:<9}{value}"));
    }
    if inspection.imports.is_empty() && inspection.exports.is_empty() {
        if let Some(refusal) = &inspection.refusal {
            line(
                &mut out,
                &format!("because  {}", text::error_chain(refusal)),
            );
        }
        return out;
    }
    line(&mut out, "\nimports");
    for import in &inspection.imports {
        let status = import_status(import);
        line(&mut out, &format!("  {status:<9}{}", import.name));
        if let Some(mismatch) = &import.mismatch {
            line(&mut out, &format!("           {mismatch}"));
        }
    }
    line(&mut out, "\nexports");
    for export in &inspection.exports {
        let status = export_status(export);
        line(&mut out, &format!("  {status:<9}{}", export.function));
        match &export.mismatch {
            None => {}
            Some(Mismatch::ExportDiffers {
                expected, found, ..
            }) => {
                line(&mut out, &format!("           expected {expected}"));
                line(&mut out, &format!("           found    {found}"));
            }
            Some(Mismatch::MissingInterface { other, .. }) => {
                line(
                    &mut out,
                    &format!("           expected {}", export.expected),
                );
                if let Some(other) = other {
                    line(
                        &mut out,
                        &format!("           found    the interface `{other}`"),
                    );
                }
            }
            Some(_) => line(
                &mut out,
                &format!("           expected {}", export.expected),
            ),
        }
    }
    match &inspection.refusal {
        None | Some(PluginError::Mismatch(_)) => {}
        Some(refusal) => line(&mut out, &format!("\nbut {}", text::error_chain(refusal))),
    }
    out
}

fn object(inspection: &Inspection) -> Value {
    let producers = inspection.producers.iter().map(
        |Producer {
             field,
             name,
             version,
         }| json!({"field": field, "name": name, "version": version}),
    );
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
            Some(Mismatch::ExportDiffers { found, .. }) => Some(found.as_str()),
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
        "kind": inspection.kind.name(),
        "producers": producers.collect::<Vec<_>>(),
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
        Some(Mismatch::ExportDiffers { .. }) => "DIFFERS",
        Some(_) => "MISSING",
    }
}

fn producer(producer: &Producer) -> String {
    let Producer {
        field,
        name,
        version,
    } = producer;
    format!("{name} {version} ({field})")
}

fn list(names: &[String]) -> String {
    if names.is_empty() {
        return "unknown".to_string();
    }
    names.join(", ")
}

fn line(out: &mut String, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(out, "{line}");
}
