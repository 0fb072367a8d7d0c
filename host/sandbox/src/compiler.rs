//! Compiling in a child process, so that an untrusted file cannot cost more time or memory than its limits.
//!
//! The child is this program again, run with a command that calls [`run_compiler`]. It reads the component from standard
//! input and writes machine code to standard output, so it needs no file. The child bounds the cost of compiling, it is
//! not a boundary of trust: its code is loaded.

use std::ffi::OsString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitCode, ExitStatus, Stdio};
use std::sync::Arc;

use edge_cache_core::{Limits, text};
use rustix::process::{Resource, Rlimit, Signal, setrlimit};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::Semaphore;
use tokio::time;
use wasmtime::Engine;

use crate::cache::TrustedCode;
use crate::engine;
use crate::error::PluginError;

/// Number of threads of a child.
const THREADS: &str = "2";
/// Exit status of a child that refuses the component. The reason is on standard error.
const REFUSED: u8 = 3;
/// Score with which the kernel ends the child first when memory is short.
const OOM_SCORE: &str = "1000";
/// Longest message of a child, in bytes. The rest is not read.
const MESSAGE_BYTES_MAX: u64 = 64 * 1024;
/// Part of a message of Rust, of the system and of the C++ library when memory is short.
const OUT_OF_MEMORY: [&str; 2] = ["memory allocation of", "Cannot allocate memory"];

/// Text about a child that another process or the kernel has killed.
const KILLED: &str =
    "it was killed, as the kernel does where memory is short: give the agent more memory";

/// The command of a child process that compiles, one component at a time. Clones share the turn.
#[derive(Debug, Clone)]
pub struct CompilerProcess {
    program: PathBuf,
    arguments: Vec<OsString>,
    turn: Arc<Semaphore>,
}

impl CompilerProcess {
    /// Takes a program and its arguments, which must call [`run_compiler`] with the arguments that follow them.
    pub fn new<A: Into<OsString>>(
        program: impl Into<PathBuf>,
        arguments: impl IntoIterator<Item = A>,
    ) -> Self {
        Self {
            program: program.into(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    /// Compiles a component. The child is killed if the future is dropped.
    pub(crate) async fn compile(
        &self,
        component: &[u8],
        limits: &Limits,
    ) -> Result<TrustedCode, PluginError> {
        // The semaphore is never closed.
        let _turn = self.turn.acquire().await;
        let child = self.start(limits).map_err(|error| {
            let program = self.program.display();
            PluginError::Compiler(format!("{program} did not start: {error}"))
        })?;
        let output = time::timeout(limits.compile_deadline, run(child, component, limits)).await;
        let Ok(output) = output else {
            return Err(PluginError::compile_deadline(limits));
        };
        let output =
            output.map_err(|error| PluginError::Compiler(format!("it ended early: {error}")))?;
        output.code(limits)
    }

    fn start(&self, limits: &Limits) -> io::Result<Child> {
        Command::new(&self.program)
            .args(&self.arguments)
            .arg(limits.compile_memory.to_string())
            .arg(cpu_seconds(limits).to_string())
            .arg(limits.stack_bytes.to_string())
            .env_clear()
            .env("RAYON_NUM_THREADS", THREADS)
            .env("MALLOC_ARENA_MAX", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
    }
}

/// Returns the CPU time of a child. The deadline ends it first, except where nobody waits for it any more.
fn cpu_seconds(limits: &Limits) -> u64 {
    let seconds = limits.compile_deadline.as_secs().saturating_add(1);
    seconds.saturating_mul(2)
}

/// Result of a child.
struct Output {
    status: ExitStatus,
    code: Vec<u8>,
    message: Vec<u8>,
}

/// Hands the component to a child and reads its output. The output is bounded.
async fn run(mut child: Child, component: &[u8], limits: &Limits) -> io::Result<Output> {
    let (input, code, message) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let write = async {
        if let Some(mut input) = input {
            // A child that ends before it has read everything says why by its status.
            let _ = input.write_all(component).await;
        }
    };
    let code_max = u64::try_from(limits.compiled_bytes).unwrap_or(u64::MAX);
    // One more byte tells code that is too large from code that just fits.
    let code = read(code, code_max.saturating_add(1));
    let message = read(message, MESSAGE_BYTES_MAX);
    let ((), code, message) = tokio::join!(write, code, message);
    let (code, message) = (code?, message?);
    if code.len() > limits.compiled_bytes {
        child.kill().await?;
    }
    let status = child.wait().await?;
    Ok(Output {
        status,
        code,
        message,
    })
}

async fn read(stream: Option<impl AsyncRead + Unpin>, bytes_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        stream.take(bytes_max).read_to_end(&mut bytes).await?;
    }
    Ok(bytes)
}

impl Output {
    fn code(self, limits: &Limits) -> Result<TrustedCode, PluginError> {
        if self.code.len() > limits.compiled_bytes {
            let limit = limits.compiled_bytes;
            let exceeded = format!("compiled to more than {limit} bytes");
            return Err(PluginError::compile_limit(exceeded, "compiled_bytes"));
        }
        let message = String::from_utf8_lossy(&self.message);
        let message = text::clean(message.trim(), text::ERROR_BYTES_MAX);
        if self.status.success() {
            return Ok(TrustedCode::of_child(self.code));
        }
        if self.status.code() == Some(REFUSED.into()) {
            return Err(PluginError::invalid(&message));
        }
        if OUT_OF_MEMORY.iter().any(|text| message.contains(text)) {
            let limit = limits.compile_memory;
            let exceeded = format!("needs more than {limit} bytes to be compiled");
            return Err(PluginError::compile_limit(exceeded, "compile_memory"));
        }
        if self.status.signal() == Some(Signal::XCPU.as_raw()) {
            return Err(PluginError::compile_deadline(limits));
        }
        let status = self.status;
        if status.signal() == Some(Signal::KILL.as_raw()) {
            return Err(PluginError::Compiler(KILLED.to_string()));
        }
        Err(PluginError::Compiler(match message.as_str() {
            "" => format!("it ended by {status}"),
            message => format!("it ended by {status}: {message}"),
        }))
    }
}

/// Compiles a component from standard input to standard output, within the limits that `arguments` name.
///
/// This is the child of a [`CompilerProcess`]: the last thing that its process does.
#[must_use]
pub fn run_compiler(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match compile(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = write!(io::stderr(), "{error:#}");
            match error {
                ChildError::Refused(_) => ExitCode::from(REFUSED),
                ChildError::Failed(_) => ExitCode::FAILURE,
            }
        }
    }
}

/// Failure of a child.
#[derive(Debug, thiserror::Error)]
enum ChildError {
    /// The component is not valid.
    #[error("{0:#}")]
    Refused(wasmtime::Error),
    /// The child itself failed.
    #[error("{0}")]
    Failed(String),
}

fn compile(arguments: impl IntoIterator<Item = OsString>) -> Result<(), ChildError> {
    let failed = |error: &dyn std::fmt::Display| ChildError::Failed(error.to_string());
    let mut numbers = arguments.into_iter().map(|argument| {
        let number = argument.to_str().and_then(|text| text.parse().ok());
        number.ok_or_else(|| failed(&"an argument is no number"))
    });
    let mut number = || {
        numbers
            .next()
            .unwrap_or_else(|| Err(failed(&"an argument is missing")))
    };
    limit(Resource::Data, number()?).map_err(|error| failed(&error))?;
    limit(Resource::Cpu, number()?).map_err(|error| failed(&error))?;
    limit(Resource::Core, 0).map_err(|error| failed(&error))?;
    let stack_bytes = number()?;
    // Without the file, as in some containers, the kernel chooses by size.
    let _ = fs::write("/proc/self/oom_score_adj", OOM_SCORE);
    let limits = Limits {
        stack_bytes: usize::try_from(stack_bytes).unwrap_or(usize::MAX),
        ..Limits::default()
    };
    let engine = Engine::new(&engine::config(&limits)).map_err(|error| failed(&error))?;
    let mut component = Vec::new();
    io::stdin()
        .read_to_end(&mut component)
        .map_err(|error| failed(&error))?;
    let code = engine
        .precompile_component(&component)
        .map_err(ChildError::Refused)?;
    io::stdout()
        .write_all(&code)
        .map_err(|error| failed(&error))
}

/// Lowers a limit of this process. A lower one that stands already is kept.
fn limit(resource: Resource, value: u64) -> io::Result<()> {
    let now = rustix::process::getrlimit(resource);
    let value = now.maximum.map_or(value, |maximum| maximum.min(value));
    let value = Some(value);
    setrlimit(
        resource,
        Rlimit {
            current: value,
            maximum: value,
        },
    )?;
    Ok(())
}
