//! UDP under chitchat, where every datagram is looked at, and sealed if there are keys.
//!
//! chitchat reads and writes its messages itself and lets nobody else. So its own socket stays on
//! loopback, where this one is its only partner: what comes in from the network is opened, checked
//! and passed on to it; what it sends is taken from it, sealed and passed on to the network. A
//! datagram that chitchat should not see, because of who sent it or because reading it would end
//! the server, is dropped here and counted. Nothing is ever sent in plain where there are keys.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use chitchat::transport::{RecvOutcome, SendOutcome, Socket, UdpSocket as ChitchatSocket};
use chitchat::{ChitchatEnvelope, ProtocolVersion};
use tokio::net::UdpSocket;
use tokio::time::{self, Instant};
use tracing::{debug, warn};

use super::config::now_ms;
use super::seal::{Opener, Sealer, SharedKeyring};
use super::transport::{BoundSocket, GossipTransport, MemberContext};
use super::validator::{MessageValidator, Rejection};

/// The largest datagram that UDP can carry, and one byte to notice a larger one.
const BUFFER_BYTES: usize = 65_507 + 1;
/// How long a datagram may take from one loopback socket to the other. It is there at once, or the
/// system has dropped it.
const LOOPBACK_MAX: Duration = Duration::from_secs(1);

/// UDP sockets of one cluster.
pub(super) struct UdpTransport {
    cluster_id: String,
    keyring: Option<SharedKeyring>,
    protocol: ProtocolVersion,
}

impl UdpTransport {
    pub(super) fn new(
        cluster_id: String,
        protocol: ProtocolVersion,
        keyring: Option<SharedKeyring>,
    ) -> Self {
        Self {
            cluster_id,
            keyring,
            protocol,
        }
    }
}

#[async_trait]
impl GossipTransport for UdpTransport {
    async fn bind(&self, listen: SocketAddr) -> anyhow::Result<Box<dyn BoundSocket>> {
        let network = UdpSocket::bind(listen).await?;
        let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        let inner = ChitchatSocket::open(loopback).await?;
        let partner = UdpSocket::bind(loopback).await?;
        // From here on it takes nothing that anybody else sends it.
        partner.connect(inner.local_addr()?).await?;
        let encryption = self.keyring.clone().map(|keyring| Encryption {
            sealer: Sealer::new(Arc::clone(&keyring), &self.cluster_id),
            opener: Opener::new(keyring, &self.cluster_id),
        });
        Ok(Box::new(BoundUdp {
            address: network.local_addr()?,
            partner_address: partner.local_addr()?,
            network,
            inner,
            partner,
            encryption,
            cluster_id: self.cluster_id.clone(),
            protocol: self.protocol,
        }))
    }
}

struct Encryption {
    sealer: Sealer,
    opener: Opener,
}

/// The sockets, before a member has them.
struct BoundUdp {
    address: SocketAddr,
    network: UdpSocket,
    inner: ChitchatSocket,
    partner: UdpSocket,
    partner_address: SocketAddr,
    encryption: Option<Encryption>,
    cluster_id: String,
    protocol: ProtocolVersion,
}

impl BoundSocket for BoundUdp {
    fn local_addr(&self) -> SocketAddr {
        self.address
    }

    fn into_socket(self: Box<Self>, member: MemberContext) -> Box<dyn Socket> {
        Box::new(ValidatingSocket {
            validator: MessageValidator::new(&member.id, &self.cluster_id, self.protocol),
            sockets: *self,
            member,
            buffer: vec![0; BUFFER_BYTES],
            forwarded: None,
            abandoned: 0,
        })
    }
}

#[derive(Clone, Copy)]
struct Forwarded {
    from: SocketAddr,
    bytes: usize,
    /// When it is given up. It must outlive the calls of `recv`, each of which ends with any timer.
    due: Instant,
}

struct ValidatingSocket {
    sockets: BoundUdp,
    member: MemberContext,
    validator: MessageValidator,
    buffer: Vec<u8>,
    /// The datagram that is on its way to chitchat's socket.
    forwarded: Option<Forwarded>,
    /// How many halves of datagrams were counted as given up.
    abandoned: u64,
}

impl ValidatingSocket {
    /// Passes a datagram on to chitchat's socket, unless something is wrong with it.
    fn forward(&mut self, from: SocketAddr, received: usize) -> Result<(), &'static str> {
        let datagram = self.buffer.get(..received).unwrap_or_default();
        let plain = match &mut self.sockets.encryption {
            None => datagram,
            Some(encryption) => {
                let opened = encryption
                    .opener
                    .open(datagram, from, now_ms(), Instant::now().into_std())
                    .map_err(|reason| reason.as_str())?;
                match opened {
                    Some(payload) => payload,
                    // The other half is still to come.
                    None => return Ok(()),
                }
            }
        };
        if let Err(refused) = self.validator.check(plain) {
            if matches!(refused, Rejection::AboutSelf) {
                self.member.impersonated.notify_one();
            }
            return Err(refused.as_str());
        }
        match self.sockets.partner.try_send(plain) {
            Ok(_) => {
                let now = Instant::now();
                self.forwarded = Some(Forwarded {
                    from,
                    bytes: received,
                    due: now.checked_add(LOOPBACK_MAX).unwrap_or(now),
                });
                Ok(())
            }
            Err(error) => {
                debug!(%error, "chitchat's socket takes nothing");
                Err("loopback")
            }
        }
    }

    /// Counts halves of datagrams that have waited in vain for their other half.
    fn count_abandoned(&mut self, from: SocketAddr) {
        let Some(encryption) = &self.sockets.encryption else {
            return;
        };
        while self.abandoned < encryption.opener.abandoned() {
            self.abandoned = self.abandoned.saturating_add(1);
            self.member.traffic.drop_datagram("incomplete", from);
        }
    }

    /// What chitchat has just sent, in plain.
    async fn written(&mut self) -> io::Result<usize> {
        time::timeout(LOOPBACK_MAX, self.sockets.partner.recv(&mut self.buffer))
            .await
            .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }
}

#[async_trait]
impl Socket for ValidatingSocket {
    fn local_addr(&self) -> anyhow::Result<SocketAddr> {
        Ok(self.sockets.address)
    }

    /// Never fails: what can't be sent is lost, as it may be later on its way.
    async fn send(
        &mut self,
        to: SocketAddr,
        envelope: ChitchatEnvelope,
    ) -> anyhow::Result<SendOutcome> {
        // Whatever came too late for its own call must not be taken for what comes now.
        while self.sockets.partner.try_recv(&mut self.buffer).is_ok() {}
        let written = async {
            self.sockets
                .inner
                .send(self.sockets.partner_address, envelope)
                .await?;
            anyhow::Ok(self.written().await?)
        }
        .await;
        let length = match written {
            Ok(length) => length,
            Err(error) => {
                debug!(%error, "a message did not come out of chitchat's socket");
                self.member.traffic.drop_datagram("unwritten", to);
                return Ok(SendOutcome { num_bytes_sent: 0 });
            }
        };
        let plain = self.buffer.get(..length).unwrap_or_default();
        if let Err(refused) = self.validator.sent(plain) {
            let reason = refused.as_str();
            debug!(reason, %to, "peers will refuse what chitchat sends");
        }
        self.member
            .traffic
            .digest_sent(self.validator.digest_bytes());
        let mut num_bytes_sent = 0_usize;
        let network = &self.sockets.network;
        let mut sent = |result: io::Result<usize>| match result {
            Ok(bytes) => num_bytes_sent = num_bytes_sent.saturating_add(bytes),
            Err(error) => {
                debug!(%to, %error, "a datagram was not sent");
                self.member.traffic.drop_datagram("unsent", to);
            }
        };
        match &mut self.sockets.encryption {
            None => sent(network.send_to(plain, to).await),
            Some(encryption) => match encryption.sealer.seal(plain, now_ms()) {
                Ok(sealed) => {
                    for datagram in sealed.datagrams() {
                        sent(network.send_to(datagram, to).await);
                    }
                }
                Err(error) => {
                    warn!(%error, "a datagram could not be sealed and was not sent");
                    self.member.traffic.drop_datagram("unsealed", to);
                }
            },
        }
        Ok(SendOutcome { num_bytes_sent })
    }

    // chitchat drops this future whenever something else is ready first. What has been passed on to
    // its socket is remembered, and between its arrival from the network and that there is no await.
    async fn recv(&mut self) -> anyhow::Result<RecvOutcome> {
        loop {
            if let Some(forwarded) = self.forwarded {
                match time::timeout_at(forwarded.due, self.sockets.inner.recv()).await {
                    Ok(outcome) => {
                        let outcome = outcome?;
                        if outcome.from_addr != self.sockets.partner_address {
                            self.member
                                .traffic
                                .drop_datagram("intruder", outcome.from_addr);
                            continue;
                        }
                        self.forwarded = None;
                        return Ok(RecvOutcome {
                            from_addr: forwarded.from,
                            envelope: outcome.envelope,
                            num_bytes_received: forwarded.bytes,
                        });
                    }
                    Err(_) => {
                        self.forwarded = None;
                        self.member
                            .traffic
                            .drop_datagram("loopback", forwarded.from);
                    }
                }
            }
            match self.sockets.network.recv_from(&mut self.buffer).await {
                Ok((received, from)) => {
                    if let Err(reason) = self.forward(from, received) {
                        self.member.traffic.drop_datagram(reason, from);
                    }
                    self.count_abandoned(from);
                }
                Err(error) if is_passing(&error) => debug!(%error, "a datagram was not received"),
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Whether the socket still works: some systems report on it what became of a datagram sent earlier.
fn is_passing(error: &io::Error) -> bool {
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
