use super::*;

fn config() -> GossipConfig {
    let listen = "127.0.0.1:0".parse().unwrap();
    GossipConfig::new(PeerInfo::placeholder(1), "test", listen)
}

fn with_seed(seed: &str) -> Result<(), GossipError> {
    let mut config = config();
    config.seeds = vec![seed.into()];
    config.validate()
}

#[test]
fn seeds_are_addresses_or_names_with_a_port() {
    for seed in [
        "10.0.0.1:7946",
        "[fd00::1]:7946",
        "localhost:1",
        "edge_1.example-a.com:65535",
        "seeds.example.com.:7946",
    ] {
        with_seed(seed).unwrap();
    }
    for seed in [
        "",
        "10.0.0.1",
        "10.0.0.1:0",
        "0.0.0.0:7946",
        "[::]:7946",
        "[::ffff:0.0.0.0]:7946",
        "fd00::1:7946",
        "name",
        "name:",
        "name:+1",
        "name:65536",
        ":7946",
        "na me:7946",
        "http://name:7946",
    ] {
        let error = with_seed(seed).unwrap_err();
        assert!(matches!(&error, GossipError::Seed { seed: bad } if bad == seed));
        assert!(error.to_string().contains(&format!("{seed:?}")), "{error}");
    }
}

#[test]
fn the_unspecified_address_is_not_advertised() {
    for listen in ["0.0.0.0:7946", "[::]:7946", "0.0.0.0:0"] {
        let mut config = config();
        config.listen = listen.parse().unwrap();
        let error = config.validate().unwrap_err();
        assert!(
            matches!(error, GossipError::NotAdvertisable { address } if address == config.listen)
        );
        assert!(error.to_string().contains("--gossip-advertise"), "{error}");

        config.advertise = Some("10.0.0.1:7946".parse().unwrap());
        config.validate().unwrap();
        config.advertise = Some(config.listen);
        config.validate().unwrap_err();
    }
}

#[test]
fn the_advertised_port_is_never_zero() {
    let bound = "127.0.0.1:40000".parse().unwrap();
    let mut config = config();
    assert_eq!(config.advertised(bound), bound);
    config.advertise = Some("10.0.0.1:0".parse().unwrap());
    assert_eq!(config.advertised(bound), "10.0.0.1:40000".parse().unwrap());
    config.advertise = Some("10.0.0.1:7946".parse().unwrap());
    assert_eq!(config.advertised(bound), "10.0.0.1:7946".parse().unwrap());
}

#[test]
fn settings_outside_their_range_are_named() {
    let refused = |change: fn(&mut GossipConfig)| {
        let mut config = config();
        change(&mut config);
        config.validate().unwrap_err().to_string()
    };
    assert_eq!(
        refused(|config| config.interval = Duration::ZERO),
        "gossip setting interval must be 10ms to 5s, not 0ns"
    );
    assert_eq!(
        refused(|config| config.dead_node_grace_period = Duration::MAX),
        format!(
            "gossip setting dead_node_grace_period must be 10s to 86400s, not {:?}",
            Duration::MAX
        )
    );
    let cluster_id = "gossip setting cluster_id must be 1 to 128 bytes without control characters";
    assert_eq!(refused(|config| config.cluster_id.clear()), cluster_id);
    assert_eq!(
        refused(|config| config.cluster_id = "x".repeat(129)),
        cluster_id
    );
    assert_eq!(refused(|config| config.cluster_id.push('\n')), cluster_id);
}
