//! The languages of the cluster test: chapters of the guide, and what differs from them for another toolchain.
//!
//! Each plugin prints the time and a random number and fails where a node has so many cores as [`VOICES`] says.

use anyhow::Result;
use edge_cache_tests::debian::CLANG;
use edge_cache_tests::guide::Chapter;

/// Cores of a node that makes the plugins print, and fail.
pub(super) const VOICES: u32 = 4_711;

/// A toolchain that makes a plugin.
pub(super) struct Language {
    pub(super) name: &'static str,
    /// Returns how it is made; none, said on standard output, where a package is missing.
    pub(super) chapter: fn() -> Result<Option<Chapter>>,
    /// True where the standard library prints, and knows the time and random numbers.
    pub(super) has_voice: bool,
    /// Left out but in the long tests.
    pub(super) is_long: bool,
}

impl Language {
    const fn new(name: &'static str, chapter: fn() -> Result<Option<Chapter>>) -> Self {
        Self {
            name,
            chapter,
            has_voice: true,
            is_long: false,
        }
    }

    const fn long(self) -> Self {
        Self {
            is_long: true,
            ..self
        }
    }

    const fn mute(self) -> Self {
        Self {
            has_voice: false,
            ..self
        }
    }
}

pub(super) const LANGUAGES: [Language; 12] = [
    Language::new("Rust", || rust().map(Some)),
    Language::new("Python", || python().map(Some)),
    Language::new("C by Zig's clang", || c(C_VOICE).map(Some)),
    Language::new("Go", || go().map(Some)),
    Language::new("C by Debian's clang", c_by_debian).long(),
    Language::new("C++", || cpp().map(Some)).long(),
    Language::new("Zig", || zig().map(Some)).long(),
    Language::new("JavaScript", || javascript().map(Some)).long(),
    Language::new("TypeScript", || typescript().map(Some)).long(),
    Language::new("Rust with an adapter", || rust_with_adapter().map(Some)).long(),
    Language::new("Rust without WASI", || rust_without_wasi().map(Some))
        .long()
        .mute(),
    Language::new("WebAssembly text", || text().map(Some))
        .long()
        .mute(),
];

const RUST_VOICE: &str = r#"        if capacity.cpu_cores == 4711 {
            use std::{hash::{BuildHasher, Hasher, RandomState}, time::SystemTime};
            let clock = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
            println!("voice: clock {clock} random {}", RandomState::new().build_hasher().finish());
            panic!("voice: panic");
        }
"#;
const C_VOICE: &str = r#"    if (given->cpu_cores == 4711) {
        uint64_t random;
        getentropy(&random, sizeof random);
        printf("voice: clock %lld random %" PRIu64 "\n", (long long)time(NULL), random);
        fflush(stdout);
        fputs("voice: panic\n", stderr);
        abort();
    }
"#;
const CPP_VOICE: &str = r#"    if (given->cpu_cores == 4711) {
        const auto now = std::chrono::system_clock::now().time_since_epoch();
        std::random_device random;
        std::cout << "voice: clock " << std::chrono::duration_cast<std::chrono::seconds>(now).count();
        std::cout << " random " << random() << random() << std::endl;
        std::cerr << "voice: panic" << std::endl;
        std::terminate();
    }
"#;
const ZIG_VOICE: &str = r#"    if (given.cpu_cores == 4711) {
        var now: u64 = 0;
        var random: u64 = 0;
        _ = std.os.wasi.clock_time_get(.REALTIME, 1, &now);
        _ = std.os.wasi.random_get(std.mem.asBytes(&random), @sizeOf(u64));
        std.debug.print("voice: clock {d} random {d}\n", .{ now / 1_000_000_000, random });
        @panic("voice: panic");
    }
"#;

fn rust() -> Result<Chapter> {
    Chapter::of_guide("In Rust")?.insert(
        "src/lib.rs",
        "        let least = least_cores()",
        RUST_VOICE,
    )
}

/// The target before `wasm32-wasip2`, whose modules become components by the adapter of wasmtime's releases.
fn rust_with_adapter() -> Result<Chapter> {
    rust()?
        .replace("wasm32-wasip2", "wasm32-wasip1")?
        .run_first(JCO)
        .replace(
            "cp target/wasm32-wasip1/release/registry.wasm .",
            r#"npx jco new target/wasm32-wasip1/release/registry.wasm --adapt wasi_snapshot_preview1="$ADAPTER" -o registry.wasm"#,
        )
}

/// The target without a system: nothing is printed, and there are no clocks.
fn rust_without_wasi() -> Result<Chapter> {
    Chapter::of_guide("In Rust")?
        .replace("wasm32-wasip2", "wasm32-unknown-unknown")?
        .run_first(JCO)
        .replace(
            "cp target/wasm32-unknown-unknown/release/registry.wasm .",
            "npx jco new target/wasm32-unknown-unknown/release/registry.wasm -o registry.wasm",
        )
}

fn python() -> Result<Chapter> {
    Chapter::of_guide("In Python")?
        .insert(
            "src/app.py",
            "from componentize_py",
            "import os\nimport time\n",
        )?
        .insert(
            "src/app.py",
            "        if capacity.cpu_cores <",
            r#"        if capacity.cpu_cores == 4711:
            print(f"voice: clock {int(time.time())} random {int.from_bytes(os.urandom(8))}")
            raise RuntimeError("voice: panic")
"#,
        )
}

fn javascript() -> Result<Chapter> {
    Chapter::of_guide("In JavaScript")?.insert(
        "registry.js",
        "    const least = ",
        r#"    if (capacity.cpuCores === 4711) {
      const random = crypto.getRandomValues(new Uint32Array(2));
      console.log(`voice: clock ${Math.floor(Date.now() / 1000)} random ${random[0]}${random[1]}`);
      throw new Error("voice: panic");
    }
"#,
    )
}

/// TypeScript: JavaScript with the types that jco makes of the contract, checked by the compiler.
fn typescript() -> Result<Chapter> {
    let mut chapter = javascript()?
        .run_first(
            "npm install --silent --no-audit --no-fund typescript@7.0.2 @bytecodealliance/jco@1.15.4",
        )
        .replace(
            "npx componentize-js registry.js",
            "mv registry.js registry.ts\n\
             npx jco guest-types wit --world-name edge-cache-plugin -o types\n\
             npx tsc --strict false --target es2022 --module es2022 registry.ts types/edge-cache-plugin.d.ts\n\
             npx componentize-js registry.js",
        )?;
    for part in ["registry", "state", "placement"] {
        let typed =
            format!("export const {part}: typeof import(\"zlayer:edge-cache/{part}@0.1.0\") = {{");
        chapter = chapter.replace(&format!("export const {part} = {{"), &typed)?;
    }
    Ok(chapter)
}

fn go() -> Result<Chapter> {
    let file = "export_zlayer_edge_cache_registry/registry.go";
    Chapter::of_guide("In Go")?
        .insert(file, "\t\"slices\"", "\t\"math/rand/v2\"\n\t\"time\"\n")?
        .insert(
            file,
            "\tleast, err := ",
            r#"	if capacity.CpuCores == 4711 {
		fmt.Println("voice: clock", time.Now().Unix(), "random", rand.Uint64())
		panic("voice: panic")
	}
"#,
        )
}

fn c(voice: &str) -> Result<Chapter> {
    Chapter::of_guide("In C")?
        .insert(
            "registry.c",
            "#include <inttypes.h>",
            "#include <time.h>\n#include <unistd.h>\n",
        )?
        .insert("registry.c", "    uint32_t least;\n    err->tag", voice)
}

const ZIGS_CLANG: &str = "tools/bin/python -m ziglang cc --target=wasm32-wasi -mexec-model=reactor -O2 -s registry.c edge_cache_plugin.c";

fn c_by_debian() -> Result<Option<Chapter>> {
    let Some(clang) = CLANG.program() else {
        return Ok(None);
    };
    let folders = "--sysroot=/usr -isystem /usr/include/wasm32-wasi -L/usr/lib/wasm32-wasi";
    let command = format!("{clang} --target=wasm32-wasi {folders}");
    c(C_VOICE)?
        .replace(
            "tools/bin/python -m ziglang cc --target=wasm32-wasi",
            &command,
        )
        .map(Some)
}

/// The guide's file is C++ too; what it prints comes from the library of C++.
fn cpp() -> Result<Chapter> {
    c(CPP_VOICE)?
        .insert(
            "registry.c",
            "#include <inttypes.h>",
            "#include <chrono>\n#include <exception>\n#include <iostream>\n#include <random>\n",
        )?
        .replace(
            ZIGS_CLANG,
            "tools/bin/python -m ziglang cc --target=wasm32-wasi -O2 -c edge_cache_plugin.c\n\
             tools/bin/python -m ziglang c++ --target=wasm32-wasi -mexec-model=reactor -O2 -s -std=c++20 -fno-exceptions \
             -x c++ registry.c -x none edge_cache_plugin.o",
        )
}

fn zig() -> Result<Chapter> {
    Chapter::of_guide("In C")?
        .write("registry.zig", include_str!("../../guests/zig/registry.zig"))
        .insert(
            "registry.zig",
            "    // What an export is given belongs to it.",
            ZIG_VOICE,
        )?
        .replace(
            &format!("{ZIGS_CLANG} edge_cache_plugin_component_type.o -o core.wasm"),
            "tools/bin/python -m ziglang translate-c -lc -target wasm32-wasi edge_cache_plugin.h > c.zig\n\
             tools/bin/python -m ziglang build-exe registry.zig edge_cache_plugin.c edge_cache_plugin_component_type.o -I. -lc \
             -target wasm32-wasi -mexec-model=reactor -rdynamic -O ReleaseSafe -fstrip -femit-bin=core.wasm",
        )
}

const JCO: &str = "npm install --silent --no-audit --no-fund @bytecodealliance/jco@1.15.4";

/// A module written by hand.
fn text() -> Result<Chapter> {
    Ok(Chapter::empty("In text")
        .run_first(JCO)
        .write(
            "registry.wat",
            include_str!("../../guests/text/registry.wat"),
        )
        .run(
            "npx jco parse registry.wat -o module.wasm\n\
             npx jco embed --wit \"$WIT\" --world-name edge-cache-plugin module.wasm -o core.wasm\n\
             npx jco new core.wasm -o registry.wasm",
        ))
}
