use super::*;

fn parsed(line: &str) -> Parsed {
    parsed_words(line.split_whitespace())
}

fn parsed_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Parsed {
    parse(
        std::iter::once("edge-cache-agent")
            .chain(words)
            .map(Into::into),
    )
}

fn run(line: &str) -> RunArgs {
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
fn labels_may_come_one_a_line() {
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
fn what_was_given_is_repeated_within_bounds() {
    let long = "9".repeat(100_000);
    for given in [long.as_str(), "a\nb", "\u{7}\u{1b}[31m\u{202e}"] {
        match parsed_words(["--node-id", given]) {
            Parsed::Wrong(text) => {
                assert!(text.len() <= WRONG_BYTES_MAX + '…'.len_utf8());
                assert!(!text.contains(text::is_unprintable), "{text:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn help_is_text() {
    assert!(matches!(parsed("--help"), Parsed::Text(_)));
    assert!(matches!(parsed("run --help"), Parsed::Text(_)));
    assert!(matches!(parsed("--version"), Parsed::Text(_)));
}
