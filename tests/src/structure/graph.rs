//! Imports between files, and their circles.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;
use std::path::{Path, PathBuf};

use super::tokens::Named;

/// A path in one file to an item of another.
#[derive(Clone, Debug)]
pub struct Import {
    /// The file that imports.
    pub from: PathBuf,
    /// The line of the path.
    pub line: usize,
    /// The path as it is written.
    pub path: String,
    /// The file that defines the item.
    pub to: PathBuf,
}

/// Imports that lead from a file back to it, over the fewest files.
#[derive(Clone, Debug)]
pub struct Circle(pub Vec<Import>);

/// The imports of one crate: of two files the first that was added.
#[derive(Default)]
pub(super) struct Graph {
    imports: BTreeMap<PathBuf, BTreeMap<PathBuf, Import>>,
}

impl Import {
    pub(super) fn new(from: &Path, named: &Named, to: &Path) -> Self {
        Self {
            from: from.to_path_buf(),
            line: named.line,
            path: named.path.join("::"),
            to: to.to_path_buf(),
        }
    }
}

impl fmt::Display for Circle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for import in &self.0 {
            let (from, to) = (import.from.display(), import.to.display());
            writeln!(f, "  {from}:{} uses {} of {to}", import.line, import.path)?;
        }
        Ok(())
    }
}

impl Graph {
    pub(super) fn add(&mut self, import: Import) {
        let targets = self.imports.entry(import.from.clone()).or_default();
        targets.entry(import.to.clone()).or_insert(import);
    }

    /// Returns the shortest circle through each file that is in one, unless a circle found before has the file.
    pub(super) fn circles(&self) -> Vec<Circle> {
        let mut seen = BTreeSet::new();
        let mut circles = Vec::new();
        for file in self.imports.keys() {
            if seen.contains(file) {
                continue;
            }
            if let Some(circle) = self.circle(file) {
                seen.extend(circle.0.iter().map(|import| import.from.clone()));
                circles.push(circle);
            }
        }
        circles
    }

    /// Searches breadth first for the way from a file back to it.
    fn circle(&self, start: &Path) -> Option<Circle> {
        let mut arrivals: BTreeMap<&Path, &Import> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(file) = queue.pop_front() {
            for (target, import) in self.imports.get(file).into_iter().flatten() {
                if !arrivals.contains_key(target.as_path()) {
                    arrivals.insert(target, import);
                    queue.push_back(target);
                }
            }
        }
        let mut circle = vec![(*arrivals.get(start)?).clone()];
        while let Some(import) = circle.last().filter(|import| import.from != start) {
            circle.push((*arrivals.get(import.from.as_path())?).clone());
        }
        circle.reverse();
        Some(Circle(circle))
    }
}
