//! One part of the network as a process: start with its log file, wait until it is ready, stop.

use std::{
    ffi::OsString,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    process::{Child, Command},
    time::{Instant, sleep},
};

/// How long a part may take from start to ready. Re-reading a long chain log is what takes longest.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How long a part may take to stop before it is killed.
const STOP_WITHIN: Duration = Duration::from_secs(15);
const READY_POLL: Duration = Duration::from_millis(60);
/// How much of a dead part's log is shown.
const LOG_TAIL_LINES: usize = 12;

/// How a part tells that it is ready.
#[derive(Debug, Clone)]
pub enum Readiness {
    /// `GET` of this URL answers 200.
    HttpOk(String),
    /// A JSON-RPC call over HTTP answers.
    JsonRpc(String),
}

/// What is needed to start a part.
#[derive(Debug, Clone)]
pub struct PartPlan {
    /// Unique name, also of its directory and log ("colossus-1").
    pub name: String,
    /// Which program ("colossus").
    pub program: &'static str,
    /// Its arguments.
    pub args: Vec<OsString>,
    /// When it may be used.
    pub readiness: Readiness,
    /// What to show to people: a URL.
    pub url: String,
    /// A word beside the URL.
    pub note: String,
}

/// A running part.
#[derive(Debug)]
pub struct Part {
    /// How it was started.
    pub plan: PartPlan,
    log: PathBuf,
    child: Child,
}

impl Part {
    /// Starts the part: this same executable under the part's name, output into its log file.
    pub fn start(plan: PartPlan, logs: &Path) -> Result<Self> {
        fs::create_dir_all(logs)?;
        let log = logs.join(format!("{}.log", plan.name));
        let output = File::options()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("cannot write the log {}", log.display()))?;
        let executable = std::env::current_exe().context("cannot find this program's own file")?;
        let child = Command::new(executable)
            .arg(crate::cli::PART)
            .arg(plan.program)
            .args(&plan.args)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            // Ctrl-C in the terminal reaches devnet alone, which then stops the parts in order.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("cannot start {}", plan.name))?;
        Ok(Self { plan, log, child })
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Waits until the part answers; fails when it ends or takes too long, with the end of its log.
    pub async fn ready(&mut self, http: &reqwest::Client) -> Result<()> {
        let started = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                bail!(
                    "{} ended at once ({status}):\n{}",
                    self.plan.name,
                    self.log_tail()
                );
            }
            if answers(http, &self.plan.readiness).await {
                return Ok(());
            }
            if started.elapsed() > READY_WITHIN {
                bail!(
                    "{} was not ready within {} s:\n{}",
                    self.plan.name,
                    READY_WITHIN.as_secs(),
                    self.log_tail()
                );
            }
            sleep(READY_POLL).await;
        }
    }

    /// Resolves when the process has ended, with a sentence for people.
    pub async fn ended(&mut self) -> String {
        let status = self.child.wait().await;
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        format!(
            "{} ended by itself ({how}):\n{}",
            self.plan.name,
            self.log_tail()
        )
    }

    /// Asks the part to stop, and kills it when it does not in time.
    pub async fn stop(mut self) -> Result<()> {
        let Some(pid) = self.child.id() else {
            return Ok(());
        };
        if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        if tokio::time::timeout(STOP_WITHIN, self.child.wait())
            .await
            .is_ok()
        {
            return Ok(());
        }
        self.child.kill().await?;
        bail!(
            "{} did not stop within {} s and was killed",
            self.plan.name,
            STOP_WITHIN.as_secs()
        )
    }

    fn log_tail(&self) -> String {
        let text = fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = &lines[lines.len().saturating_sub(LOG_TAIL_LINES)..];
        format!("{}\n(whole log: {})", tail.join("\n"), self.log.display())
    }
}

async fn answers(http: &reqwest::Client, readiness: &Readiness) -> bool {
    let request = match readiness {
        Readiness::HttpOk(url) => http.get(url),
        Readiness::JsonRpc(url) => http.post(url).json(&serde_json::json!({
            "jsonrpc": "2.0", "id": 1, "method": "chain_getFinalizedHead", "params": [],
        })),
    };
    let answer = request.timeout(Duration::from_secs(2)).send().await;
    answer.is_ok_and(|answer| answer.status().is_success())
}
