//! A script of a blob store, whose every crash point a test looks at. Each line names plugins that must be there then.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use edge_cache_distribution::{Artifact, BlobStore, Interface, Proof, Publication, Signature};

/// Plugins of the first half, which all stay.
const KEPT: u8 = 12;
/// Plugins of the second half, for which others go.
const EVICTED: u8 = 12;
const PLUGIN_BYTES: usize = 3_000;
/// The size of a store for all of the first half.
const LARGE: u64 = 1 << 20;
/// The size of a store for four plugins or so.
const SMALL: u64 = 24_000;

fn main() -> Result<()> {
    let folder: PathBuf = std::env::args_os().nth(1).context("no folder")?.into();
    let (mut store, _) = BlobStore::open(&folder, LARGE)?;
    let mut must_stay = Vec::new();
    for number in 0..KEPT {
        // Every third one is put again with other signatures.
        for signatures in [1, 2].into_iter().take(1 + usize::from(number % 3 == 0)) {
            let artifact = artifact(number, signatures)?;
            store.put(&artifact, number.into(), &must_stay)?;
            must_stay.push(artifact.proof.manifest.digest);
            say(&must_stay);
        }
    }
    drop(store);
    let last = must_stay.split_off(must_stay.len().saturating_sub(1));
    // From here on, only the last one must stay.
    say(&last);
    let (mut store, _) = BlobStore::open(&folder, SMALL)?;
    for number in KEPT..KEPT + EVICTED {
        let artifact = artifact(number, 1)?;
        store.put(&artifact, number.into(), &last)?;
        say(&[last.clone(), vec![artifact.proof.manifest.digest]].concat());
        say(&last);
    }
    Ok(())
}

fn say(digests: &[edge_cache_distribution::Digest]) {
    let digests: Vec<_> = digests.iter().map(ToString::to_string).collect();
    println!("{}", digests.join(" "));
}

fn artifact(number: u8, signatures: u8) -> Result<Artifact> {
    let component = vec![number; PLUGIN_BYTES];
    let made = Publication::new(component, &Interface::default(), BTreeMap::new())?;
    let signature = |at| Signature {
        payload: format!("{number} {at} of {signatures}").into(),
        signature: vec![number],
    };
    Ok(Artifact {
        component: made.component,
        config: Some(made.config),
        proof: Proof::new(made.manifest, (0..signatures).map(signature).collect()),
    })
}
