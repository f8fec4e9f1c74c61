//! [`Resumable`]: an object on its way in that survives broken lines and restarts.
//!
//! ```text
//! <dir>/uploads/<id>         its bytes so far
//! <dir>/uploads/<id>.ob      its outboard so far: what is durable (see `checkpoint`)
//! <dir>/uploads/<id>.note    what its owner must know to go on with it
//! ```
//!
//! The note is written last and removed last. Files without a note are those of an upload that was
//! never acknowledged; a note without data is that of one that became an object or was given up.
//! That a crash does not lose a file in the middle of a rename is left to the file system's journal.

use std::{fmt, fs, io, path::PathBuf, str::FromStr, sync::Arc, time::SystemTime};

use bytes::Bytes;

use super::{
    BlobError, BlobStore, Verified,
    checkpoint::{Checkpoints, Observer, last_good},
    dirs::{Dirs, read_dir},
    pipeline::Pipeline,
    temp::{TempFile, Writer},
    volume::Volume,
};
use crate::{
    hash::ContentHash,
    verified::{Builder, Layout},
};

/// What a note's name has behind that of its upload.
const NOTE_SUFFIX: &str = ".note";

/// Bytes that a trial may have: the CVs of a trial are held in memory until it ends.
pub const TRIAL_BYTES_MAX: u64 = 256 << 20;

/// The name of a resumable object; long enough that nobody guesses one. 32 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResumableId(u128);

impl ResumableId {
    /// A new one.
    pub fn random() -> Self {
        Self(rand::random())
    }
}

impl fmt::Display for ResumableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for ResumableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not the name of a resumable object.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not the name of an upload: that has 32 hexadecimal digits in lower case")]
pub struct NotResumableId(String);

impl FromStr for ResumableId {
    type Err = NotResumableId;
    fn from_str(text: &str) -> Result<Self, NotResumableId> {
        let wrong = || NotResumableId(text.chars().take(80).collect());
        let id = Self(u128::from_str_radix(text, 16).map_err(|_| wrong())?);
        (id.to_string() == text).then_some(id).ok_or_else(wrong)
    }
}

/// A resumable object as it lies on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name.
    pub id: ResumableId,
    /// The note of its owner.
    pub note: Vec<u8>,
    /// Bytes of its data file, not all of which may be good; `None` if there is none.
    pub data_len: Option<u64>,
    /// When its files were last written.
    pub written: SystemTime,
}

impl BlobStore {
    /// Start to receive an object that survives a restart from now on.
    pub async fn begin_resumable(
        &self,
        id: ResumableId,
        hash: ContentHash,
        size: u64,
        note: Vec<u8>,
    ) -> Result<Resumable, BlobError> {
        let store = self.clone();
        let create = move || create(&store.place(&hash, size)?, id, size, note);
        let writer = self.on_pool(hash, create);
        Ok(Resumable::new(self.clone(), id, hash, size, writer.await?))
    }

    /// Go on with an object, at the last point up to which everything is durable. `None` if its data
    /// is not there any more.
    pub async fn resume(
        &self,
        id: ResumableId,
        hash: ContentHash,
        size: u64,
    ) -> Result<Option<Resumable>, BlobError> {
        let store = self.clone();
        let writer = self.on_pool(hash, move || match store.resumable_at(id)? {
            Some(volume) => reopen(&volume, id, hash, size),
            None => Ok(None),
        });
        let resumed = writer.await?;
        Ok(resumed.map(|writer| Resumable::new(self.clone(), id, hash, size, writer)))
    }

    /// All resumable objects that can be had. Reads their notes. Blocks.
    pub fn resumables(&self) -> Result<Vec<Kept>, BlobError> {
        let mut found = Vec::new();
        for volume in self.readable() {
            match kept_in(volume.dirs()) {
                Ok(kept) => found.extend(kept),
                Err(error) if volume.is_there() => return Err(error),
                Err(_) => {}
            }
        }
        Ok(found)
    }

    /// Is it on disk? An error while a directory is out where it may be. Blocks.
    pub fn has_resumable(&self, id: ResumableId) -> Result<bool, BlobError> {
        Ok(self.resumable_at(id)?.is_some())
    }

    /// The directory that has its note.
    fn resumable_at(&self, id: ResumableId) -> Result<Option<Arc<Volume>>, BlobError> {
        let has = |volume: &&Arc<Volume>| note_path(volume.dirs(), id).exists();
        match self.readable().find(has) {
            Some(volume) => Ok(Some(volume.clone())),
            None => self.believe_absent().map(|()| None),
        }
    }

    /// Forget a resumable object with all its files, whatever there is of them. Blocks.
    pub fn forget_resumable(&self, id: ResumableId) -> Result<(), BlobError> {
        self.drop_resumable_data(id)?;
        for volume in self.readable() {
            volume.remove_if_there(&note_path(volume.dirs(), id))?;
        }
        Ok(())
    }

    /// Remove the bytes of a resumable object and keep its note. Blocks.
    pub fn drop_resumable_data(&self, id: ResumableId) -> Result<(), BlobError> {
        for volume in self.readable() {
            let data = data_path(volume.dirs(), id);
            volume.remove_if_there(&Dirs::outboard_of(&data))?;
            volume.remove_if_there(&data)?;
        }
        Ok(())
    }
}

fn kept_in(dirs: &Dirs) -> Result<Vec<Kept>, BlobError> {
    let mut found = Vec::new();
    for (name, path) in read_dir(&dirs.uploads())? {
        let id = name
            .to_str()
            .and_then(|name| name.strip_suffix(NOTE_SUFFIX));
        let Some(Ok(id)) = id.map(str::parse::<ResumableId>) else {
            continue;
        };
        let look = || {
            let note = fs::read(&path)?;
            let data = match fs::metadata(data_path(dirs, id)) {
                Ok(meta) => Some(meta),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            let mut written = fs::metadata(&path)?.modified()?;
            if let Some(data) = &data {
                written = written.max(data.modified()?);
            }
            let data_len = data.map(|meta| meta.len());
            Ok(Kept {
                id,
                note,
                data_len,
                written,
            })
        };
        found.push(look().map_err(|error| BlobError::io("read", &path, error))?);
    }
    Ok(found)
}

/// What a crash left of uploads that were never acknowledged.
pub(super) fn unnoted(dirs: &Dirs) -> Result<Vec<PathBuf>, BlobError> {
    let files = read_dir(&dirs.uploads())?;
    let unnoted = files.into_iter().filter(|(name, path)| {
        let name = name.to_string_lossy();
        let id = name.split('.').next().unwrap_or_default();
        !path.with_file_name(format!("{id}{NOTE_SUFFIX}")).exists()
    });
    Ok(unnoted.map(|(_, path)| path).collect())
}

fn data_path(dirs: &Dirs, id: ResumableId) -> PathBuf {
    dirs.uploads().join(id.to_string())
}

fn note_path(dirs: &Dirs, id: ResumableId) -> PathBuf {
    dirs.uploads().join(format!("{id}{NOTE_SUFFIX}"))
}

fn create(
    volume: &Arc<Volume>,
    id: ResumableId,
    size: u64,
    note: Vec<u8>,
) -> Result<Writer, BlobError> {
    let disk = volume.disk();
    let path = data_path(volume.dirs(), id);
    // Not kept before everything is there: a failure leaves nothing.
    let outboard = match Layout::new(size).outboard_len() {
        0 => None,
        _ => Some(TempFile::create(disk, Dirs::outboard_of(&path))?),
    };
    let data = TempFile::create(disk, path)?;
    let noted = TempFile::create(disk, note_path(volume.dirs(), id))?;
    noted.write_at(&note, 0)?;
    noted.sync()?;
    volume.sync_dir(&volume.dirs().uploads())?;
    noted.keep();
    let (data, outboard) = (data.keep(), outboard.map(TempFile::keep));
    let checkpoints = Some(Checkpoints::from(0));
    Ok(Writer::over(
        volume,
        data,
        outboard,
        Builder::new(size),
        checkpoints,
    ))
}

fn reopen(
    volume: &Arc<Volume>,
    id: ResumableId,
    hash: ContentHash,
    size: u64,
) -> Result<Option<Writer>, BlobError> {
    let disk = volume.disk();
    let path = data_path(volume.dirs(), id);
    let outboard_path = Dirs::outboard_of(&path);
    let Some(data) = TempFile::reopen(disk, path)? else {
        return Ok(None);
    };
    let outboard = match Layout::new(size).outboard_len() {
        0 => None,
        _ => match TempFile::reopen(disk, outboard_path.clone())? {
            Some(outboard) => Some(outboard),
            None => {
                let outboard = TempFile::create(disk, outboard_path)?.keep();
                volume.sync_dir(&volume.dirs().uploads())?;
                Some(outboard)
            }
        },
    };
    let builder = last_good(hash, size, &data, outboard.as_ref())?;
    data.append_at(builder.position())?;
    // CVs that the builder still has are those of data hashed again: not in the outboard yet.
    let is_rehashed = builder.group_cvs_len() > 0;
    let checkpoints = Checkpoints::from(if is_rehashed { 0 } else { builder.position() });
    let checkpoints = Some(checkpoints);
    Ok(Some(Writer::over(
        volume,
        data,
        outboard,
        builder,
        checkpoints,
    )))
}

/// An object being received that can be gone on with later. Dropping it leaves its files as they are.
pub struct Resumable {
    store: BlobStore,
    id: ResumableId,
    pipeline: Pipeline,
}

impl Resumable {
    fn new(
        store: BlobStore,
        id: ResumableId,
        hash: ContentHash,
        size: u64,
        writer: Writer,
    ) -> Self {
        let pipeline = Pipeline::new(store.clone(), hash, size, writer);
        Self {
            store,
            id,
            pipeline,
        }
    }

    /// Its name.
    pub fn id(&self) -> ResumableId {
        self.id
    }

    /// Bytes accepted so far.
    pub fn position(&self) -> u64 {
        self.pipeline.accepted()
    }

    /// Take the next bytes: see [`Partial::write`](super::Partial::write). Every few seconds, and
    /// after some tens of megabytes, what came is made durable.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.pipeline.write(bytes).await
    }

    /// Make all that was accepted durable; what is on trial is forgotten. A caller that stops waiting
    /// can call it again.
    pub async fn settle(&mut self) -> Result<(), BlobError> {
        let rest = |writer: &mut Writer| {
            writer.forget_trial()?;
            writer.checkpoint()
        };
        self.pipeline.run(rest).await?;
        self.pipeline.settle().await
    }

    /// Until [`keep_trial`](Self::keep_trial) what comes is on trial, for at most
    /// [`TRIAL_BYTES_MAX`] bytes: the observer sees it, on the blocking pool, and a crash or
    /// [`settle`](Self::settle) forgets it.
    pub async fn begin_trial(&mut self, observe: Observer) -> Result<(), BlobError> {
        self.settle().await?;
        let begin = move |writer: &mut Writer| writer.begin_trial(observe);
        self.pipeline.run(begin).await?;
        self.pipeline.settle().await
    }

    /// Everything on trial has been seen by the observer when this returns.
    pub async fn write_out(&mut self) -> Result<(), BlobError> {
        self.pipeline.run(|_| Ok(())).await?;
        self.pipeline.settle().await
    }

    /// The trial went well.
    pub async fn keep_trial(&mut self) -> Result<(), BlobError> {
        let keep = |writer: &mut Writer| {
            writer.keep_trial();
            Ok(())
        };
        self.pipeline.run(keep).await?;
        self.pipeline.settle().await
    }

    /// Compare what came with what was asked for. If it is something else, its bytes are removed; in
    /// all other cases they stay until they are committed.
    pub async fn finish(self) -> Result<Verified, BlobError> {
        let Self {
            store, pipeline, ..
        } = self;
        let (hash, size) = (pipeline.hash(), pipeline.size());
        let (mut writer, last) = pipeline.close().await?;
        let finish = move || {
            writer.write(last.bytes())?;
            writer.finish(hash)
        };
        let files = store.on_pool(hash, finish).await?;
        Ok(Verified::new(store, hash, size, files))
    }
}
