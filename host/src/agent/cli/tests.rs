use super::*;

fn parsed(line: &str) -> Parsed {
    parse(
        std::iter::once("edge-cache-agent")
            .chain(line.split_whitespace())
            .map(Into::into),
    )
}

fn run(line: &str) -> RunArgs {
    match parsed(line) {
        Parsed::Cli(cli) => match cli.command {
            Command::Run(args) => *args,
            Command::Demo => panic!("{line} is the demo"),
        },
        other => panic!("{line}: {other:?}"),
    }
}

fn wrong(line: &str) -> String {
    match parsed(line) {
        Parsed::Wrong(text) => text,
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
fn a_wrong_flag_is_one_line_that_names_it() {
    for (line, said) in [
        ("run", "--node-id"),
        ("--node-id abc", "abc"),
        ("--node-id 18446744073709551616", "18446744073709551616"),
        ("--node-id 1 --gossip-interval soon", "200ms"),
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
fn help_is_text() {
    assert!(matches!(parsed("--help"), Parsed::Text(_)));
    assert!(matches!(parsed("run --help"), Parsed::Text(_)));
    assert!(matches!(parsed("--version"), Parsed::Text(_)));
}
