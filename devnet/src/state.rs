//! What devnet keeps in its directory: who runs where (`network.json`), what the creator has
//! (`creator.json`), and the lock that lets one network run in a directory.

use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use shared::ids::{ChannelId, MemberId};

/// Free space a network needs to start; what a first video and the chain's log take, with room.
const FREE_BYTES_MIN: u64 = 1 << 30;

/// Where the parts of the running network answer. Written when all are up, removed on a clean stop.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Network {
    /// Process id of the devnet that started the parts.
    pub pid: u32,
    /// WebSocket URL of the chain.
    pub chain: String,
    /// HTTP roots of the storage nodes.
    pub colossus: Vec<String>,
    /// HTTP roots of the edges.
    pub argus: Vec<String>,
    /// GraphQL URL of the query node.
    pub indexer: String,
    /// GraphQL URL of the gateway.
    pub gateway: String,
}

/// Membership and channel that `publish` uses again, per signing account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Creator {
    /// The account's membership.
    pub member: Option<MemberId>,
    /// The member's channel.
    pub channel: Option<ChannelId>,
}

/// The directory of one network, locked while it runs.
#[derive(Debug)]
pub struct Home {
    dir: PathBuf,
    _lock: File,
}

impl Home {
    /// Creates the directory if needed, takes its lock and checks the free space.
    pub fn open(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)
            .with_context(|| format!("cannot create the directory {}", dir.display()))?;
        let lock_path = dir.join("lock");
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&lock_path)
            .with_context(|| format!("cannot write to {}", lock_path.display()))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            bail!(
                "a network already runs in {}: stop it with Ctrl-C, or choose another directory with --dir",
                dir.display()
            );
        }
        let stat = rustix::fs::statvfs(dir)
            .with_context(|| format!("cannot read the free space of {}", dir.display()))?;
        let free = stat.f_bavail * stat.f_frsize;
        if free < FREE_BYTES_MIN {
            bail!(
                "only {} free for {}: a network needs {} at least; make room or choose another disk with --dir",
                indicatif::HumanBytes(free),
                dir.display(),
                indicatif::HumanBytes(FREE_BYTES_MIN)
            );
        }
        Ok(Self {
            dir: dir.to_owned(),
            _lock: lock,
        })
    }

    /// The directory.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Removes all state but the lock.
    pub fn clear(&self) -> Result<()> {
        for entry in fs::read_dir(&self.dir)? {
            let path = entry?.path();
            if path.file_name().is_some_and(|name| name == "lock") {
                continue;
            }
            let removed = if path.is_dir() {
                fs::remove_dir_all(&path)
            } else {
                fs::remove_file(&path)
            };
            removed.with_context(|| format!("cannot remove {}", path.display()))?;
        }
        Ok(())
    }

    /// Tells `publish` and `watch` where the parts are.
    pub fn announce(&self, network: &Network) -> Result<()> {
        write_json(&network_file(&self.dir), network)
    }

    /// The parts are gone.
    pub fn retract(&self) {
        let _ = fs::remove_file(network_file(&self.dir));
    }
}

/// The network that runs in this directory.
pub fn running_network(dir: &Path) -> Result<Network> {
    let file = network_file(dir);
    read_json(&file)?.with_context(|| {
        format!(
            "no network runs in {}: start one with `cargo run --release`, or name its directory with --dir",
            dir.display()
        )
    })
}

/// What this account has published with before; empty at first.
pub fn load_creator(dir: &Path, account: &str) -> Result<Creator> {
    Ok(read_json(&creator_file(dir, account))?.unwrap_or_default())
}

/// Remembers membership and channel for the next `publish`.
pub fn save_creator(dir: &Path, account: &str, creator: &Creator) -> Result<()> {
    write_json(&creator_file(dir, account), creator)
}

fn network_file(dir: &Path) -> PathBuf {
    dir.join("network.json")
}

fn creator_file(dir: &Path, account: &str) -> PathBuf {
    dir.join("creators").join(format!("{account}.json"))
}

fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).with_context(|| {
            format!(
                "{} is not readable: remove it and start again",
                path.display()
            )
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("cannot read {}", path.display())),
    }
}

/// Whole or not at all: written beside and renamed.
fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)
        .with_context(|| format!("cannot write {}", temporary.display()))?;
    file.write_all(&serde_json::to_vec_pretty(value)?)?;
    file.sync_all()?;
    fs::rename(&temporary, path).with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_network_per_directory() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        let refused = Home::open(dir.path()).unwrap_err().to_string();
        assert!(refused.contains("already runs"), "{refused}");
        drop(home);
        Home::open(dir.path()).unwrap();
    }

    #[test]
    fn clearing_keeps_the_lock_only() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::open(dir.path()).unwrap();
        fs::create_dir_all(dir.path().join("chain/log")).unwrap();
        save_creator(dir.path(), "alice", &Creator::default()).unwrap();
        home.clear().unwrap();
        let left: Vec<_> = fs::read_dir(dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["lock"]);
    }

    #[test]
    fn without_a_network_the_remedy_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let error = running_network(dir.path()).unwrap_err().to_string();
        assert!(error.contains("cargo run --release"), "{error}");
    }
}
