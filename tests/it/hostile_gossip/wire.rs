//! chitchat's messages, byte for byte: its own types can't be told to lie.

use std::net::{SocketAddr, UdpSocket};
use std::time::Duration;

/// Beginning of every message: the magic number and version 0.
const HEAD: [u8; 3] = [0x53, 0xb0, 0];
const SYN: u8 = 0;
const SYN_ACK: u8 = 1;
const ACK: u8 = 2;
/// Maximum time for an answer.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// A member as it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Member {
    pub(super) name: String,
    pub(super) generation: u64,
    pub(super) address: SocketAddr,
}

impl Member {
    pub(crate) fn new(name: impl Into<String>, generation: u64) -> Self {
        Self {
            name: name.into(),
            generation,
            address: SocketAddr::from(([127, 0, 0, 1], 9)),
        }
    }

    fn write(&self, to: &mut Vec<u8>) {
        text(&self.name, to);
        to.extend(self.generation.to_le_bytes());
        let SocketAddr::V4(address) = self.address else {
            panic!("an address of loopback is one of version 4")
        };
        to.push(4);
        to.extend(address.ip().octets());
        to.extend(address.port().to_le_bytes());
    }

    fn read(from: &mut &[u8]) -> Option<Self> {
        let length = u16::from_le_bytes(take(from)?);
        let (name, rest) = from.split_at_checked(length.into())?;
        *from = rest;
        let generation = u64::from_le_bytes(take(from)?);
        let [4, a, b, c, d] = take(from)? else {
            return None;
        };
        let port = u16::from_le_bytes(take(from)?);
        Some(Self {
            name: String::from_utf8(name.to_vec()).ok()?,
            generation,
            address: SocketAddr::from(([a, b, c, d], port)),
        })
    }
}

/// A part of what one member tells another.
pub(super) enum Op<'a> {
    /// Marks that the following operations are about this member.
    Of(&'a Member),
    /// The same, for what follows a version.
    OfFrom(&'a Member, u64),
    Set(&'a str, &'a str, u64),
    MaxVersion(u64),
}

/// The first message of a round: the members, with their heartbeats and versions.
pub(crate) fn syn(cluster: &str, members: &[(Member, u64, u64)]) -> Vec<u8> {
    let mut message = HEAD.to_vec();
    message.push(SYN);
    message.extend(u16::try_from(members.len()).unwrap().to_le_bytes());
    for (member, heartbeat, version) in members {
        member.write(&mut message);
        message.extend(heartbeat.to_le_bytes());
        message.extend(0_u64.to_le_bytes());
        message.extend(version.to_le_bytes());
    }
    text(cluster, &mut message);
    message
}

/// The last message of a round: what is new.
pub(super) fn ack(ops: &[Op<'_>]) -> Vec<u8> {
    let mut block = Vec::new();
    for op in ops {
        match op {
            Op::Of(_) | Op::OfFrom(..) => {
                let (member, from) = match op {
                    Op::OfFrom(member, from) => (member, *from),
                    Op::Of(member) => (member, 0),
                    _ => unreachable!(),
                };
                block.push(0);
                member.write(&mut block);
                block.extend([0; 8]);
                block.extend(from.to_le_bytes());
            }
            Op::Set(key, value, version) => {
                block.push(1);
                text(key, &mut block);
                text(value, &mut block);
                block.extend(version.to_le_bytes());
                block.push(0);
            }
            Op::MaxVersion(version) => {
                block.push(2);
                block.extend(version.to_le_bytes());
            }
        }
    }
    let mut message = HEAD.to_vec();
    message.extend([ACK, 2]);
    message.extend(u16::try_from(block.len()).unwrap().to_le_bytes());
    message.extend(block);
    message.push(0);
    message
}

/// Returns a last message of this number of compressed blocks, each of which inflates to the maximum size.
pub(super) fn bomb(blocks: usize) -> Vec<u8> {
    // A frame of 65,535 bytes: one block that says how often its only byte is to be repeated. The byte
    // turns it into valid operations, which take even more memory.
    let header = [0x28, 0xb5, 0x2f, 0xfd, 0x60, 0xff, 0xfe];
    let repeated = ((65_535_u32 << 3) | 0b011).to_le_bytes();
    let frame = [&header[..], &repeated[..3], &[2]].concat();
    let mut message = HEAD.to_vec();
    message.push(ACK);
    for _ in 0..blocks {
        message.push(1);
        message.extend(u16::try_from(frame.len()).unwrap().to_le_bytes());
        message.extend(&frame);
    }
    message.push(0);
    message
}

/// Returns a last message with this number of values of 60,000 bytes, each of which takes some 40 bytes in it.
pub(super) fn swollen(member: &Member, first_version: u64, count: u64) -> Vec<u8> {
    const VALUE_BYTES: u16 = 60_000;
    let plain = |bytes: &[u8]| {
        let length = u16::try_from(bytes.len()).unwrap().to_le_bytes();
        [&[2], &length[..], bytes].concat()
    };
    let size = (VALUE_BYTES - 256).to_le_bytes();
    let repeated = ((u32::from(VALUE_BYTES) << 3) | 0b011).to_le_bytes();
    let frame = [
        &[0x28, 0xb5, 0x2f, 0xfd, 0x60],
        &size[..],
        &repeated[..3],
        b"v",
    ]
    .concat();
    let length = u16::try_from(frame.len()).unwrap().to_le_bytes();
    let value = [&[1], &length[..], &frame].concat();

    let mut message = HEAD.to_vec();
    message.push(ACK);
    let mut head = vec![0];
    member.write(&mut head);
    head.extend([0; 8]);
    head.extend((first_version - 1).to_le_bytes());
    message.extend(plain(&head));
    for version in first_version..first_version + count {
        let mut pair = vec![1];
        text(&format!("key {version}"), &mut pair);
        pair.extend(VALUE_BYTES.to_le_bytes());
        message.extend(plain(&pair));
        message.extend(&value);
        message.extend(plain(&[&version.to_le_bytes()[..], &[0]].concat()));
    }
    message.push(0);
    message
}

/// Asks a member for all members that it knows, itself included.
pub(super) fn members_of(address: SocketAddr, cluster: &str) -> Option<Vec<Member>> {
    let socket = UdpSocket::bind((address.ip(), 0)).unwrap();
    socket.set_read_timeout(Some(ANSWERED_WITHIN)).unwrap();
    socket.send_to(&syn(cluster, &[]), address).unwrap();
    let mut buffer = vec![0; 65_535];
    let received = socket.recv(&mut buffer).ok()?;
    let mut answer = &buffer[..received];
    let [magic0, magic1, version, SYN_ACK] = take(&mut answer)? else {
        return None;
    };
    assert_eq!([magic0, magic1, version], HEAD);
    let count = u16::from_le_bytes(take(&mut answer)?);
    let mut members = Vec::new();
    for _ in 0..count {
        members.push(Member::read(&mut answer)?);
        take::<24>(&mut answer)?;
    }
    Some(members)
}

fn text(text: &str, to: &mut Vec<u8>) {
    to.extend(u16::try_from(text.len()).unwrap().to_le_bytes());
    to.extend(text.as_bytes());
}

fn take<const BYTES: usize>(from: &mut &[u8]) -> Option<[u8; BYTES]> {
    let (bytes, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(*bytes)
}
