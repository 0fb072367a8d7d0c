//! Commands on a terminal of a given width: a pseudo terminal.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::fs::OFlags;
use rustix::io::Errno;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::agent::{binary, command};

/// Maximum run time of a command.
const ENDED_WITHIN: Duration = Duration::from_secs(20);
/// Variables of this process by which a program chooses width and colours.
const INHERITED: [&str; 5] = ["COLUMNS", "NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"];

/// Runs the agent's binary on a terminal with this many columns, and returns its whole output there.
///
/// # Errors
///
/// The command fails or runs on, or the system has no pseudo terminal.
pub async fn run(columns: u16, variables: &[(&str, &str)], words: &[&str]) -> Result<String> {
    let (screen, terminal) = open(columns).context("cannot open a pseudo terminal")?;
    let mut command = command(binary()?);
    for variable in INHERITED {
        command.env_remove(variable);
    }
    command
        .args(words)
        .env("TERM", "xterm")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(terminal.try_clone()?)
        .stderr(terminal)
        .kill_on_drop(true);
    let mut child = command.spawn()?;
    // The output ends once nobody has the terminal open.
    drop(command);
    let output = spawn_blocking(|| read(screen));
    let status = timeout(ENDED_WITHIN, child.wait())
        .await
        .context("it runs on")??;
    let text = String::from_utf8(output.await??)?.replace('\r', "");
    ensure!(status.success(), "{status}: {text}");
    Ok(text)
}

/// Opens a pseudo terminal: the side that reads what is shown, and the side of the program.
fn open(columns: u16) -> io::Result<(File, File)> {
    let screen = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC)?;
    grantpt(&screen)?;
    unlockpt(&screen)?;
    let size = Winsize {
        ws_row: 24,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&screen, size)?;
    let path = ptsname(&screen, Vec::new())?;
    let path = path.to_str().map_err(io::Error::other)?;
    let no_control = i32::try_from(OFlags::NOCTTY.bits()).map_err(io::Error::other)?;
    let terminal = OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(no_control)
        .open(path)?;
    Ok((File::from(screen), terminal))
}

/// Reads to the end, which a terminal reports as an error.
fn read(mut screen: File) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    match screen.read_to_end(&mut output) {
        Err(error) if Errno::from_io_error(&error) != Some(Errno::IO) => Err(error),
        _ => Ok(output),
    }
}

/// Returns a text without its colours.
#[must_use]
pub fn without_colours(text: &str) -> String {
    let mut parts = text.split("\u{1b}[");
    let first = parts.next().unwrap_or_default().to_string();
    parts.fold(first, |text, part| {
        text + part.split_once('m').map_or(part, |(_, rest)| rest)
    })
}
