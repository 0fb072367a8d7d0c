//! Hosts as network namespaces, and a switch between them.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::AsFd;
use std::process::Command;
use std::thread;

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

/// A switch with hosts on it. All of it is gone when this is dropped; processes in it must have ended.
pub(super) struct Network {
    switch: String,
    hosts: Vec<String>,
}

impl Network {
    /// Builds a network with hosts that are numbered from 1.
    ///
    /// # Errors
    ///
    /// With the reason, where the machine does not allow it.
    pub(super) fn build(hosts: u64) -> io::Result<Self> {
        // Names of interfaces may have 15 bytes. They are in namespaces of this process's own.
        let name = format!("ec{}", std::process::id());
        let mut network = Self {
            switch: format!("{name}s"),
            hosts: Vec::new(),
        };
        let switch = network.switch.clone();
        ip(&format!("netns add {switch}"))?;
        ip(&format!("-n {switch} link add br0 type bridge"))?;
        ip(&format!("-n {switch} link set br0 up"))?;
        for id in 1..=hosts {
            let host = format!("{name}h{id}");
            network.hosts.push(host.clone());
            let address = network.address(id);
            ip(&format!("netns add {host}"))?;
            ip(&format!("-n {host} link set lo up"))?;
            ip(&format!(
                "link add port{id} netns {switch} type veth peer name eth0 netns {host}"
            ))?;
            ip(&format!("-n {switch} link set port{id} master br0 up"))?;
            ip(&format!("-n {host} address add {address}/24 dev eth0"))?;
            ip(&format!("-n {host} link set eth0 up"))?;
        }
        Ok(network)
    }

    /// The namespace of a host.
    pub(super) fn host(&self, id: u64) -> &str {
        &self.hosts[usize::try_from(id).unwrap() - 1]
    }

    /// The address of a host.
    pub(super) fn address(&self, id: u64) -> Ipv4Addr {
        Ipv4Addr::new(10, 97, 31, id.try_into().unwrap())
    }

    /// Plugs a host in, or cuts it off.
    pub(super) fn plug(&self, id: u64, connected: bool) -> io::Result<()> {
        let state = if connected { "up" } else { "down" };
        ip(&format!("-n {} link set port{id} {state}", self.switch))
    }

    /// Opens a door for clients outside to an address inside of a host, and answers where it is.
    pub(super) async fn door(&self, id: u64, inside: SocketAddr) -> io::Result<SocketAddr> {
        let door = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = door.local_addr()?;
        let host = format!("/run/netns/{}", self.host(id));
        tokio::spawn(async move {
            while let Ok((mut client, _)) = door.accept().await {
                let host = host.clone();
                tokio::spawn(async move {
                    let mut server = connect(host, inside).await?;
                    tokio::io::copy_bidirectional(&mut client, &mut server).await
                });
            }
        });
        Ok(address)
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        for name in self.hosts.iter().chain([&self.switch]) {
            // What is missing here was not built.
            let _ = ip(&format!("netns delete {name}"));
        }
    }
}

/// Connects from inside of a namespace. A socket stays where it was made, a thread where it went: it is
/// one of its own.
async fn connect(namespace: String, to: SocketAddr) -> io::Result<TcpStream> {
    let (sender, connected) = oneshot::channel();
    thread::spawn(move || {
        let connect = || {
            let namespace = File::open(namespace)?;
            move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
            let stream = std::net::TcpStream::connect(to)?;
            stream.set_nonblocking(true)?;
            io::Result::Ok(stream)
        };
        // Fails if the receiver is gone.
        let _ = sender.send(connect());
    });
    let stream = connected.await.map_err(io::Error::other)??;
    TcpStream::from_std(stream)
}

fn ip(args: &str) -> io::Result<()> {
    let output = Command::new("ip").args(args.split_whitespace()).output()?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(format!("ip {args}: {}", said.trim())))
}
