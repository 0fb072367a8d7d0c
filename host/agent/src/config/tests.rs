use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;

use clap::CommandFactory;

use super::setting::{SECTIONS, ValueKind, settings};
use crate::cli::{self, Cli, Command, Parsed};
use crate::settings::AgentSettings;

/// Parses flags, variables and a file.
fn parsed(flags: &str, variables: &[(&str, &str)], file: Option<&str>) -> Parsed {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.toml");
    let mut words = vec![OsString::from("edge-cache-agent"), OsString::from("run")];
    words.extend(flags.split_whitespace().map(OsString::from));
    if let Some(text) = file {
        fs::write(&path, text).unwrap();
        words.extend([OsString::from("--config"), path.into()]);
    }
    let variables: BTreeMap<&str, &str> = variables.iter().copied().collect();
    cli::parse(words, &|name| variables.get(name).map(OsString::from))
}

fn run(flags: &str, variables: &[(&str, &str)], file: Option<&str>) -> AgentSettings {
    match parsed(flags, variables, file) {
        Parsed::Cli(cli) => match cli.command {
            Command::Run(args) => *args,
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

fn wrong(flags: &str, variables: &[(&str, &str)], file: Option<&str>) -> String {
    match parsed(flags, variables, file) {
        Parsed::Wrong { text, .. } => text,
        other => panic!("{other:?}"),
    }
}

fn same(one: &AgentSettings, other: &AgentSettings) {
    // Only their sources differ.
    let values = |settings: &AgentSettings| AgentSettings {
        config: None,
        effective: Vec::new(),
        ..settings.clone()
    };
    let (one, other) = (values(one), values(other));
    assert_eq!(format!("{one:#?}"), format!("{other:#?}"));
}

#[test]
fn flags_precede_variables_the_file_and_defaults() {
    let file = "node_id = 1\ncluster_id = 'file'\n[gossip]\ninterval = '3s'\nseed = ['f:1', 'f:2']";
    let variables = [
        ("EDGE_CACHE_CLUSTER_ID", "variable"),
        ("EDGE_CACHE_GOSSIP_INTERVAL", "2s"),
        ("EDGE_CACHE_GOSSIP_SEED", "v:1,v:2"),
    ];
    let defaults = run("--node-id 1", &[], None);
    assert_eq!(defaults.cluster_id, "default-cluster");
    let by_file = run("", &[], Some(file));
    assert_eq!((by_file.node_id, by_file.cluster_id.as_str()), (1, "file"));
    assert_eq!(by_file.gossip_interval.as_secs(), 3);
    assert_eq!(by_file.seeds, ["f:1", "f:2"]);
    let by_variable = run("", &variables, Some(file));
    assert_eq!(by_variable.node_id, 1);
    assert_eq!(by_variable.cluster_id, "variable");
    assert_eq!(by_variable.gossip_interval.as_secs(), 2);
    assert_eq!(by_variable.seeds, ["v:1", "v:2"]);
    let by_flag = run("--cluster-id flag --seed x:1", &variables, Some(file));
    assert_eq!(by_flag.cluster_id, "flag");
    assert_eq!(by_flag.gossip_interval.as_secs(), 2);
    assert_eq!(by_flag.seeds, ["x:1"]);
}

#[test]
fn a_switch_overrides_another_in_both_directions() {
    let file = "node_id = 1\n[gossip]\ninsecure = true";
    assert!(run("", &[], Some(file)).insecure_gossip);
    let off = [("EDGE_CACHE_GOSSIP_INSECURE", "false")];
    assert!(!run("", &off, Some(file)).insecure_gossip);
    assert!(run("--insecure-gossip", &off, Some(file)).insecure_gossip);
    assert!(!run("--insecure-gossip=false", &[], Some(file)).insecure_gossip);
}

#[test]
fn a_variable_names_the_file_and_an_empty_variable_is_unset() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("agent.toml");
    fs::write(&path, "node_id = 7").unwrap();
    let path = path.to_str().unwrap();
    let named = [("EDGE_CACHE_CONFIG", path), ("EDGE_CACHE_NODE_ID", "")];
    assert_eq!(run("", &named, None).node_id, 7);
    let missing = wrong("", &[("EDGE_CACHE_CONFIG", "/no/such/file")], None);
    assert!(missing.contains("/no/such/file: No such file"), "{missing}");
    assert_eq!(missing.matches("No such file").count(), 1, "{missing}");
}

#[test]
fn tables_and_lists_set_their_flags() {
    let file = "
        node_id = 1
        label = { zone = 'a', rack = 'x=y' }
        [plugin]
        labels = ['edge_cache', 'other']
        imports = []
        [plugin.settings]
        weight = 'ram'
        note = 'a, b'
        [limits]
        memory_bytes = 1048576
        list_data_bytes = '32MiB'
        [limits.labels]
        count = 3";
    let args = run("", &[], Some(file));
    let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        let own = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
        pairs.iter().map(own).collect()
    };
    assert_eq!(args.labels, pairs(&[("rack", "x=y"), ("zone", "a")]));
    assert_eq!(
        args.plugin_config.plugin_settings,
        pairs(&[("note", "a, b"), ("weight", "ram")])
    );
    assert_eq!(args.plugin_config.plugin_labels, ["edge_cache", "other"]);
    assert!(args.plugin_config.plugin_imports.is_empty());
    let limits = args.limits.limits();
    assert_eq!(
        (limits.memory_bytes, limits.list_data_bytes),
        (1 << 20, 32 << 20)
    );
    assert_eq!(limits.labels.count, 3);
}

#[test]
fn errors_about_a_file_name_the_key_and_the_accepted_notation() {
    for (file, said) in [
        (
            "node = 1",
            "there is no setting `node`; did you mean `node_id`?",
        ),
        (
            "[gossip]\nlisen = 'x'",
            "there is no setting `gossip.lisen`; did you mean `gossip.listen`?",
        ),
        (
            "[gosip]\nlisten = 'x'",
            "there is no setting `gosip`; did you mean `gossip`?",
        ),
        (
            "seed = []",
            "there is no setting `seed`; did you mean `gossip.seed`?",
        ),
        (
            "[gossip]\nnode_id = 1",
            "there is no setting `gossip.node_id`; did you mean `node_id`?",
        ),
        ("xyzzy = 1", "there is no setting `xyzzy`"),
        (
            "gossip = 5",
            "`gossip` must be a section, `[gossip]`, not 5",
        ),
        (
            "node_id = true",
            "`node_id` must be a whole number, not true",
        ),
        (
            "node_id = -1",
            "`node_id` cannot be -1: a node id is a number from 0 to",
        ),
        (
            "[gossip]\ninterval = 5",
            "`gossip.interval` must be a string, for example \"1s\", not 5",
        ),
        (
            "[gossip]\ninterval = '5'",
            "`gossip.interval` cannot be \"5\": a time has a unit, for example 200ms, 1s or 2m: time unit needed",
        ),
        (
            "[gossip]\nseed = 'a:1'",
            "`gossip.seed` must be a list of strings",
        ),
        ("[gossip]\nseed = ['a:1', 2]", "not [\"a:1\",2]"),
        (
            "[gossip]\nseed = ['a:1,b:2']",
            "`gossip.seed` cannot be \"a:1,b:2\": it must not contain ','",
        ),
        (
            "[gossip]\ninsecure = 'yes'",
            "`gossip.insecure` must be true or false, not \"yes\"",
        ),
        (
            "[gossip]\nprotocol = 'v9'",
            "`gossip.protocol` cannot be \"v9\": it must be one of v0, v1",
        ),
        (
            "[plugin.settings]\nweight = 5",
            "`plugin.settings` must be a table of strings",
        ),
        (
            "[plugin.settings]\n'a=b' = 'c'",
            "`plugin.settings` cannot be \"a=b\": it must not contain '='",
        ),
        (
            "[limits]\nqueue = 0",
            "`limits.queue` cannot be 0: it must be from 1 to 1000000",
        ),
        ("\n\nnode_id = ", "line 3"),
        ("a = 1\na = 2", "line 2"),
        ("config = 'x'", "there is no setting `config`"),
        (
            "end_with_stdin = true",
            "there is no setting `end_with_stdin`",
        ),
    ] {
        let text = wrong("--node-id 1", &[], Some(file));
        assert!(text.contains(said), "{file}: {text}");
        assert!(text.contains("agent.toml"), "{text}");
        assert!(!text.contains('\n'), "{text:?}");
    }
    let all = wrong("", &[], Some("node = 1\n[log]\nlevel = 1\nformat = 'xml'"));
    for said in ["`node`", "`log.level`", "`log.format`"] {
        assert!(all.contains(said), "{all}");
    }
    let unknown = wrong("", &[], Some("xyzzy = 1"));
    assert!(!unknown.contains("did you mean"), "{unknown}");
}

#[test]
fn an_invalid_variable_is_named() {
    let text = wrong(
        "--node-id 1",
        &[("EDGE_CACHE_GOSSIP_INTERVAL", "soon")],
        None,
    );
    assert!(
        text.contains("the variable `EDGE_CACHE_GOSSIP_INTERVAL` cannot be \"soon\": a time has"),
        "{text}"
    );
}

#[test]
fn a_missing_node_id_is_reported_with_all_places_that_can_give_it() {
    let text = wrong("", &[], Some("cluster_id = 'x'"));
    for place in [
        "`--node-id NUMBER`",
        "`EDGE_CACHE_NODE_ID`",
        "`node_id` in the file",
    ] {
        assert!(text.contains(place), "{text}");
    }
}

#[test]
fn an_invalid_flag_is_reported_before_an_invalid_file() {
    let text = wrong("--node-id abc", &[], Some("nonsense"));
    assert!(text.contains("abc"), "{text}");
}

#[test]
fn the_names_of_a_setting_follow_the_rule() {
    let whole = Cli::command();
    let run = whole.find_subcommand("run").unwrap();
    let all = settings(run);
    assert!(all.len() > 45, "{}", all.len());
    for setting in &all {
        let flag = setting.arg.get_long().unwrap();
        let variable = format!(
            "EDGE_CACHE_{}",
            setting.key.replace('.', "_").to_uppercase()
        );
        assert_eq!(setting.variable, variable);
        let by_key = setting.key.replace(['.', '_'], "-");
        let aliases = setting.arg.get_all_aliases().unwrap_or_default();
        assert!(
            flag == by_key || aliases.contains(&by_key.as_str()),
            "{flag}: {by_key}"
        );
    }
    // An argument without a variable is no setting.
    let unset: Vec<&str> = run
        .get_arguments()
        .filter(|arg| arg.get_env().is_none())
        .map(|arg| arg.get_id().as_str())
        .collect();
    assert_eq!(unset, ["end_with_stdin"]);
    for section in SECTIONS {
        let section = format!("{}.", section.replace('-', "."));
        assert!(
            all.iter().any(|setting| setting.key.starts_with(&section)),
            "{section}"
        );
    }
}

#[test]
fn the_uncommented_example_has_the_defaults() {
    let example = cli::example();
    let bare = uncommented(&example);
    same(
        &run("--node-id 1", &[], Some(&bare)),
        &run("--node-id 1", &[], None),
    );
    same(
        &run("--node-id 1", &[], Some(&example)),
        &run("--node-id 1", &[], None),
    );
}

#[test]
fn the_example_has_every_setting() {
    let example = cli::example();
    let whole = Cli::command();
    let mut section = String::new();
    let mut keys = Vec::new();
    for line in example.lines() {
        if let Some(name) = line.strip_prefix('[') {
            section = format!("{}.", name.trim_end_matches(']'));
        } else if let Some((name, _)) = line.split_once(" = ")
            && let Some(name) = name.strip_prefix('#')
        {
            keys.push(format!("{section}{}", name.trim()));
        }
    }
    let mut expected: Vec<String> = settings(whole.find_subcommand("run").unwrap())
        .iter()
        .map(|setting| setting.key.clone())
        .collect();
    keys.sort();
    expected.sort();
    assert_eq!(keys, expected);
}

/// Every key of the example is read: a value of the wrong type is refused.
#[test]
fn every_line_of_the_example_counts() {
    let example = cli::example();
    let whole = Cli::command();
    let run_command = whole.find_subcommand("run").unwrap();
    for setting in settings(run_command) {
        let wrong_value = match setting.kind {
            ValueKind::Boolean | ValueKind::Number | ValueKind::Text => "[]",
            ValueKind::List | ValueKind::Table => "true",
        };
        let name = setting.key.rsplit('.').next().unwrap();
        let section = setting.key.rsplit_once('.').map(|(section, _)| section);
        let header = section
            .map(|section| format!("[{section}]\n"))
            .unwrap_or_default();
        let text = wrong(
            "--node-id 1",
            &[],
            Some(&format!("{header}{name} = {wrong_value}")),
        );
        assert!(
            text.contains(&format!("`{}` must be", setting.key)),
            "{text}"
        );
        assert!(example.contains(&format!("{name} = ")), "{name}");
    }
}

/// The settings without a default have an example, which is valid alone and with all others.
#[test]
fn every_example_is_a_valid_value() {
    let lines: Vec<String> = cli::example()
        .lines()
        .map(|line| {
            let bare = line.trim_start_matches('#').trim_start();
            let is_setting = bare.split_once(" = ").is_some_and(|(name, _)| {
                let mut letters = name.bytes();
                letters.all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'))
            });
            if is_setting { bare } else { line }.to_string()
        })
        .collect();
    let all = run("", &[], Some(&lines.join("\n")));
    crate::run::consistency::check(&all).unwrap();
    let whole = Cli::command();
    let (mut section, mut examples) = ("", 0);
    for line in &lines {
        if line.starts_with('[') {
            section = line;
        } else if !line.is_empty() && !line.starts_with('#') {
            let flags = if line.starts_with("node_id") {
                ""
            } else {
                "--node-id 1"
            };
            run(flags, &[], Some(&format!("{section}\n{line}")));
            examples += 1;
        }
    }
    let run_command = whole.find_subcommand("run").unwrap();
    assert_eq!(examples, settings(run_command).len());
}

fn uncommented(example: &str) -> String {
    let bare = |line: &str| match line.strip_prefix('#') {
        Some(rest) if rest.starts_with(char::is_alphabetic) => rest.to_string(),
        _ => line.to_string(),
    };
    let lines: Vec<String> = example.lines().map(bare).collect();
    lines.join("\n")
}

/// Flags without a value and clap's own parsers work like other settings.
#[test]
fn every_kind_of_flag_can_be_set_by_file_and_variable() {
    use clap::{Args, Command, FromArgMatches};

    #[derive(Debug, Args)]
    struct Some {
        #[arg(long, env = "EDGE_CACHE_ALLOW", value_parser = clap::builder::BoolishValueParser::new())]
        allow: bool,
        #[arg(long, env = "EDGE_CACHE_ROOM", default_value = "5", value_parser = clap::value_parser!(u64).range(1..))]
        room: u64,
    }
    let command = || Some::augment_args(Command::new("some").no_binary_name(true));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("some.toml");
    let read = |text: &str, words: &[&str]| {
        fs::write(&path, text).unwrap();
        let layers = super::Layers::read(&command(), Option::Some(&path), &|_| None)?;
        let matches = layers.apply(command()).get_matches_from(words);
        Ok::<_, anyhow::Error>(Some::from_arg_matches(&matches).unwrap())
    };
    let some = read("allow = true\nroom = 7", &[]).unwrap();
    assert!(some.allow);
    assert_eq!(some.room, 7);
    assert!(read("allow = false", &["--allow"]).unwrap().allow);
    assert!(!read("", &[]).unwrap().allow);
    let error = format!("{:#}", read("room = 0", &[]).unwrap_err());
    assert!(error.contains("`room` cannot be 0"), "{error}");
}
