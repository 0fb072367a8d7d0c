//! Parsing of the command line, with the environment and the settings file as defaults.

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;
use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use super::{Cli, Command};
use crate::config::{self, Layers, Lookup};
use crate::screen::Screen;
use crate::settings::AgentSettings;
use edge_cache_core::text;

/// The longest error about the command line, in bytes: it repeats what was given.
pub(super) const WRONG_BYTES_MAX: usize = 512;
/// The beginning of the usage in help.
const USAGE: &str = "Usage: ";
/// The width of help where the output is no terminal.
const WIDTH: usize = 100;
/// The longest error about settings, in bytes: it names all problems of a file.
const SETTINGS_BYTES_MAX: usize = 8 * 1024;

/// The result of parsing the command line.
#[derive(Debug)]
pub enum Parsed {
    /// A command to run.
    Cli(Box<Cli>),
    /// Help or version, for standard output.
    Text(String),
    /// The command line or a setting is invalid.
    Wrong {
        /// The error, in one line.
        text: String,
        /// The command that prints the applicable help.
        help: String,
    },
}

/// Parses the command line, beginning with the program's name. `lookup` reads the environment.
pub fn parse(args: impl IntoIterator<Item = OsString>, lookup: Lookup<'_>) -> Parsed {
    let args = with_default_command(args);
    match parse_layers(&args, lookup) {
        Ok(cli) => Parsed::Cli(Box::new(cli)),
        Err(error) => match error.downcast_ref::<clap::Error>() {
            None => wrong(
                &args,
                text::clean(
                    &text::without_passwords(&format!("{error:#}")),
                    SETTINGS_BYTES_MAX,
                ),
            ),
            Some(error) => match error.kind() {
                ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
                    Parsed::Text(help(&args, error))
                }
                ErrorKind::MissingRequiredArgument if error.to_string().contains(" --node-id") => {
                    let text = "`node_id` is not set: give `--node-id NUMBER`, the variable `EDGE_CACHE_NODE_ID`, or \
                                `node_id` in the file of `--config`";
                    wrong(&args, text.to_string())
                }
                _ => wrong(&args, one_line(&error.render().to_string())),
            },
        },
    }
}

/// Parses the command line of an agent and returns its settings.
///
/// # Errors
///
/// The command line is invalid, or of another command. The error is for people.
pub fn settings_of_run(
    args: impl IntoIterator<Item = OsString>,
    lookup: Lookup<'_>,
) -> Result<AgentSettings, String> {
    match parse(args, lookup) {
        Parsed::Cli(cli) => match cli.command {
            Command::Run(settings) => Ok(*settings),
            _ => Err("this is not the command of an agent".to_string()),
        },
        Parsed::Text(text) | Parsed::Wrong { text, .. } => Err(text),
    }
}

/// Parses twice: first the flags alone, which name the settings file; then with the file and the environment as
/// defaults. An invalid flag is therefore reported before an invalid file.
fn parse_layers(args: &[OsString], lookup: Lookup<'_>) -> Result<Cli> {
    let flags = with_settings(Cli::command(), &config::flags_only).try_get_matches_from(args)?;
    let whole = Cli::command();
    let (command, matches) = leaf(&whole, &flags);
    if !has_settings(command) {
        return Ok(Cli::from_arg_matches(&flags)?);
    }
    // Every command with a settings file accepts all keys of `run`.
    let file = match matches.try_get_one::<PathBuf>(config::FILE_FLAG) {
        Ok(Some(file)) => Some(file.clone()),
        Ok(None) => config::file_variable(lookup).map(PathBuf::from),
        Err(_) => None,
    };
    let described = match whole.find_subcommand("run") {
        Some(run) if has_file(command) => run,
        _ => command,
    };
    let layers = Layers::read(described, file.as_deref(), lookup)?;
    let matches = with_settings(Cli::command(), &|command| layers.apply(command))
        .try_get_matches_from(args)?;
    let mut cli = Cli::from_arg_matches(&matches)?;
    if let Some(settings) = cli.command.settings() {
        let (command, matches) = leaf(&whole, &matches);
        settings.effective = config::effective(command, matches, &layers);
    }
    Ok(cli)
}

/// Applies a change to every command that has settings.
fn with_settings(
    command: clap::Command,
    change: &dyn Fn(clap::Command) -> clap::Command,
) -> clap::Command {
    let command = if has_settings(&command) {
        change(command)
    } else {
        command
    };
    command.mut_subcommands(|below| with_settings(below, change))
}

/// Returns whether the command reads environment variables.
fn has_settings(command: &clap::Command) -> bool {
    has_file(command) || command.get_arguments().any(|arg| arg.get_env().is_some())
}

/// Returns whether the command reads a settings file.
fn has_file(command: &clap::Command) -> bool {
    let mut args = command.get_arguments();
    args.any(|arg| arg.get_id() == config::FILE_FLAG)
}

/// Returns the innermost subcommand and its matches.
fn leaf<'a>(
    command: &'a clap::Command,
    matches: &'a ArgMatches,
) -> (&'a clap::Command, &'a ArgMatches) {
    let below = matches
        .subcommand()
        .and_then(|(name, matches)| Some((command.find_subcommand(name)?, matches)));
    match below {
        Some((command, matches)) => leaf(command, matches),
        None => (command, matches),
    }
}

/// Renders the help for the width of the terminal, with the environment variables, which `flags_only` has removed, and without Markdown.
fn help(args: &[OsString], error: &clap::Error) -> String {
    let width = Screen::of_stdout().width.map_or(WIDTH, usize::from);
    let command = Cli::command().term_width(width);
    let full = match command.try_get_matches_from(args) {
        Err(full) if full.kind() == error.kind() => full.render(),
        _ => error.render(),
    };
    let help = full.to_string().replace('`', "");
    let lines = help.split_inclusive('\n').map(|line| match line {
        usage if usage.starts_with(USAGE) => wrapped(usage, width),
        line => line.to_string(),
    });
    lines.collect()
}

/// Wraps the line with the usage, which clap leaves as it is.
fn wrapped(usage: &str, width: usize) -> String {
    let mut lines = String::new();
    let mut column = 0_usize;
    for word in usage.split_whitespace() {
        let end = column.saturating_add(1).saturating_add(word.len());
        if column == 0 {
            column = word.len();
        } else if end > width {
            lines += &format!("\n{:1$}", "", USAGE.len());
            column = USAGE.len().saturating_add(word.len());
        } else {
            lines.push(' ');
            column = end;
        }
        lines += word;
    }
    lines + "\n"
}

/// Returns the error with the help of the innermost subcommand that was given.
fn wrong(args: &[OsString], text: String) -> Parsed {
    let whole = Cli::command();
    let (mut command, mut help) = (&whole, whole.get_name().to_string());
    for word in args.iter().skip(1) {
        let Some(below) = command.find_subcommand(word) else {
            break;
        };
        help.push(' ');
        help.push_str(below.get_name());
        command = below;
    }
    help.push_str(" --help");
    Parsed::Wrong { text, help }
}

/// Inserts `run` if no subcommand is given.
fn with_default_command(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let mut args: Vec<OsString> = args.into_iter().collect();
    let own = ["-h", "--help", "-V", "--version"];
    let is_run = args.get(1).is_none_or(|first| {
        let first = first.to_string_lossy();
        first.starts_with('-') && !own.contains(&first.as_ref())
    });
    if is_run {
        args.insert(args.len().min(1), "run".into());
    }
    args
}

/// Returns clap's error without usage and colours.
fn one_line(error: &str) -> String {
    let lines: Vec<&str> = error
        .lines()
        .map(str::trim)
        .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
        .filter(|line| !line.is_empty())
        .collect();
    let line = text::without_passwords(&lines.join(" "));
    text::clean(
        line.strip_prefix("error: ").unwrap_or(&line),
        WRONG_BYTES_MAX,
    )
}
