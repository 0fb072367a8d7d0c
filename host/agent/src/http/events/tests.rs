use axum::body::Bytes;

use super::ring::{BYTES_KEPT, EVENTS_KEPT, Ring};

fn ring(events: u64, bytes: usize) -> Ring {
    let mut ring = Ring::default();
    for _ in 0..events {
        ring.push(|number| {
            let number = number.to_string();
            Bytes::from("0".repeat(bytes - number.len()) + &number)
        });
    }
    ring
}

#[test]
fn events_after_a_number_come_in_order() {
    let ring = ring(3, 1);
    assert_eq!(ring.newest(), 3);
    assert_eq!(ring.after(0), Some((3, Bytes::from("123"))));
    assert_eq!(ring.after(2), Some((3, Bytes::from("3"))));
    assert_eq!(ring.after(3), Some((3, Bytes::new())));
    assert_eq!(ring.after(4), None, "a number that was never given");
}

#[test]
fn the_oldest_go_and_whoever_needs_them_is_told() {
    let kept = EVENTS_KEPT as u64;
    let many = ring(kept + 10, 4);
    assert_eq!(many.after(9), None);
    assert!(many.after(10).is_some());

    let bytes = BYTES_KEPT / 4;
    let large = ring(10, bytes);
    assert_eq!(large.after(5), None);
    let (last, portion) = large.after(6).unwrap();
    assert_eq!((last, portion.len()), (7, bytes), "a large one comes alone");
}

#[test]
fn portions_join_without_a_gap() {
    let ring = ring(1_000, 200);
    let (mut has, mut all) = (0, Vec::new());
    loop {
        let (last, portion) = ring.after(has).unwrap();
        if portion.is_empty() {
            break;
        }
        assert!(portion.len() <= 64 * 1024);
        all.extend_from_slice(&portion);
        has = last;
    }
    let expected: String = (1..=1_000)
        .map(|number| format!("{number:0>200}"))
        .collect();
    assert_eq!(all, expected.as_bytes());
}
