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
    assert_eq!(find(&outer), expected);
}

#[test]
fn the_type_section_of_a_module_is_not_searched() {
    let module = [MODULE_HEADER, &producers("language", "hidden", "")].concat();
    let outer = [MODULE_HEADER, &section(MODULE, &module)].concat();
    assert_eq!(find(&outer), []);
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
        let found = find(&whole[..end]);
        assert!(found.len() < 2, "{end}: {found:?}");
    }
    assert_eq!(find(&whole).len(), 2);
}

#[test]
fn results_are_bounded_and_cleaned() {
    let long = "x".repeat(101);
    let file = [MODULE_HEADER, &producers("language", "\x1b[2J", &long)].concat();
    let found = find(&file);
    assert_eq!(found[0].name, "\u{fffd}[2J");
    assert_eq!(found[0].version.len(), NAME_BYTES_MAX + '…'.len_utf8());
    let many: Vec<u8> = (0..1_000)
        .flat_map(|n| producers("sdk", &n.to_string(), ""))
        .collect();
    assert_eq!(find(&[MODULE_HEADER, &many].concat()).len(), PRODUCERS_MAX);
    // The largest possible number of fields, but no field.
    let mut endless = sized(b"producers");
    endless.extend([0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(
        find(&[MODULE_HEADER, &section(CUSTOM, &endless)].concat()),
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
    assert_eq!(find(&file).len(), 1);
    file = [COMPONENT_HEADER, &section(COMPONENT, &file)].concat();
    assert_eq!(find(&file), []);
}
