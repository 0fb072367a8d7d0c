//! The Debian package on a fresh root.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use edge_cache_tests::debian::MMDEBSTRAP;

use super::{built, nice, run, serves};

/// Packages of the fresh root beside the essential ones: those that ours depends on, and systemd to check its unit.
const PACKAGES: &str = "--include=adduser,ca-certificates,systemd";
const CONFIG: &str = "etc/edge-cache/agent.toml";

/// A command inside a root.
fn inside(root: &Path, words: &[&str]) -> Command {
    let mut command = Command::new("chroot");
    command.arg(root).args(words);
    command
}

#[tokio::test]
async fn the_package_installs_runs_and_is_removed() -> Result<()> {
    let (Some(out), Some(mmdebstrap)) = (built()?, MMDEBSTRAP.program()) else {
        return Ok(());
    };
    let folder = tempfile::tempdir()?;
    let root = &folder.path().join("root");
    let mut files = fs::read_dir(&out)?.filter_map(|file| Some(file.ok()?.path()));
    let package = files.find(|file| file.extension().is_some_and(|it| it == "deb"));
    run(nice(mmdebstrap)
        .args(["--quiet", "--variant=minbase", PACKAGES, "bookworm"])
        .arg(root))?;
    fs::copy(package.context("no package")?, root.join("package.deb"))?;

    run(&mut inside(root, &["dpkg", "--install", "/package.deb"]))?;
    let user = run(&mut inside(root, &["id", "--user", "edge-cache"]))?;
    let user: u32 = user.trim().parse()?;
    let configuration = fs::metadata(root.join("etc/edge-cache"))?;
    assert_eq!(
        (configuration.uid(), configuration.mode() & 0o777),
        (0, 0o750)
    );
    let wanted = root.join("etc/systemd/system/multi-user.target.wants/edge-cache-agent.service");
    assert!(wanted.is_symlink(), "the unit is not enabled");
    for file in [
        "usr/share/man/man1/edge-cache-agent-run.1.gz",
        "usr/share/bash-completion/completions/edge-cache-agent",
        "usr/share/edge-cache-agent/notify-reload.conf",
    ] {
        assert!(root.join(file).is_file(), "{file}");
    }
    let unit = "/usr/lib/systemd/system/edge-cache-agent.service";
    let verify = inside(root, &["systemd-analyze", "verify", unit]).output()?;
    let said = [verify.stdout, verify.stderr].concat();
    assert_eq!(String::from_utf8(said)?, "");
    assert!(verify.status.success());

    // Without an id the agent says what is missing.
    let check = [
        "edge-cache-agent",
        "config",
        "check",
        "--config",
        "/etc/edge-cache/agent.toml",
    ];
    let refused = inside(root, &check).output()?;
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr)?;
    assert!(said.contains("node_id"), "{said}");
    let config = fs::read_to_string(root.join(CONFIG))?;
    fs::write(
        root.join(CONFIG),
        config.replace("# node_id = 1", "node_id = \"name:host-1\""),
    )?;

    // What the unit makes.
    let data = root.join("var/lib/edge-cache");
    fs::create_dir(&data)?;
    fs::set_permissions(&data, fs::Permissions::from_mode(0o700))?;
    std::os::unix::fs::chown(&data, Some(user), None)?;
    let mut launcher = Command::new("chroot");
    launcher.arg("--userspec=edge-cache:edge-cache").arg(root);
    launcher.args([
        "edge-cache-agent",
        "run",
        "--config",
        "/etc/edge-cache/agent.toml",
    ]);
    launcher.args(["--http-listen", "127.0.0.1:0"]);
    serves(launcher).await?;

    run(&mut inside(root, &["dpkg", "--remove", "edge-cache-agent"]))?;
    assert!(!root.join("usr/bin/edge-cache-agent").exists());
    assert!(root.join(CONFIG).is_file() && data.join("registry.redb").is_file());
    fs::write(root.join("etc/edge-cache/gossip.keys"), "of the operator")?;
    run(&mut inside(root, &["dpkg", "--purge", "edge-cache-agent"]))?;
    assert!(!root.join(CONFIG).exists() && !data.exists());
    assert!(root.join("etc/edge-cache/gossip.keys").is_file());
    Ok(())
}
