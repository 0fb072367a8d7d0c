use std::time::Instant;

use super::*;

#[test]
fn the_largest_offset_is_shown_until_two_periods_are_over() {
    let mut offsets = ClockOffsets::default();
    let begin = Instant::now();
    let mut shown = |ahead_ms, periods| {
        offsets.note(ahead_ms, begin + periods * PERIOD);
        assert_eq!(offsets.latest_ms(), ahead_ms);
        offsets.largest_ms()
    };
    assert_eq!(shown(-3, 0), -3);
    assert_eq!(shown(1_500, 0), 1_500);
    assert_eq!(shown(-1_500, 0), 1_500);
    assert_eq!(shown(-2, 1), 1_500);
    assert_eq!(shown(1, 2), -2);
    assert_eq!(shown(i64::MIN, 3), i64::MIN);
}
