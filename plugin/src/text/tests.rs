use super::*;

#[test]
fn unprintable_characters_are_known() {
    let unprintable = [
        '\0', '\t', '\n', '\r', '\u{1B}', '\u{1F}', '\u{7F}', '\u{80}', '\u{85}', '\u{9F}',
        '\u{061C}', '\u{200E}', '\u{200F}', '\u{2028}', '\u{2029}', '\u{202A}', '\u{202B}',
        '\u{202C}', '\u{202D}', '\u{202E}', '\u{2066}', '\u{2067}', '\u{2068}', '\u{2069}',
    ];
    for c in unprintable {
        assert!(is_unprintable(c), "U+{:04X}", u32::from(c));
    }
}

#[test]
fn neighbours_of_unprintable_characters_are_printable() {
    let printable = [
        ' ', '~', '\u{A0}', '\u{061B}', '\u{061D}', '\u{200D}', '\u{2010}', '\u{2027}', '\u{202F}',
        '\u{2065}', '\u{206A}', 'é', '東', '🦀', '\u{5D0}',
    ];
    for c in printable {
        assert!(!is_unprintable(c), "U+{:04X}", u32::from(c));
    }
}

#[test]
fn excerpts_are_bounded_and_printable() {
    assert_eq!(excerpt(""), "");
    assert_eq!(excerpt("disk"), "disk");
    assert_eq!(
        excerpt("a\u{1B}[2J\u{202E}b\n"),
        "a\u{FFFD}[2J\u{FFFD}b\u{FFFD}"
    );

    let longest = "é".repeat(MAX_EXCERPT_CHARS);
    assert_eq!(excerpt(&longest), longest);
    assert_eq!(excerpt(&format!("{longest}x")), format!("{longest}..."));
}
