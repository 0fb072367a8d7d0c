use std::collections::BTreeMap;
use std::collections::HashMap;
use std::net::SocketAddr;

use edge_cache_core::DecisionId;
use edge_cache_core::decision::Timestamp;

use super::*;

/// The JSON of ZLayer's node 42.
const ZLAYER_JSON: &str = concat!(
    r#"{"node_id":42,"wg_pubkey":"test-key","wg_endpoint":"127.0.0.1:51820","#,
    r#""overlay_ip":"10.0.0.1","labels":{"edge_cache":"true"}}"#
);

fn node_42() -> PeerInfo {
    PeerInfo {
        node_id: 42,
        wg_pubkey: "test-key".into(),
        wg_endpoint: "127.0.0.1:51820".parse().unwrap(),
        overlay_ip: "10.0.0.1".into(),
        labels: BTreeMap::from([("edge_cache".into(), "true".into())]),
        agent: None,
    }
}

#[test]
fn a_value_of_zlayer_is_decoded() {
    let value = URL_SAFE_NO_PAD.encode(ZLAYER_JSON);
    assert_eq!(NodeRecord::decode(&value), Ok(node_42().into()));
}

#[test]
fn an_encoded_value_equals_zlayers_byte_for_byte() {
    /// ZLayer's struct, whose derived serialisation is the wire format.
    #[derive(Serialize)]
    struct Native {
        node_id: u64,
        wg_pubkey: String,
        wg_endpoint: SocketAddr,
        overlay_ip: String,
        labels: HashMap<String, String>,
    }
    let ours = node_42();
    let native = Native {
        node_id: ours.node_id,
        wg_pubkey: ours.wg_pubkey.clone(),
        wg_endpoint: ours.wg_endpoint,
        overlay_ip: ours.overlay_ip.clone(),
        labels: ours.labels.clone().into_iter().collect(),
    };
    let native = serde_json::to_vec(&native).unwrap();
    assert_eq!(native, ZLAYER_JSON.as_bytes());
    assert_eq!(
        NodeRecord::from(ours).encode(),
        Ok(URL_SAFE_NO_PAD.encode(native))
    );
}

#[test]
fn the_placeholder_equals_zlayers() {
    let value = NodeRecord::from(PeerInfo::placeholder(7)).encode().unwrap();
    let json = URL_SAFE_NO_PAD.decode(value).unwrap();
    assert_eq!(
        String::from_utf8(json).unwrap(),
        r#"{"node_id":7,"wg_pubkey":"","wg_endpoint":"0.0.0.0:0","overlay_ip":"","labels":{}}"#
    );
}

#[test]
fn labels_may_be_absent_and_other_fields_are_ignored() {
    let json = r#"{"leaving":false,"node_id":7,"wg_pubkey":"","wg_endpoint":"[::1]:1","overlay_ip":"","x":[]}"#;
    let NodeRecord {
        info,
        leaving,
        policy,
    } = NodeRecord::decode(&URL_SAFE_NO_PAD.encode(json)).unwrap();
    assert!(!leaving && policy.is_none());
    assert_eq!(info.wg_endpoint, "[::1]:1".parse().unwrap());
    assert!(info.labels.is_empty());
}

#[test]
fn padding_and_other_alphabets_are_refused() {
    let json = r#"{"node_id":7,"wg_pubkey":"??>>","wg_endpoint":"0.0.0.0:0","overlay_ip":""}"#;
    let value = URL_SAFE_NO_PAD.encode(json);
    assert!(NodeRecord::decode(&value).is_ok());
    let standard = base64::engine::general_purpose::STANDARD_NO_PAD.encode(json);
    assert_ne!(value, standard);
    assert_eq!(NodeRecord::decode(&standard), Err(InfoError::Base64));
    assert_eq!(
        NodeRecord::decode(&format!("{value}=")),
        Err(InfoError::Base64)
    );
}

#[test]
fn a_json_error_quotes_only_the_beginning_of_a_record() {
    let json = format!(r#"{{"node_id":"{}"}}"#, "\u{1b}x".repeat(1000));
    let error = NodeRecord::decode(&URL_SAFE_NO_PAD.encode(json)).unwrap_err();
    let text = error.to_string();
    assert!(text.len() < 200, "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn the_size_limit_applies_to_encoding_and_decoding() {
    let limit = PeerInfo::ENCODED_BYTES_MAX;
    let mut record = NodeRecord::from(node_42());
    let free = limit / 4 * 3 - ZLAYER_JSON.len() - r#","x":"""#.len();
    record.info.labels.insert("x".into(), "y".repeat(free));
    let largest = record.encode().unwrap();
    assert_eq!(largest.len(), limit);
    assert_eq!(NodeRecord::decode(&largest), Ok(record.clone()));

    record.info.labels.insert("x".into(), "y".repeat(free + 1));
    let too_large = InfoError::TooLarge { bytes: limit + 2 };
    assert_eq!(record.encode(), Err(too_large.clone()));
    assert!(too_large.to_string().contains("16384"));
    assert_eq!(NodeRecord::decode(&"A".repeat(limit + 2)), Err(too_large));
}

#[test]
fn leaving_is_encoded_only_when_set() {
    let mut record = NodeRecord::from(PeerInfo::placeholder(7));
    let json = |record: &NodeRecord| {
        let json = URL_SAFE_NO_PAD.decode(record.encode().unwrap()).unwrap();
        String::from_utf8(json).unwrap()
    };
    assert!(!json(&record).contains("leaving"));
    record.leaving = true;
    assert_eq!(json(&record), r#"{"node_id":7,"leaving":true}"#);
    assert_eq!(NodeRecord::decode(&record.encode().unwrap()), Ok(record));
}

#[test]
fn an_agent_says_which_decision_it_follows() {
    let id = DecisionId {
        at: Timestamp::at_ms(1),
        by: 3,
    };
    let mut record = NodeRecord::from(PeerInfo::placeholder(7));
    record.policy = Some("p".into());
    record.info.agent = Some(AgentInfo {
        follows: Some(id),
        api: Some("https://a.example:1".into()),
        ..AgentInfo::default()
    });
    let encoded = record.encode().unwrap();
    let json = String::from_utf8(URL_SAFE_NO_PAD.decode(&encoded).unwrap()).unwrap();
    assert!(
        json.ends_with(
            r#""policy":"p","follows":{"at":65536,"by":3},"api":"https://a.example:1"}"#
        ),
        "{json}"
    );
    assert_eq!(NodeRecord::decode(&encoded), Ok(record.clone()));
    // A member without a policy is no agent, whatever else it says.
    record.policy = None;
    let info = NodeRecord::decode(&record.encode().unwrap()).unwrap().info;
    assert_eq!(info.agent, None);
}

#[test]
fn an_address_of_an_api_that_is_unprintable_or_too_long_counts_as_none() {
    for api in [
        "https://a\u{1b}[31m",
        &"a".repeat(AgentInfo::API_BYTES_MAX + 1),
    ] {
        let mut record = NodeRecord::from(PeerInfo::placeholder(7));
        record.policy = Some("p".into());
        record.info.agent = Some(AgentInfo {
            api: Some(api.into()),
            ..AgentInfo::default()
        });
        let read = NodeRecord::decode(&record.encode().unwrap()).unwrap();
        assert_eq!(read.info.agent, Some(AgentInfo::default()), "{api}");
    }
}

#[test]
fn a_node_id_has_one_spelling() {
    assert_eq!(PeerInfo::key(7), "worker:7");
    assert_eq!(node_id_of("worker:7"), Some(7));
    assert_eq!(node_id_of("worker:0"), Some(0));
    assert_eq!(
        node_id_of("worker:18446744073709551615"),
        Some(u64::MAX),
        "the largest id"
    );
    for other in [
        "worker:",
        "worker:07",
        "worker:00",
        "worker:+7",
        "worker: 7",
        "worker:7 ",
        "worker:7:1",
        "worker:18446744073709551616",
        "Worker:7",
        "7",
    ] {
        assert_eq!(node_id_of(other), None, "{other:?}");
    }
}

#[test]
fn a_leave_has_no_field_that_zlayer_needs() {
    let record = NodeRecord {
        info: node_42(),
        leaving: true,
        policy: Some("policy".into()),
    };
    let value = record.encode().unwrap();
    let json = URL_SAFE_NO_PAD.decode(&value).unwrap();
    assert_eq!(json, br#"{"node_id":42,"leaving":true}"#);
    let read = NodeRecord::decode(&value).unwrap();
    assert!(read.leaving && read.info == PeerInfo::placeholder(42));
    // With other fields it is a leave too.
    let more = ZLAYER_JSON.replace(r#""node_id":42"#, r#""leaving":true,"node_id":42"#);
    let read = NodeRecord::decode(&URL_SAFE_NO_PAD.encode(more)).unwrap();
    assert!(read.leaving && read.info.labels.is_empty());
}
