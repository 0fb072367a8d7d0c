//! Files that cost much to compile or to instantiate, and what the limits make of them.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use edge_cache_host::Limits;
use edge_cache_host::sandbox::{CompilerProcess, Plugin, PluginConfig, PluginFile};
use edge_cache_tests::agent::{Agent, binary, compiler};
use edge_cache_tests::component::{reference_bytes, with_section};
use edge_cache_tests::composed::{RELAYS, composed};
use edge_cache_tests::seeds;
use edge_cache_tests::shapes::Shape;
use edge_cache_tests::wait::until;
use insta::assert_snapshot;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};

use super::{check_memory, instance, watch_memory};
use crate::gossip_node::Node;

const MIB: usize = 1024 * 1024;
/// Maximum time for a child process to end after it was killed.
const ENDED_WITHIN: Duration = Duration::from_secs(10);
/// Resident memory that an agent may have at its peak.
const AGENT_KIB_MAX: u64 = 400 * 1024;

/// A module with many globals, instantiated often: less than a megabyte that would take gigabytes.
fn many_globals() -> Result<Vec<u8>> {
    let shape = Shape {
        globals: 100_000,
        instances: 900,
        ..Shape::default()
    };
    shape.beside(reference_bytes()?)
}

/// Some megabytes of types of objects, each another one, or of exports: hundreds of megabytes without an instance.
fn many_definitions() -> Result<[Vec<u8>; 2]> {
    let types = Shape {
        structs: 100_000,
        ..Shape::default()
    };
    let exports = Shape {
        exports: 1_000_000,
        ..Shape::default()
    };
    Ok([
        types.beside(reference_bytes()?)?,
        exports.beside(reference_bytes()?)?,
    ])
}

/// Some kilobytes of loops in loops, which compile for more than a minute.
fn nested_loops() -> Result<Vec<u8>> {
    let shape = Shape {
        depth: 10_000,
        ..Shape::default()
    };
    shape.beside(reference_bytes()?)
}

/// A function whose code needs much memory to compile.
fn long_function() -> Result<Vec<u8>> {
    let shape = Shape {
        additions: 400_000,
        ..Shape::default()
    };
    shape.beside(reference_bytes()?)
}

fn limits() -> Limits {
    Limits {
        compile_deadline: Duration::from_secs(2),
        ..Limits::default()
    }
}

async fn load(bytes: Vec<u8>, limits: Limits) -> Result<Plugin> {
    load_with(bytes, limits, &compiler()?).await
}

async fn load_with(bytes: Vec<u8>, limits: Limits, compiler: &CompilerProcess) -> Result<Plugin> {
    let config = PluginConfig {
        limits,
        ..PluginConfig::default()
    };
    let file = PluginFile::new("hostile", bytes);
    Ok(Plugin::load_in_child(file, config, compiler).await?)
}

async fn refusal(bytes: Vec<u8>, limits: Limits) -> Result<String> {
    watch_memory()?;
    let refusal = load(bytes, limits).await.err().context("it was loaded")?;
    check_memory()?;
    Ok(format!("{refusal:#}"))
}

#[tokio::test]
async fn what_costs_too_much_is_refused_by_the_name_of_its_limit() -> Result<()> {
    // The number of bytes depends on the reference plugin.
    let [types, exports] = many_definitions()?;
    for (file, begin) in [(many_globals()?, "28"), (types, "17"), (exports, "14")] {
        let refusal = refusal(file, limits()).await?;
        let begin = format!("an instance of the plugin takes {begin}");
        assert!(refusal.starts_with(&begin), "{refusal}");
        let end = "more than 16777216, the limit `instance_bytes`";
        assert!(refusal.ends_with(end), "{refusal}");
    }
    let begun = Instant::now();
    assert_snapshot!(refusal(nested_loops()?, limits()).await?, @"the plugin takes longer than 2000 ms to be compiled, the limit `compile_deadline`");
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    let little = Limits {
        compile_memory: 64 * MIB,
        ..Limits::default()
    };
    assert_snapshot!(refusal(long_function()?, little).await?, @"the plugin needs more than 67108864 bytes to be compiled, the limit `compile_memory`");
    let short = Limits {
        compiled_bytes: 1_000,
        ..Limits::default()
    };
    assert_snapshot!(refusal(reference_bytes()?.to_vec(), short).await?, @"the plugin compiled to more than 1000 bytes, the limit `compiled_bytes`");
    no_child_is_left().await;
    load(reference_bytes()?.to_vec(), Limits::default()).await?;
    Ok(())
}

#[tokio::test]
async fn a_compiler_that_cannot_start_or_crashes_is_an_error() -> Result<()> {
    let missing = CompilerProcess::new("/not/there", ["compile"]);
    let refusal = load_with(reference_bytes()?.to_vec(), limits(), &missing)
        .await
        .unwrap_err();
    assert_snapshot!(refusal, @"the compiler failed: /not/there did not start: No such file or directory (os error 2)");
    let mut told = String::new();
    for signal in ["ABRT", "KILL"] {
        let script = format!("kill -{signal} $$");
        let crash = CompilerProcess::new("/bin/sh", ["-c", &script]);
        let refusal = load_with(reference_bytes()?.to_vec(), limits(), &crash)
            .await
            .unwrap_err();
        writeln!(told, "{refusal}")?;
    }
    assert_snapshot!(told, @r"
    the compiler failed: it ended by signal: 6 (SIGABRT)
    the compiler failed: it was killed, as the kernel does where memory is short: give the agent more memory
    ");
    Ok(())
}

#[tokio::test]
async fn a_caller_who_goes_away_ends_its_compiler() -> Result<()> {
    let compiler = compiler()?;
    let loading = load_with(nested_loops()?, Limits::default(), &compiler);
    let loading = tokio::time::timeout(Duration::from_secs(1), loading);
    assert!(loading.await.is_err());
    no_child_is_left().await;
    // The next one has its turn.
    load_with(reference_bytes()?.to_vec(), limits(), &compiler).await?;
    Ok(())
}

/// Waits until this process has no child that compiles.
async fn no_child_is_left() {
    until("the end of the compiler", ENDED_WITHIN, async || {
        let children = compilers_of(std::process::id());
        children.is_empty().then_some(()).ok_or(children)
    })
    .await;
}

/// Returns the children of a process that compile.
fn compilers_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = processes.filter_map(|process| process.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        let read = |file: &str| std::fs::read_to_string(format!("/proc/{id}/{file}"));
        let status = read("status").unwrap_or_default();
        let is_child = status.contains(&format!("PPid:\t{parent}\n"));
        is_child
            && read("cmdline")
                .unwrap_or_default()
                .contains("compile-plugin")
    })
    .collect()
}

/// An agent to which somebody uploads the worst files goes on as if nothing were.
#[tokio::test(flavor = "multi_thread")]
async fn an_agent_serves_others_while_it_compiles() -> Result<()> {
    let agent = Agent::start(&[
        "--node-id",
        "1",
        "--allow-local-admin",
        "--limits-compile-deadline",
        "5s",
    ])
    .await?;
    let agent_id = agent.process_id()?;
    let upload = |bytes: Vec<u8>| {
        let request = agent.request(Method::PUT, "/api/v1/plugin");
        request
            .header(CONTENT_TYPE, "application/wasm")
            .body(bytes)
            .send()
    };
    let bomb = tokio::spawn(upload(nested_loops()?));
    until("the compiler", ENDED_WITHIN, async || {
        let children = compilers_of(agent_id);
        (!children.is_empty()).then_some(()).ok_or(children)
    })
    .await;
    // Another upload waits for its turn, and reads do not wait.
    let normal = with_section(reference_bytes()?, "note", b"another");
    let normal = tokio::spawn(upload(normal));
    let mut reads = 0;
    while !bomb.is_finished() {
        let begun = Instant::now();
        let read = agent
            .request(Method::GET, "/api/v1/edge-cache/nodes")
            .send()
            .await?;
        ensure!(read.status() == StatusCode::OK, "{read:?}");
        ensure!(
            begun.elapsed() < Duration::from_secs(1),
            "{:?}",
            begun.elapsed()
        );
        reads += 1;
    }
    ensure!(
        reads > 100,
        "only {reads} reads in the time of one compilation"
    );
    let bomb = bomb.await??;
    ensure!(
        bomb.status() == StatusCode::UNPROCESSABLE_ENTITY,
        "{bomb:?}"
    );
    let bomb = bomb.text().await?;
    ensure!(bomb.contains("the limit `compile_deadline`"), "{bomb}");
    let normal = normal.await??;
    ensure!(normal.status() == StatusCode::OK, "{normal:?}");

    // A client that goes away ends its compiler.
    let bomb = tokio::time::timeout(Duration::from_secs(1), upload(nested_loops()?));
    ensure!(bomb.await.is_err(), "it was answered");
    until("the end of the compiler", ENDED_WITHIN, async || {
        let children = compilers_of(agent_id);
        children.is_empty().then_some(()).ok_or(children)
    })
    .await;
    let globals = upload(many_globals()?).await?.text().await?;
    ensure!(globals.contains("the limit `instance_bytes`"), "{globals}");
    let status = std::fs::read_to_string(format!("/proc/{agent_id}/status"))?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let peak = peak
        .and_then(|peak| peak.trim().strip_suffix(" kB"))
        .context("no peak")?;
    ensure!(peak.trim().parse::<u64>()? < AGENT_KIB_MAX, "{peak} KiB");
    Ok(())
}

/// Files of random shapes are loaded or refused within the limits, and instances of them stay within theirs.
#[tokio::test]
async fn no_random_shape_takes_more_than_the_limits() -> Result<()> {
    const SEED: u64 = 1;
    let limits = Limits {
        load_deadline: Duration::from_secs(2),
        // This process reads the code of each, and compares its memory with what other tests leave.
        compiled_bytes: 16 * MIB,
        ..limits()
    };
    let compiler = compiler()?;
    let (mut refused, mut longest) = (BTreeMap::<String, u32>::new(), Duration::ZERO);
    for seed in seeds(SEED, 12, 500) {
        let shape = Shape::random(seed);
        let bytes = shape.beside(reference_bytes()?)?;
        watch_memory()?;
        let begun = Instant::now();
        let loaded = load_with(bytes, limits.clone(), &compiler).await;
        let loaded = loaded.map(|plugin| instance(&plugin).map(drop));
        let allowed = limits.compile_deadline + limits.load_deadline + Duration::from_secs(8);
        ensure!(
            begun.elapsed() < allowed,
            "seed {seed}: {:?}",
            begun.elapsed()
        );
        check_memory().with_context(|| format!("seed {seed}: {shape:?}: {loaded:?}"))?;
        longest = longest.max(begun.elapsed());
        let limit = match loaded.and_then(|started| started) {
            Ok(()) => "none".to_string(),
            Err(error) => {
                let error = format!("{error:#}");
                ensure!(error.contains("limit"), "seed {seed}: {error}");
                let limit = error.rsplit_once("the limit `");
                let limit = limit.map(|(_, limit)| limit.trim_end_matches('`'));
                limit.unwrap_or("of WebAssembly itself").to_string()
            }
        };
        *refused.entry(limit).or_default() += 1;
    }
    no_child_is_left().await;
    println!("the longest took {longest:?}; files by the limit that they exceed: {refused:?}");
    Ok(())
}

/// The places where a plugin is compiled and checked: little address space, a foreign user, little memory.
#[test]
fn the_compiler_works_in_small_places() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let files = [
        directory.path().join("plugin.wasm"),
        directory.path().join("composed.wasm"),
    ];
    std::fs::write(&files[0], reference_bytes()?)?;
    std::fs::write(&files[1], composed(reference_bytes()?, RELAYS)?)?;
    std::fs::set_permissions(directory.path(), Permissions::from_mode(0o755))?;
    // Where any user may run it.
    let agent = directory.path().join("agent");
    std::fs::copy(binary()?, &agent)?;
    let group = small_group()?;
    let within_group = group.as_ref().map(|group| {
        let tasks = group.path.join("cgroup.procs");
        format!("echo $$ > {}; exec \"$0\" \"$@\"", tasks.display())
    });
    let mut launchers = vec![vec!["sh", "-c", "ulimit -v 3000000; exec \"$0\" \"$@\""]];
    let user = [
        "setpriv",
        "--reuid",
        "54321",
        "--regid",
        "54321",
        "--clear-groups",
    ];
    if rustix::process::geteuid().is_root() {
        launchers.push(user.to_vec());
    } else {
        println!("skipped: another user, since this one is not root");
    }
    match &within_group {
        Some(script) => launchers.push(vec!["sh", "-c", script]),
        None => println!("skipped: a control group, since none can be made here"),
    }
    let runs = launchers
        .iter()
        .flat_map(|launcher| files.iter().map(move |file| (launcher, file)));
    for (launcher, file) in runs {
        let [program, arguments @ ..] = &launcher[..] else {
            continue;
        };
        let output = Command::new(program)
            .args(arguments)
            .arg(&agent)
            .args(["plugin", "check"])
            .arg(file)
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(output.status.success(), "{launcher:?}: {said}{output:?}");
        ensure!(said.contains(" 0 FAILED"), "{launcher:?}: {said}");
    }
    Ok(())
}

/// A data directory from which no program may run holds compiled code all the same.
#[tokio::test]
async fn compiled_code_needs_no_directory_of_programs() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mount = directory.path().join("mount");
    std::fs::create_dir(&mount)?;
    let mount = mount.to_str().context("no text")?;
    let script = format!("mount -t tmpfs -o noexec,mode=0700 tmpfs {mount} && exec \"$0\" \"$@\"");
    let launcher = ["unshare", "--mount", "sh", "-c", &script];
    let can_mount = Command::new(launcher[0])
        .args(&launcher[1..])
        .arg("true")
        .output();
    if !can_mount.is_ok_and(|output| output.status.success()) {
        println!("skipped: no file system can be mounted here");
        return Ok(());
    }
    let plugin = directory.path().join("plugin.wasm");
    std::fs::write(&plugin, reference_bytes()?)?;
    let (data, plugin) = (format!("{mount}/data"), plugin.to_str().context("no text")?);
    let arguments = [
        "--gossip-listen",
        "127.0.0.1:0",
        "--data-dir",
        &data,
        "--plugin",
        plugin,
    ];
    let node = Node::start_with(&launcher, 1, &arguments).await?;
    until("a plugin that runs", ENDED_WITHIN, async || {
        let plugin = node.ask(Method::GET, "/api/v1/plugin", None).await;
        (plugin.body["state"] == "running")
            .then_some(())
            .ok_or(plugin)
    })
    .await;
    Ok(())
}

/// A control group with 512 MiB. It is removed when this is dropped.
struct Group {
    path: PathBuf,
}

impl Drop for Group {
    fn drop(&mut self) {
        // Its processes have ended.
        let _ = std::fs::remove_dir(&self.path);
    }
}

/// Makes a group where this machine allows that.
fn small_group() -> Result<Option<Group>> {
    let name = format!("edge-cache-test-{}", std::process::id());
    for (root, file) in [
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes"),
        ("/sys/fs/cgroup", "memory.max"),
    ] {
        let path = Path::new(root).join(&name);
        let is_memory = Path::new(root).join("cgroup.procs").exists();
        if !is_memory || std::fs::create_dir(&path).is_err() {
            continue;
        }
        let group = Group { path };
        if std::fs::write(group.path.join(file), "536870912").is_ok() {
            return Ok(Some(group));
        }
    }
    Ok(None)
}
