use super::*;

#[test]
fn a_node_with_too_little_disk_is_refused() {
    let policy = Spacious::new(&Settings::from([("least_disk_mib", "20480")])).unwrap();
    let capacity = |disk_mib| NodeCapacity { cpu_cores: 4, ram_mib: 8_192, disk_mib, geo: None };
    assert_eq!(policy.admit(1, capacity(20_480)), Ok(capacity(20_480)));
    let refused = policy.admit(1, capacity(20_479));
    assert_eq!(refused, Err("disk_mib must be at least 20480".to_string()));
}

#[test]
fn a_node_without_a_geo_gets_no_traffic() {
    let policy = Spacious::new(&Settings::default()).unwrap();
    let candidate = |geo: Option<&str>| Some(Candidate { weight: 7, geo: geo.map(str::to_string) });
    let labels = Labels::from([("edge_cache", "true")]);
    assert_eq!(policy.assess(1, &labels, candidate(Some("eu"))), candidate(Some("eu")));
    assert_eq!(policy.assess(1, &labels, candidate(None)), None);
}
