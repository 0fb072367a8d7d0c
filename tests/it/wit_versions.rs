//! The contract from release to release.
//!
//! Every released version is kept under `tests/wit/`, as it was. Within one track (0.1) a host and a
//! component of different versions must fit: only imports may grow, and exports stay as they are. What
//! breaks that needs the next track.

mod later_host;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use edge_cache_host::sandbox::{Plugin, PluginConfig};
use edge_cache_host::{EdgeCacheRegistry, EdgeCacheStats, NodeCapacity};
use edge_cache_tests::component;
use edge_cache_tests::dummy::{OUR_WIT, dummy_with, edited};
use insta::assert_snapshot;
use wit_component::semver_check;
use wit_parser::{PackageId, Resolve, WorldId, WorldItem};

const RELEASED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wit");
const FIRST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/wit/0.1.0");
/// The folder of the package for policies within `wit/` and each release.
const POLICY: &str = "policy";
/// The worlds of a release, with the folder of their package.
const WORLDS: [(&str, &str); 3] = [
    ("", "edge-cache-plugin"),
    (POLICY, "edge-cache-policy"),
    (POLICY, "composable-plugin"),
];
/// Added to the major version of what is compared, so that no package has the name of another.
const APART: u64 = 1_000;

/// An edit of one file of the package: what is replaced, and by what.
type Edit = (&'static str, &'static str, &'static str);

/// Additions of an invented 0.1.1: a function and an interface, both imported.
const ADDED: &[Edit] = &[
    (
        "gossip-labels.wit",
        "  publish: func(",
        "  published: func(node: node-id) -> list<label>;\n\n  @since(version = 0.1.0)\n  publish: func(",
    ),
    (
        "world.wit",
        "  @since(version = 0.1.0)\n  export registry;",
        "  @since(version = 0.1.1)\n  import notices;\n\n  @since(version = 0.1.0)\n  export registry;",
    ),
    (
        "world.wit",
        "/// A registry of edge-cache nodes, as a component.",
        "@since(version = 0.1.1)\ninterface notices {\n  @since(version = 0.1.1)\n  notify: func(text: string);\n}\n\n/// A registry.",
    ),
];

/// Incompatible changes.
const BREAKING: &[(&str, Edit)] = &[
    (
        "a field added to a record",
        (
            "types.wit",
            "    misses: u64,",
            "    misses: u64,\n    evictions: u64,",
        ),
    ),
    (
        "the type of a field changed",
        ("types.wit", "    cpu-cores: u32,", "    cpu-cores: u64,"),
    ),
    (
        "a case added to a variant",
        (
            "types.wit",
            "    invalid-capacity(string),",
            "    invalid-capacity(string),\n    busy,",
        ),
    ),
    (
        "a function added to an exported interface",
        (
            "state.wit",
            "  load: func(",
            "  clear: func();\n\n  @since(version = 0.1.0)\n  load: func(",
        ),
    ),
    (
        "a function taken out of an exported interface",
        (
            "registry.wit",
            "  is-enabled: func(node-id: node-id) -> bool;",
            "  type nothing = u8;",
        ),
    ),
    (
        "an exported function with another result",
        (
            "registry.wit",
            "is-enabled: func(node-id: node-id) -> bool",
            "is-enabled: func(node-id: node-id) -> u8",
        ),
    ),
    (
        "an exported function under another name",
        ("placement.wit", "  assess: func(", "  judge: func("),
    ),
    (
        "an exported interface taken out",
        (
            "world.wit",
            "  @since(version = 0.1.0)\n  export placement;\n",
            "",
        ),
    ),
    (
        "an imported function under another name",
        ("gossip-labels.wit", "  publish: func(", "  announce: func("),
    ),
    (
        "an imported function with another parameter",
        (
            "gossip-labels.wit",
            "publish: func(node: node-id, ",
            "publish: func(",
        ),
    ),
    (
        "an import taken out",
        (
            "world.wit",
            "  @since(version = 0.1.0)\n  import wasi:logging/logging;\n",
            "",
        ),
    ),
    (
        "a record of WASI changed",
        (
            "deps/clocks.wit",
            "    nanoseconds: u32,",
            "    nanoseconds: u64,",
        ),
    ),
    (
        "a function taken out of a policy",
        (
            "policy/policy.wit",
            "  admit: func(node-id: node-id, capacity: node-capacity) -> result<node-capacity, string>;",
            "  type nothing = u8;",
        ),
    ),
    (
        "a function of a policy under another name",
        ("policy/policy.wit", "  assess: func(", "  judge: func("),
    ),
    (
        "a function of a policy with another result",
        (
            "policy/policy.wit",
            "result<node-capacity, string>",
            "option<node-capacity>",
        ),
    ),
    (
        "a field taken out of a record of a policy",
        ("policy/policy.wit", "    geo: option<string>,\n", ""),
    ),
    (
        "the export of a policy taken out",
        (
            "policy/world.wit",
            "  @since(version = 0.1.0)\n  export policy;\n",
            "",
        ),
    ),
    (
        "an import of a policy taken out",
        (
            "policy/world.wit",
            "  @since(version = 0.1.0)\n  import wasi:logging/logging;\n",
            "",
        ),
    ),
    (
        "the policy taken out of the composable plugin",
        (
            "policy/composable.wit",
            "  @since(version = 0.1.0)\n  import policy;\n",
            "",
        ),
    ),
];

#[test]
fn the_contract_fits_every_released_version_of_its_track() -> Result<()> {
    let mut versions = Vec::new();
    for folder in fs::read_dir(RELEASED)? {
        let folder = folder?;
        let version = Contract::read(&folder.path(), WORLDS[0])?.version()?;
        assert_eq!(folder.file_name().to_string_lossy(), version);
        check(&folder.path(), Path::new(OUR_WIT)).with_context(|| {
            format!(
                "`wit/` does not fit the released {version}: undo the change, or raise the version in its \
                 package lines"
            )
        })?;
        versions.push(version);
    }
    assert!(versions.contains(&"0.1.0".to_string()), "{versions:?}");
    Ok(())
}

#[test]
fn a_change_that_breaks_is_found() -> Result<()> {
    for &(what, edit) in BREAKING {
        for version in ["0.1.0", "0.1.1"] {
            let broken = contract(&[edit], version)?;
            let Err(error) = check(Path::new(FIRST), broken.path()) else {
                panic!("{what}, {version}: it was not found");
            };
            println!("{what}, {version}: {error:#}");
        }
        // It is the change that was found, not a package that can't be read.
        let next = contract(&[edit], "0.2.0")?;
        check(Path::new(FIRST), next.path()).context(what)?;
    }
    Ok(())
}

#[test]
fn what_grows_needs_a_version_of_its_own() -> Result<()> {
    for edit in [&ADDED[..1], &ADDED[1..], ADDED] {
        let later = contract(edit, "0.1.1")?;
        check(Path::new(FIRST), later.path())?;
        check(later.path(), Path::new(FIRST)).unwrap_err();
        let same = contract(edit, "0.1.0")?;
        check(Path::new(FIRST), same.path()).unwrap_err();
    }
    // A comment may be made clearer.
    let comment = (
        "world.wit",
        "where it finds nothing",
        "where it finds nothing at all",
    );
    let same = contract(&[comment], "0.1.0")?;
    check(Path::new(FIRST), same.path())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_of_the_first_release_runs_here() -> Result<()> {
    let plugin = Plugin::from_bytes(&released()?, PluginConfig::default())?;
    let import = "zlayer:edge-cache/gossip-labels@0.1.0".to_string();
    assert!(plugin.imports().contains(&import), "{:?}", plugin.imports());
    let registry = EdgeCacheRegistry::builder(plugin).start().await?;
    let capacity = NodeCapacity {
        cpu_cores: 8,
        ram_mib: 16_384,
        disk_mib: 512_000,
        geo: None,
    };
    registry.enable(7, capacity).await?;
    let delta = EdgeCacheStats { hits: 2, misses: 1 };
    assert_eq!(registry.add_stats(7, delta).await?, delta);
    assert!(registry.is_enabled(7));
    registry.disable(7).await?;
    assert!(registry.list_eligible().is_empty());
    registry.shutdown().await;
    Ok(())
}

#[test]
fn a_component_of_the_first_release_runs_on_a_later_host() -> Result<()> {
    let published = later_host::enable(&released()?, "0.1.1").map_err(|error| {
        anyhow::anyhow!("a component of 0.1.0 does not run on a host of 0.1.1: {error:?}")
    })?;
    assert_snapshot!(published.join("\n"), @r#"7: [Record([("key", String("edge_cache")), ("value", String("true"))])]"#);
    // The next track is another contract.
    let error = later_host::enable(&released()?, "0.2.0").unwrap_err();
    assert_snapshot!(error, @"component imports instance `zlayer:edge-cache/gossip-labels@0.1.0`, but a matching implementation was not found in the linker");
    Ok(())
}

#[test]
fn a_component_that_needs_a_later_host_is_refused_with_what_it_needs() -> Result<()> {
    let component = dummy_with(|text| {
        ADDED
            .iter()
            .fold(raised(text, "0.1.1"), |text, (_, from, to)| {
                text.replace(from, to)
            })
    })?;
    let refusal = match Plugin::from_bytes(&component, PluginConfig::default()) {
        Ok(plugin) => bail!("it was accepted: {plugin:?}"),
        Err(error) => error.to_string(),
    };
    assert_snapshot!(refusal, @"the plugin is not of the world zlayer:edge-cache/edge-cache-plugin@0.1.0: it imports `zlayer:edge-cache/gossip-labels@0.1.1#published`, which a host of 0.1.0 does not have; it may need a later one; it imports `zlayer:edge-cache/notices@0.1.1`, which a host of 0.1.0 does not have; it may need a later one");
    Ok(())
}

/// The guest that is built against the frozen 0.1.0.
fn released() -> Result<Vec<u8>> {
    Ok(fs::read(component::released()?)?)
}

/// The released contract after these edits, as another version.
fn contract(edits: &[Edit], version: &str) -> Result<tempfile::TempDir> {
    let copy = edited(Path::new(FIRST), |text| raised(text, version))?;
    for (file, from, to) in edits {
        let path = copy.path().join(file);
        let text = fs::read_to_string(&path)?;
        ensure!(text.contains(from), "{file} does not hold {from:?}");
        fs::write(&path, text.replacen(from, to, 1))?;
    }
    Ok(copy)
}

/// Raises our packages where they are declared and used.
fn raised(text: &str, version: &str) -> String {
    text.replace("@0.1.0", &format!("@{version}"))
}

/// A world of ours, with the packages that it depends on.
struct Contract {
    resolve: Resolve,
    package: PackageId,
    world: WorldId,
    folder: PathBuf,
}

impl Contract {
    fn read(release: &Path, (folder, world): (&str, &str)) -> Result<Self> {
        let mut resolve = Resolve::default();
        let (mut package, _) = resolve.push_dir(release)?;
        if folder == POLICY {
            (package, _) = resolve.push_dir(release.join(folder))?;
        }
        let world = resolve.select_world(&[package], Some(world))?;
        Ok(Self {
            resolve,
            package,
            world,
            folder: release.join(folder),
        })
    }

    fn version(&self) -> Result<String> {
        let name = &self.resolve.packages[self.package].name;
        let version = name.version.as_ref().context("a package has a version")?;
        Ok(version.to_string())
    }

    /// Within which versions must fit each other.
    fn track(&self) -> Result<String> {
        let version = self.version()?;
        let (track, _) = version.rsplit_once('.').context("a version has a patch")?;
        Ok(track.to_string())
    }

    /// The functions that a component exports, with their interfaces.
    fn exports(&self) -> Result<BTreeSet<String>> {
        let world = &self.resolve.worlds[self.world];
        let mut names = BTreeSet::new();
        for item in world.exports.values() {
            let WorldItem::Interface { id, .. } = item else {
                bail!("the world exports interfaces only");
            };
            let interface = &self.resolve.interfaces[*id];
            let name = interface.name.as_deref().unwrap_or_default();
            names.extend(
                interface
                    .functions
                    .keys()
                    .map(|func| format!("{name}#{func}")),
            );
        }
        Ok(names)
    }
}

/// Checks that a later contract keeps the promises of a released one.
fn check(released: &Path, later: &Path) -> Result<()> {
    for world in WORLDS {
        check_world(released, later, world)?;
    }
    Ok(())
}

fn check_world(released: &Path, later: &Path, world: (&str, &str)) -> Result<()> {
    let old = Contract::read(released, world)?;
    let new = Contract::read(later, world)?;
    if old.track()? != new.track()? {
        return Ok(());
    }
    // The check below finds functions that are new, but lets a host ask for less.
    let (before, after) = (old.exports()?, new.exports()?);
    let changed: Vec<_> = before.symmetric_difference(&after).collect();
    ensure!(
        changed.is_empty(),
        "the exports may not change, and {changed:?} came or went"
    );
    let same = old.version()? == new.version()?;
    runs_on(old, new)?;
    if same {
        // Nothing was added either.
        runs_on(
            Contract::read(later, world)?,
            Contract::read(released, world)?,
        )?;
    }
    Ok(())
}

/// Checks that plugins of one contract run on hosts of another.
fn runs_on(component: Contract, mut host: Contract) -> Result<()> {
    let world = component.world;
    let name = host.resolve.worlds[host.world].name.clone();
    // Packages of one name would be merged.
    let version = host.resolve.packages[host.package].name.version.clone();
    let mut version = version.context("a package has a version")?;
    version.major += APART;
    for (_, package) in host.resolve.packages.iter_mut() {
        package.name.version = Some(version.clone());
    }
    host.resolve.package_names = host
        .resolve
        .packages
        .iter()
        .map(|(id, package)| (package.name.clone(), id))
        .collect();
    let ours = host.resolve.packages[host.package].name.clone();
    let mut resolve = component.resolve;
    resolve.merge(host.resolve)?;
    let host_world = resolve
        .packages
        .iter()
        .find(|(_, package)| package.name == ours)
        .and_then(|(_, package)| package.worlds.get(&name))
        .context("the world is there after the merge")?;
    ensure!(
        *host_world != world,
        "a world can't be compared with itself"
    );
    let host_world = *host_world;
    semver_check(resolve, world, host_world).with_context(|| {
        format!(
            "{} on {}",
            component.folder.display(),
            host.folder.display()
        )
    })
}
