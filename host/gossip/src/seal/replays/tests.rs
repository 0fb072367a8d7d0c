use super::*;

#[test]
fn ids_are_remembered_for_four_minutes_and_bounded() {
    let start = Instant::now();
    let mut replays = Replays::default();
    for second in 0..1_000 {
        replays.insert(second, start + Duration::from_secs(second));
        let first = second.saturating_sub(REMEMBERED_FOR.as_secs() - 1);
        assert!((first..=second).all(|id| replays.contains(id)), "{second}");
    }
    assert!(!replays.contains(0));
    let end = start + Duration::from_secs(1_000);
    let many = u64::try_from(IDS_MAX).unwrap();
    (0..4 * many).for_each(|id| replays.insert(id, end));
    assert!(replays.present.len() <= IDS_MAX && replays.former.len() <= IDS_MAX);
    assert!((3 * many..4 * many).all(|id| replays.contains(id)));
}
