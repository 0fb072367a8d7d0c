//! A settings file with every setting, read off the command line like everything else about them.
//!
//! Each setting with a default stands there as a comment without a space behind its `#`: taking the `#`
//! away changes nothing. One without a default has a space there, and a place to fill in.

use std::fmt::Write;

use clap::Command;

use super::{Kind, Setting, settings};

const HEAD: &str = "\
# Settings of edge-cache-agent. A flag goes over a variable, a variable over this file.
# `gossip.listen` here is `--gossip-listen` is `EDGE_CACHE_GOSSIP_LISTEN`; times are written as 250ms,
# 10s or 2m, sizes as 64MiB, 1KiB or bytes. `edge-cache-agent config check --config FILE` checks a file.
#
# What begins with `#` and a name is the default. What begins with `#`, a space and a name has none.
";

/// The commented file.
#[must_use]
pub fn example(run: &Command) -> String {
    let mut settings = settings(run);
    // A stable sort: within a section they stay in the order of the help. What has no section must come
    // first, or it would belong to the one before it.
    settings.sort_by_key(|setting| section(setting).map(str::to_string));
    let mut text = HEAD.to_string();
    let mut current = None;
    for setting in &settings {
        if section(setting) != current {
            current = section(setting);
            let _ = write!(text, "\n[{}]\n", current.unwrap_or_default());
        }
        describe(&mut text, setting);
    }
    text
}

fn section<'a>(setting: &'a Setting<'_>) -> Option<&'a str> {
    setting.key.rsplit_once('.').map(|(section, _)| section)
}

fn describe(text: &mut String, setting: &Setting<'_>) {
    let name = setting.key.rsplit('.').next().unwrap_or(&setting.key);
    let help = setting.arg.get_help().map(ToString::to_string);
    let flag = setting.arg.get_long().unwrap_or_default();
    let _ = writeln!(text, "\n# {}.", help.unwrap_or_default());
    if name_by_rule(&setting.key) != flag {
        let _ = writeln!(text, "# Flag `--{flag}`, variable `{}`.", setting.variable);
    }
    let _ = match default(setting) {
        Some(default) => writeln!(text, "#{name} = {default}"),
        None => writeln!(text, "# {name} = {}", place(setting)),
    };
}

fn name_by_rule(key: &str) -> String {
    key.replace(['.', '_'], "-")
}

/// The default as the file has it.
fn default(setting: &Setting<'_>) -> Option<String> {
    let mut values = setting
        .arg
        .get_default_values()
        .iter()
        .map(|value| value.to_string_lossy());
    match setting.kind {
        Kind::Table => Some("{}".to_string()),
        Kind::List => {
            let values: Vec<String> = values.map(|value| quoted(&value)).collect();
            let line = values.join(", ");
            Some(format!("[{line}]"))
        }
        Kind::Switch => values.next().map(|value| value.to_string()),
        Kind::Number => values.next().map(|value| match value.parse::<i64>() {
            Ok(number) => number.to_string(),
            Err(_) => quoted(&value),
        }),
        Kind::Text => values.next().map(|value| quoted(&value)),
    }
}

fn place(setting: &Setting<'_>) -> String {
    let names = setting.arg.get_value_names().unwrap_or_default();
    let name = names.first().map_or("VALUE", |name| name.as_str());
    match setting.kind {
        Kind::Number => name.to_string(),
        _ => quoted(name),
    }
}

/// What JSON writes as a string, TOML reads as one.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
