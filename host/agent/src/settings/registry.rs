//! Settings of the registries that plugins come from, and of the place of a plugin.

use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use super::values::time;
use crate::exit::usage;
use crate::trusted_file;
use edge_cache_distribution::{
    Credentials, InvalidReference, Mirror, Reference, RegistryClient, RegistryConfig,
};

#[cfg(test)]
mod tests;

const HEADING: &str = "Registry";
/// The bounds of `plugin.registry_timeout`: a slow link, and the time of a whole pull.
const TIMEOUTS: RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(600);

/// The place of a plugin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PluginSource {
    /// A file.
    File(PathBuf),
    /// An artifact in a registry.
    Registry(Reference),
}

/// Access to registries of plugins.
#[derive(Debug, Clone, Args)]
pub struct RegistrySettings {
    /// User names and passwords of registries: `auths` of docker's `config.json`. Credential helpers are not run
    #[arg(long, env = "EDGE_CACHE_PLUGIN_REGISTRY_CREDENTIALS_FILE", value_name = "FILE", help_heading = HEADING)]
    pub plugin_registry_credentials_file: Option<PathBuf>,
    /// The only root certificates that are trusted for registries, PEM; without it those of the system
    #[arg(long, env = "EDGE_CACHE_PLUGIN_REGISTRY_CA_FILE", value_name = "FILE", help_heading = HEADING)]
    pub plugin_registry_ca_file: Option<PathBuf>,
    /// A registry that is asked instead of the one that references name; repeatable
    #[arg(long, env = "EDGE_CACHE_PLUGIN_REGISTRY_MIRROR", value_name = "REGISTRY=HOST[:PORT][/PREFIX]", value_delimiter = ',', action = ArgAction::Append, help_heading = HEADING)]
    pub plugin_registry_mirror: Vec<Mirror>,
    /// Ask registries on loopback over plain HTTP; all others are always asked over TLS
    #[arg(long, env = "EDGE_CACHE_PLUGIN_REGISTRY_PLAIN_HTTP", value_name = "BOOL", num_args = 0..=1, default_value = "false", default_missing_value = "true", value_parser = BoolishValueParser::new(), action = ArgAction::Set, help_heading = HEADING)]
    pub plugin_registry_plain_http: bool,
    /// Time without an answer after which a registry is given up; a whole pull may take longer
    #[arg(long, env = "EDGE_CACHE_PLUGIN_REGISTRY_TIMEOUT", value_name = "TIME", default_value = "30s", value_parser = time(TIMEOUTS), help_heading = HEADING)]
    pub plugin_registry_timeout: Duration,
}

impl RegistrySettings {
    /// Reads the files and creates a client.
    ///
    /// # Errors
    ///
    /// A file cannot be read or used, or two mirrors contradict each other.
    pub fn client(&self) -> Result<RegistryClient> {
        let mut config = RegistryConfig {
            mirrors: self.plugin_registry_mirror.clone(),
            plain_http: self.plugin_registry_plain_http,
            read_timeout: self.plugin_registry_timeout,
            ..RegistryConfig::default()
        };
        if let Some(path) = &self.plugin_registry_credentials_file {
            config.credentials = read_credentials(path)
                .with_context(|| format!("cannot use the credentials {}", path.display()))
                .map_err(usage)?;
        }
        if let Some(path) = &self.plugin_registry_ca_file {
            let pem = trusted_file::read_public(path)
                .with_context(|| format!("cannot read the CA file {}", path.display()))
                .map_err(usage)?;
            config.ca_pem = Some(pem.to_vec());
        }
        RegistryClient::new(config)
            .context("cannot use the settings of registries")
            .map_err(usage)
    }
}

fn read_credentials(path: &Path) -> Result<Credentials> {
    Ok(Credentials::from_json(&trusted_file::read_secret(path)?)?)
}

impl FromStr for PluginSource {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once("://") {
            Some(("oci", _)) => text
                .parse()
                .map(Self::Registry)
                .map_err(|error: InvalidReference| error.to_string()),
            Some((scheme, _)) if scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
                Err("a plugin is a file, or `oci://REGISTRY/REPOSITORY:TAG`".to_string())
            }
            _ => Ok(Self::File(text.into())),
        }
    }
}

impl fmt::Display for PluginSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Registry(reference) => reference.fmt(f),
        }
    }
}
