#![cfg(target_os = "linux")]

use std::fs::File;

use super::{cpu_time, memory, open_fds};

#[test]
fn values_are_those_of_this_process() {
    let file = File::open("/dev/null").unwrap();
    let (size, resident) = memory().unwrap();
    assert!(size > resident && resident > 1_000_000, "{size} {resident}");
    // Other tests open and close files meanwhile: this one and the standard ones are certainly open.
    assert!(open_fds().unwrap() >= 4);
    assert!(!cpu_time().is_zero());
    drop(file);
}
