//! A server's process with its children: what time and memory they have used.

use std::{
    collections::{HashMap, HashSet},
    fs,
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};

/// Ticks of `/proc/<pid>/stat` per second: fixed in the kernel's interface.
const TICKS_PER_S: f64 = 100.0;

/// A running server.
pub struct Server {
    child: Child,
}

impl Server {
    /// Starts it. It ends when its standard input does, or by a signal when it is dropped.
    pub fn start(command: &mut Command) -> Result<Self> {
        let child = command
            .stdin(Stdio::piped())
            .spawn()
            .with_context(|| format!("{command:?} cannot be started"))?;
        Ok(Self { child })
    }

    /// Fails if it has ended.
    pub fn check(&mut self) -> Result<()> {
        let ended = self.child.try_wait()?;
        ensure!(ended.is_none(), "a server ended: {ended:?}");
        Ok(())
    }

    /// Ends it in order and waits.
    pub fn stop(&mut self) -> Result<()> {
        drop(self.child.stdin.take());
        self.child.wait()?;
        Ok(())
    }

    /// Seconds of processor time so far, children included.
    pub fn cpu_s(&self) -> f64 {
        let ticks = |pid: &u32| stat(*pid).map_or(0, |stat| stat.ticks_own);
        self.family().iter().map(ticks).sum::<u64>() as f64 / TICKS_PER_S
    }

    /// Bytes of anonymous memory now, children included.
    pub fn anonymous_bytes(&self) -> u64 {
        let of = |pid: &u32| -> Option<u64> {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
            let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
            Some(kib * 1024)
        };
        self.family().iter().filter_map(of).sum()
    }

    /// It and all that descend from it.
    fn family(&self) -> HashSet<u32> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
        let parents: HashMap<u32, u32> = pids
            .filter_map(|pid| Some((pid, stat(pid)?.parent)))
            .collect();
        let mut family = HashSet::from([self.child.id()]);
        loop {
            let children = parents
                .iter()
                .filter(|(pid, parent)| family.contains(parent) && !family.contains(pid));
            let children: Vec<u32> = children.map(|(pid, _)| *pid).collect();
            if children.is_empty() {
                return family;
            }
            family.extend(children);
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid
            && matches!(self.child.try_wait(), Ok(None))
        {
            // Either fails only if it has ended meanwhile.
            let _ = kill_process(pid, Signal::TERM);
            std::thread::sleep(Duration::from_millis(300));
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

struct Stat {
    parent: u32,
    ticks_own: u64,
    ticks_children: u64,
}

fn stat(pid: u32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in parentheses may hold anything; what follows it is numbers.
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    Some(Stat {
        parent: number(1)? as u32,
        ticks_own: number(11)? + number(12)?,
        ticks_children: number(13)? + number(14)?,
    })
}

/// Seconds of processor time of this program and of the clients it ran and waited for.
pub fn client_cpu_s() -> f64 {
    let ticks = stat(std::process::id()).map_or(0, |stat| stat.ticks_own + stat.ticks_children);
    ticks as f64 / TICKS_PER_S
}

/// A thousand viewers need as many descriptors, here and in servers.
pub fn allow_many_files() -> Result<()> {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let limit = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, limit).context("the limit of open files cannot be raised")
}
