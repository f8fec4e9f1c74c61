//! Which directories belong to a store: a marker in each of them, and a list of all of them beside
//! the index. So an empty mount point is never taken for an empty store, nor a directory that was
//! left out of the configuration for one that never was.

use std::{
    fmt,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use super::{BlobError, Disk, remote::is_object_store};

/// The marker's name in each directory.
pub(super) const MARKER: &str = "volume.toml";

const MARKER_COMMENT: &str = "# This directory holds objects of a Colossus store. Without this file it counts as not mounted:\n# do not remove or copy it.\n";
const REGISTRY_COMMENT: &str = "# The directories that hold this node's objects. Written by the node; `colossus disks` shows it.\n";

/// A random name of a store or of one of its directories: 32 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Name(String);

impl Name {
    pub(super) fn random() -> Self {
        Self(format!("{:032x}", rand::random::<u128>()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// What lies in each directory.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Marker {
    pub(super) store: Name,
    pub(super) volume: Name,
}

impl Marker {
    /// Reads the marker from the disk itself, not from memory. `None` if there is none.
    pub(super) fn read(disk: &dyn Disk, dir: &Path) -> io::Result<Option<Self>> {
        let mut file = match disk.open(&dir.join(MARKER)) {
            Ok(file) => file,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(error),
        };
        // A device that is gone may leave the page in memory. What cannot be dropped is read from there.
        let _advised = rustix::fs::fadvise(&file, 0, None, rustix::fs::Advice::DontNeed);
        let mut text = String::new();
        file.read_to_string(&mut text)?;
        match toml::from_str(&text) {
            Ok(marker) => Ok(Some(marker)),
            // A crash while it was made: the directory was never used.
            Err(_) if text.is_empty() => Ok(None),
            Err(error) => Err(io::Error::new(io::ErrorKind::InvalidData, error)),
        }
    }

    /// As text.
    pub(super) fn to_text(&self) -> String {
        format!(
            "{MARKER_COMMENT}store = \"{}\"\nvolume = \"{}\"\n",
            self.store, self.volume
        )
    }

    /// From text.
    pub(super) fn from_text(text: &str) -> Option<Self> {
        toml::from_str(text).ok()
    }

    /// Writes it durably.
    pub(super) fn write(&self, dir: &Path) -> io::Result<()> {
        write_durably(&dir.join(MARKER), MARKER_COMMENT, self)
    }
}

pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

/// One line of the list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Entry {
    pub(super) volume: Name,
    pub(super) dir: PathBuf,
}

/// The list of all directories of a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registry {
    pub(super) store: Name,
    /// The object store that is being taken over: until that is done, the node must not use it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) taking_over: Option<PathBuf>,
    #[serde(default, rename = "directory")]
    pub(super) entries: Vec<Entry>,
}

impl Registry {
    /// The marker's name in each directory.
    pub const MARKER: &str = MARKER;

    /// Reads a list. `None` if there is none yet. Blocks.
    pub fn read(path: &Path) -> Result<Option<Self>, BlobError> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if is_absent(&error) => return Ok(None),
            Err(error) => return Err(BlobError::io("read", path, error)),
        };
        let parsed = toml::from_str(&text).map_err(|error| {
            BlobError::io("understand", path, io::Error::other(error.to_string()))
        });
        parsed.map(Some)
    }

    pub(super) fn new(store: Name) -> Self {
        Self {
            store,
            taking_over: None,
            entries: Vec::new(),
        }
    }

    /// Replaces the list on disk, durably. Blocks.
    pub fn write(&self, path: &Path) -> Result<(), BlobError> {
        let written = write_durably(path, REGISTRY_COMMENT, self);
        written.map_err(|error| BlobError::io("write", path, error))
    }

    /// The directories.
    pub fn dirs(&self) -> impl Iterator<Item = &Path> {
        let places = self.entries.iter().map(|entry| &*entry.dir);
        places.filter(|place| !is_object_store(place))
    }

    /// The object stores, as `s3://bucket/prefix`.
    pub fn object_stores(&self) -> impl Iterator<Item = &Path> {
        let places = self.entries.iter().map(|entry| &*entry.dir);
        places.filter(|place| is_object_store(place))
    }

    /// How the list names what somebody typed.
    pub fn name_of(place: &Path) -> PathBuf {
        match is_object_store(place) {
            true => place.into(),
            false => std::path::absolute(place).unwrap_or_else(|_| place.into()),
        }
    }

    /// Gives a directory up: nobody waits for what it held. Says whether it was in the list.
    pub fn forget(&mut self, dir: &Path) -> bool {
        let before = self.entries.len();
        self.entries.retain(|entry| entry.dir != dir);
        self.taking_over.take_if(|store| store == dir);
        self.entries.len() < before
    }

    pub(super) fn entry_at(&self, dir: &Path) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.dir == dir)
    }

    /// The directory of this name lies here now.
    pub(super) fn put(&mut self, volume: Name, dir: &Path) {
        match self.entries.iter_mut().find(|entry| entry.volume == volume) {
            Some(entry) => entry.dir = dir.into(),
            None => self.entries.push(Entry {
                volume,
                dir: dir.into(),
            }),
        }
    }
}

fn write_durably(path: &Path, comment: &str, content: &impl Serialize) -> io::Result<()> {
    let text = toml::to_string(content).map_err(io::Error::other)?;
    let temp = path.with_added_extension("new");
    let mut file = File::create(&temp)?;
    file.write_all(comment.as_bytes())?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temp, path)?;
    let dir = path.parent().unwrap_or(path);
    File::open(dir)?.sync_all()
}
