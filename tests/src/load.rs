//! A client that asks as fast as it is answered: one request at a time over one connection that is kept.
//!
//! Its own few lines of HTTP cost less than a client of the whole protocol, which would be measured along.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// What an answer's head ends with.
const HEAD_END: &[u8] = b"\r\n\r\n";

/// One connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

/// A request as it is sent.
pub fn request(method: &str, path: &str, body: &str) -> Vec<u8> {
    let content = if body.is_empty() {
        String::new()
    } else {
        let length = body.len();
        format!("content-type: application/json\r\ncontent-length: {length}\r\n")
    };
    format!("{method} {path} HTTP/1.1\r\nhost: localhost\r\n{content}\r\n{body}").into_bytes()
}

impl Connection {
    /// Connects.
    ///
    /// # Errors
    ///
    /// Where nobody listens.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: Vec::with_capacity(64 * 1024),
        })
    }

    /// Sends a request, reads the whole answer, and answers its status. What was read stays in
    /// [`body`](Self::body).
    ///
    /// # Errors
    ///
    /// Where there is no whole answer with a length.
    pub async fn ask(&mut self, request: &[u8]) -> Result<u16> {
        self.stream.write_all(request).await?;
        self.read.clear();
        let head = loop {
            self.more().await?;
            let end = self.read.windows(HEAD_END.len());
            if let Some(at) = end.into_iter().position(|bytes| bytes == HEAD_END) {
                break at + HEAD_END.len();
            }
        };
        let text = std::str::from_utf8(self.read.get(..head).context("no head")?)?;
        let status = text.get(9..12).context("no status")?.parse()?;
        let length = text
            .lines()
            .find_map(|line| line.strip_prefix("content-length: "))
            .map_or(Ok(0), str::parse::<usize>)?;
        while self.read.len() < head + length {
            self.more().await?;
        }
        if self.read.len() > head + length {
            bail!("more than was asked for");
        }
        self.read.drain(..head);
        Ok(status)
    }

    /// The body of the last answer.
    pub fn body(&self) -> &[u8] {
        &self.read
    }

    async fn more(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.read).await? == 0 {
            bail!("the connection was closed");
        }
        Ok(())
    }
}
