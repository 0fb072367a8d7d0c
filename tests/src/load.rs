//! A client that asks as fast as it is answered: one request at a time over one connection that is kept.
//!
//! Its own few lines of HTTP cost less than a client of the whole protocol, which would be measured along.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// End of an HTTP response head.
const HEAD_END: &[u8] = b"\r\n\r\n";
/// Beginning of an HTTP response with status 200.
const OK: &[u8] = b"HTTP/1.1 200 ";

/// HTTP connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
    /// Of the last answer, head and all.
    length: usize,
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
    /// If no process listens.
    pub async fn open(address: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            read: Vec::with_capacity(64 * 1024),
            length: 0,
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
        self.length = self.read.len();
        self.read.drain(..head);
        Ok(status)
    }

    /// Asks for what the last request asked for, where the answer is known to be as long again. It is not read
    /// in any other way than for its length and its status, so that a server is busier than its client.
    ///
    /// # Errors
    ///
    /// Where the answer is shorter or longer, or its status is not 200.
    pub async fn ask_again(&mut self, request: &[u8]) -> Result<()> {
        self.stream.write_all(request).await?;
        self.read.clear();
        while self.read.len() < self.length {
            self.more().await?;
        }
        if self.read.len() > self.length || !self.read.starts_with(OK) {
            bail!("another answer: {}", String::from_utf8_lossy(&self.read));
        }
        Ok(())
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
