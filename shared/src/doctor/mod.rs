//! What the nodes' `doctor` commands are made of: findings, and looks at what all nodes have.
//!
//! | module | what it looks at |
//! |---|---|
//! | here | [`Finding`]: good, a warning, or bad, with what to do about it; [`tell`], the command's frame |
//! | [`disk`] | the data directory: writable, room, file system, who may read secrets |
//! | [`chain`] | endpoints, genesis, clock, worker |
//! | [`net`] | ports, their certificate, and asking a node over HTTP |

use std::fmt;

use serde::Serialize;
use serde_json::json;

use crate::supervise::Exit;

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

/// The worst of them decides.
pub fn worst(findings: &[Finding]) -> Verdict {
    let is = |verdict| findings.iter().any(|finding| finding.verdict == verdict);
    match () {
        () if is(Verdict::Bad) => Verdict::Bad,
        () if is(Verdict::Warning) => Verdict::Warning,
        () => Verdict::Good,
    }
}

/// Prints findings as they are made, or all of them as JSON at the end, and says how the command ends:
/// it fails if anything is bad. `examine` is given what is to hear each finding.
pub fn tell(
    program: &str,
    as_json: bool,
    examine: impl FnOnce(&dyn Fn(&Finding)) -> Vec<Finding>,
) -> Exit {
    let told = |finding: &Finding| {
        if !as_json {
            println!("{finding}");
        }
    };
    let findings = examine(&told);
    let verdict = worst(&findings);
    if as_json {
        let report = json!({ "program": program, "verdict": verdict, "findings": findings });
        println!("{report:#}");
    }
    match verdict {
        Verdict::Bad => Exit::Failed,
        Verdict::Good | Verdict::Warning => Exit::Stopped,
    }
}
