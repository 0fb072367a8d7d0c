//! The binary `edge-cache-agent`: parses the command line, runs a command and returns an exit status.
//!
//! Status 0: success. 1: failure. 2: invalid command line or settings. Commands for a running agent have further
//! statuses, see `exit`.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use edge_cache_agent::cli::{
    self, Cli, ClientCommand, Command, ConfigCommand, GossipCommand, Parsed, PluginCommand,
    SnapshotCommand, TokenCommand,
};
use edge_cache_agent::commands;
use edge_cache_agent::log::LogFilter;
use edge_cache_agent::plugin_manager::{COMPILE_COMMAND, compiler};
use edge_cache_agent::plugin_tools::{self, ToolReport};
use edge_cache_agent::run::{self, ReloadSources, runtime};
use edge_cache_agent::settings::{AgentSettings, LogFormat, parse_log_level};
use edge_cache_agent::tokens::NewToken;
use edge_cache_agent::{advice, config_check, data_dir, exit, feed, http, log, snapshot_tools};
use edge_cache_host::gossip::Keyring;
use edge_cache_host::sandbox::run_compiler;

/// The usual variable for log filters, and the setting for which it is the fallback.
const COMMON_LOG_LEVEL: (&str, &str) = ("RUST_LOG", "EDGE_CACHE_LOG_LEVEL");

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    // The child process of a compiler; no command for people.
    if arguments
        .next()
        .is_some_and(|command| command == COMPILE_COMMAND)
    {
        return run_compiler(arguments);
    }
    let cli = match cli::parse(std::env::args_os(), &variable) {
        Parsed::Cli(cli) => *cli,
        Parsed::Text(text) => {
            print(&text);
            return ExitCode::SUCCESS;
        }
        Parsed::Wrong { text, help } => {
            print_error(&format!("{text}; see `{help}`"));
            return ExitCode::from(exit::USAGE);
        }
    };
    let mut log = match &cli.command {
        Command::Run(args) => Some((args.log_format, log::init(args.log_format, &args.log_level))),
        _ => None,
    };
    let log_filter = log.as_ref().map(|(_, log)| log.filter());
    match start(cli, log_filter) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            match &mut log {
                None => print_error(&advice::described(&error)),
                Some((LogFormat::Text, log)) => log.print(&format!("edge-cache-agent: {error:#}")),
                Some((LogFormat::Json, _)) => tracing::error!("{error:#}"),
            }
            ExitCode::from(exit::code(&error))
        }
    }
}

fn start(cli: Cli, log_filter: Option<LogFilter>) -> Result<u8> {
    match cli.command {
        Command::Run(args) => {
            let sources = ReloadSources {
                settings,
                log_filter,
            };
            run::run(&with_unknown_variables(*args), sources)?;
        }
        Command::Gossip(GossipCommand::Keygen) => {
            let key = Keyring::generate().context("cannot make a key")?;
            writeln!(std::io::stdout(), "{key}").context("cannot print the key")?;
        }
        Command::Token(TokenCommand::New { name, role }) => {
            let token = NewToken::generate(&name, role).context("cannot make a token")?;
            let (secret, line) = (&*token.secret, &token.line);
            writeln!(std::io::stdout(), "token={secret}\nline={line}")
                .context("cannot print the token")?;
        }
        Command::Config(ConfigCommand::Example) => print(&cli::example()),
        Command::Config(ConfigCommand::Show(args)) => {
            let lines = args.effective.iter().map(|setting| &*setting.line);
            print(&lines.flat_map(|line| [line, "\n"]).collect::<String>());
        }
        Command::Config(ConfigCommand::Check(args)) => {
            return check(&with_unknown_variables(*args));
        }
        Command::Man { directory } => cli::write_man_pages(&directory)
            .with_context(|| format!("cannot write man pages into {}", directory.display()))?,
        Command::Completions { shell } => print(&cli::completions(shell)),
        Command::DataDir(args) => data_dir::make(&args)?,
        Command::Feed(command) => return runtime()?.block_on(feed::run(&command)),
        Command::Client(command) => return ask(&command),
        Command::Plugin(PluginCommand::Running(command)) => {
            return ask(&ClientCommand::Plugin(command));
        }
        Command::Snapshot(SnapshotCommand::Save(args)) => {
            return ask(&ClientCommand::SaveSnapshot(args));
        }
        Command::Snapshot(SnapshotCommand::Inspect(args)) => {
            print(&snapshot_tools::inspect(&args)?);
        }
        Command::Snapshot(SnapshotCommand::Restore(args)) => {
            print(&snapshot_tools::restore(&args)?);
        }
        Command::Plugin(PluginCommand::Keygen(args)) => print(&plugin_tools::keygen(&args)?),
        Command::Plugin(PluginCommand::Sign(args)) => {
            http::use_ring();
            print(&runtime()?.block_on(plugin_tools::sign(&args, &compiler()))?);
        }
        Command::Plugin(PluginCommand::Verify(args)) => {
            http::use_ring();
            return report(&runtime()?.block_on(plugin_tools::verify(&args))?);
        }
        Command::Plugin(PluginCommand::Pull(args)) => {
            print(&runtime()?.block_on(plugin_tools::pull(&args))?);
        }
        Command::Plugin(PluginCommand::Push(args)) => {
            print(&runtime()?.block_on(plugin_tools::push(&args, &compiler()))?);
        }
        Command::Plugin(PluginCommand::Inspect(args)) => {
            return report(&runtime()?.block_on(plugin_tools::inspect(&args, &compiler()))?);
        }
        Command::Plugin(PluginCommand::Try(args)) => {
            return report(&plugin_tools::try_node(&args, &runtime()?, &compiler())?);
        }
        Command::Plugin(PluginCommand::New(args)) => print(&plugin_tools::new_project(&args)?),
        Command::Plugin(PluginCommand::Compose(args)) => {
            return report(&plugin_tools::compose(&args, &runtime()?, &compiler())?);
        }
        Command::Plugin(PluginCommand::Check(args)) => {
            return report(&plugin_tools::check(&args, &runtime()?, &compiler())?);
        }
    }
    Ok(exit::SUCCESS)
}

/// Reads the settings of this process again.
fn settings() -> Result<AgentSettings, String> {
    cli::settings_of_run(std::env::args_os(), &variable)
}

fn with_unknown_variables(settings: AgentSettings) -> AgentSettings {
    let names = std::env::vars_os().map(|(name, _)| name);
    AgentSettings {
        unknown_variables: cli::unknown_variables(names),
        ..settings
    }
}

fn ask(command: &ClientCommand) -> Result<u8> {
    runtime()?.block_on(commands::run(command))
}

fn report(report: &ToolReport) -> Result<u8> {
    print(&report.text);
    Ok(if report.is_good {
        exit::SUCCESS
    } else {
        exit::FAILED
    })
}

fn check(settings: &AgentSettings) -> Result<u8> {
    let checked = runtime()?.block_on(config_check::check(settings));
    let status = checked.as_ref().map_or(exit::USAGE, |_| exit::SUCCESS);
    print(&checked.unwrap_or_else(|lines| lines));
    Ok(status)
}

/// Reads an environment variable. `RUST_LOG` is the fallback for the log level.
fn variable(name: &str) -> Option<OsString> {
    let (common, own) = COMMON_LOG_LEVEL;
    std::env::var_os(name).or_else(|| {
        // Ignored if invalid: it may be meant for another program.
        let level = std::env::var_os(common).filter(|_| name == own)?;
        let is_known = level
            .to_str()
            .is_some_and(|level| parse_log_level(level).is_ok());
        is_known.then_some(level)
    })
}

/// Prints to standard output. A closed reader is no error.
fn print(text: &str) {
    let _ = write!(std::io::stdout(), "{text}");
}

/// Prints a line to standard error. A closed terminal is no error.
fn print_error(text: &str) {
    let _ = writeln!(std::io::stderr(), "edge-cache-agent: {text}");
}
