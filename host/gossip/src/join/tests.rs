use super::*;

#[test]
fn a_clock_is_ahead_or_behind() {
    let text = |ahead_s| {
        let address = ([192, 0, 2, 7], 7_946).into();
        Trouble::ClockOff { address, ahead_s }.to_string()
    };
    assert_eq!(
        text(600),
        "the clock of 192.0.2.7:7946 is 600 s ahead of this node's: set both clocks"
    );
    assert_eq!(
        text(-600),
        "the clock of 192.0.2.7:7946 is 600 s behind this node's: set both clocks"
    );
}
