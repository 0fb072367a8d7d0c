use super::{describes_outer_build, reaches_guests};

#[test]
fn a_guest_sees_where_crates_come_from_and_not_how_others_are_compiled() {
    for name in [
        "PATH",
        "HOME",
        "CARGO_HOME",
        "CARGO_NET_OFFLINE",
        "CARGO_HTTP_PROXY",
        "CARGO_BUILD_JOBS",
        "RUSTUP_TOOLCHAIN",
    ] {
        assert!(reaches_guests(name), "{name}");
    }
    let compile = [
        "CARGO",
        "CARGO_BUILD_RUSTFLAGS",
        "CARGO_BUILD_TARGET",
        "CARGO_ENCODED_RUSTFLAGS",
        "CARGO_INCREMENTAL",
        "CARGO_MAKEFLAGS",
        "CARGO_PKG_NAME",
        "CARGO_PROFILE_RELEASE_DEBUG",
        "CARGO_TARGET_DIR",
        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
        "CARGO_UNSTABLE_BUILD_STD",
        "RUSTC",
        "RUSTC_BOOTSTRAP",
        "RUSTC_WORKSPACE_WRAPPER",
        "RUSTC_WRAPPER",
        "RUSTDOCFLAGS",
        "RUSTFLAGS",
        "__CARGO_TEST_ROOT",
    ];
    for name in compile {
        assert!(!reaches_guests(name), "{name}");
    }
}

#[test]
fn a_cargo_in_succession_keeps_what_the_person_set() {
    for name in [
        "CARGO",
        "CARGO_MANIFEST_DIR",
        "CARGO_MANIFEST_PATH",
        "CARGO_PKG_VERSION",
        "CARGO_BIN_NAME",
        "OUT_DIR",
    ] {
        assert!(describes_outer_build(name), "{name}");
    }
    let set = [
        "CARGO_HOME",
        "CARGO_PROFILE_DEV_DEBUG",
        "CARGO_TARGET_DIR",
        "REFERENCE_PLUGIN_FILE",
        "PATH",
        "RUSTFLAGS",
    ];
    for name in set {
        assert!(!describes_outer_build(name), "{name}");
    }
}
