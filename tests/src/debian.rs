//! Programs from packages of Debian that some tests need.
//!
//! Where one is missing and `EDGE_CACHE_INSTALL=1` does not allow to install it, a test is skipped with a message.

use std::path::Path;
use std::process::Command;
use std::sync::{Mutex, OnceLock, PoisonError};

use anyhow::{Result, ensure};

use crate::foreign::run;

/// A package of Debian and the program in it that is run.
#[derive(Debug)]
pub struct Package {
    name: &'static str,
    program: &'static str,
    /// Why it is not there, if it is not.
    missing: OnceLock<Option<String>>,
}

/// The proxy and cache nginx.
pub static NGINX: Package = Package::new("nginx", "/usr/sbin/nginx");
/// A program that moves the clock of another one.
pub static FAKETIME: Package = Package::new("faketime", "/usr/bin/faketime");
/// The cache Varnish.
pub static VARNISH: Package = Package::new("varnish", "/usr/sbin/varnishd");

impl Package {
    const fn new(name: &'static str, program: &'static str) -> Self {
        let missing = OnceLock::new();
        Self {
            name,
            program,
            missing,
        }
    }

    /// Returns the program, installed first where that is allowed; none, said on standard output, where it is missing.
    pub fn program(&self) -> Option<&'static str> {
        let missing = self.missing.get_or_init(|| {
            let is_there = Path::new(self.program).exists();
            let installed = if is_there { Ok(()) } else { self.install() };
            installed.err().map(|error| format!("{error:#}"))
        });
        if let Some(reason) = missing {
            println!("skipped: {} is not there: {reason}", self.name);
        }
        missing.is_none().then_some(self.program)
    }

    fn install(&self) -> Result<()> {
        let is_allowed = std::env::var_os("EDGE_CACHE_INSTALL").is_some_and(|value| value == "1");
        ensure!(
            is_allowed,
            "EDGE_CACHE_INSTALL=1 would install Debian's package"
        );
        // Two of apt at once would refuse each other.
        static TURN: Mutex<()> = Mutex::new(());
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        let apt = || {
            let mut apt = Command::new("apt-get");
            apt.env("DEBIAN_FRONTEND", "noninteractive");
            apt
        };
        run(apt().args(["update", "--quiet"]))?;
        run(apt()
            .args(["install", "--yes", "--quiet", "--no-install-recommends"])
            .arg(self.name))?;
        ensure!(Path::new(self.program).exists(), "{}", self.program);
        Ok(())
    }
}
