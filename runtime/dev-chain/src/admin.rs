//! The admin port: liveness, readiness and metrics over plain HTTP, one request per connection.

use std::fmt::Write as _;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::node::{Head, Node};

/// How many connections may be open at once.
const CONNECTIONS_MAX: usize = 32;
/// How long a request's head may be.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// How long one connection may take.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(5);

/// Answers until the process ends.
pub async fn serve(listener: TcpListener, node: Arc<Node>) {
    let permits = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(permit) = permits.clone().acquire_owned().await else {
            return;
        };
        match listener.accept().await {
            Ok((stream, _)) => {
                let node = node.clone();
                tokio::spawn(async move {
                    // A client that is gone or slow loses its answer; there is nothing to repair.
                    let _ = timeout(CONNECTION_TIME_MAX, answer(stream, &node)).await;
                    drop(permit);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "the admin port cannot accept a connection");
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        }
    }
}

async fn answer(mut stream: TcpStream, node: &Node) -> io::Result<()> {
    let Some(path) = requested_path(&mut stream).await? else {
        return reply(&mut stream, "400 Bad Request", "only GET is understood\n").await;
    };
    match path.as_str() {
        // The process ends when blocks cannot be sealed, and this port opens after the RPC.
        "/livez" | "/readyz" => reply(&mut stream, "200 OK", "ok\n").await,
        "/metrics" => reply(&mut stream, "200 OK", &metrics(node)).await,
        _ => {
            reply(
                &mut stream,
                "404 Not Found",
                "try /livez, /readyz or /metrics\n",
            )
            .await
        }
    }
}

/// Reads a request's head and returns the path of a GET.
async fn requested_path(stream: &mut TcpStream) -> io::Result<Option<String>> {
    let mut head = Vec::new();
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        if head.len() > HEAD_BYTES_MAX || stream.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    }
    let head = String::from_utf8_lossy(&head);
    let mut words = head.split_ascii_whitespace();
    let is_get = words.next() == Some("GET");
    Ok(words.next().filter(|_| is_get).map(str::to_owned))
}

async fn reply(stream: &mut TcpStream, status: &str, body: &str) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

/// The metrics in Prometheus' text format.
fn metrics(node: &Node) -> String {
    let head = Head {
        best: node.store.best().header.number,
    };
    let (waiting, waiting_bytes) = node.with_pool(|pool| (pool.len(), pool.bytes()));
    let (trie_nodes, trie_bytes) = node.store.archive().size();
    let counters = node.counters();
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let mut text = String::new();
    let mut add = |name: &str, kind: &str, help: &str, value: u64| {
        let _ = writeln!(
            text,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
        );
    };
    add(
        "devchain_best_block",
        "gauge",
        "Height of the newest block.",
        head.best.into(),
    );
    let finalized = head.finalized().into();
    add(
        "devchain_finalized_block",
        "gauge",
        "Height of the newest final block.",
        finalized,
    );
    add(
        "devchain_pool_transactions",
        "gauge",
        "Transactions that wait.",
        waiting as u64,
    );
    add(
        "devchain_pool_bytes",
        "gauge",
        "Bytes of transactions that wait.",
        waiting_bytes as u64,
    );
    add(
        "devchain_trie_nodes",
        "gauge",
        "Trie nodes kept in memory.",
        trie_nodes as u64,
    );
    add(
        "devchain_trie_bytes",
        "gauge",
        "Bytes of trie nodes kept in memory.",
        trie_bytes as u64,
    );
    for (name, help, counter) in [
        (
            "accepted",
            "Transactions taken into the pool.",
            &counters.accepted,
        ),
        (
            "rejected",
            "Transactions refused when submitted.",
            &counters.rejected,
        ),
        (
            "included",
            "Transactions taken into a block.",
            &counters.included,
        ),
        (
            "dropped",
            "Transactions that a block refused.",
            &counters.dropped,
        ),
    ] {
        let name = format!("devchain_transactions_{name}_total");
        add(&name, "counter", help, count(counter));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(request: &[u8]) -> String {
        let node = Arc::new(Node::open(None).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(serve(listener, node));
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(request).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        server.abort();
        answer
    }

    #[tokio::test]
    async fn metrics_are_in_prometheus_format() {
        let answer = get(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("\n# TYPE devchain_best_block gauge\ndevchain_best_block 0\n"));
    }

    #[tokio::test]
    async fn other_requests_are_told_what_to_try() {
        assert!(
            get(b"GET /x HTTP/1.1\r\n\r\n")
                .await
                .starts_with("HTTP/1.1 404")
        );
        assert!(
            get(b"POST /livez HTTP/1.1\r\n\r\n")
                .await
                .starts_with("HTTP/1.1 400")
        );
        assert!(
            get(b"GET /readyz HTTP/1.1\r\n\r\n")
                .await
                .starts_with("HTTP/1.1 200")
        );
    }
}
