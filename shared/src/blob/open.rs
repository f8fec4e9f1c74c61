//! Opening a store: which directories it has, which of them are new, away, or left out.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    BlobError, Condition, Disk,
    health::{Trouble, is_device_error},
    puts::Puts,
    registry::{Marker, Name, Registry, is_absent},
    remote::{Remote, RemoteOptions},
    volume::{Cards, Volume},
};

/// The directories of a store, and where it keeps the list of them.
///
/// A directory that the list knows and that has no marker is out: its disk is not mounted. One that
/// the list does not know is made, if it is empty. One that the list knows and that is not given any
/// more is refused ([`BlobError::LeftOut`]).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Places {
    /// The list; a file beside the index. Notes of what is sent to an object store lie there too.
    pub registry: PathBuf,
    /// The directories; at least one.
    pub dirs: Vec<PathBuf>,
    /// Where new objects go once they are verified; outboards stay in the directories.
    pub remote: Option<RemoteOptions>,
}

/// What a store is opened for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be used. Refuses while the take-over of its object store is not done.
    Use,
    /// To take its object store over.
    TakeOver,
}

/// What a store is made of.
pub(super) struct Opened {
    pub(super) volumes: Vec<Volume>,
    pub(super) remote: Option<Arc<Remote>>,
}

/// A store of one directory, without a list.
pub(super) fn alone(dir: &Path, disk: Arc<dyn Disk>) -> Result<Volume, BlobError> {
    let marker = match Marker::read(&*disk, dir) {
        Ok(Some(marker)) => marker,
        Ok(None) => new_marker(&Name::random()),
        Err(error) => return Err(unusable(dir, error)),
    };
    Volume::open(dir, disk, marker, Cards::Removed)
}

/// A store of all its directories.
pub(super) fn all(
    places: &Places,
    disk: &Arc<dyn Disk>,
    purpose: Purpose,
) -> Result<Opened, BlobError> {
    let dirs = absolute(&places.dirs)?;
    let mut found = Vec::new();
    for dir in &dirs {
        found.push((dir, Marker::read(&**disk, dir)));
    }
    let markers = found
        .iter()
        .filter_map(|(_, marker)| marker.as_ref().ok()?.as_ref());
    let known = Registry::read(&places.registry)?;
    let store = match &known {
        Some(registry) => registry.store.clone(),
        None => markers
            .map(|marker| marker.store.clone())
            .next()
            .unwrap_or_else(Name::random),
    };
    let before = known.unwrap_or_else(|| Registry::new(store.clone()));
    let mut registry = Registry::new(store.clone());
    registry.taking_over = before.taking_over.clone();
    let mut volumes = Vec::new();
    for (dir, marker) in found {
        let entry = before.entry_at(dir);
        let opening = match (marker, entry) {
            (Ok(Some(marker)), _) if marker.store != store => {
                return Err(unusable(
                    dir,
                    "it belongs to another store: give each node its own directories",
                ));
            }
            (Ok(Some(marker)), _) => Opening::There(marker),
            (Ok(None), Some(entry)) => {
                let marker = marker_of(&store, &entry.volume);
                Opening::Away(marker, Trouble::Vanished)
            }
            (Ok(None), None) => {
                check_new(dir)?;
                Opening::There(new_marker(&store))
            }
            (Err(error), Some(entry)) if is_device_error(&error) => {
                let marker = marker_of(&store, &entry.volume);
                Opening::Away(marker, Trouble::Failing(error.to_string()))
            }
            (Err(error), _) => return Err(unusable(dir, error)),
        };
        let is_twice = registry
            .entries
            .iter()
            .any(|entry| entry.volume == opening.marker().volume);
        if is_twice {
            return Err(unusable(
                dir,
                "it is a copy of another of the directories, or the same one",
            ));
        }
        registry.put(opening.marker().volume.clone(), dir);
        volumes.push((dir, opening));
    }
    let remote = match &places.remote {
        Some(options) => {
            let name = options.name();
            let entry = before.entry_at(&name).map(|entry| entry.volume.clone());
            let volume = entry.unwrap_or_else(Name::random);
            registry.put(volume.clone(), &name);
            let puts = Puts::open(&places.registry.with_file_name("putting"), disk)?;
            let remote = Remote::new(options, marker_of(&store, &volume), puts);
            Some(Arc::new(remote.map_err(|error| unusable(&name, error))?))
        }
        None => None,
    };
    let is_here = |volume: &Name| registry.entries.iter().any(|entry| entry.volume == *volume);
    let left_out: Vec<PathBuf> = before
        .entries
        .iter()
        .filter(|entry| !is_here(&entry.volume))
        .map(|entry| entry.dir.clone())
        .collect();
    if !left_out.is_empty() {
        return Err(BlobError::LeftOut { dirs: left_out });
    }
    if let (Purpose::Use, Some(store)) = (purpose, before.taking_over.clone()) {
        let reason = "the take-over of it was begun and not finished".into();
        return Err(BlobError::NotTakenOver { store, reason });
    }
    let cards = match remote {
        Some(_) => Cards::Kept,
        None => Cards::Removed,
    };
    let opened = volumes
        .into_iter()
        .map(|(dir, opening)| opening.open(dir, disk, cards));
    let volumes = opened.collect::<Result<Vec<_>, _>>()?;
    if registry != before || !places.registry.exists() {
        registry.write(&places.registry)?;
    }
    Ok(Opened { volumes, remote })
}

/// What is done with a directory.
enum Opening {
    There(Marker),
    Away(Marker, Trouble),
}

impl Opening {
    fn marker(&self) -> &Marker {
        match self {
            Self::There(marker) | Self::Away(marker, _) => marker,
        }
    }

    fn open(self, dir: &Path, disk: &Arc<dyn Disk>, cards: Cards) -> Result<Volume, BlobError> {
        match self {
            Self::There(marker) => Volume::open(dir, disk.clone(), marker, cards),
            Self::Away(marker, trouble) => {
                let condition = Condition::Out(trouble);
                Ok(Volume::closed(dir, disk.clone(), marker, cards, condition))
            }
        }
    }
}

fn new_marker(store: &Name) -> Marker {
    marker_of(store, &Name::random())
}

fn marker_of(store: &Name, volume: &Name) -> Marker {
    Marker {
        store: store.clone(),
        volume: volume.clone(),
    }
}

fn unusable(dir: &Path, reason: impl ToString) -> BlobError {
    BlobError::Unusable {
        dir: dir.into(),
        reason: reason.to_string(),
    }
}

/// The list must mean the same directory whatever the process's own is.
fn absolute(dirs: &[PathBuf]) -> Result<Vec<PathBuf>, BlobError> {
    let absolute = |dir: &PathBuf| std::path::absolute(dir).map_err(|error| unusable(dir, error));
    dirs.iter().map(absolute).collect()
}

/// A directory without a marker becomes part of the store if nothing else is in it: the store
/// empties its temp directory, which must not be anybody else's.
fn check_new(dir: &Path) -> Result<(), BlobError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if is_absent(&error) => return Ok(()),
        Err(error) => return Err(unusable(dir, error)),
    };
    // A store of an earlier version has no marker yet.
    if dir.join("blobs").is_dir() && dir.join("lock").exists() {
        return Ok(());
    }
    for entry in entries {
        let name = entry.map_err(|error| unusable(dir, error))?.file_name();
        if name != "lost+found" && name != "lock" {
            let reason = format!(
                "it is not empty (it has '{}') and is not part of a store: give an empty directory",
                name.display()
            );
            return Err(unusable(dir, reason));
        }
    }
    Ok(())
}
