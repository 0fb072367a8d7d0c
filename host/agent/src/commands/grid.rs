//! Tables that fit the screen.
//!
//! A list leaves out columns, the least important ones first, until each row fits into one line. Only a row that is too
//! wide with the columns that always stay is broken. Nothing is left out where the output is no terminal.

use comfy_table::{Cell, Color, ColumnConstraint, ContentArrangement, Table, presets};

use crate::screen::Screen;

#[cfg(test)]
mod tests;

/// The width that a column takes beside its content: a border and two blanks.
const AROUND: usize = 3;

/// A column of a list.
#[derive(Debug, Clone, Copy)]
pub(super) struct Column {
    title: &'static str,
    /// The order in which columns are left out, the highest rank first; a column of rank 0 always stays.
    rank: u8,
}

pub(super) const fn column(title: &'static str, rank: u8) -> Column {
    Column { title, rank }
}

/// Makes a list.
pub(super) fn grid<const N: usize>(
    columns: [Column; N],
    rows: impl IntoIterator<Item = [String; N]>,
    screen: Screen,
) -> String {
    let mut table = table(screen);
    table.set_header(columns.map(|column| column.title));
    for row in rows {
        let cells = columns.iter().zip(row);
        table.add_row(cells.map(|(column, text)| cell(column.title, text)));
    }
    let left_out = hide(&mut table, columns, screen);
    if left_out.is_empty() {
        return table.to_string();
    }
    let titles = left_out.join(", ");
    format!("{table}\n(not shown: {titles}; a wider terminal or --format json shows them)")
}

/// Makes a table of names and values.
pub(super) fn pairs(rows: Vec<(&str, String)>, screen: Screen) -> String {
    let mut table = table(screen);
    for (name, value) in rows {
        table.add_row([Cell::new(name), cell(name, value)]);
    }
    table.to_string()
}

fn table(screen: Screen) -> Table {
    let mut table = Table::new();
    table
        .load_preset(presets::UTF8_FULL_CONDENSED)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .force_no_tty();
    if screen.has_colours {
        table.enforce_styling();
    }
    if let Some(width) = screen.width {
        table.set_width(width);
    }
    table
}

/// Hides columns until the table fits, and returns their titles in their order.
fn hide<const N: usize>(
    table: &mut Table,
    columns: [Column; N],
    screen: Screen,
) -> Vec<&'static str> {
    let Some(width) = screen.width else {
        return Vec::new();
    };
    let widths = table.column_max_content_widths();
    let mut shown: Vec<_> = columns.into_iter().zip(widths).enumerate().collect();
    let needed = |shown: &[(usize, (Column, u16))]| {
        let widths = shown.iter();
        let columns = widths.map(|(_, (_, width))| usize::from(*width).saturating_add(AROUND));
        columns.fold(1, usize::saturating_add)
    };
    let mut hidden = Vec::new();
    while needed(&shown) > usize::from(width) {
        let least = (0..shown.len()).max_by_key(|at| shown.get(*at).map(|(_, (it, _))| it.rank));
        let Some(least) = least.filter(|at| shown.get(*at).is_some_and(|(_, (it, _))| it.rank > 0))
        else {
            break;
        };
        let (index, (column, _)) = shown.remove(least);
        if let Some(column) = table.column_mut(index) {
            column.set_constraint(ColumnConstraint::Hidden);
        }
        hidden.push((index, column.title));
    }
    hidden.sort_unstable();
    hidden.into_iter().map(|(_, title)| title).collect()
}

/// Makes a cell, in the colour of the state that it shows.
fn cell(title: &str, text: String) -> Cell {
    let colour = colour(title, &text);
    let cell = Cell::new(text);
    match colour {
        Some(colour) => cell.fg(colour),
        None => cell,
    }
}

fn colour(title: &str, text: &str) -> Option<Color> {
    match title {
        "not ready" | "refused" | "refused here" | "refused by its agent" | "last failure" => {
            Some(Color::Red)
        }
        "warning" | "overruled" => Some(Color::Yellow),
        "advertised" | "ready" | "state" | "plugin state" | "status" => match text {
            "yes" | "alive" | "running" => Some(Color::Green),
            "leaving" | "left" | "starting" => Some(Color::Yellow),
            "-" => None,
            _ => Some(Color::Red),
        },
        _ => None,
    }
}
