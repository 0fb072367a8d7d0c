use super::{NewToken, Role, Tokens};

const HASH: &str = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

fn error(text: &str) -> String {
    format!("{:#}", Tokens::parse(text).unwrap_err())
}

#[test]
fn a_new_token_is_known_by_its_line() {
    let reader = NewToken::generate("reader", Role::Read).unwrap();
    let admin = NewToken::generate("ops-1.eu_west", Role::Admin).unwrap();
    assert_ne!(*reader.secret, *admin.secret);
    assert_eq!(reader.secret.len(), 47);
    let text = format!("# who\n\n{}\r\n  {}  \n", reader.line, admin.line);
    let tokens = Tokens::parse(&text).unwrap();
    assert_eq!(tokens.len(), 2);
    for (token, name, role) in [
        (&reader, "reader", Role::Read),
        (&admin, "ops-1.eu_west", Role::Admin),
    ] {
        let found = tokens.find(&token.secret).unwrap();
        assert_eq!((&*found.name, found.role), (name, role));
        assert!(!token.line.contains(&token.secret[4..]), "{}", token.line);
        assert!(!format!("{tokens:?}{token:?}").contains(&token.secret[4..]));
        assert!(!format!("{tokens:?}").contains("sha256"));
    }
    for unknown in ["", "reader", &reader.line, &reader.secret[..46]] {
        assert!(tokens.find(unknown).is_none(), "{unknown}");
    }
}

#[test]
fn the_hash_is_the_plain_sha256_of_the_token() {
    let tokens = Tokens::parse(&format!("nobody write {HASH}")).unwrap();
    assert_eq!(tokens.find("").unwrap().role, Role::Write);
    let upper = Tokens::parse(&format!("nobody write sha256:{}", HASH[7..].to_uppercase()));
    assert!(upper.unwrap().find("").is_some());
}

#[test]
fn a_wrong_line_is_named_with_what_would_be_right() {
    let long = "x".repeat(65);
    for (text, said) in [
        (String::new(), "at least one"),
        ("# a comment\n\n".to_string(), "at least one"),
        (format!("a read {HASH}\nb"), "line 2 must be `NAME ROLE"),
        (format!("a read {HASH} more"), "line 1 must be"),
        (format!("a owner {HASH}"), "`read`, `write` or `admin`"),
        (format!("a Read {HASH}"), "`read`, `write` or `admin`"),
        (format!("a/b read {HASH}"), "letters, digits"),
        (format!("{long} read {HASH}"), "1 to 64"),
        (format!("a read {}", &HASH[7..]), "sha256:HEX"),
        (format!("a read {HASH}00"), "sha256:HEX"),
        (format!("a read {}", &HASH[..69]), "sha256:HEX"),
        (format!("a read {}g", &HASH[..70]), "sha256:HEX"),
        (
            format!("a read {HASH}\n#\nb read {HASH}"),
            "line 3 repeats the name or the token of line 1",
        ),
        (
            format!("a read {HASH}\na admin {}1", &HASH[..70]),
            "line 2 repeats",
        ),
    ] {
        let error = error(&text);
        assert!(error.contains(said), "{text}: {error}");
        assert!(!error.contains("e3b0c442"), "{error}");
    }
}

#[test]
fn a_thousand_tokens_are_the_most() {
    let line = |n: usize| format!("t{n} read sha256:{n:064x}\n");
    let most: String = (0..1_000).map(line).collect();
    assert_eq!(Tokens::parse(&most).unwrap().len(), 1_000);
    let error = error(&(most + &line(1_000)));
    assert!(error.contains("line 1001"), "{error}");
}

#[test]
fn a_name_that_does_not_fit_a_line_makes_no_token() {
    for name in ["", "a b", "ü", "a\n", &"x".repeat(65)] {
        assert!(NewToken::generate(name, Role::Read).is_err(), "{name:?}");
    }
}
