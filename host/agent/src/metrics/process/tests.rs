use super::{open_files, resident_in};

#[test]
fn resident_memory_is_read_in_bytes() {
    let status = "Name:\tagent\nVmPeak:\t  900 kB\nVmRSS:\t   1234 kB\nThreads:\t2\n";
    assert_eq!(resident_in(status), Some(1234 * 1024));
    for strange in ["", "VmRSS: 12 MB", "VmRSS: x kB", "VmSwap: 3 kB"] {
        assert_eq!(resident_in(strange), None, "{strange}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn files_are_those_of_this_process() {
    let file = std::fs::File::open("/dev/null").unwrap();
    let open = open_files().unwrap();
    // Other tests open and close files meanwhile: this one and the standard ones are there for sure.
    assert!(open >= 4, "{open}");
    drop(file);
}
