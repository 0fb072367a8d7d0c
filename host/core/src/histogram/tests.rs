use std::time::Duration;

use super::{Histogram, HistogramCounters};

const BOUNDS: &[u64] = &[1, 10, 100];

#[test]
fn a_value_counts_up_to_the_first_bound_that_holds_it() {
    let counters = HistogramCounters::new(BOUNDS);
    for value in [0, 1, 2, 10, 11, 100, 101, 5_000] {
        counters.add(value);
    }
    let read = counters.read();
    assert_eq!(read.counts, [2, 2, 2, 2]);
    assert_eq!((read.count(), read.sum), (8, 5_225));
    assert_eq!(read.bounds, BOUNDS);
}

#[test]
fn times_count_in_nanoseconds() {
    let counters = HistogramCounters::new(BOUNDS);
    counters.add_time(Duration::from_nanos(10));
    counters.add_time(Duration::from_secs(1));
    let read = counters.read();
    assert_eq!(read.counts, [0, 1, 0, 1]);
    assert_eq!(read.sum, 1_000_000_010);
}

#[test]
fn nothing_counted_is_nothing() {
    assert_eq!(Histogram::default().count(), 0);
    assert_eq!(HistogramCounters::new(BOUNDS).read().count(), 0);
}
