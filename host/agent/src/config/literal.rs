//! Values of settings as TOML.

use super::setting::ValueKind;

/// Returns the values of a setting of this kind as TOML. Several values are a list.
pub(super) fn literal(kind: ValueKind, values: &[String]) -> String {
    match (kind, values) {
        (ValueKind::List | ValueKind::Table, values) => {
            let values: Vec<_> = values.iter().map(|value| quoted(value)).collect();
            format!("[{}]", values.join(", "))
        }
        (ValueKind::Boolean | ValueKind::Number | ValueKind::Text, []) => quoted(""),
        (ValueKind::Boolean, [value, ..]) => value.clone(),
        (ValueKind::Number, [value, ..]) => match value.parse::<i64>() {
            Ok(number) => number.to_string(),
            Err(_) => quoted(value),
        },
        (ValueKind::Text, [value, ..]) => quoted(value),
    }
}

/// Quotes a text: a JSON string is a TOML string.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
