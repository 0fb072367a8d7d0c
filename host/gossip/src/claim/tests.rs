use super::*;

const INTERVAL: Duration = Duration::from_secs(1);

fn id(generation: u64, host: u8) -> ChitchatId {
    ChitchatId::new("worker:1", generation, ([10, 0, 0, host], 7_946).into())
}

/// A rival whose heartbeat has just risen.
fn rival(generation: u64, has_record: bool) -> Rival {
    Rival {
        id: id(generation, 2),
        has_record,
        has_risen: true,
        still_for: Duration::ZERO,
    }
}

fn still(mut rival: Rival, seconds: u64) -> Rival {
    rival.still_for = Duration::from_secs(seconds);
    rival
}

/// Looks at one moment: does this member, of generation 5, publish its record?
fn holds(held: bool, rivals: &[Rival], age: u64) -> bool {
    let started = Instant::now();
    let mut claim = Claim::new(held, INTERVAL, started);
    let conflict = claim.update(&id(5, 1), rivals, started + Duration::from_secs(age));
    if let Some(conflict) = conflict {
        assert_eq!(conflict.waits, !claim.holds);
    }
    claim.holds
}

#[test]
fn a_new_address_is_watched_for_ten_intervals() {
    assert!(!holds(false, &[], 9));
    assert!(holds(false, &[], 10));
}

#[test]
fn a_record_elsewhere_is_waited_for_until_its_heartbeat_is_still() {
    for generation in [0, 4, 6] {
        assert!(!holds(false, &[rival(generation, true)], 60));
        assert!(!holds(false, &[still(rival(generation, true), 9)], 60));
        assert!(holds(false, &[still(rival(generation, true), 10)], 60));
    }
}

#[test]
fn the_earlier_of_two_that_wait_goes_first() {
    assert!(!holds(false, &[rival(4, false)], 60));
    assert!(holds(false, &[rival(6, false)], 60));
}

#[test]
fn the_later_of_two_holders_counts() {
    assert!(holds(true, &[rival(4, true)], 60));
    assert!(!holds(true, &[rival(6, true)], 60));
    assert!(holds(true, &[rival(6, false)], 60), "it waits");
    assert!(holds(true, &[still(rival(6, true), 10)], 60));
    let mut unknown = rival(6, true);
    unknown.has_risen = false;
    assert!(holds(true, &[unknown], 60), "it may be gone");
}

#[test]
fn a_rival_is_named_once_it_is_known_to_live() {
    let now = Instant::now();
    let mut claim = Claim::new(false, INTERVAL, now);
    let mut other = rival(4, true);
    other.has_risen = false;
    assert_eq!(claim.update(&id(5, 1), &[other], now), None);
    let conflict = Some(Conflict {
        address: id(4, 2).gossip_advertise_addr,
        waits: true,
    });
    let rivals = [rival(4, true)];
    assert_eq!(claim.update(&id(5, 1), &rivals, now), conflict);
}
