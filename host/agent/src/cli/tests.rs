use std::ffi::OsString;
use std::time::Duration;

use clap::CommandFactory;

use super::parse::WRONG_BYTES_MAX;
use super::*;
use crate::settings::AgentSettings;
use edge_cache_core::text;

fn parsed(line: &str) -> Parsed {
    parsed_words(line.split_whitespace())
}

fn parsed_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Parsed {
    parse(
        std::iter::once("edge-cache-agent")
            .chain(words)
            .map(Into::into),
        &|_| None,
    )
}

fn run(line: &str) -> AgentSettings {
    match parsed(line) {
        Parsed::Cli(cli) => match cli.command {
            Command::Run(args) => *args,
            other => panic!("{line}: {other:?}"),
        },
        other => panic!("{line}: {other:?}"),
    }
}

fn wrong(line: &str) -> String {
    match parsed(line) {
        Parsed::Wrong { text, .. } => text,
        other => panic!("{line}: {other:?}"),
    }
}

#[test]
fn run_is_the_default() {
    assert_eq!(run("--node-id 7").node_id, 7);
    assert_eq!(run("run --node-id 7").node_id, 7);
    assert_eq!(wrong(""), wrong("run"));
}

#[test]
fn repeated_flags_add_up() {
    let args = run("--node-id 1 --seed a:1 --seed b:2 --label zone=a --label rack=x=y");
    assert_eq!(args.seeds, ["a:1", "b:2"]);
    assert_eq!(
        args.label_map(),
        [("rack", "x=y"), ("zone", "a")]
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .into()
    );
}

#[test]
fn an_invalid_flag_gives_a_one_line_error_with_its_name() {
    for (line, said) in [
        ("run", "--node-id"),
        ("--node-id abc", "abc"),
        ("--node-id 18446744073709551616", "18446744073709551616"),
        ("--node-id 007", "leading zeros"),
        ("--node-id 1 --http-listen 7947", "IP:PORT"),
        ("--node-id 1 --plugin-sha256 abc", "64 hexadecimal digits"),
        (
            "--node-id 1 --plugin-imports wasi:clock/wall-clock",
            "`wasi:clocks/wall-clock`",
        ),
        ("--node-id 1 --plugin-labels a=b", "A-Z a-z 0-9"),
        ("--node-id 1 --plugin-settings weight", "KEY=VALUE"),
        ("--node-id 1 --log-level edge=loud", "for example info"),
        (
            "--node-id 1 --log-level inof",
            "off, error, warn, info, debug, trace",
        ),
        ("--node-id 1 --log-level inof", "did you mean `info`?"),
        (
            "--node-id 1 --log-level warn,edge_cache_gossip",
            "TARGET=LEVEL",
        ),
        ("--node-id 1 --log-level warn,", "for example info"),
        ("--node-id 1 --limits-memory-bytes 64XB", "64MiB"),
        (
            "--node-id 1 --limits-stack-bytes 2MiB",
            "64.0 KiB to 1.0 MiB",
        ),
        ("--node-id 1 --limits-queue 0", "1 to 1000000"),
        ("--node-id 1 --limits-call-deadline 0ms", "1ms to 10m"),
        ("--node-id 1 --gossip-interval soon", "200ms"),
        ("--node-id 1 --gossip-interval 10m", "10ms to 5s"),
        ("--node-id 1 --gossip-interval 0ms", "10ms to 5s"),
        ("--node-id 1 --gossip-dead-grace 9s", "10s to 1day"),
        ("--node-id 1 --gossip-join-timeout 11m", "0s to 10m"),
        ("--node-id 1 --http-connections 0", "1 to 1048576"),
        ("--node-id 1 --label zone", "KEY=VALUE"),
        ("--node-id 1 --gossip-lisen 127.0.0.1:0", "--gossip-listen"),
        ("start", "start"),
    ] {
        let text = wrong(line);
        assert!(text.contains(said), "{line}: {text}");
        assert!(!text.contains('\n') && !text.contains("Usage"), "{text}");
    }
}

#[test]
fn errors_name_the_help_of_the_given_subcommand() {
    for (line, expected) in [
        ("", "edge-cache-agent run --help"),
        ("--node-id abc", "edge-cache-agent run --help"),
        ("start", "edge-cache-agent --help"),
        ("node seven", "edge-cache-agent node --help"),
        ("plugin show now", "edge-cache-agent plugin show --help"),
        (
            "config check --node-id abc",
            "edge-cache-agent config check --help",
        ),
    ] {
        match parsed(line) {
            Parsed::Wrong { help, .. } => assert_eq!(help, expected, "{line}"),
            other => panic!("{line}: {other:?}"),
        }
    }
}

#[test]
fn the_declarations_are_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn labels_may_be_separated_by_line_feeds() {
    let words = ["--node-id", "1", "--label", "zones=a,b\nrack=7"];
    let Parsed::Cli(cli) = parsed_words(words) else {
        panic!("refused");
    };
    let Command::Run(args) = cli.command else {
        panic!("not run");
    };
    assert_eq!(
        args.label_map(),
        [("rack", "7"), ("zones", "a,b")]
            .map(|(key, value)| (key.to_string(), value.to_string()))
            .into()
    );
}

#[test]
fn errors_repeat_input_within_bounds() {
    let long = "9".repeat(100_000);
    for given in [long.as_str(), "a\nb", "\u{7}\u{1b}[31m\u{202e}"] {
        match parsed_words(["--node-id", given]) {
            Parsed::Wrong { text, .. } => {
                assert!(text.len() <= WRONG_BYTES_MAX + '…'.len_utf8());
                assert!(!text.contains(text::is_unprintable), "{text:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn help_and_version_are_text() {
    assert!(matches!(parsed("--help"), Parsed::Text(_)));
    assert!(matches!(parsed("run --help"), Parsed::Text(_)));
    assert!(matches!(parsed("--version"), Parsed::Text(_)));
}

#[test]
fn the_defaults_of_all_limits_are_those_of_the_host() {
    assert_eq!(
        run("--node-id 1").limits.limits(),
        edge_cache_host::Limits::default()
    );
}

#[test]
fn a_limit_reaches_the_field_of_its_name() {
    let limits = run(
        "--node-id 1 --limits-memory-bytes 1GiB --limits-queue-wait 2m \
                      --limits-labels-node-bytes 4096 --limits-random-bytes 1KiB",
    )
    .limits
    .limits();
    let expected = edge_cache_host::Limits {
        memory_bytes: 1 << 30,
        queue_wait: Duration::from_secs(120),
        random_bytes: 1024,
        labels: edge_cache_host::LabelLimits {
            node_bytes: 4096,
            ..Default::default()
        },
        ..Default::default()
    };
    assert_eq!(limits, expected);
}

#[test]
fn contradicting_limits_are_refused() {
    for (line, said) in [
        ("--limits-epoch-tick 500ms", "--limits-call-deadline"),
        ("--limits-call-deadline 20s", "--limits-load-deadline"),
        ("--limits-nodes-max 200000", "--limits-list-data-bytes"),
    ] {
        let error = run(&format!("--node-id 1 {line}"))
            .limits
            .check()
            .unwrap_err();
        assert!(error.contains(said), "{line}: {error}");
    }
    let both = "--node-id 1 --limits-nodes-max 200000 --limits-list-data-bytes 32MiB";
    assert_eq!(run(both).limits.check(), Ok(()));
}

#[test]
fn a_switch_can_be_turned_off() {
    assert!(!run("--node-id 1").insecure_gossip);
    assert!(run("--node-id 1 --insecure-gossip").insecure_gossip);
    assert!(!run("--insecure-gossip false --node-id 1").insecure_gossip);
}

#[test]
fn limits_are_in_the_long_help_only() {
    let Parsed::Text(long) = parsed("run --help") else {
        panic!("no help");
    };
    let Parsed::Text(short) = parsed("run -h") else {
        panic!("no help");
    };
    assert!(long.contains("--limits-batch") && long.contains("EDGE_CACHE_LIMITS_BATCH"));
    assert!(!short.contains("--limits-batch"), "{short}");
    assert!(short.contains("--node-id"));
}

#[test]
fn the_plugin_tools_accept_the_settings_of_an_agent() {
    let variables = |name: &str| match name {
        "EDGE_CACHE_PLUGIN_SETTINGS" => Some("a=1\nb=2".into()),
        "EDGE_CACHE_LIMITS_NODES_MAX" => Some("7".into()),
        _ => None,
    };
    let check = |line: &str| {
        let words = line.split_whitespace().map(OsString::from);
        match parse(words, &variables) {
            Parsed::Cli(cli) => match cli.command {
                Command::Plugin(PluginCommand::Check(args)) => *args,
                other => panic!("{line}: {other:?}"),
            },
            other => panic!("{line}: {other:?}"),
        }
    };
    let args = check("edge-cache-agent plugin check x.wasm");
    let pair = |key: &str, value: &str| (key.to_string(), value.to_string());
    assert_eq!(
        args.host.plugin_config.plugin_settings,
        [pair("a", "1"), pair("b", "2")]
    );
    assert_eq!(args.host.limits.limits().nodes_max, 7);
    let args = check("edge-cache-agent plugin check x.wasm --setting c=3");
    assert_eq!(args.host.plugin_config.plugin_settings, [pair("c", "3")]);
    assert!(wrong("plugin check").contains("<FILE|REFERENCE>"));
}
