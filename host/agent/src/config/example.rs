//! The example settings file, generated from the declared arguments.
//!
//! Every line with a setting is a comment. A setting with a default shows the default and has no space behind its `#`;
//! removing the `#` changes nothing. A setting without a default has a space there and shows an example.

use std::fmt::Write;

use clap::Command;
use clap::builder::PossibleValue;

use super::literal::literal;
use super::setting::{Setting, ValueKind, settings};

const HEAD: &str = "\
# Settings of edge-cache-agent. Flags take precedence over environment variables, and those over this file.
# `gossip.listen` here is `--gossip-listen` is `EDGE_CACHE_GOSSIP_LISTEN`. Times are written as 250ms, 10s or 2m,
# sizes as 64MiB, 1KiB or a number of bytes. `edge-cache-agent config check --config FILE` checks a file.
#
# A line that begins with `#` and a name shows a default. A line that begins with `#`, a space and a name shows an
# example; that setting has no default.
";

/// Values for settings without a default.
const EXAMPLES: &[(&str, &str)] = &[
    ("api_token_file", "/etc/edge-cache/tokens"),
    ("cache.address", "192.0.2.1:8080"),
    ("cache.check", "http://127.0.0.1:8080/edge-cache-health"),
    ("cache.default_port", "8080"),
    ("data_dir", "/var/lib/edge-cache"),
    ("gossip.advertise", "192.0.2.1:7946"),
    ("gossip.key_file", "/etc/edge-cache/gossip-keys"),
    ("gossip.listen", "127.0.0.1:7946"),
    ("health_listen", "127.0.0.1:7948"),
    ("http.advertise", "https://node-1.example:7947"),
    ("http.tls_cert_file", "/etc/edge-cache/tls.crt"),
    ("http.tls_key_file", "/etc/edge-cache/tls.key"),
    ("log.audit_file", "/var/log/edge-cache/audit.log"),
    ("node_id", "1"),
    ("plugin.registry_ca_file", "/etc/edge-cache/registry-ca.pem"),
    (
        "plugin.registry_credentials_file",
        "/etc/edge-cache/registry.json",
    ),
    (
        "plugin.sha256",
        "0000000000000000000000000000000000000000000000000000000000000000",
    ),
    (
        "plugin.source",
        "oci://registry.example/edge-cache/plugin:1",
    ),
    ("plugin.trust", "/etc/edge-cache/trust.toml"),
    ("traffic.fallback", "192.0.2.9:80"),
    ("traffic.listen", "127.0.0.1:7949"),
];

/// Returns an example file with every setting of a command.
#[must_use]
pub fn example(run: &Command) -> String {
    let mut settings = settings(run);
    // The sort is stable: settings of a section stay in the order of the help. Settings without a section come
    // first, because TOML has no way to end a section.
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
    let values = setting.arg.get_possible_values();
    let values: Vec<&str> = values.iter().map(PossibleValue::get_name).collect();
    let choices = if setting.kind == ValueKind::Text && !values.is_empty() {
        format!("; one of {}", values.join(", "))
    } else {
        String::new()
    };
    let flag = setting.arg.get_long().unwrap_or_default();
    let _ = writeln!(text, "\n# {}{choices}.", help.unwrap_or_default());
    if setting.key.replace(['.', '_'], "-") != flag {
        let _ = writeln!(text, "# Flag `--{flag}`, variable `{}`.", setting.variable);
    }
    let _ = match default(setting) {
        Some(default) => writeln!(text, "#{name} = {default}"),
        None => writeln!(text, "# {name} = {}", example_value(setting)),
    };
}

/// Returns the default in TOML.
fn default(setting: &Setting<'_>) -> Option<String> {
    let values = setting.arg.get_default_values().iter();
    let values: Vec<_> = values
        .map(|value| value.to_string_lossy().into_owned())
        .collect();
    match (setting.kind, &*values) {
        (ValueKind::Table, _) => Some("{}".to_string()),
        // A flag without a value is off by default.
        (ValueKind::Boolean, []) => Some("false".to_string()),
        (ValueKind::Number | ValueKind::Text, []) => None,
        (kind, values) => Some(literal(kind, values)),
    }
}

fn example_value(setting: &Setting<'_>) -> String {
    let example = EXAMPLES.iter().find(|(key, _)| *key == setting.key);
    let value = example.map_or("", |(_, value)| value);
    literal(setting.kind, &[value.to_string()])
}
