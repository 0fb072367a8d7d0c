//! Files that are compiled: one that no module declares is ignored by the compiler, and its tests never run.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::{ROOT, crate_of, folders};

#[test]
fn every_file_is_declared_by_its_parent() -> Result<()> {
    let tests = ["tests/src", "tests/it"].map(|name| Path::new(ROOT).join(name));
    let sources = folders()?.into_iter().map(|folder| folder.join("src"));
    let mut found = Vec::new();
    for source in sources.chain(tests) {
        found.extend(undeclared(&source)?);
    }
    ensure!(found.is_empty(), "no module declares {found:#?}");
    Ok(())
}

#[test]
fn a_file_that_nothing_declares_is_found() -> Result<()> {
    let declared = [
        ("lib.rs", "mod a;\nmod c;"),
        ("a.rs", "#[cfg(test)]\nmod tests;"),
        ("a/tests.rs", ""),
        ("c/mod.rs", "pub(crate) mod d;"),
        ("c/d.rs", ""),
        ("bin/tool.rs", ""),
    ];
    let folder = crate_of(&declared)?;
    ensure!(undeclared(&folder.path().join("src"))?.is_empty());
    let orphan = folder.path().join("src/c/d/tests.rs");
    fs::create_dir_all(orphan.parent().context("a file has a folder")?)?;
    fs::write(&orphan, "")?;
    ensure!(undeclared(&folder.path().join("src"))? == [orphan]);
    Ok(())
}

/// Lists the files below a folder whose parent does not declare them. The folder has the root of a crate.
fn undeclared(source: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(source)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(undeclared(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs")
            && !is_declared(&path)?
        {
            found.push(path);
        }
    }
    Ok(found)
}

fn is_declared(file: &Path) -> Result<bool> {
    let name = file.file_stem().and_then(|name| name.to_str());
    let name = name.with_context(|| format!("{} has no name", file.display()))?;
    let folder = file.parent().context("a file has a folder")?;
    if ["lib", "main", "mod"].contains(&name) || folder.ends_with("bin") {
        return Ok(true);
    }
    let declaration = format!("mod {name};");
    let own = folder.with_extension("rs");
    let roots = ["lib.rs", "main.rs", "mod.rs"].map(|root| folder.join(root));
    for parent in roots.iter().chain([&own]).filter(|path| path.is_file()) {
        let text = fs::read_to_string(parent)?;
        if text
            .lines()
            .any(|line| line.trim_end().ends_with(&declaration))
        {
            return Ok(true);
        }
    }
    Ok(false)
}
