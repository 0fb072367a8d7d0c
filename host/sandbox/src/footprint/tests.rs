use super::*;

fn footprint(text: &str) -> Result<u64, String> {
    of(&wat::parse_str(text).unwrap()).map_err(|error| error.to_string())
}

/// A component with a module of `globals` globals, and other definitions.
fn with_globals(globals: usize, rest: &str) -> String {
    let globals = "(global i32 (i32.const 0))".repeat(globals);
    format!("(component (core module $m {globals}) {rest})")
}

#[test]
fn each_item_of_each_instance_counts() {
    let module = r#"(import "a" "f" (func)) (func) (table 1 funcref) (memory 1) (global i32 (i32.const 0)) (tag)
        (elem func 0) (data "x")"#;
    let provider = r#"(core module $p (func (export "f")))"#;
    let text = format!(
        r#"(component {provider} (core module $m {module})
            (core instance $a (instantiate $p)) (core instance (instantiate $m (with "a" (instance $a)))))"#
    );
    // One function of the provider with its export, and 8 items of the module. Each has a type without fields.
    let instances = 2 * INSTANCE_BYTES + 9 * ITEM_BYTES;
    let definitions = 9 * DEFINITION_BYTES + EXPORT_BYTES + 2 * TYPE_BYTES;
    assert_eq!(footprint(&text), Ok(instances + definitions));
}

#[test]
fn a_module_that_is_not_instantiated_costs_its_definitions() {
    let definitions = 1000 * DEFINITION_BYTES;
    assert_eq!(footprint(&with_globals(1000, "")), Ok(definitions));
}

#[test]
fn types_count_with_their_fields() {
    let types = "(type (func (param i32 i32) (result i64))) (type (array i8))
        (rec (type $a (struct (field i32) (field (ref $b)))) (type $b (sub (struct))))";
    let text = format!("(component (core module {types}))");
    assert_eq!(footprint(&text), Ok(4 * TYPE_BYTES + 6 * FIELD_BYTES));
}

#[test]
fn a_huge_section_of_types_is_not_read() {
    let section = |id: u8, content: &[u8]| {
        let mut bytes = vec![id];
        // The length as five digits of seven bits.
        let digits = (0..5).map(|digit| (content.len() >> (7 * digit)) as u8 & 0x7f);
        bytes.extend(
            digits
                .zip([0x80, 0x80, 0x80, 0x80, 0])
                .map(|(digit, more)| digit | more),
        );
        bytes.extend(content);
        bytes
    };
    let types = section(1, &vec![0; TYPES_READ_MAX + 1]);
    let module = section(1, &[b"\0asm\x01\0\0\0", &types[..]].concat());
    let component = [b"\0asm\x0d\0\x01\0", &module[..]].concat();
    let bytes = u64::try_from(TYPES_READ_MAX + 1).unwrap();
    assert_eq!(of(&component).unwrap(), bytes * FIELD_BYTES);
}

#[test]
fn the_interface_of_a_component_counts_by_its_bytes() {
    let names = |count: usize| {
        let fields = (0..count).map(|nth| format!(r#"(field "f{nth}" u8)"#));
        let record: String = fields.collect();
        footprint(&format!(r#"(component (type (record {record})))"#))
    };
    let (few, many) = (names(10).unwrap(), names(1000).unwrap());
    // A name of two to four characters, their number, and the type.
    assert!((4 * 990..=6 * 990).contains(&((many - few) / INTERFACE_BYTES)));
}

/// A module with globals, instantiated ten times in each of some components around each other.
fn nested(globals: usize, depth: usize) -> String {
    let ten = |index: usize| {
        let instances = format!("(instance (instantiate $c{index}))").repeat(10);
        format!(
            "(component $c{} (alias outer 1 $c{index} (component $c{index})) {instances})",
            index + 1
        )
    };
    let inner =
        "(component $c0 (alias outer 1 $m (core module $m)) (core instance (instantiate $m)))";
    let nested: String = (0..depth).map(ten).collect();
    let rest = format!("{inner} {nested} (instance (instantiate $c{depth}))");
    with_globals(globals, &rest)
}

#[test]
fn instances_are_multiplied_through_nested_components() {
    let instances = 1000 * (INSTANCE_BYTES + 100 * ITEM_BYTES);
    let definitions = 100 * DEFINITION_BYTES;
    assert_eq!(footprint(&nested(100, 3)), Ok(instances + definitions));
}

#[test]
fn the_count_saturates() {
    assert_eq!(footprint(&nested(1, 30)), Ok(u64::MAX));
}

#[test]
fn aliases_of_a_module_fill_no_memory() {
    let aliases = "(alias outer 0 $m (core module))".repeat(SPACE_MAX);
    let error = footprint(&with_globals(1, &aliases)).unwrap_err();
    assert!(
        error.contains("more than 1000 modules or components"),
        "{error}"
    );
}

#[test]
fn an_exported_item_is_counted_by_its_new_index() {
    let exported = with_globals(
        10,
        r#"(export $e "module" (core module $m)) (core instance (instantiate $e))"#,
    );
    let direct = with_globals(10, "(core instance (instantiate $m))");
    let export = footprint(&exported).unwrap() - footprint(&direct).unwrap();
    assert!(export < 32 * INTERFACE_BYTES, "{export}");
}

#[test]
fn modules_that_are_not_of_the_file_are_refused() {
    let text = r#"(component (import "m" (core module $m)) (core instance (instantiate $m)))"#;
    let error = footprint(text).unwrap_err();
    assert!(
        error.contains("instantiates a module that it imports"),
        "{error}"
    );
}

#[test]
fn deep_nesting_is_refused() {
    let text = |depth| format!("{}{}", "(component ".repeat(depth), ")".repeat(depth));
    assert_eq!(footprint(&text(DEPTH_MAX)), Ok(0));
    let error = footprint(&text(DEPTH_MAX + 1)).unwrap_err();
    assert!(error.contains("deeper than 64 levels"), "{error}");
}
