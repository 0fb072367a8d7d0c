use super::*;

const LAST_SECOND: u64 = 253_402_300_799;

#[test]
fn a_clock_is_cut_to_milliseconds() {
    let cases = [
        (0, 0, 0),
        (0, 999_999, 0),
        (0, 1_000_000, 1),
        (1, 234_567_891, 1_234),
        (1, 999_999_999, 1_999),
        (LAST_SECOND, 999_999_999, 253_402_300_799_999),
    ];
    for (seconds, nanoseconds, millis) in cases {
        let timestamp = Timestamp::cut(seconds, nanoseconds);
        assert_eq!(timestamp.unix_millis, millis, "{seconds} {nanoseconds}");
    }
}

#[test]
fn a_wrong_clock_still_gives_a_timestamp() {
    assert_eq!(Timestamp::cut(7, 1_500_000_000).unix_millis, 8_500);
    assert_eq!(Timestamp::cut(7, u32::MAX).unix_millis, 11_294);
    assert_eq!(Timestamp::cut(LAST_SECOND, 1_000_000_000), Timestamp::MAX);
    assert_eq!(Timestamp::cut(LAST_SECOND + 1, 0), Timestamp::MAX);
    assert_eq!(Timestamp::cut(u64::MAX, u32::MAX), Timestamp::MAX);
}

#[test]
fn exact_refuses_what_is_no_timestamp() {
    assert_eq!(Timestamp::exact(0, 1), None);
    assert_eq!(Timestamp::exact(0, 999_999_999), None);
    assert_eq!(Timestamp::exact(0, 1_000_000_000), None);
    assert_eq!(Timestamp::exact(LAST_SECOND + 1, 0), None);
    assert_eq!(Timestamp::exact(u64::MAX, 0), None);
    assert_eq!(Timestamp::exact(u64::MAX / 1_000, 999_000_000), None);
    assert_eq!(
        Timestamp::exact(LAST_SECOND, 999_000_000),
        Some(Timestamp::MAX)
    );
}

#[test]
fn seconds_and_nanoseconds_give_the_same_time_back() {
    for millis in [0, 1, 999, 1_000, 1_234, 1_700_000_000_123] {
        let timestamp = Timestamp::from_unix_millis(millis).unwrap();
        let back = Timestamp::exact(timestamp.seconds(), timestamp.nanoseconds());
        assert_eq!(back, Some(timestamp));
    }
    assert_eq!(Timestamp::MAX.seconds(), LAST_SECOND);
    assert_eq!(Timestamp::MAX.nanoseconds(), 999_000_000);
    assert_eq!(Timestamp::from_unix_millis(253_402_300_800_000), None);
}
