//! A network between two members of which everything is recorded.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::JoinSet;

/// Number of datagrams that are kept.
const KEPT: usize = 2_000;
const BUFFER_BYTES: usize = 65_535;

/// Stands between two members. Each of them knows the other one by an address of the relay.
pub(super) struct Relay {
    sides: Arc<[Side; 2]>,
    recorded: Arc<Mutex<Recorded>>,
    _tasks: JoinSet<()>,
}

struct Side {
    /// Address at which the relay receives for this member, and from which it sends.
    socket: UdpSocket,
    /// Real address of this member, once it has started.
    member: OnceLock<SocketAddr>,
}

#[derive(Default)]
struct Recorded {
    datagrams: Vec<Vec<u8>>,
    largest: usize,
}

impl Relay {
    pub(super) async fn new() -> Self {
        let sides = Arc::new([Side::new().await, Side::new().await]);
        let recorded = Arc::default();
        let mut tasks = JoinSet::new();
        for (to, from) in [(0, 1), (1, 0)] {
            tasks.spawn(pass_on(Arc::clone(&sides), to, from, Arc::clone(&recorded)));
        }
        Self {
            sides,
            recorded,
            _tasks: tasks,
        }
    }

    /// Returns the address that member 0 or 1 must advertise.
    pub(super) fn address(&self, member: usize) -> SocketAddr {
        self.sides[member].socket.local_addr().unwrap()
    }

    /// Tells where a member listens. Until then, what is sent to it is lost.
    pub(super) fn connect(&self, member: usize, listen: SocketAddr) {
        self.sides[member].member.set(listen).unwrap();
    }

    /// Returns the datagrams since the last call, and the size of the largest.
    pub(super) fn take(&self) -> (Vec<Vec<u8>>, usize) {
        let taken = std::mem::take(&mut *lock(&self.recorded));
        (taken.datagrams, taken.largest)
    }

    pub(super) fn count(&self) -> usize {
        lock(&self.recorded).datagrams.len()
    }
}

impl Side {
    async fn new() -> Self {
        Self {
            socket: UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap(),
            member: OnceLock::new(),
        }
    }
}

async fn pass_on(sides: Arc<[Side; 2]>, to: usize, from: usize, recorded: Arc<Mutex<Recorded>>) {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        // Some systems report here what became of a datagram that was sent before.
        let Ok(received) = sides[to].socket.recv(&mut buffer).await else {
            continue;
        };
        let datagram = &buffer[..received];
        {
            let mut recorded = lock(&recorded);
            recorded.largest = recorded.largest.max(received);
            if recorded.datagrams.len() < KEPT {
                recorded.datagrams.push(datagram.to_vec());
            }
        }
        if let Some(member) = sides[to].member.get() {
            // What can't be sent is lost, as it may be on any network.
            let _ = sides[from].socket.send_to(datagram, *member).await;
        }
    }
}

fn lock(recorded: &Mutex<Recorded>) -> std::sync::MutexGuard<'_, Recorded> {
    recorded.lock().unwrap_or_else(PoisonError::into_inner)
}
