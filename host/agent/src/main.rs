//! The binary `edge-cache-agent`: parses, runs, and turns what happened into an exit status.
//!
//! Status 0: it did what was asked. 1: it could not. 2: the command line or a setting is wrong. Commands that
//! ask a running agent have some more, which `client` knows.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use edge_cache_agent::cli::{
    self, Cli, ClientCommand, Command, ConfigCommand, GossipCommand, LogFormat, Parsed,
    PluginCommand, RunArgs, TokenCommand,
};
use edge_cache_agent::client::{self, ClientError, Outcome};
use edge_cache_agent::http::{self, NewToken};
use edge_cache_agent::run::{self, RunError};
use edge_cache_agent::{demo, log, plugin, settings};
use edge_cache_host::gossip::Keyring;
use tokio::runtime::Runtime;
use tracing_subscriber::EnvFilter;

const FAILED: u8 = 1;
const USAGE: u8 = 2;
/// The variable that most programs with this kind of log read, and the setting that it stands for here.
const COMMON_LOG_LEVEL: (&str, &str) = ("RUST_LOG", "EDGE_CACHE_LOG_LEVEL");

fn main() -> ExitCode {
    let cli = match cli::parse(std::env::args_os(), &variable) {
        Parsed::Cli(cli) => *cli,
        Parsed::Text(text) => {
            print(&text);
            return ExitCode::SUCCESS;
        }
        Parsed::Wrong { text, help } => {
            say(&format!("{text}; see `{help}`"));
            return ExitCode::from(USAGE);
        }
    };
    let format = match &cli.command {
        Command::Run(args) => args.log_format,
        _ => LogFormat::Text,
    };
    match start(cli) {
        Ok(status) => status,
        Err(error) => {
            match format {
                LogFormat::Text => say(&format!("{error:#}")),
                LogFormat::Json => tracing::error!("{error:#}"),
            }
            ExitCode::from(status(&error))
        }
    }
}

fn start(cli: Cli) -> Result<ExitCode> {
    match cli.command {
        Command::Run(args) => {
            log::init(args.log_format, &args.log_level);
            let runtime = runtime()?;
            let ended = runtime.block_on(run::run(*args));
            // What was cut off must not hold up the end.
            runtime.shutdown_background();
            ended?;
        }
        Command::Demo => {
            let level = variable(COMMON_LOG_LEVEL.1).unwrap_or_default();
            log::init(LogFormat::Text, &level.to_string_lossy());
            runtime()?.block_on(demo::run())?;
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
        Command::Config(ConfigCommand::Check(args)) => return check(&args),
        Command::Completions { shell } => print(&cli::completions(shell)),
        Command::Client(command) => return ask(&command),
        Command::Plugin(PluginCommand::Running(command)) => {
            return ask(&ClientCommand::Plugin(command));
        }
        // On this thread: no thread of a runtime ever runs guest code.
        Command::Plugin(PluginCommand::Inspect(args)) => return tell(&plugin::inspect(&args)?),
        Command::Plugin(PluginCommand::Check(args)) => return tell(&plugin::check(&args)?),
    }
    Ok(ExitCode::SUCCESS)
}

/// The exit status that says what went wrong.
fn status(error: &anyhow::Error) -> u8 {
    if let Some(error) = error.downcast_ref::<ClientError>() {
        return error.exit_code();
    }
    match error.downcast_ref::<RunError>() {
        Some(error) if error.is_usage() => USAGE,
        _ => FAILED,
    }
}

fn ask(command: &ClientCommand) -> Result<ExitCode> {
    Ok(match runtime()?.block_on(client::run(command))? {
        Outcome::Done => ExitCode::SUCCESS,
        Outcome::Pending => ExitCode::from(client::exit::PENDING),
    })
}

fn tell(told: &plugin::Told) -> Result<ExitCode> {
    print(&told.text);
    Ok(if told.is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(FAILED)
    })
}

fn check(args: &RunArgs) -> Result<ExitCode> {
    Ok(match runtime()?.block_on(settings::check(args)) {
        Ok(lines) => {
            print(&lines);
            ExitCode::SUCCESS
        }
        Err(lines) => {
            print(&lines);
            ExitCode::from(USAGE)
        }
    })
}

fn runtime() -> Result<Runtime> {
    http::use_ring();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")
}

/// A variable of the process's environment.
fn variable(name: &str) -> Option<OsString> {
    let (common, own) = COMMON_LOG_LEVEL;
    std::env::var_os(name).or_else(|| {
        // It may be meant for another program, and then be nothing that this one knows.
        let level = std::env::var_os(common).filter(|_| name == own)?;
        let is_known = level
            .to_str()
            .is_some_and(|level| EnvFilter::try_new(level).is_ok());
        is_known.then_some(level)
    })
}

/// A reader that went away has seen enough.
fn print(text: &str) {
    let _ = write!(std::io::stdout(), "{text}");
}

/// One line for the person at the terminal, which may be gone.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "edge-cache-agent: {text}");
}
