//! Every policy at every cache size over the same requests, and the table of what came of it.

use std::{collections::HashMap, fmt, fs, time::Duration};

use shared::config::ByteSize;
use tokio::time::Instant;

use super::{
    Kind, Request,
    offline::{self, Bound, Hits},
};

/// How often the memory of a policy is looked at, in requests.
const MEMORY_LOOK_EVERY: usize = 1024;

/// What is asked of a trace as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// Requests.
    pub requests: u64,
    /// Bytes asked for.
    pub bytes: u64,
    /// Different keys.
    pub keys: u64,
    /// Bytes of all of them: a cache of this size misses each once.
    pub distinct_bytes: u64,
}

impl Summary {
    /// Counts.
    pub fn of(requests: &[Request]) -> Self {
        let sizes: HashMap<u64, u64> = requests.iter().map(|one| (one.key, one.size)).collect();
        Self {
            requests: requests.len() as u64,
            bytes: requests.iter().map(|request| request.size).sum(),
            keys: sizes.len() as u64,
            distinct_bytes: sizes.values().sum(),
        }
    }
}

/// What one policy did in one cache.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Its hits.
    pub hits: Hits,
    /// Processor time of the whole replay.
    pub cpu: Duration,
    /// Most memory its records took.
    pub memory_bytes: usize,
}

/// Replays the requests.
pub fn run(kind: Kind, capacity: u64, requests: &[Request]) -> Run {
    let mut policy = kind.build(capacity);
    let (mut hits, mut evicted, mut memory_bytes) = (Hits::default(), Vec::new(), 0);
    let started = CpuClock::start();
    for (index, request) in requests.iter().enumerate() {
        if policy.request(request, &mut evicted) {
            hits.requests += 1;
            hits.bytes += request.size;
        }
        evicted.clear();
        if index % MEMORY_LOOK_EVERY == 0 {
            memory_bytes = memory_bytes.max(policy.memory_bytes());
        }
    }
    Run {
        hits,
        cpu: started.elapsed(),
        memory_bytes: memory_bytes.max(policy.memory_bytes()),
    }
}

/// Processor time of this thread where the system tells it, else time on the clock.
struct CpuClock {
    cpu_ns: Option<u64>,
    wall: Instant,
}

impl CpuClock {
    fn start() -> Self {
        Self {
            cpu_ns: thread_cpu_ns(),
            wall: Instant::now(),
        }
    }

    fn elapsed(&self) -> Duration {
        match (self.cpu_ns, thread_cpu_ns()) {
            (Some(before), Some(now)) => Duration::from_nanos(now.saturating_sub(before)),
            _ => self.wall.elapsed(),
        }
    }
}

fn thread_cpu_ns() -> Option<u64> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    text.split_ascii_whitespace().next()?.parse().ok()
}

/// The table: for each cache size the policies, Belady's choice and the bound.
pub struct Table {
    summary: Summary,
    sizes: Vec<(u64, Vec<Row>)>,
}

struct Row {
    name: &'static str,
    hits: Hits,
    /// Time and memory, of policies.
    run: Option<Run>,
}

impl Table {
    /// Replays these policies at these sizes.
    pub fn measure(requests: &[Request], kinds: &[Kind], capacities: &[u64]) -> Self {
        let bound = Bound::of(requests);
        let rows = |capacity| {
            let policies = kinds.iter().map(|kind| {
                let run = run(*kind, capacity, requests);
                (kind.name(), run.hits, Some(run))
            });
            let offline = [
                ("belady", offline::belady(requests, capacity), None),
                ("bound", bound.at(capacity), None),
            ];
            let rows = policies.chain(offline);
            rows.map(|(name, hits, run)| Row { name, hits, run })
                .collect()
        };
        Self {
            summary: Summary::of(requests),
            sizes: capacities.iter().map(|size| (*size, rows(*size))).collect(),
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.summary;
        writeln!(
            f,
            "{} requests for {:.1} GiB; {} keys of {:.1} GiB\n",
            all.requests,
            gib(all.bytes),
            all.keys,
            gib(all.distinct_bytes),
        )?;
        writeln!(
            f,
            "| cache | policy | hits % | bytes from hits % | cpu ns per request | memory KiB |"
        )?;
        writeln!(f, "|---|---|--:|--:|--:|--:|")?;
        for (capacity, rows) in &self.sizes {
            for row in rows {
                write!(
                    f,
                    "| {} ({:.1} %) | {} | {:.2} | {:.2} |",
                    ByteSize(*capacity),
                    percent(*capacity, all.distinct_bytes),
                    row.name,
                    percent(row.hits.requests, all.requests),
                    percent(row.hits.bytes, all.bytes),
                )?;
                match row.run {
                    Some(run) => writeln!(
                        f,
                        " {} | {} |",
                        run.cpu.as_nanos() / u128::from(all.requests.max(1)),
                        run.memory_bytes / 1024,
                    )?,
                    None => writeln!(f, " | |")?,
                }
            }
        }
        Ok(())
    }
}

fn gib(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 30)
}

fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole.max(1) as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::tests::spelled;

    #[test]
    fn the_table_tells_hits_and_bytes_of_each() {
        let requests = spelled("abacXXab");
        let table = Table::measure(&requests, &[Kind::Lru], &[2, 6]).to_string();
        assert!(
            table.starts_with("8 requests for 0.0 GiB; 4 keys of 0.0 GiB"),
            "{table}"
        );
        // Bytes asked for: 6 small ones and 2 × 3. Room for two: a is hit twice, X
        // passes by; for six: a, X, a, b.
        for expected in [
            "| 2B (33.3 %) | lru | 25.00 | 16.67 |",
            "| 6B (100.0 %) | lru | 50.00 | 50.00 |",
            "| 2B (33.3 %) | belady | 37.50 | 25.00 | | |",
        ] {
            assert!(table.contains(expected), "{expected} in {table}");
        }
    }

    #[test]
    fn hits_and_memory_are_told() {
        let requests = spelled(&"abcdefgh".repeat(1_000));
        let run = run(Kind::Lru, 8, &requests);
        assert_eq!(run.hits.requests, 7_992);
        assert!(run.memory_bytes > 8 * 40, "{}", run.memory_bytes);
    }
}
