use super::*;

fn parse(target: &'static str) -> Result<QueryParams, Problem> {
    QueryParams::parse(&Uri::from_static(target))
}

fn detail(problem: Problem) -> String {
    serde_json::to_value(problem.document()).unwrap()["detail"]
        .as_str()
        .unwrap()
        .to_string()
}

#[test]
fn values_are_decoded_to_their_bytes() {
    let query = parse("/?key=%80a+b%2b&replicas=3&&empty&geo=eu").unwrap();
    assert_eq!(query.bytes("key"), Some(&b"\x80a b+"[..]));
    assert_eq!(query.number("replicas").unwrap(), Some(3));
    assert_eq!(query.bytes("empty"), Some(&b""[..]));
    assert_eq!(query.text("geo").unwrap(), Some("eu"));
    assert_eq!(query.text("wait").unwrap(), None);
}

#[test]
fn a_wrong_value_is_named_once() {
    let query = parse("/?geo=%ff&replicas=+3&x=8.0").unwrap();
    for (problem, said) in [
        (query.text("geo").unwrap_err(), "`geo` must be UTF-8"),
        (
            query.number::<usize>("replicas").unwrap_err(),
            "`replicas` must be a whole number, got ` 3`",
        ),
        (
            query.number::<usize>("x").unwrap_err(),
            "`x` must be a whole number, got `8.0`",
        ),
        (parse("/?a=1&a=2").unwrap_err(), "`a` is given twice"),
    ] {
        assert_eq!(detail(problem), said);
    }
}

#[test]
fn the_first_unknown_parameter_is_named_with_the_known_ones() {
    let check = |target, known: &[&str]| {
        let known: Vec<_> = known.iter().map(|name| (*name).to_string()).collect();
        refuse_unknown(&Uri::from_static(target), &known).map_err(detail)
    };
    assert_eq!(
        check("/?geo=eu&nonsense=1&more", &["wait", "geo"]).unwrap_err(),
        "unknown query parameter `nonsense`; this operation takes `wait`, `geo`"
    );
    assert_eq!(
        check("/?nonsense=1", &[]).unwrap_err(),
        "unknown query parameter `nonsense`; this operation takes none"
    );
    assert_eq!(check("/?", &[]), Ok(()));
}
