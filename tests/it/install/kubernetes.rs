//! The manifest for Kubernetes: the variables and the secret of a pod start an agent.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use edge_cache_tests::agent::{binary, run_to_end};
use serde_json::Value;

use super::{PACKAGE, is_root, serves};

/// The address of the pod.
const POD_IP: &str = "127.0.0.1";
/// The port that the test replaces by a free one: it is taken where agents run already.
const PORTS: [&str; 2] = [":7946", ":7948"];

/// Returns the specification of the pods.
fn pod() -> Result<Value> {
    let text = fs::read_to_string(format!("{PACKAGE}/kubernetes.yaml"))?;
    // Kubernetes reads YAML 1.1, whose numbers with a leading zero are octal.
    let options = serde_saphyr::options! { legacy_octal_numbers: true };
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(&text, options)?;
    let is_set = |document: &&Value| document["kind"] == "DaemonSet";
    let set = documents.iter().find(is_set).context("no DaemonSet")?;
    Ok(set["spec"]["template"]["spec"].clone())
}

/// Returns the variables of the agent's container, as the kubelet sets them on a node.
fn variables(container: &Value, node: &str) -> Result<BTreeMap<String, String>> {
    let mut variables = BTreeMap::new();
    for variable in container["env"].as_array().context("no variables")? {
        let name = variable["name"].as_str().context("no name")?;
        let value = match variable["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            Some("spec.nodeName") => node.to_string(),
            Some("status.podIP") => POD_IP.to_string(),
            Some(other) => anyhow::bail!("{other} is not known here"),
            None => {
                let value = variable["value"].as_str().context("no text")?;
                let known = variables.iter();
                known.fold(
                    value.to_string(),
                    |value, (name, known): (&String, &String)| {
                        value.replace(&format!("$({name})"), known)
                    },
                )
            }
        };
        variables.insert(name.to_string(), value);
    }
    Ok(variables)
}

/// Writes a secret as the kubelet mounts it: links to files of root, with the mode and the group of the pod.
fn mount_secret(folder: &Path, secret: &[(&str, &str)], mode: u32, group: u32) -> Result<()> {
    fs::create_dir_all(folder.join("..data"))?;
    for (name, text) in secret {
        let file = folder.join("..data").join(name);
        fs::write(&file, text)?;
        chown(&file, Some(0), Some(group))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(mode))?;
        symlink(Path::new("..data").join(name), folder.join(name))?;
    }
    Ok(())
}

#[tokio::test]
async fn a_pod_of_the_manifest_serves() -> Result<()> {
    if !is_root() {
        return Ok(());
    }
    let pod = pod()?;
    let container = &pod["containers"][0];
    let number = |value: &Value| value.as_u64().and_then(|it| u32::try_from(it).ok());
    let group = number(&pod["securityContext"]["fsGroup"]).context("no group")?;
    let user = number(&pod["securityContext"]["runAsUser"]).context("no user")?;
    let secret = &pod["volumes"].as_array().context("no volumes")?[1]["secret"];
    let mode = number(&secret["defaultMode"]).context("no mode")?;
    assert_eq!(mode, 0o440);

    let folder = tempfile::tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755))?;
    let (secrets, data) = (folder.path().join("secrets"), folder.path().join("data"));
    let key = run_to_end(&["gossip", "keygen"]).await?.stdout;
    let token = run_to_end(&["token", "new", "--name", "ops", "--role", "admin"])
        .await?
        .stdout;
    let (_, line) = token.split_once("line=").context("no line")?;
    mount_secret(
        &secrets,
        &[("gossip.keys", &key), ("api.tokens", line)],
        mode,
        group,
    )?;
    // As the kubelet makes it, for root; then the init container runs.
    fs::create_dir(&data)?;
    let init = &pod["initContainers"][0];
    assert_eq!(init["image"], container["image"]);
    let words = init["args"].as_array().context("no arguments")?;
    let words = words.iter().filter_map(Value::as_str);
    let words: Vec<_> = words
        .map(|word| word.replace("/var/lib/edge-cache", &data.display().to_string()))
        .collect();
    let made = run_to_end(&words.iter().map(String::as_str).collect::<Vec<_>>()).await?;
    assert_eq!(made.code, Some(0), "{made:?}");
    let mut variables = variables(container, "worker-1.example")?;
    for value in variables.values_mut() {
        *value = value.replace("/etc/edge-cache", secrets.to_str().context("a path")?);
        *value = value.replace("/var/lib/edge-cache", data.to_str().context("a path")?);
        for port in PORTS {
            *value = value.replace(&format!("{POD_IP}{port}"), &format!("{POD_IP}:0"));
        }
    }
    // No cluster answers for its name here.
    variables
        .remove("EDGE_CACHE_GOSSIP_SEED")
        .context("no seed")?;
    let mut launcher = Command::new("setpriv");
    launcher.args([format!("--reuid={user}"), format!("--regid={group}")]);
    // The folder of the build may be closed to other users.
    let agent = folder.path().join("edge-cache-agent");
    fs::copy(binary()?, &agent)?;
    launcher.arg("--clear-groups").arg(agent).envs(&variables);
    let args = container["args"].as_array().context("no arguments")?;
    launcher.args(args.iter().filter_map(Value::as_str));
    launcher.args(["--http-listen", "127.0.0.1:0"]);
    serves(launcher).await?;
    assert!(data.join("registry.redb").is_file());
    Ok(())
}
