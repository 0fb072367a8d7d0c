//! The terminal on standard output: its width, and whether it shows colours.

use std::io::{self, IsTerminal};

use anstream::{AutoStream, ColorChoice};

/// The variable that overrides the width of the terminal.
const COLUMNS: &str = "COLUMNS";

/// The screen for which output is made.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Screen {
    /// The width in columns; none where the output goes elsewhere, and is not fitted.
    pub(crate) width: Option<u16>,
    pub(crate) has_colours: bool,
}

impl Screen {
    /// Looks at standard output. `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE` and `TERM=dumb` decide about colours as elsewhere.
    pub(crate) fn of_stdout() -> Self {
        let stdout = io::stdout();
        Self {
            width: stdout.is_terminal().then(width).flatten(),
            has_colours: AutoStream::choice(&stdout) != ColorChoice::Never,
        }
    }
}

fn width() -> Option<u16> {
    let columns = std::env::var(COLUMNS).ok();
    let columns = columns.and_then(|columns| columns.parse().ok());
    columns.filter(|columns| *columns > 0).or_else(|| {
        let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
        Some(width.0).filter(|width| *width > 0)
    })
}
