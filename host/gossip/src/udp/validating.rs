//! The socket that chitchat uses: checks each datagram between the network and chitchat.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use async_trait::async_trait;
use chitchat::ChitchatEnvelope;
use chitchat::transport::{RecvOutcome, SendOutcome, Socket};
use tokio::time::{self, Instant};
use tracing::{debug, warn};

use super::sockets::UdpSockets;
use crate::clock::now_ms;
use crate::transport::MemberContext;
use crate::validator::MessageValidator;
use crate::validator::rejection::Rejection;

/// Maximum size of a UDP datagram, plus one byte to detect a larger one.
const BUFFER_BYTES: usize = 65_507 + 1;
/// Time after which a datagram between the two loopback sockets counts as lost. It arrives at once,
/// or the system has dropped it.
const LOOPBACK_TIMEOUT: Duration = Duration::from_secs(1);

/// A datagram that was relayed to chitchat's socket.
#[derive(Clone, Copy)]
struct Relayed {
    from: SocketAddr,
    bytes: usize,
    /// Time at which the datagram counts as lost. Kept across calls of `recv`, which may be dropped.
    due: Instant,
}

/// A socket for chitchat that checks, decrypts and encrypts datagrams.
pub(super) struct ValidatingSocket {
    sockets: UdpSockets,
    member: MemberContext,
    validator: MessageValidator,
    buffer: Vec<u8>,
    /// The datagram that was relayed and not yet received by chitchat's socket.
    relayed: Option<Relayed>,
    /// Number of abandoned fragments that were counted.
    abandoned: u64,
}

impl ValidatingSocket {
    pub(super) fn new(sockets: UdpSockets, member: MemberContext) -> Self {
        Self {
            validator: MessageValidator::new(&member.id, &sockets.cluster_id, sockets.protocol),
            sockets,
            member,
            buffer: vec![0; BUFFER_BYTES],
            relayed: None,
            abandoned: 0,
        }
    }

    /// Checks a datagram and relays it to chitchat's socket.
    fn relay(&mut self, from: SocketAddr, received: usize) -> Result<(), &'static str> {
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
                    // The other fragment is still to come.
                    None => return Ok(()),
                }
            }
        };
        if let Err(rejection) = self.validator.check(plain) {
            if matches!(rejection, Rejection::AboutSelf) {
                self.member.impersonated.notify_one();
            }
            return Err(rejection.as_str());
        }
        match self.sockets.relay.try_send(plain) {
            Ok(_) => {
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
                Err("loopback")
            }
        }
    }

    /// Counts fragments that were abandoned since the last call.
    fn count_abandoned(&mut self, from: SocketAddr) {
        let Some(encryption) = &self.sockets.encryption else {
            return;
        };
        while self.abandoned < encryption.opener.abandoned() {
            self.abandoned = self.abandoned.saturating_add(1);
            self.member.metrics.drop_datagram("incomplete", from);
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
                .await?;
            anyhow::Ok(self.receive_message().await?)
        }
        .await;
        let length = match written {
            Ok(length) => length,
            Err(error) => {
                debug!(%error, "no message from chitchat's socket");
                self.member.metrics.drop_datagram("unwritten", to);
                return Ok(SendOutcome { num_bytes_sent: 0 });
            }
        };
        let plain = self.buffer.get(..length).unwrap_or_default();
        if let Err(rejection) = self.validator.sent(plain) {
            let reason = rejection.as_str();
            debug!(reason, %to, "peers will reject this message of chitchat");
        }
        self.member
            .metrics
            .digest_sent(self.validator.digest_bytes());
        let mut num_bytes_sent = 0_usize;
        let network = &self.sockets.network;
        let mut sent = |result: io::Result<usize>| match result {
            Ok(bytes) => num_bytes_sent = num_bytes_sent.saturating_add(bytes),
            Err(error) => {
                debug!(%to, %error, "cannot send a datagram");
                self.member.metrics.drop_datagram("unsent", to);
            }
        };
        match &mut self.sockets.encryption {
            None => sent(network.send_to(plain, to).await),
            Some(encryption) => match encryption.sealer.seal(plain, now_ms()) {
                Ok(datagrams) => {
                    for datagram in datagrams {
                        sent(network.send_to(&datagram, to).await);
                    }
                }
                Err(error) => {
                    warn!(%error, "cannot encrypt a datagram, it is not sent");
                    self.member.metrics.drop_datagram("unsealed", to);
                }
            },
        }
        Ok(SendOutcome { num_bytes_sent })
    }

    // chitchat may drop this future at any await. The relayed datagram is remembered in `self`, and
    // there is no await between receiving a datagram and relaying it.
    async fn recv(&mut self) -> anyhow::Result<RecvOutcome> {
        loop {
            if let Some(relayed) = self.relayed {
                match time::timeout_at(relayed.due, self.sockets.inner.recv()).await {
                    Ok(outcome) => {
                        let outcome = outcome?;
                        if outcome.from_addr != self.sockets.relay_address {
                            self.member
                                .metrics
                                .drop_datagram("intruder", outcome.from_addr);
                            continue;
                        }
                        self.relayed = None;
                        return Ok(RecvOutcome {
                            from_addr: relayed.from,
                            envelope: outcome.envelope,
                            num_bytes_received: relayed.bytes,
                        });
                    }
                    Err(_) => {
                        self.relayed = None;
                        self.member.metrics.drop_datagram("loopback", relayed.from);
                    }
                }
            }
            match self.sockets.network.recv_from(&mut self.buffer).await {
                Ok((received, from)) => {
                    if let Err(reason) = self.relay(from, received) {
                        self.member.metrics.drop_datagram(reason, from);
                    }
                    self.count_abandoned(from);
                }
                Err(error) if is_transient(&error) => debug!(%error, "cannot receive a datagram"),
                Err(error) => return Err(error.into()),
            }
        }
    }
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
