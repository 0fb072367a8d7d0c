use super::*;
use crate::effective::SetAside;

#[test]
fn a_refusal_is_short_and_printable_at_both_ends() {
    let set_aside = SetAside::Refused(format!("no\n{}", "é".repeat(200)));
    let decision = Decision::disable(7, Timestamp::at_ms(5), 3);
    let info = AgentInfo::of(Some(&EffectiveDecision {
        decision,
        set_aside: Some(set_aside),
    }));
    let refuses = info.refuses.as_ref().unwrap();
    assert_eq!((refuses.decision.by, info.follows), (3, None));
    assert!(refuses.reason.starts_with("no\u{fffd}é") && refuses.reason.ends_with('…'));
    assert_eq!(refuses.reason.len(), Refusal::REASON_BYTES_MAX);

    let json = serde_json::to_string(&info).unwrap();
    assert_eq!(serde_json::from_str::<AgentInfo>(&json).unwrap(), info);
    let hostile = format!(
        r#"{{"refuses":{{"at":1,"by":2,"reason":"\u202e{}"}}}}"#,
        "x".repeat(10_000)
    );
    let info: AgentInfo = serde_json::from_str(&hostile).unwrap();
    let reason = info.refuses.unwrap().reason;
    assert!(reason.starts_with('\u{fffd}') && reason.len() <= Refusal::REASON_BYTES_MAX);
}

#[test]
fn the_wire_format_is_that_of_the_design() {
    let decision = Decision::disable(7, Timestamp::at_ms(1), 3);
    let follows = AgentInfo::of(Some(&EffectiveDecision {
        decision,
        set_aside: None,
    }));
    let json = serde_json::to_string(&follows).unwrap();
    assert_eq!(json, r#"{"follows":{"at":65536,"by":3}}"#);
    assert_eq!(serde_json::to_string(&AgentInfo::of(None)).unwrap(), "{}");
}

#[test]
fn an_address_or_a_version_that_is_not_printable_or_too_long_is_none() {
    let read = |field: &str, text: &str| {
        let json = serde_json::json!({ field: text }).to_string();
        let info: AgentInfo = serde_json::from_str(&json).unwrap();
        (info.api, info.version)
    };
    let longest = "x".repeat(AgentInfo::API_BYTES_MAX);
    for api in ["http://192.0.2.7:9000", &*longest] {
        assert_eq!(read("api", api), (Some(api.to_string()), None));
    }
    let longest = "1".repeat(AgentInfo::VERSION_BYTES_MAX);
    for version in ["1.2.3", &*longest] {
        assert_eq!(read("version", version), (None, Some(version.to_string())));
    }
    for (field, bytes_max) in [
        ("api", AgentInfo::API_BYTES_MAX),
        ("version", AgentInfo::VERSION_BYTES_MAX),
    ] {
        for text in ["a\nb", &*"x".repeat(bytes_max + 1)] {
            assert_eq!(read(field, text), (None, None), "{field} {text:?}");
        }
    }
}

#[test]
fn the_key_of_a_record_is_that_of_a_worker() {
    assert_eq!(PeerInfo::key(7), "worker:7");
}
