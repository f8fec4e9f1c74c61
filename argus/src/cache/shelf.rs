//! The files of the cache.
//!
//! ```text
//! <dir>/objects/ab/<hash>-<size>       the data, sparse while it is being filled
//! <dir>/objects/ab/<hash>-<size>.ob    its outboard, as far as it was needed
//! <dir>/objects/ab/<hash>-<size>.map   which groups are there, written after the data is durable
//! <dir>/stopped                        written at an orderly stop: contents, least recently used first
//! <dir>/lock                           held while a process uses the directory
//! ```
//!
//! After an orderly stop the maps noted there are believed. After any other, what a map claims is
//! verified again against the on-chain hash before it is served, group by group, when it is first
//! wanted.

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

use parking_lot::Mutex;
use rustix::fs::{FallocateFlags, fallocate};
use shared::verified::Present;

use super::extents::{self, EXTENT_GROUPS, EXTENT_LEN, Extents};
use crate::content::Content;

/// Behind the name of an object in the note of an orderly stop: its map is to be believed.
const PROVEN: &str = " proven";

/// The cache directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// Another process uses it.
    #[error("the cache directory {} is used by another process; stop that one or choose another directory", .0.display())]
    Locked(PathBuf),
    /// The disk says no.
    #[error("{what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The work was not done to its end: a bug, or the process is ending.
    #[error("disk work for {content} ended early: {why}")]
    Lost {
        /// What it was for.
        content: Content,
        /// Why.
        why: String,
    },
}

impl ShelfError {
    fn at(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { what, path, cause }
    }
}

/// The cache directory. All methods wait for the disk.
pub struct Shelf {
    dir: PathBuf,
    /// Objects whose maps are to be believed: noted at an orderly stop, or written since.
    proven: Mutex<HashSet<Content>>,
    lock: File,
}

/// An object found on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Its hash and size.
    pub content: Content,
    /// The extents of which there is something.
    pub extents: Extents,
    /// Does its map claim all groups?
    pub complete: bool,
}

/// The files of one object, open.
pub struct Files {
    /// The data.
    pub data: File,
    /// The outboard, as far as it is there.
    pub outboard: File,
    /// Groups that are there and need no check.
    pub present: Present,
    /// Groups that are said to be there and are to be verified before use.
    pub claimed: Present,
}

/// What is left of an object that was removed, or of its end. Its room is free when this is dropped, which takes
/// the disk long (700 ms were seen for 500 MiB), and when nobody reads it any more.
#[derive(Debug)]
pub struct Leaving {
    data: Option<File>,
    /// Where the object ends from now on, if it stays.
    end: Option<u64>,
}

impl Drop for Leaving {
    fn drop(&mut self) {
        if let (Some(data), Some(end)) = (&self.data, self.end)
            && let Err(error) = shorten(data, end)
        {
            tracing::error!(%error, "the end of an object cannot be given back");
        }
    }
}

impl Shelf {
    /// Opens the directory, tells what is there, least recently used first, and removes what is of
    /// no use.
    pub fn open(dir: &Path) -> Result<(Self, Vec<Found>), ShelfError> {
        let objects = dir.join("objects");
        fs::create_dir_all(&objects).map_err(ShelfError::at("cannot create", &objects))?;
        let lock_path = dir.join("lock");
        let lock = File::create(&lock_path).map_err(ShelfError::at("cannot create", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(ShelfError::Locked(dir.to_owned())),
            Err(fs::TryLockError::Error(cause)) => {
                return Err(ShelfError::Io {
                    what: "cannot lock",
                    path: lock_path,
                    cause,
                });
            }
        }
        let stopped = dir.join("stopped");
        let order = read_if_there(&stopped)?;
        if order.is_some() {
            fs::remove_file(&stopped).map_err(ShelfError::at("cannot remove", &stopped))?;
            sync_dir(dir)?;
        }
        let order = order.unwrap_or_default();
        let proven = order
            .lines()
            .filter_map(|line| parse(line.strip_suffix(PROVEN)?))
            .collect();
        let shelf = Self {
            dir: dir.to_owned(),
            proven: Mutex::new(proven),
            lock,
        };
        let found = shelf.scan(&order)?;
        Ok((shelf, found))
    }

    /// What [`Shelf::open`] would tell of the directory. Changes nothing, and does not keep others from using it.
    pub fn look(dir: &Path) -> Result<Vec<Found>, ShelfError> {
        if !dir.join("objects").is_dir() {
            return Ok(Vec::new());
        }
        let order = read_if_there(&dir.join("stopped"))?.unwrap_or_default();
        scan(dir, &order, |_| Ok(()))
    }

    /// Where it is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Opens an object's files, making them if there are none.
    pub fn files(&self, content: &Content) -> Result<Files, ShelfError> {
        let data_path = self.path(content, "");
        let parent = data_path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(parent).map_err(ShelfError::at("cannot create", parent))?;
        let open = |path: &Path| {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            options
                .open(path)
                .map_err(ShelfError::at("cannot open", path))
        };
        let data = open(&data_path)?;
        let outboard = open(&self.path(content, ".ob"))?;
        let claimed = self.map(content);
        let nothing = Present::new(content.layout().groups());
        let proven = self.proven.lock().contains(content);
        let (present, claimed) = if proven {
            (claimed, nothing)
        } else {
            (nothing, claimed)
        };
        Ok(Files {
            data,
            outboard,
            present,
            claimed,
        })
    }

    /// Makes these groups durable: first the data, then the map that claims them. `proven` says
    /// whether all of them have been verified by this process or before an orderly stop.
    pub fn save(
        &self,
        content: &Content,
        files: (&File, &File),
        map: &Present,
        proven: bool,
    ) -> Result<(), ShelfError> {
        let data_path = self.path(content, "");
        for file in [files.0, files.1] {
            file.sync_data()
                .map_err(ShelfError::at("cannot write", &data_path))?;
        }
        self.write_atomically(&self.path(content, ".map"), &map.to_bytes())?;
        let mut all = self.proven.lock();
        if proven {
            all.insert(*content)
        } else {
            all.remove(content)
        };
        Ok(())
    }

    /// Takes a file that was verified to be this object, with its outboard, under its own name: the old name
    /// goes. Durable when it returns; killed in between, it leaves the file where it was, or the whole object.
    pub fn take(&self, content: &Content, from: &Path, outboard: &[u8]) -> Result<(), ShelfError> {
        let data_path = self.path(content, "");
        let parent = data_path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(parent).map_err(ShelfError::at("cannot create", parent))?;
        let outboard_path = self.path(content, ".ob");
        self.write_atomically(&outboard_path, outboard)?;
        let open = |path: &Path| File::open(path).map_err(ShelfError::at("cannot open", path));
        let files = (open(from)?, open(&outboard_path)?);
        let mut all = Present::new(content.layout().groups());
        (0..all.groups()).for_each(|group| _ = all.set(group));
        // The map goes first: without data it is removed at the next start, data without it would be, too.
        self.save(content, (&files.0, &files.1), &all, true)?;
        fs::rename(from, &data_path).map_err(ShelfError::at("cannot rename", from))?;
        sync_dir(parent)
    }

    /// A name below the directory for a copy of this object that is being made. What is left there is removed
    /// at the next start.
    pub fn name_for_copy(&self, content: &Content) -> Result<PathBuf, ShelfError> {
        let path = self.path(content, ".copy");
        let parent = path.parent().unwrap_or(&self.dir);
        fs::create_dir_all(parent).map_err(ShelfError::at("cannot create", parent))?;
        Ok(path)
    }

    /// Lets go of all extents from this one on. Nobody may be reading the object, or open it before what is
    /// returned is dropped: that shortens the file.
    pub fn trim(&self, content: &Content, from: u64) -> Result<Leaving, ShelfError> {
        let left = self.map(content).before(from * EXTENT_GROUPS);
        // The map goes first: what it claims must be there.
        self.write_atomically(&self.path(content, ".map"), &left.to_bytes())?;
        let path = self.path(content, "");
        let data = OpenOptions::new().write(true).open(&path);
        Ok(Leaving {
            data: Some(data.map_err(ShelfError::at("cannot shorten", &path))?),
            end: Some(from * EXTENT_LEN),
        })
    }

    /// Gives back the room of all extents that are not kept. What was written there is of no use.
    pub fn give_back(
        &self,
        content: &Content,
        data: &File,
        kept: &Extents,
    ) -> Result<(), ShelfError> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        for extent in (0..extents::count(content)).filter(|extent| !kept.contains(*extent)) {
            fallocate(data, flags, extent * EXTENT_LEN, EXTENT_LEN)
                .map_err(io::Error::from)
                .map_err(ShelfError::at(
                    "cannot make a hole in",
                    &self.path(content, ""),
                ))?;
        }
        Ok(())
    }

    /// Removes an object's files from the directory.
    pub fn remove(&self, content: &Content) -> Result<Leaving, ShelfError> {
        self.proven.lock().remove(content);
        let data = File::open(self.path(content, "")).ok();
        // The map goes first: without it the rest is known to be nothing.
        for suffix in [".map", "", ".ob"] {
            let path = self.path(content, suffix);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(ShelfError::Io {
                        what: "cannot remove",
                        path,
                        cause: error,
                    });
                }
                _ => {}
            }
        }
        Ok(Leaving { data, end: None })
    }

    /// Notes an orderly stop, with the contents from the least to the most recently used, and leaves
    /// the directory to whoever opens it next. Call it after everything has been saved.
    pub fn mark_stopped(&self, order: &[Content]) -> Result<(), ShelfError> {
        let proven = self.proven.lock();
        let line = |content: &Content| {
            let mark = if proven.contains(content) { PROVEN } else { "" };
            format!("{content}{mark}\n")
        };
        let lines: String = order.iter().map(line).collect();
        self.write_atomically(&self.dir.join("stopped"), lines.as_bytes())?;
        // Readers on their way out may hold the shelf for a while; they only read.
        let unlocked = self.lock.unlock();
        unlocked.map_err(ShelfError::at("cannot unlock", &self.dir.join("lock")))
    }

    fn path(&self, content: &Content, suffix: &str) -> PathBuf {
        path_in(&self.dir, content, suffix)
    }

    fn map(&self, content: &Content) -> Present {
        map_in(&self.dir, content)
    }

    fn write_atomically(&self, path: &Path, bytes: &[u8]) -> Result<(), ShelfError> {
        let temporary = path.with_extension("new");
        let write = || -> io::Result<()> {
            let mut file = File::create(&temporary)?;
            io::Write::write_all(&mut file, bytes)?;
            file.sync_data()?;
            fs::rename(&temporary, path)
        };
        write().map_err(ShelfError::at("cannot write", path))?;
        sync_dir(path.parent().unwrap_or(&self.dir))
    }

    fn scan(&self, order: &str) -> Result<Vec<Found>, ShelfError> {
        scan(&self.dir, order, |useless| match useless {
            Useless::Object(content) => self.remove(&content).map(drop),
            Useless::File(path) => {
                fs::remove_file(&path).map_err(ShelfError::at("cannot remove", &path))
            }
            Useless::End(path, end) => {
                let data = OpenOptions::new().write(true).open(&path);
                let shortened = data.and_then(|data| shorten(&data, end));
                shortened.map_err(ShelfError::at("cannot shorten", &path))
            }
        })
    }
}

/// What lies in the directory and is of no use.
enum Useless {
    /// An object of which nothing is there.
    Object(Content),
    /// A file that is no object's.
    File(PathBuf),
    /// What a data file has from here on: its map has let go of it, and the process was killed before the file was
    /// shortened.
    End(PathBuf, u64),
}

/// Finds the objects and puts them in order: as noted at the stop, else by time of change. Tells what is of no
/// use as it goes.
fn scan(
    dir: &Path,
    order: &str,
    mut found_useless: impl FnMut(Useless) -> Result<(), ShelfError>,
) -> Result<Vec<Found>, ShelfError> {
    let contents = order
        .lines()
        .map(|line| line.strip_suffix(PROVEN).unwrap_or(line));
    let rank: HashMap<&str, usize> = contents.zip(1..).collect();
    let mut found = Vec::new();
    for shelf in list(&dir.join("objects"))? {
        for entry in list(&shelf.path())? {
            let name = entry.file_name().to_string_lossy().into_owned();
            let Some(content) = parse(&name) else {
                if !is_part(&name, &shelf.path()) {
                    found_useless(Useless::File(entry.path()))?;
                }
                continue;
            };
            let map = map_in(dir, &content);
            if map.count() == 0 {
                found_useless(Useless::Object(content))?;
                continue;
            }
            let extents = Extents::of(&content, &map);
            let data = entry.metadata().ok();
            let end = extents.last().map_or(0, |last| (last + 1) * EXTENT_LEN);
            if data.as_ref().is_some_and(|data| data.len() > end) {
                found_useless(Useless::End(entry.path(), end))?;
            }
            let changed = data.and_then(|data| data.modified().ok());
            let at = (rank.get(name.as_str()).copied().unwrap_or(0), changed);
            let object = Found {
                content,
                extents,
                complete: map.is_complete(),
            };
            found.push((at, object));
        }
    }
    found.sort_by_key(|(at, _)| *at);
    Ok(found.into_iter().map(|(_, found)| found).collect())
}

fn path_in(dir: &Path, content: &Content, suffix: &str) -> PathBuf {
    let shelf = format!("{:02x}", content.hash.0[0]);
    dir.join("objects")
        .join(shelf)
        .join(format!("{content}{suffix}"))
}

/// What the map claims; nothing if it is missing or damaged.
fn map_in(dir: &Path, content: &Content) -> Present {
    let groups = content.layout().groups();
    let bytes = fs::read(path_in(dir, content, ".map")).unwrap_or_default();
    Present::from_bytes(groups, &bytes).unwrap_or_else(|| Present::new(groups))
}

fn read_if_there(path: &Path) -> Result<Option<String>, ShelfError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(cause) => Err(ShelfError::at("cannot read", path)(cause)),
    }
}

/// Ends a file here, if it is longer.
fn shorten(data: &File, end: u64) -> io::Result<()> {
    match data.metadata()?.len() > end {
        true => data.set_len(end),
        false => Ok(()),
    }
}

/// The content a data file is named after.
fn parse(name: &str) -> Option<Content> {
    let (hash, size) = name.split_once('-')?;
    let content = Content {
        hash: hash.parse().ok()?,
        size: size.parse().ok()?,
    };
    (content.to_string() == name).then_some(content)
}

/// Is this the outboard or map of a data file that is there?
fn is_part(name: &str, shelf: &Path) -> bool {
    let data = name
        .strip_suffix(".ob")
        .or_else(|| name.strip_suffix(".map"));
    data.is_some_and(|data| parse(data).is_some() && shelf.join(data).exists())
}

fn list(dir: &Path) -> Result<Vec<fs::DirEntry>, ShelfError> {
    let entries = fs::read_dir(dir).and_then(Iterator::collect);
    entries.map_err(ShelfError::at("cannot list", dir))
}

fn sync_dir(dir: &Path) -> Result<(), ShelfError> {
    File::open(dir)
        .and_then(|dir| dir.sync_all())
        .map_err(ShelfError::at("cannot write", dir))
}

#[cfg(test)]
mod tests;
