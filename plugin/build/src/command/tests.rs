use super::Command;

fn parse(line: &str) -> anyhow::Result<Command> {
    Command::parse(line.split_whitespace().map(Into::into).collect())
}

#[test]
fn each_form_is_understood() {
    let cases = [
        ("", Command::Reference),
        ("--help", Command::Help),
        (
            "guest/Cargo.toml -o out/guest.wasm",
            Command::Guest {
                manifest: "guest/Cargo.toml".into(),
                output: "out/guest.wasm".into(),
            },
        ),
        (
            "run -- run --bin edge-cache-agent -- demo",
            Command::Run {
                arguments: ["run", "--bin", "edge-cache-agent", "--", "demo"]
                    .map(Into::into)
                    .to_vec(),
            },
        ),
    ];
    for (line, expected) in cases {
        assert_eq!(parse(line).unwrap(), expected, "{line}");
    }
}

#[test]
fn anything_else_is_answered_with_the_usage() {
    for line in [
        "build",
        "run",
        "run --",
        "run demo",
        "guest/Cargo.toml",
        "guest -o",
        "guest -o a b",
    ] {
        let error = parse(line).unwrap_err().to_string();
        assert!(
            error.contains("edge-cache-build MANIFEST -o FILE"),
            "{line}: {error}"
        );
    }
}
