//! The development chain and storage nodes as processes of their own, which a test kills and starts
//! again at the same addresses over the same directories.

use std::{
    fs::{self, File, OpenOptions},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use shared::{chain::subxt::SubxtChain, ids::WorkerId};
use tokio::{net::TcpStream, time::Instant};

/// How long anything in these tests may take before it has failed.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Pause between two looks at something that will change.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
/// How much of a log a failure shows.
const LOG_TAIL_BYTES: usize = 6_000;

/// A port that nothing listens on.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Looks until it is so; fails with `what` when it is not so in time.
pub async fn eventually(what: &str, mut look: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    let started = Instant::now();
    loop {
        if look()
            .await
            .with_context(|| format!("while waiting until {what}"))?
        {
            return Ok(());
        }
        ensure!(started.elapsed() < PATIENCE, "never so: {what}");
        tokio::time::sleep(LOOK_AGAIN).await;
    }
}

/// A part of the network as a process; killed when dropped.
struct Part {
    args: Vec<String>,
    log: PathBuf,
    child: Option<Child>,
}

impl Part {
    fn new(args: Vec<String>, log: PathBuf) -> Self {
        let child = None;
        Self { args, log, child }
    }

    fn spawn(&mut self) -> Result<()> {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let child = Command::new(env!("CARGO_BIN_EXE_network-under-test"))
            .arg("part")
            .args(&self.args)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        self.child = Some(child);
        Ok(())
    }

    /// `kill -9`.
    fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Fails if the process has ended by itself.
    fn check_alive(&mut self) -> Result<()> {
        let child = self.child.as_mut().context("it was not started")?;
        if let Some(status) = child.try_wait()? {
            bail!(
                "{:?} ended by itself ({status}):\n{}",
                self.args,
                self.log_tail()
            );
        }
        Ok(())
    }

    fn log_tail(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let from = log.len().saturating_sub(LOG_TAIL_BYTES);
        String::from_utf8_lossy(&log[from..]).into_owned()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        let _killed = self.kill();
    }
}

/// How quickly the chain goes on.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// Between blocks when nothing happens.
    pub block_time_ms: u64,
    /// From a transaction to its block.
    pub seal_delay_ms: u64,
    /// From a block with transactions to the one that makes it final.
    pub finality_delay_ms: u64,
}

/// Blocks come as soon as there is something to put into them.
pub const QUICK: Pace = Pace {
    block_time_ms: 1_000,
    seal_delay_ms: 50,
    finality_delay_ms: 100,
};

/// The development chain.
pub struct DevChain {
    part: Part,
    data: PathBuf,
    port: u16,
}

impl DevChain {
    /// Starts a new chain below `dir`.
    pub async fn start(dir: &Path, pace: Pace) -> Result<Self> {
        let (data, port) = (dir.join("chain"), free_port()?);
        let args = [
            "dev-chain",
            "serve",
            "--data-dir",
            &data.display().to_string(),
            "--port",
            &port.to_string(),
            "--block-time-ms",
            &pace.block_time_ms.to_string(),
            "--seal-delay-ms",
            &pace.seal_delay_ms.to_string(),
            "--finality-delay-ms",
            &pace.finality_delay_ms.to_string(),
        ];
        let args = args.map(str::to_owned).to_vec();
        let part = Part::new(args, dir.join("chain.log"));
        let mut chain = Self { part, data, port };
        chain.go_on().await?;
        Ok(chain)
    }

    /// Starts it again where it was.
    pub async fn go_on(&mut self) -> Result<()> {
        self.part.spawn()?;
        let address = ("127.0.0.1", self.port);
        eventually("the chain listens", async || {
            self.part.check_alive()?;
            Ok(TcpStream::connect(address).await.is_ok())
        })
        .await
    }

    /// `kill -9`. What waits in its pool is lost.
    pub fn kill(&mut self) -> Result<()> {
        self.part.kill()
    }

    /// Takes the newest block away, which was not final: with another in its place the chain has been
    /// re-organised. Only while it is not running.
    pub fn forget_newest_block(&self) -> Result<()> {
        let log = File::options()
            .write(true)
            .open(self.data.join("blocks.log"))?;
        // A record that is cut short is as one that was never finished.
        Ok(log.set_len(log.metadata()?.len() - 1)?)
    }

    /// Where it is reached.
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}", self.port)
    }

    /// The port of [`Self::url`].
    pub fn port(&self) -> u16 {
        self.port
    }

    /// A client of its own.
    pub async fn client(&self) -> Result<SubxtChain> {
        Ok(SubxtChain::connect(vec![self.url()]).await?)
    }
}

/// What a test wants of a node besides the usual.
#[derive(Debug, Clone)]
pub struct NodeOptions {
    /// The chain, tried in this order.
    pub endpoints: Vec<String>,
    /// How long the first object of a batch waits for others.
    pub batch_delay_ms: u64,
    /// More lines of configuration.
    pub more: String,
}

impl NodeOptions {
    /// A node that asks this endpoint and accepts at once.
    pub fn asking(endpoint: String) -> Self {
        Self {
            endpoints: vec![endpoint],
            batch_delay_ms: 50,
            more: String::new(),
        }
    }
}

/// A storage node.
pub struct StorageNode {
    part: Part,
    config: PathBuf,
    worker: WorkerId,
    dir: PathBuf,
    ports: [u16; 3],
    http: reqwest::Client,
}

impl StorageNode {
    /// Starts a worker's node below `dir` and waits until it is ready.
    pub async fn start(dir: &Path, worker: WorkerId, options: &NodeOptions) -> Result<Self> {
        shared::api::install_tls_provider();
        let config = dir.join(format!("colossus-{worker}.toml"));
        let args = [
            "colossus",
            "serve",
            "--config",
            &config.display().to_string(),
        ];
        let args = args.map(str::to_owned).to_vec();
        let part = Part::new(args, dir.join(format!("colossus-{worker}.log")));
        let mut node = Self {
            part,
            config,
            worker,
            dir: dir.join(format!("colossus-{worker}")),
            ports: [free_port()?, free_port()?, free_port()?],
            http: reqwest::Client::new(),
        };
        node.configure(options)?;
        node.spawn()?;
        node.ready().await?;
        Ok(node)
    }

    /// Writes another configuration, for the next start.
    pub fn configure(&self, options: &NodeOptions) -> Result<()> {
        let [http, admin, p2p] = self.ports;
        let NodeOptions {
            endpoints,
            batch_delay_ms,
            more,
        } = options;
        let (worker, dir) = (self.worker, self.dir.display());
        let text = format!(
            r#"worker = "{worker}"
data_dir = "{dir}"
chain.endpoints = {endpoints:?}
keys.transactor_uri = "//Colossus{worker}//Transactor"
http.listen = "127.0.0.1:{http}"
admin.listen = "127.0.0.1:{admin}"
p2p.listen = ["/ip4/127.0.0.1/tcp/{p2p}"]
p2p.discovery_interval = "500ms"
accept.batch_delay = "{batch_delay_ms}ms"
accept.retry_delay = "100ms"
accept.retry_delay_max = "1s"
accept.submit_timeout = "5s"
replicate.list_delay = "1s"
replicate.retry_delay = "200ms"
cleanup.grace = "1s"
disk.low = "0%"
disk.critical = "0%"
{more}
"#
        );
        Ok(fs::write(&self.config, text)?)
    }

    /// Starts it again over what is in its directory; does not wait.
    pub fn spawn(&mut self) -> Result<()> {
        self.part.spawn()
    }

    /// Waits until it is ready.
    pub async fn ready(&mut self) -> Result<()> {
        let url = format!("http://127.0.0.1:{}/readyz", self.ports[1]);
        let http = self.http.clone();
        eventually("the node is ready", async || {
            self.part.check_alive()?;
            let answer = http.get(&url).send().await;
            Ok(answer.is_ok_and(|answer| answer.status().is_success()))
        })
        .await
    }

    /// `kill -9`.
    pub fn kill(&mut self) -> Result<()> {
        self.part.kill()
    }

    /// Fails if the process has ended by itself.
    pub fn alive(&mut self) -> Result<()> {
        self.part.check_alive()
    }

    /// Whose node it is.
    pub fn worker(&self) -> WorkerId {
        self.worker
    }

    /// Its HTTP root.
    pub fn root(&self) -> String {
        format!("http://127.0.0.1:{}/", self.ports[0])
    }

    /// The end of what it logged.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.part.log).unwrap_or_default()
    }

    /// What it says of itself.
    pub async fn status(&self) -> Result<Value> {
        let url = shared::api::url(&self.root(), shared::api::STATUS_ROUTE);
        Ok(self.http.get(url).send().await?.json().await?)
    }

    /// A metric's value; 0 if it has not been touched.
    pub async fn metric(&self, line_start: &str) -> Result<f64> {
        let url = format!("http://127.0.0.1:{}/metrics", self.ports[1]);
        let text = self.http.get(url).send().await?.text().await?;
        let line = text.lines().find(|line| line.starts_with(line_start));
        let value = line.and_then(|line| line.rsplit(' ').next());
        Ok(value.map_or(Ok(0.0), str::parse)?)
    }
}
