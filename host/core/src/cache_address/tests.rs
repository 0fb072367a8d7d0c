use super::*;

fn parsed(text: &str) -> Result<String, CacheAddressError> {
    text.parse::<CacheAddress>()
        .map(|address| address.to_string())
}

#[test]
fn an_address_has_one_form() {
    for (text, canonical) in [
        ("192.0.2.7:8080", "192.0.2.7:8080"),
        ("192.0.2.7:080", "192.0.2.7:80"),
        ("[2001:db8:0::7]:80", "[2001:db8::7]:80"),
        ("[2001:DB8::7]:80", "[2001:db8::7]:80"),
        ("[::ffff:192.0.2.7]:80", "192.0.2.7:80"),
        ("127.0.0.1:80", "127.0.0.1:80"),
    ] {
        assert_eq!(parsed(text).as_deref(), Ok(canonical));
    }
}

#[test]
fn anything_else_is_refused() {
    let long = "1".repeat(70_000);
    for text in [
        "",
        "192.0.2.7",
        "192.0.2.7:0",
        "192.0.2.7:65536",
        "192.0.2.7:-1",
        "2001:db8::7:80",
        "[2001:db8::7]",
        "[fe80::1%eth0]:80",
        "[2001:db8::7%3]:80",
        "[2001:db8::7%0]:80",
        "cache.example:80",
        "localhost:80",
        "192.0.2.7:80,192.0.2.8:80",
        "192.0.2.7:80\r\nx: y",
        " 192.0.2.7:80",
        "192.0.2.7:80 ",
        "http://192.0.2.7:80",
        "192.0.2.007:80",
        "0x7f.1:80",
        "192.0.2.7:80/path",
        "user@192.0.2.7:80",
        &long,
    ] {
        assert_eq!(parsed(text), Err(CacheAddressError::Syntax), "{text:.40?}");
    }
    for (text, kind) in [
        ("0.0.0.0:80", "unspecified"),
        ("0.1.2.3:80", "unspecified"),
        ("[::]:80", "unspecified"),
        ("169.254.169.254:80", "link-local"),
        ("[::ffff:169.254.169.254]:80", "link-local"),
        ("[fe80::1]:80", "link-local"),
        ("224.0.0.1:80", "multicast or broadcast"),
        ("255.255.255.255:80", "multicast or broadcast"),
        ("[ff02::1]:80", "multicast or broadcast"),
    ] {
        let error = text.parse::<CacheAddress>().unwrap_err();
        assert!(
            matches!(&error, CacheAddressError::Unusable { kind: is, .. } if *is == kind),
            "{text}: {error}"
        );
    }
}

fn node(node_id: NodeId, label: Option<&str>, overlay_ip: &str) -> PeerInfo {
    let mut info = PeerInfo::placeholder(node_id);
    info.overlay_ip = overlay_ip.to_string();
    if let Some(label) = label {
        info.labels
            .insert(CACHE_ADDRESS_LABEL.to_string(), label.to_string());
    }
    info
}

fn read(rules: &CacheAddressRules, infos: &[PeerInfo]) -> Vec<(NodeId, String)> {
    let read = rules.read(infos, |_| true);
    let addresses = read.iter().map(|(id, address)| (id, address.to_string()));
    let refused = read
        .refused()
        .map(|(id, error)| (id, format!("refused: {error}")));
    let mut all: Vec<_> = addresses.chain(refused).collect();
    all.sort();
    all
}

#[test]
fn the_rules_limit_what_a_label_may_name() {
    let rules = CacheAddressRules {
        networks: vec![
            "10.0.0.0/8".parse().unwrap(),
            "2001:db8::/32".parse().unwrap(),
        ],
        ..CacheAddressRules::default()
    };
    let infos = [
        node(1, Some("10.1.2.3:80"), ""),
        node(2, Some("[2001:db8::2]:80"), ""),
        node(3, Some("192.0.2.7:80"), ""),
        node(4, Some("127.0.0.1:80"), ""),
        node(5, Some("cache.example:80"), "10.0.0.5"),
        node(6, None, "10.0.0.6"),
    ];
    insta::assert_debug_snapshot!(read(&rules, &infos), @r#"
    [
        (
            1,
            "10.1.2.3:80",
        ),
        (
            2,
            "[2001:db8::2]:80",
        ),
        (
            3,
            "refused: 192.0.2.7 is in none of the networks of the setting `traffic.networks`",
        ),
        (
            4,
            "refused: 127.0.0.1 is a loopback address, which means another machine to each peer",
        ),
        (
            5,
            "refused: it must be IP:PORT with a port above 0, such as 192.0.2.7:8080 or [2001:db8::7]:8080; names and zones are refused",
        ),
    ]
    "#);
}

#[test]
fn nodes_without_the_label_have_the_default_port_at_their_overlay_address() {
    let rules = CacheAddressRules {
        default_port: NonZeroU16::new(8080),
        loopback: LoopbackRule::Accept,
        ..CacheAddressRules::default()
    };
    let infos = [
        node(1, None, "10.0.0.1"),
        node(2, None, ""),
        node(3, None, "nonsense"),
        node(4, Some("127.0.0.1:81"), "10.0.0.4"),
        node(5, None, "fd00::5"),
        node(6, None, "169.254.169.254"),
    ];
    let all = read(&rules, &infos);
    let texts: Vec<_> = all
        .iter()
        .map(|(id, text)| format!("{id} {text}"))
        .collect();
    assert_eq!(
        texts,
        [
            "1 10.0.0.1:8080",
            "4 127.0.0.1:81",
            "5 [fd00::5]:8080",
            "6 refused: 169.254.169.254 is link-local, and no address of a cache",
        ]
    );
}

#[test]
fn of_two_nodes_with_one_address_the_lower_id_has_it() {
    let infos = [
        node(9, Some("192.0.2.7:80"), ""),
        node(2, Some("[::ffff:192.0.2.7]:80"), ""),
        node(3, Some("192.0.2.7:81"), ""),
    ];
    let read = CacheAddressRules::default().read(&infos, |_| true);
    assert_eq!(read.get(2).unwrap().to_string(), "192.0.2.7:80");
    assert_eq!(read.get(9), None);
    assert_eq!(
        read.refusal(9).unwrap().to_string(),
        "node 2 has the address 192.0.2.7:80 too, and keeps it: it serves keys, or its id is lower"
    );
    assert_eq!(read.iter().len(), 2);
    // A node that serves no keys takes no address of one that does.
    let read = CacheAddressRules::default().read(&infos, |node| node == 9);
    assert_eq!(read.get(9).unwrap().to_string(), "192.0.2.7:80");
    assert_eq!(read.get(2), None);
}
