//! The modules of a crate: where each is, what it defines, and the paths in it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use syn::{Attribute, Item, ItemMod, Visibility};

use super::tokens::{self, Named};

/// A module of a crate, inline or in a file of its own.
#[derive(Debug, Default)]
pub(super) struct Module {
    /// The file that the module is written in.
    pub(super) file: PathBuf,
    /// The index of the parent; none for the crate's root.
    pub(super) parent: Option<usize>,
    /// The indices of the child modules.
    pub(super) children: BTreeMap<String, usize>,
    /// The names of the items that are defined here.
    pub(super) items: BTreeSet<String>,
    /// The names that `use` declarations bring in, each with its path.
    pub(super) uses: BTreeMap<String, Vec<String>>,
    /// The paths of glob imports.
    pub(super) globs: Vec<Vec<String>>,
    /// The paths that count as imports.
    pub(super) paths: Vec<Named>,
}

/// Loads the module tree that begins with a file; the first module is the root.
pub(super) fn load(root: &Path) -> Result<Vec<Module>> {
    let mut modules = Vec::new();
    let folder = root.parent().context("a file has a folder")?;
    load_file(root, folder, None, &mut modules)?;
    Ok(modules)
}

/// Loads the module in `file`, whose children are in files of `folder`, and returns its index.
fn load_file(
    file: &Path,
    folder: &Path,
    parent: Option<usize>,
    modules: &mut Vec<Module>,
) -> Result<usize> {
    let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let parsed = syn::parse_file(&text).with_context(|| file.display().to_string())?;
    load_items(file, folder, parent, parsed.items, modules)
}

fn load_items(
    file: &Path,
    folder: &Path,
    parent: Option<usize>,
    items: Vec<Item>,
    modules: &mut Vec<Module>,
) -> Result<usize> {
    let index = modules.len();
    modules.push(Module {
        file: file.to_path_buf(),
        parent,
        ..Module::default()
    });
    let mut module = Module::default();
    for item in items {
        if is_for_tests(attributes(&item)) {
            continue;
        }
        match item {
            Item::Mod(item) => {
                let name = item.ident.to_string();
                let child = load_child(file, folder, index, item, modules)?;
                module.children.insert(name, child);
            }
            Item::Use(item) => {
                let is_private = matches!(item.vis, Visibility::Inherited);
                for (name, named) in tokens::declared(&item.tree) {
                    match name {
                        Some(name) => drop(module.uses.insert(name, named.path.clone())),
                        None => module.globs.push(named.path.clone()),
                    }
                    if is_private {
                        module.paths.push(named);
                    }
                }
            }
            item => {
                module.items.extend(defined(&item));
                module.paths.extend(tokens::mentioned(&item));
            }
        }
    }
    let place = modules.get_mut(index).context("the module was added")?;
    *place = Module {
        file: file.to_path_buf(),
        parent,
        ..module
    };
    Ok(index)
}

fn load_child(
    file: &Path,
    folder: &Path,
    parent: usize,
    item: ItemMod,
    modules: &mut Vec<Module>,
) -> Result<usize> {
    let name = item.ident.to_string();
    let below = folder.join(&name);
    if let Some((_, items)) = item.content {
        return load_items(file, &below, Some(parent), items, modules);
    }
    for child in [folder.join(format!("{name}.rs")), below.join("mod.rs")] {
        if child.is_file() {
            return load_file(&child, &below, Some(parent), modules);
        }
    }
    bail!("{}: there is no file of the module {name}", file.display())
}

/// Returns the name that an item defines, if it defines one.
fn defined(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(item) => &item.ident,
        Item::Enum(item) => &item.ident,
        Item::Fn(item) => &item.sig.ident,
        Item::Macro(item) => item.ident.as_ref()?,
        Item::Static(item) => &item.ident,
        Item::Struct(item) => &item.ident,
        Item::Trait(item) => &item.ident,
        Item::TraitAlias(item) => &item.ident,
        Item::Type(item) => &item.ident,
        Item::Union(item) => &item.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

fn attributes(item: &Item) -> &[Attribute] {
    match item {
        Item::Const(item) => &item.attrs,
        Item::Enum(item) => &item.attrs,
        Item::Fn(item) => &item.attrs,
        Item::Impl(item) => &item.attrs,
        Item::Macro(item) => &item.attrs,
        Item::Mod(item) => &item.attrs,
        Item::Static(item) => &item.attrs,
        Item::Struct(item) => &item.attrs,
        Item::Trait(item) => &item.attrs,
        Item::Type(item) => &item.attrs,
        Item::Use(item) => &item.attrs,
        _ => &[],
    }
}

/// Returns whether an item is compiled for tests alone.
fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|path| path.is_ident("test"))
    })
}
