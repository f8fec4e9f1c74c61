//! `colossus doctor`: looks at everything an operator can get wrong before it hurts, and says for
//! each what to do. Changes nothing but a test file in the data directory, which it removes.
//!
//! | module | what it looks at |
//! |---|---|
//! | [`disk`] | the data directory: writable, room, file system, who may read the keys |
//! | [`chain`] | endpoints, genesis, clock, worker, buckets, transactor and its balance |
//! | [`net`] | ports, the node that runs on them, and the endpoint other nodes are told |
//!
//! A look is a [`Finding`]: good, a warning, or bad. The exit code is 1 if anything is bad.

use std::fmt;

use serde::Serialize;
use shared::p2p::identity::NodeIdentity;

use crate::config::Config;

pub mod chain;
pub mod disk;
pub mod net;

/// How one thing stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// In order.
    Good,
    /// Works now, and may hurt later.
    Warning,
    /// The node cannot do its work.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What.
    pub name: &'static str,
    /// How it stands.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do about it; absent when all is well.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    /// In order.
    pub fn good(name: &'static str, seen: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Good,
            seen: seen.into(),
            remedy: None,
        }
    }

    /// May hurt later.
    pub fn warning(name: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            name,
            verdict: Verdict::Warning,
            seen: seen.into(),
            remedy: Some(remedy.into()),
        }
    }

    /// The node cannot do its work.
    pub fn bad(name: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self {
            verdict: Verdict::Bad,
            ..Self::warning(name, seen, remedy)
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = match self.verdict {
            Verdict::Good => '✓',
            Verdict::Warning => '!',
            Verdict::Bad => '✗',
        };
        write!(f, "{mark} {:<16} {}", self.name, self.seen)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n  {:<16} → {remedy}", ""),
            None => Ok(()),
        }
    }
}

/// Looks at everything; `told` hears each finding as it is made.
pub async fn examine(config: &Config, mut told: impl FnMut(&Finding)) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut add = |new: Vec<Finding>| {
        new.iter().for_each(&mut told);
        findings.extend(new);
    };
    add(vec![Finding::good(
        "configuration",
        format!("worker {}", config.worker),
    )]);
    let disk = {
        let config = config.clone();
        tokio::task::spawn_blocking(move || disk::look(&config)).await
    };
    let is_running = match disk {
        Ok(look) => {
            add(look.findings);
            look.is_running
        }
        Err(error) => {
            let remedy = "run doctor again";
            add(vec![Finding::bad(
                "data directory",
                error.to_string(),
                remedy,
            )]);
            false
        }
    };
    let chain = chain::look(config, is_running).await;
    add(chain.findings);
    let peer_id = peer_id(config);
    let endpoints = chain.endpoints;
    add(net::look(config, is_running, peer_id, &endpoints).await);
    findings
}

/// The peer id of the node's key, if it has been started before.
fn peer_id(config: &Config) -> Option<String> {
    let path = config.data_dir.join("node.key");
    if !path.exists() {
        return None;
    }
    let identity = NodeIdentity::load_or_create(&path).ok()?;
    Some(identity.peer_id().to_string())
}

/// The worst of them decides.
pub fn worst(findings: &[Finding]) -> Verdict {
    let is = |verdict| findings.iter().any(|finding| finding.verdict == verdict);
    match () {
        () if is(Verdict::Bad) => Verdict::Bad,
        () if is(Verdict::Warning) => Verdict::Warning,
        () => Verdict::Good,
    }
}
