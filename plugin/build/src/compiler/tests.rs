use std::path::{Path, PathBuf};

use super::{Library, Rustc, choose, describe_lacks};

/// A recent compiler without anything.
fn rustc(name: &str) -> Rustc {
    Rustc {
        program: PathBuf::from(name).join("bin/rustc"),
        sysroot: name.into(),
        has_target: false,
        has_source: false,
        linker: None,
        recent: true,
    }
}

fn with_target(name: &str) -> Rustc {
    Rustc {
        has_target: true,
        ..rustc(name)
    }
}

fn with_source(name: &str) -> Rustc {
    Rustc {
        has_source: true,
        ..rustc(name)
    }
}

fn with_linker(rustc: Rustc) -> Rustc {
    Rustc {
        linker: Some(rustc.sysroot.join("rust-lld")),
        ..rustc
    }
}

fn old(rustc: Rustc) -> Rustc {
    Rustc {
        recent: false,
        ..rustc
    }
}

/// The sysroot of the chosen compiler, where its library comes from, and its linker.
type Choice<'a> = Option<(&'a str, Library, Option<&'a str>)>;

#[test]
fn an_installed_target_comes_first_and_then_the_active_compiler() {
    use Library::{Installed, Source};
    let lld = "/usr/bin/wasm-ld";
    let (active, other) = ("active", "other");
    let cases: [(Vec<Rustc>, Option<&str>, Choice<'_>); 13] = [
        (
            vec![with_linker(with_target(active))],
            None,
            Some((active, Installed, None)),
        ),
        (
            vec![with_target(active)],
            None,
            Some((active, Installed, None)),
        ),
        (
            vec![with_target(active)],
            Some(lld),
            Some((active, Installed, Some(lld))),
        ),
        (
            vec![with_target(active), with_target(other)],
            None,
            Some((active, Installed, None)),
        ),
        (
            vec![with_linker(with_source(active)), with_source(other)],
            Some(lld),
            Some((active, Source, None)),
        ),
        (
            vec![with_linker(with_source(active)), with_target(other)],
            None,
            Some((other, Installed, None)),
        ),
        (
            vec![rustc(active), with_source(other)],
            Some(lld),
            Some((other, Source, Some(lld))),
        ),
        (
            vec![with_source(active), with_linker(with_source(other))],
            None,
            Some((other, Source, None)),
        ),
        (vec![rustc(active), with_source(other)], None, None),
        (
            vec![rustc(active), old(with_linker(with_source(other)))],
            Some(lld),
            None,
        ),
        (
            vec![rustc(active), old(with_target(other))],
            Some(lld),
            None,
        ),
        (vec![rustc(active)], Some(lld), None),
        (vec![], Some(lld), None),
    ];
    for (number, (rustcs, spare, expected)) in cases.into_iter().enumerate() {
        let chosen = choose(&rustcs, spare.map(Path::new));
        let seen = chosen.as_ref().map(|chosen| {
            (
                chosen.rustc.sysroot.to_str().unwrap(),
                chosen.library,
                chosen.linker.as_deref().and_then(Path::to_str),
            )
        });
        assert_eq!(seen, expected, "case {number}");
    }
}

#[test]
fn what_each_compiler_lacks_is_named() {
    let rustcs = [rustc("/a"), with_source("/b"), old(with_target("/c"))];
    assert_eq!(
        describe_lacks(&rustcs),
        format!(
            "/a/bin/rustc has neither the target nor its library's source; /b/bin/rustc has its library's source but no \
             linker, neither rust-lld nor wasm-ld; /c/bin/rustc is older than {}",
            env!("CARGO_PKG_RUST_VERSION")
        )
    );
}
