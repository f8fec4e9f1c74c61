//! `colossus disks`: the directories of objects as the list beside the index knows them, giving one up,
//! and the running node's read-only mode.

use std::path::{Path, PathBuf};

use clap::Subcommand;
use serde_json::Value;
use shared::{
    blob::{BlobError, BlobStore, Registry},
    cli::{
        self, Settings,
        admin::{Admin, AdminError},
    },
    supervise::Exit,
};

use crate::config::Config;

/// `disks`
#[derive(Debug, Subcommand)]
pub enum DisksCommand {
    /// Lists the directories that belong to this node. Exit code 1 if one is not there.
    List,
    /// Switches read-only mode of the running node on or off: nothing is written, what is held is
    /// served. A restart switches it off; disk.read_only in the configuration lasts.
    ReadOnly {
        /// Which.
        switch: Switch,
    },
    /// Gives a directory up: the node does not wait for what it held any more, drops that from the
    /// index, and fetches again from other nodes what it owes. Objects that only this directory had
    /// are lost. The node must not run.
    Forget {
        /// The directory, as the list names it.
        dir: PathBuf,
    },
}

/// `on` or `off`.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub enum Switch {
    /// Writes nothing.
    On,
    /// Writes, unless the configuration or the disks say otherwise.
    Off,
}

/// Why a directory is not given up.
#[derive(Debug, thiserror::Error)]
enum ForgetError {
    /// The list, or a lock.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The list does not have it.
    #[error("{} is none of this node's directories: `colossus disks list` names them", dir.display())]
    Unknown { dir: PathBuf },
    /// It can be read and is used.
    #[error("{} is there and in use by the configuration: take it out of disk.dirs first", dir.display())]
    InUse { dir: PathBuf },
}

impl DisksCommand {
    /// Lists or forgets.
    pub fn run(self, config: &Config) -> Exit {
        match self {
            Self::List => match list(config) {
                Ok(true) => Exit::Stopped,
                Ok(false) => Exit::Failed,
                Err(error) => cli::fail(Config::PROGRAM, Exit::Failed, &error),
            },
            Self::ReadOnly { switch } => {
                match actix::System::new().block_on(read_only(config, switch)) {
                    Ok(said) => {
                        println!("{said}");
                        Exit::Stopped
                    }
                    Err(error) => cli::fail(Config::PROGRAM, Exit::Failed, &error),
                }
            }
            Self::Forget { dir } => match forget(config, &dir) {
                Ok(()) => {
                    println!("{} is given up", dir.display());
                    Exit::Stopped
                }
                Err(error) => cli::fail(Config::PROGRAM, Exit::Failed, &error),
            },
        }
    }
}

/// Asks the running node for it; says how it is then.
async fn read_only(config: &Config, switch: Switch) -> Result<String, AdminError> {
    let path = format!("/disk/read-only?on={}", matches!(switch, Switch::On));
    let admin = Admin::of(config.admin.listen)?;
    let standing: Value = admin.post(&path, &()).await?;
    Ok(match standing["readOnly"].as_str() {
        Some(why) => format!("read-only: {why}"),
        None => "writable".to_owned(),
    })
}

fn list(config: &Config) -> Result<bool, BlobError> {
    let Some(registry) = Registry::read(&config.places().registry)? else {
        println!("the node has not been started yet");
        return Ok(true);
    };
    let mut all_there = true;
    for dir in registry.dirs() {
        let is_there = dir.join(Registry::MARKER).exists();
        all_there &= is_there;
        let state = if is_there {
            "there"
        } else {
            "not there: is the disk mounted?"
        };
        println!("{}: {state}", dir.display());
    }
    for store in registry.object_stores() {
        println!(
            "{}: an object store; `colossus doctor` asks it",
            store.display()
        );
    }
    Ok(all_there)
}

fn forget(config: &Config, dir: &Path) -> Result<(), ForgetError> {
    let places = config.places();
    let dir = Registry::name_of(dir);
    let unknown = || ForgetError::Unknown { dir: dir.clone() };
    let mut registry = Registry::read(&places.registry)?.ok_or_else(unknown)?;
    // Takes the locks, so that no node runs meanwhile.
    let opened = BlobStore::open_all(&places);
    match opened {
        Ok(store) => {
            let given = store.conditions();
            let is_used = |dir: &PathBuf| {
                let mut readable = given.iter().filter(|known| known.condition.is_readable());
                readable.any(|known| known.dir == *dir)
            };
            if is_used(&dir) {
                return Err(ForgetError::InUse { dir });
            }
            forget_in(&mut registry, &places.registry, &dir, unknown)
        }
        // To give it up ends its take-over.
        Err(BlobError::NotTakenOver { store, .. }) if store == dir => {
            forget_in(&mut registry, &places.registry, &dir, unknown)
        }
        Err(BlobError::LeftOut { .. }) => forget_in(&mut registry, &places.registry, &dir, unknown),
        Err(error) => Err(error.into()),
    }
}

fn forget_in(
    registry: &mut Registry,
    path: &Path,
    dir: &Path,
    unknown: impl Fn() -> ForgetError,
) -> Result<(), ForgetError> {
    match registry.forget(dir) {
        true => Ok(registry.write(path)?),
        false => Err(unknown()),
    }
}
