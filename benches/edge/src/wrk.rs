//! Load by wrk: one thread, kept connections, and its figures.

use std::{fs, path::Path, process::Stdio};

use anyhow::{Context, Result, ensure};

/// What wrk is to do.
#[derive(Debug, Clone)]
pub struct Load {
    /// Where.
    pub url: String,
    /// Connections.
    pub connections: usize,
    /// How long.
    pub seconds: u64,
    /// Ranges of so many bytes at random places of so many.
    pub ranges: Option<(u64, u64)>,
}

/// What it saw.
#[derive(Debug, Clone, Copy)]
pub struct Seen {
    /// Seconds it took.
    pub seconds: f64,
    /// Answers.
    pub requests: f64,
    /// Bytes of answers, heads included.
    pub bytes: f64,
    /// Milliseconds that half of the answers took at most.
    pub p50_ms: f64,
    /// Milliseconds that 99 of 100 took at most.
    pub p99_ms: f64,
}

const DONE: &str = r#"
function done(summary, latency, requests)
  local e = summary.errors
  io.write(string.format("RESULT %d %d %d %d %d %d\n", summary.duration, summary.requests, summary.bytes,
    latency:percentile(50), latency:percentile(99), e.connect + e.read + e.write + e.status + e.timeout))
end
"#;

/// Runs it. An error in any answer is an error.
pub async fn run(dir: &Path, load: &Load) -> Result<Seen> {
    let mut script = String::new();
    if let Some((span, size)) = load.ranges {
        script = format!(
            r#"
function request()
  local at = math.random(0, {last})
  wrk.headers["Range"] = "bytes=" .. string.format("%d-%d", at, at + {span} - 1)
  return wrk.format()
end
"#,
            last = size - span
        );
    }
    let file = dir.join(format!("load-{}.lua", load.connections));
    fs::write(&file, script + DONE)?;
    let output = tokio::process::Command::new("wrk")
        .args(["-t1", &format!("-c{}", load.connections)])
        .arg(format!("-d{}s", load.seconds))
        .arg("-s")
        .arg(&file)
        .arg(&load.url)
        .stderr(Stdio::inherit())
        .output()
        .await
        .context("wrk cannot be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let line = text.lines().find_map(|line| line.strip_prefix("RESULT "));
    let line = line.with_context(|| format!("wrk said {text}"))?;
    let numbers: Vec<f64> = line
        .split_whitespace()
        .map(str::parse)
        .collect::<Result<_, _>>()?;
    let [duration, requests, bytes, p50, p99, errors] = numbers[..] else {
        anyhow::bail!("wrk said {line}");
    };
    ensure!(errors == 0.0, "{errors} requests to {} failed", load.url);
    Ok(Seen {
        seconds: duration / 1e6,
        requests,
        bytes,
        p50_ms: p50 / 1e3,
        p99_ms: p99 / 1e3,
    })
}
