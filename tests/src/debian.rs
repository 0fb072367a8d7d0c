//! Programs from packages of Debian that some tests need.
//!
//! Where one is missing and `EDGE_CACHE_INSTALL=1` does not allow to install it, a test is skipped with a message.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Result, ensure};

use crate::foreign::run;

/// Begins the line that installs packages.
const INSTALL: &str =
    "apt-get update --quiet && apt-get install --yes --quiet --no-install-recommends";

/// Packages of Debian and the program in them that is run.
#[derive(Debug)]
pub struct Package {
    /// Names with blanks between.
    names: &'static str,
    program: &'static str,
    /// File of the last of the packages.
    last: &'static str,
    /// Why it is not there, if it is not, and what helps.
    missing: OnceLock<Option<String>>,
}

/// The proxy and cache nginx.
pub static NGINX: Package = Package::new("nginx", "/usr/sbin/nginx");
/// A program that moves the clock of another one.
pub static FAKETIME: Package = Package::new("faketime", "/usr/bin/faketime");
/// The cache Varnish.
pub static VARNISH: Package = Package::new("varnish", "/usr/sbin/varnishd");
/// A registry of OCI artifacts.
pub static DOCKER_REGISTRY: Package = Package::new("docker-registry", "/usr/bin/docker-registry");
/// The browser Chromium.
pub static CHROMIUM: Package = Package::new("chromium", "/usr/bin/chromium");
/// A program that drives Chromium over WebDriver.
pub static CHROMIUM_DRIVER: Package = Package::new("chromium-driver", "/usr/bin/chromedriver");
/// The monitoring server Prometheus, whose package has `promtool` too.
pub static PROMETHEUS: Package = Package::new("prometheus", "/usr/bin/prometheus");
/// The tool that checks rules of Prometheus.
pub static PROMTOOL: Package = Package::new("prometheus", "/usr/bin/promtool");
/// A tool that builds and unpacks OCI images.
pub static UMOCI: Package = Package::new("umoci", "/usr/bin/umoci");
/// A tool that makes a fresh root of Debian.
pub static MMDEBSTRAP: Package = Package::new("mmdebstrap", "/usr/bin/mmdebstrap");
/// A tool that shows, and delays, the system calls of a program.
pub static STRACE: Package = Package::new("strace", "/usr/bin/strace");
/// A tool that copies OCI artifacts.
pub static SKOPEO: Package = Package::new("skopeo", "/usr/bin/skopeo");
/// Debian 12's compiler for C with a libc for WASI.
pub static CLANG: Package = Package::of_many(
    "clang lld wasi-libc libclang-rt-14-dev-wasm32",
    "/usr/bin/clang",
    "/usr/lib/llvm-14/lib/clang/14.0.6/lib/wasi/libclang_rt.builtins-wasm32.a",
);

impl Package {
    const fn new(name: &'static str, program: &'static str) -> Self {
        Self::of_many(name, program, program)
    }

    const fn of_many(names: &'static str, program: &'static str, last: &'static str) -> Self {
        let missing = OnceLock::new();
        Self {
            names,
            program,
            last,
            missing,
        }
    }

    /// Returns the program, installed first where that is allowed; none, said on standard output, where it is missing.
    pub fn program(&self) -> Option<&'static str> {
        let missing = self.missing.get_or_init(|| {
            let error = if self.is_there() {
                None
            } else {
                self.install().err()
            };
            error.map(|error| {
                let (program, names) = (self.program, self.names);
                format!("{program} is not there: {error:#}; as root run: {INSTALL} {names}")
            })
        });
        if let Some(message) = missing {
            println!("skipped: {message}");
        }
        missing.is_none().then_some(self.program)
    }

    fn is_there(&self) -> bool {
        [self.program, self.last]
            .map(Path::new)
            .iter()
            .all(|file| file.exists())
    }

    fn install(&self) -> Result<()> {
        let is_allowed = std::env::var_os("EDGE_CACHE_INSTALL").is_some_and(|value| value == "1");
        ensure!(is_allowed, "EDGE_CACHE_INSTALL=1 is not set");
        // Two of apt at once would refuse each other.
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let mut shell = Command::new("sh");
        shell.env("DEBIAN_FRONTEND", "noninteractive");
        run(shell.args(["-euc", &format!("{INSTALL} {}", self.names)]))?;
        ensure!(self.is_there(), "{} is not in {}", self.last, self.names);
        Ok(())
    }
}
