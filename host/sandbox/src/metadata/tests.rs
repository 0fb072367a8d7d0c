use super::*;

const CUSTOM: u8 = 0;
/// Sections of a component that hold a module, and a component.
const MODULE: u8 = 1;
const COMPONENT: u8 = 4;
const MODULE_HEADER: &[u8] = b"\0asm\x01\0\0\0";
const COMPONENT_HEADER: &[u8] = b"\0asm\x0d\0\x01\0";

/// Encodes bytes after their length, which must fit into 14 bits.
fn sized(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).unwrap();
    let low = u8::try_from(length & 0x7f).unwrap() | 0x80;
    let high = u8::try_from(length >> 7).unwrap();
    [&[low, high], bytes].concat()
}

fn section(id: u8, content: &[u8]) -> Vec<u8> {
    [&[id][..], &sized(content)].concat()
}

fn producers(field: &str, name: &str, version: &str) -> Vec<u8> {
    let content = [
        sized(b"producers"),
        vec![1],
        sized(field.as_bytes()),
        vec![1],
        sized(name.as_bytes()),
        sized(version.as_bytes()),
    ];
    section(CUSTOM, &content.concat())
}

fn producers_of(file: &[u8]) -> Vec<Producer> {
    find(file).1
}

fn custom(name: &str, content: &[u8]) -> Vec<u8> {
    section(CUSTOM, &[&sized(name.as_bytes()), content].concat())
}

/// Encodes the section that names a component.
fn component_name(name: &str) -> Vec<u8> {
    let name = sized(&sized(name.as_bytes()));
    custom("component-name", &[&[0][..], &name].concat())
}

fn producer(field: &str, name: &str, version: &str) -> Producer {
    Producer {
        field: field.into(),
        name: name.into(),
        version: version.into(),
    }
}

#[test]
fn producers_of_nested_components_and_modules_are_found() {
    let module = [MODULE_HEADER, &producers("language", "Rust", "2024")].concat();
    let inner = [COMPONENT_HEADER, &section(MODULE, &module)].concat();
    let outer = [
        COMPONENT_HEADER,
        &section(COMPONENT, &inner),
        &producers("processed-by", "encoder", "1"),
    ]
    .concat();
    let expected = [
        producer("language", "Rust", "2024"),
        producer("processed-by", "encoder", "1"),
    ];
    assert_eq!(producers_of(&outer), expected);
}

#[test]
fn the_type_section_of_a_module_is_not_searched() {
    let module = [MODULE_HEADER, &producers("language", "hidden", "")].concat();
    let outer = [MODULE_HEADER, &section(MODULE, &module)].concat();
    assert_eq!(producers_of(&outer), []);
}

#[test]
fn a_truncated_section_is_left_out() {
    let whole = [
        MODULE_HEADER,
        &producers("language", "Rust", "2024"),
        &producers("sdk", "kit", "0.1"),
    ]
    .concat();
    for end in 0..whole.len() {
        let found = producers_of(&whole[..end]);
        assert!(found.len() < 2, "{end}: {found:?}");
    }
    assert_eq!(producers_of(&whole).len(), 2);
}

#[test]
fn results_are_bounded_and_cleaned() {
    let long = "x".repeat(101);
    let file = [MODULE_HEADER, &producers("language", "\x1b[2J", &long)].concat();
    let found = producers_of(&file);
    assert_eq!(found[0].name, "\u{fffd}[2J");
    assert_eq!(found[0].version.len(), NAME_BYTES_MAX + '…'.len_utf8());
    let many: Vec<u8> = (0..1_000)
        .flat_map(|n| producers("sdk", &n.to_string(), ""))
        .collect();
    assert_eq!(
        producers_of(&[MODULE_HEADER, &many].concat()).len(),
        PRODUCERS_MAX
    );
    // The largest possible number of fields, but no field.
    let mut endless = sized(b"producers");
    endless.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(
        producers_of(&[MODULE_HEADER, &section(CUSTOM, &endless)].concat()),
        []
    );
}

#[test]
fn nested_components_are_searched_to_a_limit() {
    let mut file = [MODULE_HEADER, &producers("language", "Rust", "")].concat();
    file = [COMPONENT_HEADER, &section(MODULE, &file)].concat();
    for _ in 1..DEPTH_MAX {
        file = [COMPONENT_HEADER, &section(COMPONENT, &file)].concat();
    }
    assert_eq!(producers_of(&file).len(), 1);
    file = [COMPONENT_HEADER, &section(COMPONENT, &file)].concat();
    assert_eq!(producers_of(&file), []);
}

fn some(text: &str) -> Option<String> {
    Some(text.to_string())
}

#[test]
fn metadata_is_that_of_the_outermost_component() {
    let inner = [
        COMPONENT_HEADER,
        &component_name("inner"),
        &custom("version", b"9"),
        &custom("description", b"inner"),
    ]
    .concat();
    let outer = [
        COMPONENT_HEADER,
        &section(COMPONENT, &inner),
        &component_name("weights"),
        &custom("version", b" 1.2.3\n"),
        &custom("licenses", b"MIT OR Apache-2.0"),
        &custom("version", b"2"),
    ]
    .concat();
    let expected = Metadata {
        name: some("weights"),
        version: some("1.2.3"),
        licenses: some("MIT OR Apache-2.0"),
        description: None,
    };
    assert_eq!(find(&outer).0, expected);
    for end in 0..outer.len() {
        find(&outer[..end]);
    }
}

#[test]
fn metadata_is_bounded_and_cleaned_and_invalid_text_is_absent() {
    let long = "\u{e9}".repeat(8_000);
    let file = [
        COMPONENT_HEADER,
        &component_name("a\x1b[2J\u{202e}b"),
        &custom("version", b"\xff\xfe1"),
        &custom("licenses", b"\n\t "),
        &custom("description", long.as_bytes()),
    ]
    .concat();
    let found = find(&file).0;
    assert_eq!(found.name.as_deref(), Some("a\u{fffd}[2J\u{fffd}b"));
    assert_eq!((found.version, found.licenses), (None, None));
    let kept = "\u{e9}".repeat(TEXT_BYTES_MAX / 2) + "\u{2026}";
    assert_eq!(found.description, Some(kept));
    // A name that is longer than its section, or not UTF-8.
    for name in [&[0, 2, 200, b'x'][..], &[0, 3, 2, 0xff, 0xfe]] {
        let file = [COMPONENT_HEADER, &custom("component-name", name)].concat();
        assert_eq!(find(&file).0, Metadata::default());
    }
    assert_eq!(find(b"#!/bin/sh"), (Metadata::default(), Vec::new()));
}
