//! The doors of `edge_cache_tests::fuzz` under libFuzzer, which the coverage of the code guides: `.ci/fuzz DOOR`.

#![no_main]

use edge_cache_tests::fuzz::asked;
use libfuzzer_sys::fuzz_target;

fuzz_target!(
    // What a door needs is built and started before libFuzzer watches the time of each input.
    init: {
        for (_, input) in asked().corpus() {
            asked().enter(&input);
        }
    },
    |input: &[u8]| {
        asked().enter(input);
    }
);
