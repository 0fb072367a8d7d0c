//! The terminal of an output: its width, and whether it shows colours.

use std::io::{self, IsTerminal};

use anstream::stream::RawStream;
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
    /// Looks at standard output.
    pub(crate) fn of_stdout() -> Self {
        let stdout = io::stdout();
        Self {
            width: stdout.is_terminal().then(width).flatten(),
            has_colours: has_colours(&stdout),
        }
    }

    /// Breaks the lines that are wider than the screen. What follows of a line is indented.
    pub(crate) fn wrap(self, text: &str, indent: usize) -> String {
        let Some(width) = self.width else {
            return text.to_string();
        };
        let indent = " ".repeat(indent);
        let options = textwrap::Options::new(width.into()).subsequent_indent(&indent);
        let lines = text.split_inclusive('\n');
        lines
            .flat_map(|line| {
                let end = if line.ends_with('\n') { "\n" } else { "" };
                [textwrap::fill(line.trim_end(), &options), end.to_string()]
            })
            .collect()
    }
}

/// Returns whether an output shows colours: `NO_COLOR`, `CLICOLOR`, `CLICOLOR_FORCE` and `TERM=dumb` decide as elsewhere.
pub(crate) fn has_colours(output: &impl RawStream) -> bool {
    AutoStream::choice(output) != ColorChoice::Never
}

fn width() -> Option<u16> {
    let columns = std::env::var(COLUMNS).ok();
    let columns = columns.and_then(|columns| columns.parse().ok());
    columns.filter(|columns| *columns > 0).or_else(|| {
        let (width, _) = terminal_size::terminal_size_of(io::stdout())?;
        Some(width.0).filter(|width| *width > 0)
    })
}
