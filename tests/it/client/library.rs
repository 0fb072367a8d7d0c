//! The typed client, against a real agent.

use std::time::Duration;

use edge_cache_client::{
    Address, ChangeOutcome, Client, ClientConfig, ClientError, EdgeCacheStats, Event, FollowUpdate,
    MemberStatus, MembersQuery, NodeCapacity, NodeDetails, NodeOutcome, NodeStats, NodesQuery,
    PluginOffer, PluginState, ProblemType, Replacement, RouteQuery, SwapQuery, WantedNode,
};
use edge_cache_tests::agent::Agent;
use tokio::time::timeout;

/// The time limit of an event that must come.
const EVENT_WITHIN: Duration = Duration::from_secs(20);

fn client(agent: &Agent) -> Client {
    let address = Address::plain(agent.http).unwrap();
    Client::new(ClientConfig::new(address)).unwrap()
}

fn capacity(cpu_cores: u32) -> NodeCapacity {
    NodeCapacity {
        cpu_cores,
        ram_mib: 2,
        disk_mib: 3,
        geo: Some("eu-west-1".to_string()),
    }
}

fn problem(error: &ClientError) -> Option<ProblemType> {
    match error {
        ClientError::Refused { problem_type, .. } => *problem_type,
        _ => None,
    }
}

#[tokio::test]
async fn operations_on_nodes_are_typed() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let client = client(&agent);
    let wait = Duration::from_secs(20);
    let enabled = client.enable(1, capacity(8)).wait(wait).send().await;
    assert_eq!(enabled.unwrap(), ChangeOutcome::Done);
    let list = client.nodes().send().await.unwrap();
    let [node] = list.nodes.as_slice() else {
        panic!("{list:?}");
    };
    assert_eq!((node.node_id, node.advertised), (1, Some(true)));
    assert_eq!(node.capacity, capacity(8));

    let delta = EdgeCacheStats { hits: 3, misses: 1 };
    let totals = NodeStats {
        hits: 3,
        misses: 1,
        counted_by: Some(1),
        hit_ratio: Some(0.75),
    };
    assert_eq!(client.add_stats(1, delta).send().await.unwrap(), totals);
    assert_eq!(client.stats(1).send().await.unwrap(), totals);
    let NodeDetails::Registered(details) = client.node(1).send().await.unwrap() else {
        panic!("it is not registered");
    };
    assert_eq!(
        (details.stats, details.enabled_at),
        (totals, node.enabled_at)
    );
    assert_eq!(details.decision.unwrap().by, 1);

    // No agent speaks for node 99: its labels never follow.
    let call = client
        .enable(99, capacity(1))
        .wait(Duration::from_millis(50));
    let ChangeOutcome::Pending(state) = call.send().await.unwrap() else {
        panic!("the labels cannot have followed");
    };
    assert_eq!((state.registered, state.advertised), (true, Some(false)));

    let query = RouteQuery {
        key: "/video?a=b&c".to_string(),
        replicas: Some(2),
        geo: None,
    };
    client.route(&query).send().await.unwrap();

    assert_eq!(
        client.disable(99).send().await.unwrap(),
        ChangeOutcome::Done
    );
    let error = client.disable(99).send().await.unwrap_err();
    assert_eq!(problem(&error), Some(ProblemType::NodeNotFound), "{error}");
    let none = NodeCapacity {
        cpu_cores: 0,
        ram_mib: 0,
        disk_mib: 0,
        geo: None,
    };
    let error = client.enable(7, none).send().await.unwrap_err();
    assert_eq!(
        problem(&error),
        Some(ProblemType::InvalidCapacity),
        "{error}"
    );
    assert!(!error.is_temporary());
}

#[tokio::test]
async fn all_nodes_are_replaced_unless_the_list_has_changed() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let client = client(&agent);
    client.enable(5, capacity(1)).send().await.unwrap();
    let replacement = Replacement {
        nodes: vec![WantedNode {
            node_id: 6,
            capacity: capacity(4),
        }],
        ..Replacement::default()
    };
    let call = client.replace_nodes(&replacement, Some("\"former\""));
    let error = call.send().await.unwrap_err();
    assert_eq!(
        problem(&error),
        Some(ProblemType::ChangedMeanwhile),
        "{error}"
    );
    let present = client.tagged_nodes().send().await.unwrap();
    assert_eq!(present.nodes[0].node_id, 5);
    let call = client.replace_nodes(&replacement, Some(&present.tag));
    let report = call.send().await.unwrap();
    assert_eq!((report.enabled, report.disabled, report.failed), (1, 1, 0));
    let results: Vec<_> = report
        .nodes
        .iter()
        .map(|node| (node.node_id, node.result))
        .collect();
    assert_eq!(
        results,
        [(5, NodeOutcome::Disabled), (6, NodeOutcome::Enabled)]
    );
    client.enable(7, capacity(1)).send().await.unwrap();
    let query = NodesQuery {
        geo: Some("eu-west-1".to_string()),
        limit: Some(1),
        after: None,
    };
    let page = client.nodes_page(&query).send().await.unwrap();
    assert_eq!((page.nodes.len(), page.next), (1, Some(6)));
    let error = client.snapshot().send().await.unwrap_err();
    assert_eq!(problem(&error), Some(ProblemType::Forbidden), "{error}");
}

#[tokio::test]
async fn operations_on_the_agent_are_typed() {
    let args = [
        "--node-id",
        "1",
        "--allow-local-admin",
        "--gossip-listen",
        "127.0.0.1:0",
    ];
    let agent = Agent::start(&args).await.unwrap();
    let client = client(&agent);
    let alive = MembersQuery {
        status: Some(MemberStatus::Alive),
    };
    let members = client.members(alive).send().await.unwrap().members;
    assert_eq!(members[0].gossip_address, agent.gossip);
    assert!(members[0].generation > Some(1_000_000_000_000_000_000));
    assert_eq!(client.peers().send().await.unwrap(), []);
    let plugin = client.plugin().send().await.unwrap();
    assert_eq!(plugin.state, PluginState::Running);
    client.plugin_logs().send().await.unwrap();
    let query = SwapQuery::default();
    let call = client.swap_plugin(PluginOffer::File(b"no plugin".to_vec()), query);
    let error = call.send().await.unwrap_err();
    assert_eq!(problem(&error), Some(ProblemType::PluginRefused), "{error}");
    assert!(client.livez().send().await.unwrap().ok);
    assert!(client.readyz().send().await.unwrap().ok);
    let metrics = client.metrics().send().await.unwrap();
    assert!(metrics.contains("# TYPE "), "{metrics}");
    let openapi = client.openapi().send().await.unwrap();
    assert!(openapi["paths"].is_object(), "{openapi}");
    client.leave().send().await.unwrap();
    assert_eq!(agent.ended().await.unwrap(), Some(0));
}

#[tokio::test]
async fn events_are_typed_and_a_break_is_reported() {
    let agent = Agent::start(&["--node-id", "1"]).await.unwrap();
    let client = client(&agent);
    let mut follower = client.follow_events().await.unwrap();
    let mut next = async || {
        timeout(EVENT_WITHIN, follower.next())
            .await
            .unwrap()
            .unwrap()
    };
    let FollowUpdate::Event(first) = next().await else {
        panic!("the first update is an event");
    };
    assert!(
        matches!(first.event(), Some(Event::Snapshot(_))),
        "{first:?}"
    );
    let FollowUpdate::Event(health) = next().await else {
        panic!("the second update is an event");
    };
    assert!(
        matches!(health.event(), Some(Event::Health(_))),
        "{health:?}"
    );
    client.enable(7, capacity(1)).send().await.unwrap();
    // On a busy machine the agent's health changes meanwhile.
    let second = loop {
        let FollowUpdate::Event(update) = next().await else {
            panic!("the third update is an event");
        };
        if !matches!(update.event(), Some(Event::Health(_))) {
            break update;
        }
    };
    let Some(Event::Enabled(node)) = second.event() else {
        panic!("{second:?}");
    };
    assert_eq!((node.node_id, node.capacity), (7, capacity(1)));
    let mut resumed = client.events(Some(&first.id)).await.unwrap();
    let missed = loop {
        let missed = resumed.next().await.unwrap().unwrap();
        if missed.name != "health" {
            break missed;
        }
    };
    assert_eq!(missed, second);
    agent.kill().await.unwrap();
    let error = loop {
        match next().await {
            FollowUpdate::Broken(error) => break error,
            FollowUpdate::Event(update) => assert_eq!(update.name, "health"),
        }
    };
    assert!(error.is_temporary(), "{error}");
}
