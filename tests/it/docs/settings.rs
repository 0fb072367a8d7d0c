//! The settings of an agent, read from the example that it prints.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use edge_cache_agent::cli::{self, Parsed};

/// Values that are too large for any setting with a range.
const TOO_LARGE: [&str; 3] = ["99999999999999", "99999d", "99999999999999999999"];

/// A setting of an agent.
#[derive(Debug, Default)]
pub(crate) struct Setting {
    /// The default as it is written in a settings file; none for a setting without one.
    pub(crate) default: Option<String>,
    /// The flag, where it is not named like the setting.
    pub(crate) flag: Option<String>,
    /// The description.
    pub(crate) about: String,
}

/// Returns all settings by their names.
pub(crate) fn settings() -> BTreeMap<String, Setting> {
    let example = cli::example();
    let mut section = String::new();
    let mut setting = Setting::default();
    let mut settings = BTreeMap::new();
    // What precedes the first blank line is about the file.
    for line in example.lines().skip_while(|line| !line.is_empty()) {
        if let Some(name) = line.strip_prefix('[') {
            section = name.replace(']', ".");
        } else if let Some((name, default)) = assignment(line) {
            setting.default = default;
            let setting = std::mem::take(&mut setting);
            settings.insert(format!("{section}{name}"), setting);
        } else if let Some(names) = line.strip_prefix("# Flag `--") {
            setting.flag = names.split('`').next().map(str::to_string);
        } else if let Some(text) = line.strip_prefix("# ") {
            setting.about = text.trim_end_matches('.').to_string();
        }
    }
    settings
}

/// Writes the tables of all sections, each below its heading.
pub(super) fn page(settings: &BTreeMap<String, Setting>) -> String {
    let sections: BTreeSet<_> = settings.keys().map(|name| section(name)).collect();
    let mut page = String::new();
    for name in sections {
        let heading = if name.is_empty() { "general" } else { name };
        let _ = write!(page, "\n## {heading}\n\n{}", table(settings, name));
    }
    page
}

/// Returns the section of a setting; it is empty for those without one.
fn section(name: &str) -> &str {
    name.rsplit_once('.').map_or("", |(section, _)| section)
}

/// Writes the table of a section.
pub(super) fn table(settings: &BTreeMap<String, Setting>, of: &str) -> String {
    let mut table =
        "| setting | default | allowed | description |\n|---|---|---|---|\n".to_string();
    for (name, setting) in settings.iter().filter(|(name, _)| section(name) == of) {
        let default = match setting.default.as_deref() {
            Some("\"\"") => "empty".to_string(),
            Some(default) => format!("`{}`", default.trim_matches('"')),
            None => "none".to_string(),
        };
        let flag = match &setting.flag {
            Some(flag) => format!(" (`--{flag}`)"),
            None => String::new(),
        };
        let about = setting.about.replace('|', "\\|");
        let long = setting.flag.clone();
        let long = long.unwrap_or_else(|| name.replace(['.', '_'], "-"));
        let allowed = range(&long).unwrap_or_default();
        let _ = writeln!(
            table,
            "| `{name}`{flag} | {default} | {allowed} | {about} |"
        );
    }
    table
}

/// Returns the range of a flag, as the command line names it to who leaves it.
fn range(flag: &str) -> Option<String> {
    TOO_LARGE.iter().find_map(|value| {
        let words = ["edge-cache-agent", "--node-id", "1"].map(str::to_string);
        let words = words.into_iter().chain([format!("--{flag}={value}")]);
        let Parsed::Wrong { text, .. } = cli::parse(words.map(Into::into), &|_| None) else {
            return None;
        };
        let (_, range) = text.rsplit_once(" from ")?;
        let (least, most) = range.split_once(" to ")?;
        Some(format!("{least} to {most}"))
    })
}

/// Reads `#name = default`, or `# name = PLACE` of a setting without a default.
fn assignment(line: &str) -> Option<(&str, Option<String>)> {
    let (name, value) = line.strip_prefix('#')?.split_once(" = ")?;
    let bare = name.trim_start();
    let is_name = bare
        .chars()
        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let default = (bare == name).then(|| value.to_string());
    is_name.then_some((bare, default))
}
