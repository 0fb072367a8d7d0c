use std::io::{self, Read};
use std::sync::atomic::Ordering;

use super::{Counts, HITS, MISSES, WORD_BYTES_MAX, count};

fn counted(log: &[u8]) -> (u64, u64) {
    let counts = Counts::default();
    count(&mut &log[..], &counts).unwrap();
    let load = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    (load(&counts.hits), load(&counts.misses))
}

#[test]
fn each_status_is_a_hit_or_a_miss() {
    for status in HITS {
        assert_eq!(
            counted(format!("{status}\n").as_bytes()),
            (1, 0),
            "{status}"
        );
        assert!(status.len() <= WORD_BYTES_MAX);
    }
    for status in MISSES {
        assert_eq!(
            counted(format!("{status}\n").as_bytes()),
            (0, 1),
            "{status}"
        );
        assert!(status.len() <= WORD_BYTES_MAX);
    }
}

#[test]
fn the_first_word_that_counts_decides_about_a_line() {
    for (log, expected) in [
        ("", (0, 0)),
        ("HIT", (1, 0)),
        ("HIT\n\nMISS\r\nHIT", (2, 1)),
        ("\"GET /a\" 200 cache=HIT 12\n", (1, 0)),
        ("TCP_HIT/200\nTCP_MISS/200\n", (1, 1)),
        ("[MISS]\t-\n", (0, 1)),
        // The client's own words come later, or count for nothing.
        ("MISS \"GET /HIT HTTP/1.1\"\n", (0, 1)),
        ("- GET /hit\nHITS\nMISSED\nAHIT\nHIT1\n", (0, 0)),
        ("REVALIDATEDREVALIDATED\nREVALIDATEDX\n", (0, 0)),
        ("no status\n", (0, 0)),
    ] {
        assert_eq!(counted(log.as_bytes()), expected, "{log:?}");
    }
}

#[test]
fn lines_of_any_bytes_and_length_are_read() {
    let mut log = vec![b'x'; 1_000_000];
    log.extend(b" HIT ");
    log.extend(vec![0xff; 1_000_000]);
    log.extend(b"\nMISS\n");
    assert_eq!(counted(&log), (1, 1));
}

#[test]
fn a_word_may_arrive_in_parts() {
    struct Slow<'a>(&'a [u8]);
    impl Read for Slow<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let buffer = &mut buffer[..1];
            self.0.read(buffer)
        }
    }
    let counts = Counts::default();
    count(&mut Slow(b"a HIT b\nMISS\nEXPIRED"), &counts).unwrap();
    assert_eq!(counts.hits.load(Ordering::Relaxed), 1);
    assert_eq!(counts.misses.load(Ordering::Relaxed), 2);
}
