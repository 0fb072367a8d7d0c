use super::*;

const ALL: Advertised = Advertised {
    decided: 3,
    advertised: 2,
};
const FEW: Advertised = Advertised {
    decided: 3,
    advertised: 1,
};

/// A cache that is checked every two seconds of virtual time.
struct Cache {
    phases: Phases,
    now: Instant,
    advertised: Advertised,
    /// The number of times that its labels came or went.
    moves: usize,
}

impl Cache {
    fn new() -> Self {
        Self::started(Start::New)
    }

    fn started(start: Start) -> Self {
        Self {
            phases: Phases::new(start, || 1.0),
            now: Instant::now(),
            advertised: ALL,
            moves: 0,
        }
    }

    fn has_labels(&self) -> bool {
        !matches!(self.phases.health(), CacheHealth::Failed(_))
    }

    /// Checks so often, with the same result; decides in between.
    fn check(&mut self, times: u64, works: bool) {
        for _ in 0..times {
            let before = self.has_labels();
            let found = if works {
                Ok(())
            } else {
                Err("it is down".into())
            };
            self.phases.observe(found, self.advertised, self.now);
            let next = self.now + Duration::from_secs(2);
            if let Phase::Doubtful(at) = self.phases.phase
                && at < next
            {
                self.phases.decide(self.advertised, at);
            }
            self.now = next;
            self.moves += usize::from(before != self.has_labels());
        }
    }
}

#[test]
fn labels_wait_for_the_first_success() {
    let mut cache = Cache::new();
    assert_eq!(cache.phases.health(), unchecked());
    cache.check(5, false);
    assert!(!cache.has_labels());
    cache.check(1, true);
    assert_eq!(cache.phases.health(), CacheHealth::Healthy);
    assert!(!cache.phases.take_withdrawal());
}

#[test]
fn labels_from_before_a_restart_come_back_where_the_check_fails_at_most_nodes() {
    for (start, advertised, is_kept) in [
        (Start::New, FEW, false),
        (Start::Again, ALL, false),
        (Start::Again, FEW, true),
    ] {
        let mut cache = Cache::started(start);
        cache.advertised = advertised;
        cache.check(2, false);
        assert!(!cache.has_labels());
        cache.check(1, false);
        assert_eq!(cache.has_labels(), is_kept, "{start:?} {advertised:?}");
        assert_eq!(cache.phases.take_kept(), is_kept);
    }
    // The others are back, and this one still fails.
    let mut cache = Cache::started(Start::Again);
    cache.advertised = FEW;
    cache.check(3, false);
    cache.advertised = ALL;
    cache.check(1, false);
    assert!(!cache.has_labels() && cache.phases.take_withdrawal());
}

#[test]
fn three_failures_in_a_row_and_a_pause_withdraw_the_labels() {
    let mut cache = Cache::new();
    cache.check(1, true);
    for _ in 0..10 {
        cache.check(2, false);
        cache.check(1, true);
    }
    assert_eq!(
        (cache.phases.health(), cache.moves),
        (CacheHealth::Healthy, 1)
    );
    cache.check(3, false);
    assert_eq!(
        cache.phases.health(),
        CacheHealth::Doubtful("it is down".to_string())
    );
    cache.check(1, false);
    assert_eq!(
        cache.phases.health(),
        CacheHealth::Failed("it is down".to_string())
    );
    assert!(cache.phases.take_withdrawal() && !cache.phases.take_withdrawal());
}

#[test]
fn a_cache_that_works_again_while_it_is_doubtful_keeps_its_labels() {
    let mut cache = Cache::new();
    cache.check(1, true);
    cache.check(3, false);
    cache.check(1, true);
    cache.check(2, false);
    assert_eq!(
        (cache.phases.health(), cache.moves),
        (CacheHealth::Healthy, 1)
    );
}

#[test]
fn a_check_that_fails_at_most_nodes_withdraws_nothing() {
    let mut cache = Cache::new();
    cache.check(1, true);
    cache.advertised = FEW;
    cache.check(100, false);
    assert_eq!(
        cache.phases.health(),
        CacheHealth::Doubtful("it is down".to_string())
    );
    assert!(cache.phases.take_kept() && !cache.phases.take_kept());
    assert!(!cache.phases.take_withdrawal());
    // The others are back, and this one still fails.
    cache.advertised = ALL;
    cache.check(1, false);
    assert!(!cache.has_labels());
    let mut alone = Cache::new();
    alone.check(1, true);
    alone.advertised = FEW;
    alone.check(10, false);
    alone.check(1, true);
    assert_eq!(alone.phases.health(), CacheHealth::Healthy);
}

#[test]
fn each_withdrawal_within_ten_minutes_doubles_the_successes_that_are_needed() {
    let mut cache = Cache::new();
    cache.check(1, true);
    for needed in [6, 12, 24, 48, 96, 150, 150] {
        cache.check(4, false);
        assert!(!cache.has_labels());
        cache.check(needed - 1, true);
        assert!(!cache.has_labels(), "{needed}");
        // A failure in between begins anew.
        cache.check(1, false);
        cache.check(needed - 1, true);
        assert!(!cache.has_labels(), "{needed}");
        cache.check(1, true);
        assert!(cache.has_labels(), "{needed}");
        cache.now -= Duration::from_secs(2 * (2 * needed + 4));
    }
    cache.check(301, true);
    cache.check(4, false);
    cache.check(6, true);
    assert!(cache.has_labels(), "former withdrawals count no more");
}

#[test]
fn a_cache_that_flaps_every_ten_seconds_moves_its_keys_at_most_twice_in_a_minute() {
    let mut cache = Cache::new();
    cache.check(1, true);
    cache.moves = 0;
    for _ in 0..3 {
        cache.check(5, false);
        cache.check(5, true);
    }
    assert!((1..=2).contains(&cache.moves), "{}", cache.moves);
}
