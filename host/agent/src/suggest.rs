//! Suggestions for misspelt names.

/// The least similarity of a suggestion, where 1 means equal.
const SIMILARITY_MIN: f64 = 0.7;
/// The weight of a match of the last parts alone: a setting may be in the wrong section.
const LAST_PART_WEIGHT: f64 = 0.95;

/// Returns the suggestion for an unknown name, as the end of an error; empty without a similar name in `known`.
pub(crate) fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    nearest(given, known)
        .map(|name| format!("; did you mean `{name}`?"))
        .unwrap_or_default()
}

/// Returns the name in `known` that is most similar to `given`.
fn nearest<'a>(given: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| {
            let whole = strsim::jaro_winkler(given, name);
            let part = LAST_PART_WEIGHT * strsim::jaro_winkler(last_part(given), last_part(name));
            (whole.max(part), name)
        })
        .filter(|(similarity, _)| *similarity >= SIMILARITY_MIN)
        .max_by(|(one, _), (other, _)| one.total_cmp(other))
        .map(|(_, name)| name)
}

fn last_part(name: &str) -> &str {
    name.rsplit(['.', '/']).next().unwrap_or(name)
}

#[cfg(test)]
mod tests;
