//! Doors of gossip: what peers, and others that reach the port, send.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use edge_cache_core::PeerInfo;
use edge_cache_core::decision::Decision;
use edge_cache_gossip::{DatagramDoor, GossipConfig, GossipPool, Keyring, reencode_info};
use tokio::net::UdpSocket;
use tokio::runtime::Builder;
use tokio::time::timeout;

use super::Entered::{self, Ignored, Passed, Refused};
use super::refused;

const CLUSTER: &str = "c";
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
/// Memory for the states of all members.
const STATE_BYTES: usize = 1 << 20;
/// The largest UDP datagram.
const DATAGRAM_BYTES_MAX: usize = 65_507;
/// The largest fragment that is sealed here; a few bytes more fit.
const FRAGMENT_BYTES_MAX: usize = 65_000;
/// The longest error about a record or a decision, in bytes.
const ERROR_BYTES_MAX: usize = 1_100;
/// The node whose decision it is, and whose record.
const NODE: u64 = 7;
/// Between two messages in an input of [`datagram`] and [`gossip_member`], and between two fragments in one of [`sealed`].
const BETWEEN: &[u8] = b"\n--\n";
/// A SYN without members, and the kind of its answer.
const SYN: &[u8] = &[0x53, 0xb0, 0, 0, 0, 0, 1, 0, b'c'];
const SYN_ACK: u8 = 1;
/// Time in which a member answers on a busy machine.
const ANSWERED_WITHIN: Duration = Duration::from_secs(20);

fn door() -> DatagramDoor {
    DatagramDoor::new(1, CLUSTER, Keyring::parse(KEY).unwrap(), STATE_BYTES)
}

/// Messages without encryption: what is let through is no larger than a datagram, and the first let through again.
pub(super) fn datagram(input: &[u8]) -> Entered {
    let mut door = door();
    let mut entered = Ignored;
    for (index, message) in parts(input).enumerate() {
        entered = entered.max(match door.check(message) {
            Ok(passed) => {
                assert!(passed.len() <= DATAGRAM_BYTES_MAX.max(message.len()));
                if index == 0 {
                    let again = self::door().check(&passed);
                    assert!(again.is_ok(), "{again:?} of {passed:?}");
                }
                Passed
            }
            Err(reason) => Refused(reason.to_string()),
        });
    }
    entered
}

/// Sealed datagrams of those who have no key, and fragments of those who have it.
///
/// A sealed datagram is opened once, and with any bit changed not at all.
pub(super) fn sealed(input: &[u8]) -> Entered {
    let mut door = door();
    assert!(door.open(input).is_err());
    let datagrams = door.seal(input);
    assert!(!datagrams.is_empty() || input.len() > DATAGRAM_BYTES_MAX);
    for datagram in &datagrams {
        let mut changed = datagram.clone();
        let at = input.first().map_or(0, |first| usize::from(*first)) % changed.len();
        changed[at] ^= 1 << (input.len() % 8);
        assert!(door.open(&changed).is_err());
    }
    let opened: Vec<_> = datagrams
        .iter()
        .filter_map(|it| door.open(it).unwrap())
        .collect();
    assert!(datagrams.is_empty() || opened == [input]);
    for datagram in &datagrams {
        assert!(door.open(datagram).is_err());
    }
    open_fragments(&mut door, input)
}

/// Opens fragments: one byte is the id of the message, two are the position.
fn open_fragments(door: &mut DatagramDoor, input: &[u8]) -> Entered {
    let mut entered = Ignored;
    for part in parts(input).filter(|it| it.len() <= FRAGMENT_BYTES_MAX) {
        let [id, index, count, fragment @ ..] = part else {
            continue;
        };
        let datagram = door.seal_fragment(u64::from(*id), [*index, *count], fragment);
        let opened = door.open(&datagram.unwrap());
        entered = entered.max(match opened {
            Ok(Some(message)) => {
                assert!(message.ends_with(fragment) || message.starts_with(fragment));
                Passed
            }
            Ok(None) => Refused("a fragment is missing".to_string()),
            Err(reason) => Refused(reason.to_string()),
        });
    }
    entered
}

/// The record of a node, as text of the wire and as the JSON inside: read and written again, it is the same.
pub(super) fn node_info(input: &[u8]) -> Entered {
    let Ok(text) = std::str::from_utf8(input) else {
        return Ignored;
    };
    let of_record = |encoded: &str| match reencode_info(encoded) {
        Err(error) => refused(&error, ERROR_BYTES_MAX),
        // Escapes and defaults may be longer than what was read.
        Ok((_, Err(error))) => refused(&error, ERROR_BYTES_MAX),
        Ok((info, Ok(again))) => {
            assert!(again.len() <= PeerInfo::ENCODED_BYTES_MAX);
            let (same, _) = reencode_info(&again).unwrap();
            assert_eq!(same, info);
            Passed
        }
    };
    of_record(text).max(of_record(&URL_SAFE_NO_PAD.encode(text)))
}

/// A decision: within its bounds, read and written again it is the same, and it does not beat itself.
pub(super) fn decision(input: &[u8]) -> Entered {
    let Ok(text) = std::str::from_utf8(input) else {
        return Ignored;
    };
    match Decision::decode(NODE, text) {
        Err(error) => refused(&error, ERROR_BYTES_MAX),
        Ok(decision) => {
            assert_eq!(decision.check(), Ok(()));
            assert!(!decision.beats(&decision));
            let encoded = decision.encode();
            if encoded.len() <= Decision::BYTES_MAX {
                assert_eq!(Decision::decode(NODE, &encoded), Ok(decision));
            }
            Passed
        }
    }
}

/// Datagrams to a member that does not encrypt: it answers afterwards, and its server has not ended meanwhile.
pub(super) fn gossip_member(input: &[u8]) -> Entered {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let listen = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let info = PeerInfo::placeholder(1);
        let mut config = GossipConfig::new(info, CLUSTER, listen);
        config.join_timeout = Duration::ZERO;
        let pool = GossipPool::start(config).await.unwrap();
        let [stranger, peer] = [socket(&pool).await, socket(&pool).await];
        for datagram in parts(input).filter(|it| it.len() <= DATAGRAM_BYTES_MAX) {
            stranger.send(datagram).await.unwrap();
        }
        peer.send(SYN).await.unwrap();
        let mut answer = vec![0; DATAGRAM_BYTES_MAX];
        let answered = timeout(ANSWERED_WITHIN, peer.recv(&mut answer)).await;
        answered.expect("the member answers").unwrap();
        assert_eq!(answer[3], SYN_ACK);
        assert_eq!(pool.metrics().restarts.get(), 0);
        for peer in pool.peers() {
            let (_, encoded) = reencode_info(&URL_SAFE_NO_PAD.encode(to_json(&peer))).unwrap();
            assert!(encoded.is_ok());
        }
        // That of the peer was read too.
        match pool.metrics().received() {
            (0..=1, _) => Refused("no datagram is gossip".to_string()),
            _ => Passed,
        }
    })
}

async fn socket(pool: &GossipPool) -> UdpSocket {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    socket.connect(pool.listen_addr()).await.unwrap();
    socket
}

fn parts(input: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(input);
    std::iter::from_fn(move || {
        let now = rest?;
        let found = now.windows(BETWEEN.len()).position(|it| it == BETWEEN);
        let (part, after) = match found {
            Some(at) => (&now[..at], Some(&now[at + BETWEEN.len()..])),
            None => (now, None),
        };
        rest = after;
        Some(part)
    })
}

fn to_json(info: &PeerInfo) -> String {
    serde_json::to_string(info).unwrap()
}
