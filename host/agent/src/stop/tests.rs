use super::{Ending, Stop};

#[tokio::test]
async fn a_wish_is_seen_by_all_and_only_grows() {
    let stop = Stop::default();
    let (other, waiting) = (stop.clone(), tokio::spawn(stop.clone().wait()));
    assert_eq!(stop.asked(), None);
    assert!(!waiting.is_finished());

    assert!(!stop.ask(Ending::Leave), "nobody had asked");
    assert!(other.ask(Ending::Stop), "somebody had");
    assert_eq!(other.asked(), Some(Ending::Leave));
    waiting.await.unwrap();
    stop.wait().await;
}
