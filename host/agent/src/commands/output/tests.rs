use serde_json::json;

use super::*;

#[test]
fn json_is_one_printable_line_and_still_the_same() {
    let value = json!({
        "text": "a\n\u{7}\u{1b}[31m\u{7f}\u{85}\u{9b}2J\u{202e}\u{2066}é\u{1f980}",
        "\u{200f}key": [1, null, 18_446_744_073_709_551_615_u64],
    });
    let text = json(&value);
    assert!(!text.contains(text::is_unprintable), "{text:?}");
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    assert!(text.contains("é\u{1f980}"), "{text}");
}
