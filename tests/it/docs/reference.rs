//! The reference pages of the WIT packages, made of their files by the generator that WASI's pages come from.

use anyhow::{Context, Result};
use wit_bindgen_core::Files;
use wit_parser::{Resolve, WorldItem};

use super::pages::{keep, path};

/// Each page with its package and world. The second package uses the first.
const REFERENCES: [(&str, &str, &str); 2] = [
    ("wit/reference.md", "wit", "edge-cache-plugin"),
    ("wit/policy/reference.md", "wit/policy", "edge-cache-policy"),
];

#[test]
fn generated_references_are_up_to_date() -> Result<()> {
    let mut resolve = Resolve::default();
    for (page, folder, world) in REFERENCES {
        let (package, _) = resolve.push_dir(path(folder))?;
        let world = resolve.select_world(&[package], Some(world))?;
        let mut files = Files::default();
        let mut generator = wit_bindgen_markdown::Opts::default().build();
        generator.generate(&mut resolve, world, &mut files)?;
        let world = &resolve.worlds[world];
        let (_, text) = files
            .iter()
            .find(|(name, _)| name.ends_with(".md"))
            .context("a page is generated")?;
        let mut text = String::from_utf8(text.to_vec())?;
        // The generator leaves out what exported interfaces say of themselves.
        for (key, item) in &world.exports {
            let WorldItem::Interface { id, .. } = item else {
                continue;
            };
            let heading = format!("Export interface {}\n", resolve.name_world_key(key));
            let docs = &resolve.interfaces[*id].docs.contents;
            let docs = docs.as_deref().context("an interface has docs")?;
            text = text.replace(&heading, &format!("{heading}\n{docs}\n"));
        }
        keep(page, &text)?;
    }
    Ok(())
}
