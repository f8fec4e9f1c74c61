//! Talking to a running network from another terminal: `status`, `stop <part>`, `start <part>`, over
//! a Unix socket in the network's directory. One JSON line asks, one JSON line answers.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::{mpsc, oneshot},
};

/// Longest line either side reads.
const LINE_LEN_MAX: u64 = 64 << 10;
/// Requests that may wait for the network's attention.
const REQUESTS_WAITING_MAX: usize = 16;

/// What can be asked of a running network.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// How the parts are.
    Status,
    /// Stop a part and leave it stopped.
    Stop(String),
    /// Start a stopped part and wait until it is ready.
    Start(String),
}

/// The answer to any request.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// How the parts are after the request was carried out.
    Parts(Vec<PartStatus>),
    /// Why it was not.
    Refused(String),
}

/// One part as it is now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartStatus {
    /// Its name ("colossus-1").
    pub name: String,
    /// Its URL.
    pub url: String,
    /// Process id; absent while it is stopped.
    pub pid: Option<u32>,
    /// How often it was started again after it had ended by itself.
    pub restarts: u32,
}

/// A request with the place for its answer.
pub type Asked = (Request, oneshot::Sender<Answer>);

/// Listens in the network's directory; requests come out of the returned channel.
pub fn listen(dir: &Path) -> Result<mpsc::Receiver<Asked>> {
    let path = socket(dir);
    // A socket left behind by a killed network; the directory's lock says that none runs now.
    let _ = std::fs::remove_file(&path);
    let listener = UnixListener::bind(&path)
        .with_context(|| format!("cannot listen on {}", path.display()))?;
    let (requests, receiver) = mpsc::channel(REQUESTS_WAITING_MAX);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let requests = requests.clone();
            tokio::spawn(async move {
                if let Err(error) = serve(stream, requests).await {
                    eprintln!("control request failed: {error:#}");
                }
            });
        }
    });
    Ok(receiver)
}

async fn serve(stream: UnixStream, requests: mpsc::Sender<Asked>) -> Result<()> {
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    BufReader::new(read.take(LINE_LEN_MAX))
        .read_line(&mut line)
        .await?;
    let answer = match serde_json::from_str(&line) {
        Ok(request) => {
            let (sender, receiver) = oneshot::channel();
            requests.send((request, sender)).await?;
            receiver.await?
        }
        Err(error) => Answer::Refused(format!("'{}' is not a request: {error}", line.trim())),
    };
    let mut text = serde_json::to_string(&answer)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await?;
    Ok(())
}

/// Asks the network that runs in this directory.
pub async fn ask(dir: &Path, request: &Request) -> Result<Vec<PartStatus>> {
    let stream = UnixStream::connect(socket(dir)).await.with_context(|| {
        format!(
            "no network runs in {}: start one, or name its directory with --dir",
            dir.display()
        )
    })?;
    let (read, mut write) = stream.into_split();
    let mut text = serde_json::to_string(request)?;
    text.push('\n');
    write.write_all(text.as_bytes()).await?;
    let mut line = String::new();
    BufReader::new(read.take(LINE_LEN_MAX))
        .read_line(&mut line)
        .await?;
    match serde_json::from_str(&line).context("the network ended before it answered")? {
        Answer::Parts(parts) => Ok(parts),
        Answer::Refused(why) => bail!("{why}"),
    }
}

/// A short name relative to the directory: socket paths are limited to about 100 characters.
fn socket(dir: &Path) -> PathBuf {
    dir.join("control")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_request_reaches_the_network_and_its_answer_comes_back() {
        let dir = tempfile::tempdir().unwrap();
        let mut requests = listen(dir.path()).unwrap();
        let network = tokio::spawn(async move {
            let (request, answer) = requests.recv().await.unwrap();
            assert!(matches!(request, Request::Stop(name) if name == "argus-1"));
            answer
                .send(Answer::Refused("argus-1 is not running".into()))
                .unwrap();
        });
        let refused = ask(dir.path(), &Request::Stop("argus-1".into()))
            .await
            .unwrap_err();
        assert_eq!(refused.to_string(), "argus-1 is not running");
        network.await.unwrap();
    }

    #[tokio::test]
    async fn garbage_is_answered_with_a_reason() {
        let dir = tempfile::tempdir().unwrap();
        let _requests = listen(dir.path()).unwrap();
        let mut stream = UnixStream::connect(socket(dir.path())).await.unwrap();
        stream.write_all(b"dance\n").await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(
            answer.contains("dance") && answer.contains("refused"),
            "{answer}"
        );
    }
}
