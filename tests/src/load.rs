//! Clients that load a server: each asks one request at a time over one connection that is kept, as fast as it is
//! answered or when a request is due.
//!
//! Its own few lines of HTTP cost less than a client of the whole protocol, which would be measured along.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::{JoinSet, yield_now};

/// End of an HTTP response head.
const HEAD_END: &[u8] = b"\r\n\r\n";
/// Beginning of an HTTP response with status 200.
const OK: &[u8] = b"HTTP/1.1 200 ";

/// Name of the server's threads.
const SERVER: &str = "bench-server";
/// After how many polls of its tasks the clients' thread looks for answers.
const LOOKED_EVERY: u32 = 8;
/// The longest pause of the thread that says when requests are due.
const TICK: Duration = Duration::from_micros(200);

/// Load of a server by clients.
#[derive(Debug, Clone)]
pub struct Load {
    /// Requests that each client asks in turn, each from a place of its own. All answers are 200 and of one length.
    pub requests: Arc<[Vec<u8>]>,
    /// Number of clients.
    pub connections: usize,
    /// Duration of a run.
    pub time: Duration,
    /// Keeps the clients' thread awake: waking it is work of the server. For servers that leave it a core.
    pub is_awake: bool,
}

/// Results of a run.
#[derive(Debug, Clone, Copy)]
pub struct Figures {
    /// Answers a second.
    pub per_second: f64,
    /// Median latency.
    pub p50: Duration,
    /// 99th percentile of the latency.
    pub p99: Duration,
    /// 99.9th percentile of the latency.
    pub p999: Duration,
    /// CPU time of the server's threads for an answer.
    pub cpu: Duration,
}

impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            per_second,
            p50,
            p99,
            p999,
            cpu,
        } = self;
        write!(
            f,
            "{per_second:.0} a second, p50 {p50:.1?}, p99 {p99:.1?}, p999 {p999:.1?}, {cpu:.1?} of the server an answer"
        )
    }
}

/// Returns the runtime of servers, with two threads, and that of clients, with one.
///
/// # Errors
///
/// The system has no more threads.
pub fn runtimes() -> Result<(Runtime, Runtime)> {
    let server = Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(SERVER)
        .enable_all()
        .build()?;
    let clients = Builder::new_current_thread()
        .event_interval(LOOKED_EVERY)
        .enable_all()
        .build()?;
    Ok((server, clients))
}

/// Measures servers in turns, and returns the medians of each.
///
/// # Errors
///
/// Any error of a run.
pub fn in_turns<const N: usize>(
    servers: [SocketAddr; N],
    runs: usize,
    mut run: impl FnMut(SocketAddr) -> Result<Figures>,
) -> Result<[Figures; N]> {
    let mut all = servers.map(|_| Vec::with_capacity(runs));
    for _ in 0..runs {
        for (server, runs) in servers.into_iter().zip(&mut all) {
            runs.push(run(server)?);
        }
    }
    ensure!(runs > 0, "no runs");
    Ok(all.map(|runs| Figures {
        per_second: median(&runs, |run| run.per_second),
        p50: median(&runs, |run| run.p50),
        p99: median(&runs, |run| run.p99),
        p999: median(&runs, |run| run.p999),
        cpu: median(&runs, |run| run.cpu),
    }))
}

fn median<T: PartialOrd>(runs: &[Figures], figure: impl Fn(&Figures) -> T) -> T {
    let mut figures: Vec<T> = runs.iter().map(figure).collect();
    figures.sort_by(|one, two| one.partial_cmp(two).unwrap_or(std::cmp::Ordering::Equal));
    figures.swap_remove(figures.len() / 2)
}

impl Load {
    /// Asks as fast as the server answers.
    ///
    /// # Errors
    ///
    /// An answer is missing or another one.
    pub async fn run(&self, address: SocketAddr) -> Result<Figures> {
        let mut connections = Vec::with_capacity(self.connections);
        for _ in 0..self.connections {
            connections.push(self.connect(address).await?);
        }
        let mut clients = JoinSet::new();
        let cpu_before = server_cpu()?;
        let start = Instant::now();
        for (client, mut connection) in connections.into_iter().enumerate() {
            let (load, first) = (self.clone(), self.first_of(client));
            clients.spawn(async move {
                let start = Instant::now();
                let mut times = Vec::new();
                let mut asked = start;
                for request in load.requests.iter().cycle().skip(first) {
                    connection.ask_again(request).await?;
                    let answered = Instant::now();
                    times.push(answered - asked);
                    asked = answered;
                    if asked - start >= load.time {
                        break;
                    }
                }
                anyhow::Ok(times)
            });
        }
        let awake = self.is_awake.then(|| {
            tokio::spawn(async {
                loop {
                    yield_now().await;
                }
            })
        });
        let figures = figures(clients, start, cpu_before).await;
        if let Some(awake) = awake {
            awake.abort();
        }
        figures
    }

    /// Asks at a fixed rate, the clients in turn. A latency counts from the moment at which the request was due.
    ///
    /// # Errors
    ///
    /// An answer is missing or another one.
    pub async fn run_paced(&self, address: SocketAddr, rate: f64) -> Result<Figures> {
        let mut clients = JoinSet::new();
        let mut turns = Vec::new();
        for client in 0..self.connections {
            let mut connection = self.connect(address).await?;
            let (load, first) = (self.clone(), self.first_of(client));
            let (turn, mut due) = unbounded_channel::<Instant>();
            turns.push(turn);
            clients.spawn(async move {
                let mut times = Vec::new();
                let mut requests = load.requests.iter().cycle().skip(first);
                while let (Some(due), Some(request)) = (due.recv().await, requests.next()) {
                    connection.ask_again(request).await?;
                    times.push(due.elapsed());
                }
                anyhow::Ok(times)
            });
        }
        let cpu_before = server_cpu()?;
        let start = Instant::now();
        let end = start + self.time;
        thread::spawn(move || {
            let mut due = start;
            for turn in turns.iter().cycle() {
                while due > Instant::now() {
                    thread::sleep(TICK);
                }
                if due > end || turn.send(due).is_err() {
                    return;
                }
                due += Duration::from_secs_f64(1.0 / rate);
            }
        });
        figures(clients, start, cpu_before).await
    }

    /// Asks every request once.
    ///
    /// # Errors
    ///
    /// An answer is missing, or its status is not 200.
    pub async fn ask_once(&self, address: SocketAddr) -> Result<()> {
        let mut clients = JoinSet::new();
        for client in 0..self.connections {
            let (load, step) = (self.clone(), self.connections);
            clients.spawn(async move {
                let mut connection = Connection::open(address).await?;
                for request in load.requests.iter().skip(client).step_by(step) {
                    let status = connection.ask(request).await?;
                    ensure!(status == 200, "{status}");
                }
                anyhow::Ok(())
            });
        }
        while let Some(ended) = clients.join_next().await {
            ended??;
        }
        Ok(())
    }

    /// Returns the place at which a client begins.
    fn first_of(&self, client: usize) -> usize {
        client * self.requests.len() / self.connections
    }

    /// Opens a connection that has been used once.
    async fn connect(&self, address: SocketAddr) -> Result<Connection> {
        let mut connection = Connection::open(address).await?;
        let request = self.requests.first().context("no requests")?;
        let status = connection.ask(request).await?;
        ensure!(status == 200, "{status}");
        Ok(connection)
    }
}

/// Waits for the clients, and sums up their latencies.
async fn figures(
    mut clients: JoinSet<Result<Vec<Duration>>>,
    start: Instant,
    cpu_before: Duration,
) -> Result<Figures> {
    let mut all = Vec::new();
    while let Some(ended) = clients.join_next().await {
        all.extend(ended??);
    }
    let per_second = all.len() as f64 / start.elapsed().as_secs_f64();
    let cpu = server_cpu()?.saturating_sub(cpu_before);
    all.sort_unstable();
    let at = |thousandths: usize| {
        let found = all.get(all.len() * thousandths / 1000);
        found.copied().context("no answers")
    };
    Ok(Figures {
        per_second,
        p50: at(500)?,
        p99: at(990)?,
        p999: at(999)?,
        cpu: cpu / u32::try_from(all.len())?,
    })
}

/// Returns the CPU time of the server's threads so far.
fn server_cpu() -> Result<Duration> {
    let mut total = Duration::ZERO;
    for task in std::fs::read_dir("/proc/self/task")? {
        let task = task?.path();
        if std::fs::read_to_string(task.join("comm"))?.trim() == SERVER {
            let stat = std::fs::read_to_string(task.join("schedstat"))?;
            let nanos = stat.split(' ').next().context("no time")?;
            total += Duration::from_nanos(nanos.parse()?);
        }
    }
    Ok(total)
}

/// HTTP connection.
#[derive(Debug)]
pub struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
    /// Length of the head of the last answer.
    head: usize,
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
            head: 0,
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
            .filter_map(|line| line.split_once(": "))
            .find_map(|(name, value)| name.eq_ignore_ascii_case("content-length").then_some(value))
            .map_or(Ok(0), str::parse::<usize>)?;
        while self.read.len() < head + length {
            self.more().await?;
        }
        if self.read.len() > head + length {
            bail!("more than was asked for");
        }
        self.length = self.read.len();
        self.head = head;
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

    /// Returns the head of the last answer of [`Self::ask`].
    pub fn head(&self) -> &[u8] {
        self.read.get(..self.head).unwrap_or_default()
    }

    /// Returns the body of the last answer.
    pub fn body(&self) -> &[u8] {
        self.read.get(self.head..).unwrap_or_default()
    }

    async fn more(&mut self) -> Result<()> {
        if self.stream.read_buf(&mut self.read).await? == 0 {
            bail!("the connection was closed");
        }
        Ok(())
    }
}
