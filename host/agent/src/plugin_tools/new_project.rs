//! `plugin new`: writes the project of a plugin or a policy.

mod templates;

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow};

use crate::cli::NewArgs;
use crate::exit::usage;
use templates::Template;

/// Place of the project's name in templates.
const NAME: &str = "{{name}}";
/// Place of the version of the SDK in templates.
const VERSION: &str = "{{version}}";

/// Writes a project to a new folder of its name, and returns a list of its files for the author.
///
/// # Errors
///
/// The folder exists, or a file cannot be written; then the folder is removed again.
pub fn new_project(args: &NewArgs) -> Result<String> {
    let folder = Path::new(&args.name);
    let template = match args.registry {
        true => Template::registry(args.lang),
        false => Template::policy(args.lang),
    };
    let files = template.files().map(|(path, content)| {
        let content = content
            .replace(NAME, &args.name)
            .replace(VERSION, env!("CARGO_PKG_VERSION"));
        (PathBuf::from(path), content)
    });
    match fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            let text = format!("{} exists already: choose another name", folder.display());
            return Err(usage(anyhow!(text)));
        }
        made => made.with_context(|| format!("cannot make the folder {}", folder.display()))?,
    }
    for (path, content) in files {
        let path = folder.join(path);
        if let Err(error) = write(&path, &content) {
            // Half a project is of no use; the folder is the one that was just made.
            let _ = fs::remove_dir_all(folder);
            return Err(error).with_context(|| format!("cannot write {}", path.display()));
        }
    }
    let (name, source) = (&args.name, template.source);
    let kind = match args.registry {
        true => "a registry",
        false => "a policy",
    };
    let mut said = String::new();
    // Writing to a string cannot fail.
    let _ = writeln!(said, "{name} is {kind} in {}:", args.lang);
    let _ = writeln!(said, "  {name}/{source:<12}  its code");
    let _ = writeln!(
        said,
        "  {name}/{:<12}  how to build and try it",
        "README.md"
    );
    Ok(said)
}

fn write(path: &Path, content: &str) -> io::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, content)
}
