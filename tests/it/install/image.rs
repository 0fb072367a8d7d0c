//! The OCI image.

use std::os::unix::fs::chown;
use std::process::Command;

use anyhow::Result;
use edge_cache_tests::debian::{SKOPEO, UMOCI};
use serde_json::Value;

use super::{built, run, serves};

/// Binds a root read-only to itself, binds a folder for data into it, and runs the rest as a user that nobody knows.
const CONFINED: &str = "
    mount --bind \"$1\" \"$1\"
    mount -o remount,ro,bind \"$1\"
    mount --bind \"$2\" \"$1/var/lib/edge-cache\"
    root=$1
    shift 2
    exec chroot --userspec=4711:4712 \"$root\" \"$@\"";

#[tokio::test]
async fn the_image_runs_as_any_user_with_a_read_only_root() -> Result<()> {
    let (Some(out), Some(umoci)) = (built()?, UMOCI.program()) else {
        return Ok(());
    };
    let image = format!(
        "{}:{}",
        out.join("image").display(),
        env!("CARGO_PKG_VERSION")
    );
    let Some(skopeo) = SKOPEO.program() else {
        return Ok(());
    };
    let inspect = ["inspect", "--config", &format!("oci:{image}")];
    let config: Value = serde_json::from_str(&run(Command::new(skopeo).args(inspect))?)?;
    assert_eq!(config["config"]["User"], "65532:65532");
    assert_eq!(config["config"]["Cmd"][0], "run");
    let entrypoint = config["config"]["Entrypoint"][0].as_str();
    let entrypoint = entrypoint.unwrap_or_default().to_string();

    let folder = tempfile::tempdir()?;
    let (bundle, data) = (folder.path().join("bundle"), folder.path().join("data"));
    run(Command::new(umoci)
        .args(["unpack", "--image", &image])
        .arg(&bundle))?;
    let roots = std::fs::read_to_string(bundle.join("rootfs/etc/ssl/certs/ca-certificates.crt"))?;
    assert!(roots.matches("BEGIN CERTIFICATE").count() > 50);
    std::fs::create_dir(&data)?;
    chown(&data, Some(4711), Some(4712))?;
    let mut launcher = Command::new("unshare");
    launcher.args(["--mount", "sh", "-euc", CONFINED, "sh"]);
    launcher
        .arg(bundle.join("rootfs"))
        .arg(&data)
        .arg(entrypoint);
    launcher.args([
        "run",
        "--node-id",
        "name:a",
        "--data-dir",
        "/var/lib/edge-cache",
    ]);
    launcher.args(["--http-listen", "127.0.0.1:0"]);
    serves(launcher).await?;
    assert!(data.join("registry.redb").is_file());
    Ok(())
}
