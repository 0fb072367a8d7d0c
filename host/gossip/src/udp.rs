//! UDP under chitchat: every datagram is checked, and encrypted if there are keys.
//!
//! chitchat encodes and decodes its messages itself, without a hook for others. Its own socket
//! therefore stays on loopback. It and the relay socket here are connected to each other, so the
//! system discards what other processes send to them. Datagrams from the network are decrypted,
//! checked and relayed to it. Its messages are taken from it, encrypted and sent to the network.
//! Datagrams that are not authentic, or that would end the server, are dropped and counted. With
//! keys, no plain datagram is sent.

use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chitchat::transport::{RecvOutcome, SendOutcome, Socket, UdpSocket as ChitchatSocket};
use chitchat::{ChitchatEnvelope, ProtocolVersion};
use socket2::{SockRef, Type};
use tokio::net::UdpSocket;
use tokio::time::{self, Instant};
use tracing::{debug, warn};

use crate::clock::now_ms;
use crate::config::Network;
use crate::datagrams::Datagrams;
use crate::drop_reason::DropReason;
use crate::heard::Heard;
use crate::keyring::SharedKeyring;
use crate::seal::{Opener, Sealer};
use crate::transport::{BoundSocket, ClockOff, GossipTransport, MemberContext};
use crate::validator::{BAD_CLUSTER, MessageValidator};

/// Maximum size of a UDP datagram, plus one byte to detect a larger one.
const BUFFER_BYTES: usize = 65_507 + 1;
/// Time after which a datagram between the two loopback sockets counts as lost. It arrives at once,
/// or the system has dropped it.
const LOOPBACK_TIMEOUT: Duration = Duration::from_secs(1);
/// Minimum time between two log lines about dropped datagrams with the same reason: a sender may send
/// millions.
const LOG_INTERVAL: Duration = Duration::from_secs(60);

pub(crate) struct UdpTransport {
    pub(crate) cluster_id: String,
    pub(crate) keyring: Option<SharedKeyring>,
    pub(crate) protocol: ProtocolVersion,
    pub(crate) network: Network,
}

/// Encryption and decryption of datagrams.
struct Encryption {
    sealer: Sealer,
    opener: Opener,
}

/// Bound sockets without a member.
struct UdpSockets {
    address: SocketAddr,
    network: Datagrams,
    /// The socket of chitchat, on loopback.
    inner: ChitchatSocket,
    /// The socket that exchanges messages with `inner`.
    relay: UdpSocket,
    relay_address: SocketAddr,
    encryption: Option<Encryption>,
    cluster_id: String,
    protocol: ProtocolVersion,
}

/// A datagram that was relayed to chitchat's socket.
#[derive(Clone, Copy)]
struct Relayed {
    from: SocketAddr,
    bytes: usize,
    /// Time at which the datagram counts as lost. Kept across calls of `recv`, which may be dropped.
    due: Instant,
}

/// The socket that chitchat uses: checks, decrypts and encrypts the datagrams between it and the network.
struct ValidatingSocket {
    sockets: UdpSockets,
    member: MemberContext,
    validator: MessageValidator,
    buffer: Vec<u8>,
    /// The datagram that was relayed and not yet received by chitchat's socket.
    relayed: Option<Relayed>,
    /// Time of the last log line for each reason to drop a datagram.
    logged: HashMap<DropReason, Instant>,
}

#[async_trait]
impl GossipTransport for UdpTransport {
    async fn bind(&self, listen: SocketAddr) -> anyhow::Result<Box<dyn BoundSocket>> {
        let network = Datagrams::bind(&self.network, listen).await?;
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let inner = ChitchatSocket::open(loopback).await?;
        let relay = UdpSocket::bind(loopback).await?;
        relay.connect(inner.local_addr()?).await?;
        connect_inner(inner.local_addr()?, relay.local_addr()?)?;
        let encryption = self.keyring.clone().map(|keyring| Encryption {
            sealer: Sealer::new(Arc::clone(&keyring), &self.cluster_id),
            opener: Opener::new(keyring, &self.cluster_id),
        });
        Ok(Box::new(UdpSockets {
            address: network.local_addr()?,
            relay_address: relay.local_addr()?,
            network,
            inner,
            relay,
            encryption,
            cluster_id: self.cluster_id.clone(),
            protocol: self.protocol,
        }))
    }
}

impl BoundSocket for UdpSockets {
    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn into_socket(self: Box<Self>, member: MemberContext) -> Box<dyn Socket> {
        Box::new(ValidatingSocket {
            validator: MessageValidator::new(
                &member.id,
                &self.cluster_id,
                self.protocol,
                Arc::clone(&member.states),
            ),
            sockets: *self,
            member,
            buffer: vec![0; BUFFER_BYTES],
            relayed: None,
            logged: HashMap::new(),
        })
    }
}

impl ValidatingSocket {
    /// Checks a datagram and relays it to chitchat's socket.
    fn relay(&mut self, from: SocketAddr, received: usize) -> Result<(), DropReason> {
        let datagram = self.buffer.get(..received).unwrap_or_default();
        let is_sealed = self.sockets.encryption.is_some();
        let plain = match &mut self.sockets.encryption {
            None => datagram,
            Some(encryption) => {
                let now = Instant::now().into_std();
                match encryption.opener.open(datagram, from, now_ms(), now)? {
                    Some(payload) => payload,
                    // The other fragment is still to come.
                    None => return Ok(()),
                }
            }
        };
        self.validator
            .check(from, plain)
            .inspect_err(|reason| match reason {
                DropReason::AboutSelf => self.member.impersonated.notify_one(),
                // Tells its operator why the two do not meet. Lost answers do not matter.
                DropReason::OtherCluster if !is_sealed => {
                    let _ = self.sockets.network.try_send_to(&BAD_CLUSTER, from);
                }
                _ => {}
            })?;
        let rewritten = self.validator.take_rewritten();
        let sent = self
            .sockets
            .relay
            .try_send(rewritten.as_deref().unwrap_or(plain));
        for reason in std::mem::take(&mut self.validator.cuts) {
            self.drop_datagram(reason, from);
        }
        match sent {
            Ok(_) => {
                let key = self
                    .sockets
                    .encryption
                    .as_ref()
                    .and_then(|it| it.opener.key);
                let at_ms = now_ms();
                self.member.heard.note(from, Heard { at_ms, key });
                let now = Instant::now();
                self.relayed = Some(Relayed {
                    from,
                    bytes: received,
                    due: now.checked_add(LOOPBACK_TIMEOUT).unwrap_or(now),
                });
                Ok(())
            }
            Err(error) => {
                debug!(%error, "cannot relay a datagram to chitchat");
                Err(DropReason::Loopback)
            }
        }
    }

    /// Counts a dropped datagram, and logs it at most once a minute for each reason.
    fn drop_datagram(&mut self, reason: DropReason, other: SocketAddr) {
        let total = self.member.metrics.count_dropped(reason);
        let encryption = self.sockets.encryption.as_ref();
        let clock_off_ms = encryption.map_or(0, |it| it.opener.offsets.latest_ms());
        if reason == DropReason::Stale {
            let off = ClockOff {
                address: other,
                ahead_ms: clock_off_ms,
                seen: Instant::now(),
            };
            self.member.clock_off.store(Some(Arc::new(off)));
        }
        self.member.refusals.note_dropped(other, reason);
        let logged = self.logged.get(&reason);
        if logged.is_none_or(|at| at.elapsed() > LOG_INTERVAL) {
            self.logged.insert(reason, Instant::now());
            let name: &str = reason.into();
            if reason == DropReason::Stale {
                warn!(
                    reason = name, %other, total, ahead_s = clock_off_ms / 1_000,
                    "dropped a gossip datagram: the clock of its sender, or of this node, is wrong, or it is a replay"
                );
            } else {
                warn!(reason = name, %other, total, "dropped a gossip datagram");
            }
        }
    }

    /// Receives the message that chitchat has just sent.
    async fn receive_message(&mut self) -> io::Result<usize> {
        time::timeout(LOOPBACK_TIMEOUT, self.sockets.relay.recv(&mut self.buffer))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

#[async_trait]
impl Socket for ValidatingSocket {
    fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.sockets.address)
    }

    /// Never fails: a message that cannot be sent is lost, as any datagram can be.
    async fn send(
        &mut self,
        to: SocketAddr,
        envelope: ChitchatEnvelope,
    ) -> anyhow::Result<SendOutcome> {
        // A message that came too late for its own call must not be taken for this one.
        while self.sockets.relay.try_recv(&mut self.buffer).is_ok() {}
        let written = async {
            self.sockets
                .inner
                .send(self.sockets.relay_address, envelope)
                .await
                .inspect_err(|_| self.validator.unwritten())?;
            anyhow::Ok(self.receive_message().await?)
        }
        .await;
        let length = match written {
            Ok(length) => length,
            Err(error) => {
                debug!(%error, "no message from chitchat's socket");
                self.drop_datagram(DropReason::Unwritten, to);
                return Ok(SendOutcome { num_bytes_sent: 0 });
            }
        };
        let plain = self.buffer.get(..length).unwrap_or_default();
        if let Err(reason) = self.validator.sent(to, plain) {
            let reason: &str = reason.into();
            debug!(reason, %to, "peers will reject this message of chitchat");
        }
        let (bytes, members) = (
            self.validator.digest_bytes(),
            self.validator.digest_members(),
        );
        self.member.metrics.set_digest(bytes, members);
        let datagrams = match &self.sockets.encryption {
            None => vec![plain.to_vec()],
            Some(encryption) => match encryption.sealer.seal(plain, now_ms()) {
                Ok(datagrams) => datagrams,
                Err(error) => {
                    debug!(%error, "cannot encrypt a datagram, it is not sent");
                    self.drop_datagram(DropReason::Unsealed, to);
                    Vec::new()
                }
            },
        };
        let mut num_bytes_sent = 0_usize;
        for datagram in datagrams {
            match self.sockets.network.send_to(&datagram, to).await {
                Ok(bytes) => {
                    self.member.metrics.count_sent(bytes);
                    num_bytes_sent = num_bytes_sent.saturating_add(bytes);
                }
                Err(error) => {
                    debug!(%to, %error, "cannot send a datagram");
                    self.drop_datagram(DropReason::Unsent, to);
                }
            }
        }
        Ok(SendOutcome { num_bytes_sent })
    }

    // chitchat may drop this future at any await. The relayed datagram is remembered in `self`, and
    // there is no await between receiving a datagram and relaying it.
    async fn recv(&mut self) -> anyhow::Result<RecvOutcome> {
        loop {
            if let Some(relayed) = self.relayed {
                let Ok(outcome) = time::timeout_at(relayed.due, self.sockets.inner.recv()).await
                else {
                    self.relayed = None;
                    self.drop_datagram(DropReason::Loopback, relayed.from);
                    continue;
                };
                let outcome = outcome?;
                self.relayed = None;
                self.member.metrics.count_received(relayed.bytes);
                return Ok(RecvOutcome {
                    from_addr: relayed.from,
                    envelope: outcome.envelope,
                    num_bytes_received: relayed.bytes,
                });
            }
            match self.sockets.network.recv_from(&mut self.buffer).await {
                Ok((received, from)) => {
                    if let Err(reason) = self.relay(from, received) {
                        self.drop_datagram(reason, from);
                    }
                    if let Some(encryption) = &mut self.sockets.encryption {
                        let offset_ms = encryption.opener.offsets.largest_ms();
                        self.member.metrics.set_clock_offset_ms(offset_ms);
                        for _ in 0..encryption.opener.take_abandoned() {
                            self.drop_datagram(DropReason::Incomplete, from);
                        }
                    }
                }
                Err(error) if is_transient(&error) => debug!(%error, "cannot receive a datagram"),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Connects chitchat's socket to the relay, and discards what it has received before.
///
/// chitchat does not expose its socket, so it is found among this process's descriptors by its
/// address.
#[allow(unsafe_code, reason = "chitchat does not lend its socket's descriptor")]
fn connect_inner(inner: SocketAddr, relay: SocketAddr) -> io::Result<()> {
    for entry in std::fs::read_dir("/dev/fd")? {
        let name = entry?.file_name();
        let Some(number) = name.to_str().and_then(|name| name.parse().ok()) else {
            continue;
        };
        // SAFETY: the descriptor is used only in this iteration. Until its address and type have identified it
        // as chitchat's socket, which the caller keeps open, it is only asked for both. The system
        // answers that with an error if another thread has closed it.
        let descriptor = unsafe { BorrowedFd::borrow_raw(number) };
        let socket = SockRef::from(&descriptor);
        let address = socket.local_addr().ok().and_then(|it| it.as_socket());
        if address != Some(inner) || !matches!(socket.r#type(), Ok(Type::DGRAM)) {
            continue;
        }
        socket.connect(&relay.into())?;
        let mut rest = [std::mem::MaybeUninit::uninit(); 1];
        while socket.recv(&mut rest).is_ok() {}
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        "chitchat's socket is not among the descriptors in /dev/fd",
    ))
}

/// Returns `true` for errors after which the socket still works: some systems report the failure of an
/// earlier datagram.
fn is_transient(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::OutOfMemory
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::Interrupted
    )
}
