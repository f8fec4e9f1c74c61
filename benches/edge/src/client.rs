//! A plain HTTP/1.1 client that costs little: one connection, one request, bytes counted and dropped.

use std::net::SocketAddr;

use anyhow::{Context, Result, bail, ensure};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Duration, Instant},
};

/// How long one answer may take.
const PATIENCE: Duration = Duration::from_secs(60);
/// Longest head of an answer.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// Read at once.
const READ_BYTES: usize = 256 << 10;

/// A request.
#[derive(Debug, Clone)]
pub struct Get {
    /// Of whom.
    pub server: SocketAddr,
    /// Path and query.
    pub path: String,
    /// First and last byte.
    pub range: Option<(u64, u64)>,
}

/// An answer that came whole.
#[derive(Debug, Clone, Copy)]
pub struct Got {
    /// Seconds to the first byte of the body.
    pub first_s: f64,
    /// Seconds to the last.
    pub last_s: f64,
    /// Bytes of the body.
    pub bytes: u64,
}

/// An answer whose head and first bytes have come.
struct Begun {
    stream: TcpStream,
    got: u64,
    len: u64,
    started: Instant,
    first_s: f64,
}

/// Asks and reads everything; a short body is an error.
pub async fn get(request: &Get) -> Result<Got> {
    let mut buffer = vec![0; READ_BYTES];
    tokio::time::timeout(PATIENCE, read_whole(request, &mut buffer))
        .await
        .with_context(|| format!("{} was not here in time", request.path))?
}

async fn read_whole(request: &Get, buffer: &mut [u8]) -> Result<Got> {
    let mut begun = begin(request).await?;
    while begun.got < begun.len {
        let read = begun.stream.read(buffer).await?;
        ensure!(read > 0, "{} broke off at {}", request.path, begun.got);
        begun.got += read as u64;
    }
    Ok(Got {
        first_s: begun.first_s,
        last_s: begun.started.elapsed().as_secs_f64(),
        bytes: begun.got,
    })
}

/// Asks, reads the head and the first bytes, and keeps the connection without reading on.
pub async fn hold(request: &Get) -> Result<TcpStream> {
    Ok(begin(request).await?.stream)
}

async fn begin(request: &Get) -> Result<Begun> {
    let started = Instant::now();
    let mut stream = TcpStream::connect(request.server).await?;
    stream.set_nodelay(true)?;
    let range = match request.range {
        Some((first, last)) => format!("Range: bytes={first}-{last}\r\n"),
        None => String::new(),
    };
    let head = format!(
        "GET {} HTTP/1.1\r\nHost: edge\r\n{range}Connection: close\r\n\r\n",
        request.path
    );
    stream.write_all(head.as_bytes()).await?;
    let mut answer = Vec::with_capacity(HEAD_BYTES_MAX);
    let (body_at, len) = loop {
        let read = stream.read_buf(&mut answer).await?;
        ensure!(read > 0, "{} was not answered", request.path);
        if let Some(end) = answer.windows(4).position(|at| at == b"\r\n\r\n")
            && answer.len() > end + 4
        {
            break (end + 4, body_len(&answer[..end], &request.path)?);
        }
        ensure!(answer.len() < HEAD_BYTES_MAX, "a head without an end");
    };
    Ok(Begun {
        stream,
        got: (answer.len() - body_at) as u64,
        len,
        started,
        first_s: started.elapsed().as_secs_f64(),
    })
}

fn body_len(head: &[u8], path: &str) -> Result<u64> {
    let head = String::from_utf8_lossy(head);
    let status = head.split(' ').nth(1).unwrap_or_default();
    if !matches!(status, "200" | "206") {
        bail!("{path} was answered with {status}");
    }
    let len = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let is_len = name.eq_ignore_ascii_case("content-length");
        is_len.then(|| value.trim().parse().ok()).flatten()
    });
    len.with_context(|| format!("{path} has no length"))
}
