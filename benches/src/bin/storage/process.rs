//! What a process has used so far, as the kernel counts it: processor time, and bytes through system
//! calls and to and from the disk.

use std::{fs, ops::Sub};

use anyhow::{Context, Result};

/// Used since the process began, or between two looks.
#[derive(Debug, Clone, Copy)]
pub struct Usage {
    /// Seconds of processor time, in user and kernel mode.
    pub cpu_s: f64,
    /// Bytes read by `read` and its like, from files (sockets are read by `recv`, which is not counted).
    pub read: u64,
    /// Bytes written by `write` and its like.
    pub written: u64,
}

impl Usage {
    /// Of this process, up to now. Source: `proc_pid_stat(5)`, `proc_pid_io(5)`.
    pub fn of(pid: i32) -> Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        // The name, in parentheses, may hold anything; fields are counted after it.
        let (_, fields) = stat.rsplit_once(") ").context("a stat line")?;
        let fields: Vec<&str> = fields.split_ascii_whitespace().collect();
        let ticks =
            |field: usize| -> Result<u64> { Ok(fields.get(field).context("a field")?.parse()?) };
        let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
        let counted = |name: &str| -> Result<u64> {
            let line = io.lines().find_map(|line| line.strip_prefix(name));
            Ok(line
                .with_context(|| format!("no {name} in {io}"))?
                .trim()
                .parse()?)
        };
        let per_second = rustix::param::clock_ticks_per_second() as f64;
        Ok(Self {
            cpu_s: (ticks(11)? + ticks(12)?) as f64 / per_second,
            read: counted("rchar:")?,
            written: counted("wchar:")?,
        })
    }
}

impl Sub for Usage {
    type Output = Self;
    fn sub(self, before: Self) -> Self {
        Self {
            cpu_s: self.cpu_s - before.cpu_s,
            read: self.read - before.read,
            written: self.written - before.written,
        }
    }
}
