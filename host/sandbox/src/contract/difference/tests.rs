use super::*;

fn told(expected: &str, found: &str) -> Vec<String> {
    let differences = differences(expected, found);
    differences.iter().map(ToString::to_string).collect()
}

#[test]
fn each_part_that_differs_is_named_by_its_place() {
    let expected =
        "func(node-id: u64, capacity: record{cpu-cores: u32, geo: option<string>}) -> bool";
    let found =
        "func(node-id: u32, capacity: record{cpu-cores: u32, geo: option<char>}) -> option<bool>";
    assert_eq!(
        told(expected, found),
        [
            "node-id: expected u64, found u32",
            "capacity.geo?: expected string, found char",
            "result: expected bool, found option<bool>",
        ]
    );
}

#[test]
fn cases_and_items_are_places_too() {
    let expected = "func(of: list<variant{put(record{a: u8}), remove(u64)}>) -> result<_, string>";
    let found = "func(of: list<variant{put(record{a: u8, b: u8}), drop}>) -> result<bool, string>";
    assert_eq!(
        told(expected, found),
        [
            "of[].put.b: expected nothing, found u8",
            "of[].remove: expected u64, found nothing",
            "of[].drop: expected nothing, found no value",
            "result.ok: expected _, found bool",
        ]
    );
}

#[test]
fn what_is_missing_is_nothing() {
    assert_eq!(
        told("func(a: u8) -> u8", "func()"),
        [
            "a: expected u8, found nothing",
            "result: expected u8, found nothing"
        ]
    );
}

#[test]
fn another_order_shows_the_whole() {
    assert_eq!(
        told(
            "func(a: record{b: u8, c: u8})",
            "func(a: record{c: u8, b: u8})"
        ),
        ["a: expected record{b: u8, c: u8}, found record{c: u8, b: u8}"]
    );
    assert_eq!(
        told("func() -> enum{a, b}", "func() -> enum{a, c}"),
        ["result: expected enum{a, b}, found enum{a, c}"]
    );
    assert_eq!(
        told("func()", "async func()"),
        ["function: expected func(), found async func()"]
    );
}

#[test]
fn any_text_is_compared_without_a_panic() {
    let expected = "func(a: list<record{b: u8}>) -> u8";
    for end in 0..=expected.len() {
        for found in [&expected[..end], &expected[end..]] {
            assert_eq!(
                told(expected, found).is_empty(),
                expected == found,
                "{found}"
            );
        }
    }
    let deep = format!("func(a: {}", "list<".repeat(2_000));
    assert_eq!(told(expected, &deep).len(), 2);
}
