use super::*;

#[test]
fn a_region_is_what_stands_before_the_last_dash() {
    for (geo, expected) in [
        ("eu-central-1", "eu-central"),
        ("eu-central", "eu"),
        ("eu", "eu"),
        ("eu-", "eu"),
        ("-1", ""),
        ("-", ""),
        ("", ""),
    ] {
        assert_eq!(region(geo), expected, "{geo}");
    }
}

#[test]
fn tiers_are_the_same_geo_the_same_region_and_the_rest() {
    let mut geos: Vec<Option<Arc<str>>> = [
        None,
        Some("eu-central-1"),
        Some("eu-central-2"),
        Some("eu-central"),
        Some("eu"),
        Some("us-east-1"),
    ]
    .map(|geo| geo.map(Arc::from))
    .into();
    geos.sort_by(|a, b| sort_key(a.as_deref()).cmp(&sort_key(b.as_deref())));
    for (from, expected) in [
        ("eu-central-1", [&["eu-central-1"][..], &["eu-central-2"]]),
        ("eu-central-9", [&[], &["eu-central-1", "eu-central-2"]]),
        ("eu-central", [&["eu-central"], &["eu"]]),
        ("eu-west", [&[], &["eu", "eu-central"]]),
        ("us-east-1", [&["us-east-1"], &[]]),
        ("mars", [&[], &[]]),
    ] {
        let asker = Asker::find(from, &geos);
        let in_tier = |tier: usize| -> Vec<&str> {
            let places = asker.tiers(geos.len())[tier].clone();
            let all = places.into_iter().flat_map(|place| &geos[place]);
            all.filter_map(|geo| geo.as_deref()).collect()
        };
        assert_eq!([&*in_tier(0), &*in_tier(1)], expected, "from {from}");
        assert_eq!(in_tier(0).len() + in_tier(1).len() + in_tier(2).len(), 5);
        for (index, geo) in (0..).zip(&geos) {
            let tier = usize::from(asker.tier(index));
            assert!(geo.is_none() || in_tier(tier).contains(&geo.as_deref().unwrap()));
            assert!(geo.is_some() || tier == 2);
        }
        assert_eq!(asker.has_one_tier(geos.len()), from == "mars");
    }
    let own: [_; 1] = [Some(Arc::from("eu"))];
    assert!(Asker::find("eu", &own).has_one_tier(1));
    assert!(Asker::default().has_one_tier(0));
}
