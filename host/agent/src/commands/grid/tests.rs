use super::*;

const COLUMNS: [Column; 4] = [
    column("node", 0),
    column("geo", 2),
    column("status", 0),
    column("address", 1),
];

fn shown(width: Option<u16>) -> String {
    let row =
        |id: &str, status: &str| [id, "eu-central-1", status, "192.0.2.1:8080"].map(str::to_string);
    let screen = Screen {
        width,
        has_colours: false,
    };
    grid(
        COLUMNS,
        [row("7", "alive"), row("18446744073709551615", "failed")],
        screen,
    )
}

fn header(table: &str) -> Vec<&str> {
    let line = table.lines().nth(1).unwrap();
    let cells = line.split(['│', '┆']).map(str::trim);
    cells.filter(|cell| !cell.is_empty()).collect()
}

#[test]
fn columns_are_left_out_by_rank_until_the_rows_fit() {
    let note = |titles: &str| {
        Some(format!(
            "(not shown: {titles}; a wider terminal or --format json shows them)"
        ))
    };
    let all = vec!["node", "geo", "status", "address"];
    for (width, titles, last) in [
        (None, all.clone(), None),
        (Some(65), all, None),
        (Some(64), vec!["node", "status", "address"], note("geo")),
        (Some(50), vec!["node", "status", "address"], note("geo")),
        (Some(49), vec!["node", "status"], note("geo, address")),
        (Some(33), vec!["node", "status"], note("geo, address")),
    ] {
        let table = shown(width);
        assert_eq!(header(&table), titles, "{width:?}\n{table}");
        let told = table.lines().last().filter(|line| line.starts_with('('));
        assert_eq!(told.map(str::to_string), last, "{width:?}");
        let rows: Vec<_> = table
            .lines()
            .filter(|line| !line.starts_with('('))
            .collect();
        // Borders, header, its border, two rows.
        assert_eq!(rows.len(), 6, "{table}");
        let fits = |line: &&str| width.is_none_or(|width| line.chars().count() <= width.into());
        assert!(rows.iter().all(fits), "{width:?}\n{table}");
    }
}

#[test]
fn what_must_stay_is_broken_where_it_does_not_fit() {
    let table = shown(Some(20));
    assert!(table.lines().count() > 7, "{table}");
    let rows = table.lines().filter(|line| !line.starts_with('('));
    assert!(
        rows.map(|line| line.chars().count()).max() <= Some(20),
        "{table}"
    );
}

#[test]
fn only_states_have_colours() {
    let screen = Screen {
        width: None,
        has_colours: true,
    };
    let rows = vec![("node", "7".to_string()), ("ready", "no".to_string())];
    let table = pairs(rows, screen);
    let lines: Vec<_> = table.lines().collect();
    assert!(!lines[1].contains('\u{1b}'), "{table:?}");
    assert!(lines[2].contains("\u{1b}[38;5;9m"), "{table:?}");
}
