use chitchat::{ChitchatId, ChitchatMessage, ProtocolVersion};
use tokio::sync::Notify;

use super::*;
use crate::transport::MemberContext;

/// Number of datagrams in tests of random behaviour.
const MANY: usize = 1_000;

fn address(node: u8) -> SocketAddr {
    ([10, 0, 0, node], 7_946).into()
}

async fn socket(network: &SimulatedNetwork, node: u8) -> Box<dyn Socket> {
    let bound = network
        .messages()
        .unwrap()
        .bind(address(node))
        .await
        .unwrap();
    assert_eq!(bound.local_addr(), address(node));
    bound.into_socket(MemberContext {
        id: ChitchatId::new(format!("worker:{node}"), 1, address(node)),
        metrics: Arc::default(),
        impersonated: Arc::new(Notify::new()),
        states: Arc::new(crate::validator::StateBudget::new(0)),
        clock_off: Arc::default(),
        refusals: Arc::default(),
        heard: Arc::default(),
    })
}

async fn send(from: &mut Box<dyn Socket>, to: u8, text: impl ToString) {
    let envelope = ChitchatEnvelope {
        version: ProtocolVersion::V0,
        message: ChitchatMessage::Syn {
            cluster_id: text.to_string(),
            digest: Default::default(),
        },
    };
    from.send(address(to), envelope).await.unwrap();
}

/// Receives the text of the next datagram.
async fn receive(at: &mut Box<dyn Socket>) -> String {
    match at.recv().await.unwrap().envelope.message {
        ChitchatMessage::Syn { cluster_id, .. } => cluster_id,
        other => panic!("nobody sent {other:?}"),
    }
}

/// Sends a datagram and returns `true` if it arrives. Without delay it must arrive before a later
/// marker, so the test needs no timeout.
async fn reaches(
    network: &SimulatedNetwork,
    (from, from_node): (&mut Box<dyn Socket>, u8),
    (to, to_node): (&mut Box<dyn Socket>, u8),
) -> bool {
    send(from, to_node, format!("from {from_node}")).await;
    let marker = address(250);
    let mut other = network
        .messages()
        .unwrap()
        .bind(marker)
        .await
        .unwrap()
        .into_socket(MemberContext {
            id: ChitchatId::new("marker", 1, marker),
            metrics: Arc::default(),
            impersonated: Arc::new(Notify::new()),
            states: Arc::new(crate::validator::StateBudget::new(0)),
            clock_off: Arc::default(),
            refusals: Arc::default(),
            heard: Arc::default(),
        });
    let groups = std::mem::take(&mut network.conditions.lock().groups);
    send(&mut other, to_node, "marker").await;
    network.conditions.lock().groups = groups;
    match receive(to).await.as_str() {
        "marker" => false,
        _ => {
            assert_eq!(receive(to).await, "marker");
            true
        }
    }
}

#[tokio::test]
async fn a_network_without_loss_delivers_in_order() {
    let network = SimulatedNetwork::new(1);
    let (mut one, mut two) = (socket(&network, 1).await, socket(&network, 2).await);
    for number in 0..50 {
        send(&mut one, 2, number).await;
    }
    for number in 0..50 {
        let outcome = two.recv().await.unwrap();
        assert_eq!(outcome.from_addr, address(1));
        let ChitchatMessage::Syn { cluster_id, .. } = outcome.envelope.message else {
            panic!("{outcome:?}")
        };
        assert_eq!(cluster_id, number.to_string());
    }
}

#[tokio::test]
async fn an_address_is_free_again_when_its_socket_is_dropped() {
    let network = SimulatedNetwork::new(1);
    let one = socket(&network, 1).await;
    assert!(network.messages().unwrap().bind(address(1)).await.is_err());
    drop(one);
    let mut one = socket(&network, 1).await;
    let mut two = socket(&network, 2).await;
    send(&mut two, 1, "again").await;
    assert_eq!(receive(&mut one).await, "again");
}

#[tokio::test]
async fn the_loss_is_as_configured_and_depends_on_the_seed() {
    let run = async |seed| {
        let network = SimulatedNetwork::new(seed);
        let (mut one, mut two) = (socket(&network, 1).await, socket(&network, 2).await);
        let mut arrived = Vec::new();
        for number in 0..MANY {
            network.lose(0.3);
            send(&mut one, 2, number).await;
            network.lose(0.0);
            send(&mut one, 2, "next").await;
            let text = receive(&mut two).await;
            if text != "next" {
                arrived.push(text);
                assert_eq!(receive(&mut two).await, "next");
            }
        }
        arrived
    };
    let arrived = run(7).await;
    // Five standard deviations in both directions.
    assert!((628..=772).contains(&arrived.len()), "{}", arrived.len());
    assert_eq!(arrived, run(7).await);
    assert_ne!(arrived, run(8).await);
}

#[tokio::test]
async fn datagrams_are_delayed_and_may_overtake_each_other() {
    let (least, most) = (Duration::from_millis(5), Duration::from_millis(40));
    let network = SimulatedNetwork::new(1);
    network.delay(least..=most);
    let (mut one, mut two) = (socket(&network, 1).await, socket(&network, 2).await);
    let start = Instant::now();
    for number in 0..50 {
        send(&mut one, 2, number).await;
    }
    let mut numbers = Vec::new();
    for _ in 0..50 {
        numbers.push(receive(&mut two).await.parse::<u32>().unwrap());
        assert!(start.elapsed() >= least);
    }
    assert!(!numbers.is_sorted(), "{numbers:?}");
    numbers.sort_unstable();
    assert_eq!(numbers, Vec::from_iter(0..50));

    let mut conditions = network.conditions.lock();
    let taken: Vec<_> = (0..MANY).map(|_| conditions.random_delay()).collect();
    assert!(taken.iter().all(|taken| (least..=most).contains(taken)));
    let (shortest, longest) = (taken.iter().min().unwrap(), taken.iter().max().unwrap());
    assert!(*longest - *shortest > (most - least) / 2);
}

#[tokio::test]
async fn a_dropped_receive_loses_no_datagram() {
    let network = SimulatedNetwork::new(1);
    network.delay(Duration::from_millis(5)..=Duration::from_millis(5));
    let (mut one, mut two) = (socket(&network, 1).await, socket(&network, 2).await);
    send(&mut one, 2, "slow").await;
    // The first receive takes the datagram from the channel, and is dropped while it is in flight.
    tokio::select! {
        biased;
        _ = two.recv() => panic!("it takes its time"),
        () = tokio::task::yield_now() => {}
    }
    assert_eq!(receive(&mut two).await, "slow");
}

#[tokio::test]
async fn a_partition_divides_and_healing_joins() {
    let network = SimulatedNetwork::new(1);
    let (mut one, mut two) = (socket(&network, 1).await, socket(&network, 2).await);
    let (mut three, mut four) = (socket(&network, 3).await, socket(&network, 4).await);
    network.partition(&[vec![address(1), address(2)], vec![address(3)]]);
    assert!(reaches(&network, (&mut one, 1), (&mut two, 2)).await);
    assert!(reaches(&network, (&mut two, 2), (&mut one, 1)).await);
    assert!(!reaches(&network, (&mut one, 1), (&mut three, 3)).await);
    assert!(!reaches(&network, (&mut three, 3), (&mut one, 1)).await);
    // Addresses in no group form another group.
    assert!(!reaches(&network, (&mut four, 4), (&mut one, 1)).await);
    assert!(!reaches(&network, (&mut three, 3), (&mut four, 4)).await);

    // The next partition replaces it.
    network.partition(&[vec![address(1), address(3)], vec![address(2)]]);
    assert!(reaches(&network, (&mut one, 1), (&mut three, 3)).await);
    assert!(!reaches(&network, (&mut one, 1), (&mut two, 2)).await);

    network.heal();
    assert!(reaches(&network, (&mut one, 1), (&mut two, 2)).await);
    assert!(reaches(&network, (&mut four, 4), (&mut one, 1)).await);
}

#[tokio::test]
async fn a_cut_link_loses_datagrams_both_ways_and_others_do_not() {
    let network = SimulatedNetwork::new(1);
    let (mut one, mut two) = (socket(&network, 1).await, socket(&network, 2).await);
    let mut three = socket(&network, 3).await;
    network.cut(address(2), address(1));
    assert!(!reaches(&network, (&mut one, 1), (&mut two, 2)).await);
    assert!(!reaches(&network, (&mut two, 2), (&mut one, 1)).await);
    assert!(reaches(&network, (&mut one, 1), (&mut three, 3)).await);
    assert!(reaches(&network, (&mut three, 3), (&mut two, 2)).await);
    network.heal();
    assert!(reaches(&network, (&mut one, 1), (&mut two, 2)).await);
    assert!(reaches(&network, (&mut two, 2), (&mut one, 1)).await);
}
