//! The templates of projects: files inside the binary, and the WIT packages beside them.

use crate::cli::Language;
use edge_cache_reference::{POLICY_WIT, WIT};

/// Ending of files that would mean something among the templates. Cargo takes a folder with a manifest for a package.
const ENDING: &str = ".in";
/// Template of the file by which git leaves out what is built, and keys.
const IGNORED: &str = "gitignore.in";

/// Path and content of a file.
type File = (&'static str, &'static str);

/// The files of a kind of project in one language.
#[derive(Debug, Clone, Copy)]
pub(super) struct Template {
    /// The kind of project.
    pub(super) kind: Kind,
    /// The file with the author's code.
    pub(super) source: &'static str,
    files: &'static [File],
}

/// A kind of project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// A policy, which is composed with the reference plugin.
    Policy,
    /// A policy over the SDK, which has the WIT packages itself.
    PolicyOfSdk,
    /// A plugin: a whole registry.
    Registry,
}

/// Makes files of the templates in a folder.
macro_rules! files {
    ($folder:literal: $($path:literal),*) => {
        &[$(($path, include_str!(concat!("../../../templates/", $folder, "/", $path)))),*]
    };
}

const POLICY_IN_RUST: Template = Template {
    kind: Kind::PolicyOfSdk,
    source: "src/lib.rs",
    files: files!("rust/policy": "gitignore.in", "Cargo.toml.in", "README.md", "src/lib.rs", "src/tests.rs", "sdk/Cargo.toml.in",
        "sdk/src/component.rs", "sdk/src/labels.rs", "sdk/src/lib.rs", "sdk/src/policy.rs", "sdk/src/settings.rs",
        "sdk/src/settings/tests.rs"),
};
const POLICY_IN_PYTHON: Template = Template {
    kind: Kind::Policy,
    source: "app.py",
    files: files!("python/policy": "gitignore.in", "README.md", "app.py"),
};
const POLICY_IN_JAVASCRIPT: Template = Template {
    kind: Kind::Policy,
    source: "policy.js",
    files: files!("js/policy": "gitignore.in", "README.md", "package.json", "policy.js"),
};
const REGISTRY_IN_RUST: Template = Template {
    kind: Kind::Registry,
    source: "src/lib.rs",
    files: files!("rust/registry": "gitignore.in", "Cargo.toml.in", "README.md", "src/lib.rs"),
};
const REGISTRY_IN_PYTHON: Template = Template {
    kind: Kind::Registry,
    source: "app.py",
    files: files!("python/registry": "gitignore.in", "README.md", "app.py"),
};
const REGISTRY_IN_JAVASCRIPT: Template = Template {
    kind: Kind::Registry,
    source: "registry.js",
    files: files!("js/registry": "gitignore.in", "README.md", "package.json", "registry.js"),
};

impl Template {
    /// Returns the template of a policy.
    pub(super) const fn policy(language: Language) -> Self {
        match language {
            Language::Rust => POLICY_IN_RUST,
            Language::Python => POLICY_IN_PYTHON,
            Language::Js => POLICY_IN_JAVASCRIPT,
        }
    }

    /// Returns the template of a whole registry.
    pub(super) const fn registry(language: Language) -> Self {
        match language {
            Language::Rust => REGISTRY_IN_RUST,
            Language::Python => REGISTRY_IN_PYTHON,
            Language::Js => REGISTRY_IN_JAVASCRIPT,
        }
    }

    /// Iterates over the files with their paths in the project.
    pub(super) fn files(self) -> impl Iterator<Item = (String, &'static str)> {
        let own = self.files.iter();
        let own = own.map(|(path, content)| match *path {
            IGNORED => (".gitignore".to_string(), *content),
            path => (path.trim_end_matches(ENDING).to_string(), *content),
        });
        own.chain(wit(self.kind))
    }
}

/// Returns the WIT packages of a project, in the layout of `wit-deps`: dependencies are below `deps`.
fn wit(kind: Kind) -> Vec<(String, &'static str)> {
    let below = |folder: &str, files: &[File]| {
        let files = files.iter();
        let files = files.map(|(path, content)| (format!("{folder}/{path}"), *content));
        files.collect::<Vec<_>>()
    };
    match kind {
        Kind::Registry => below("wit", &WIT),
        Kind::Policy => {
            let of_registry = below("wit/deps/edge-cache", &WIT).into_iter();
            // The packages that both depend on are beside each other.
            let of_registry =
                of_registry.map(|(path, content)| (path.replace("edge-cache/deps/", ""), content));
            below("wit", &POLICY_WIT)
                .into_iter()
                .chain(of_registry)
                .collect()
        }
        Kind::PolicyOfSdk => {
            let mut files = below("sdk/wit", &WIT);
            files.extend(below("sdk/wit/policy", &POLICY_WIT));
            files
        }
    }
}
