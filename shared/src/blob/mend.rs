//! The files of a blob as they are, whatever their state, and the two ways to mend them: bytes in
//! place, and another outboard. Everything here blocks: call it on the blocking pool.
//!
//! Mending in place is not atomic, and need not be: what is written was verified before, so a torn
//! write leaves a part damaged that was damaged before.

use std::{
    fs::{File, OpenOptions},
    io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;
use futures::future::BoxFuture;
use rustix::fs::{FlockOperation, flock};

use super::{
    BlobError, BlobStore, RealDisk,
    dirs::{CARD_SUFFIX, Dirs, OUTBOARD_SUFFIX, open_file_on, read_dir},
    fetched::Fetched,
    remote::Remote,
    stored::wait_for,
    temp::TempFile,
    volume::Volume,
};
use crate::{hash::ContentHash, serve::ReadAt};

/// A file and its length, which may not be what it should be.
#[derive(Debug)]
pub struct RawFile {
    bytes: RawBytes,
    len: u64,
}

#[derive(Debug)]
enum RawBytes {
    File(File),
    Remote(Arc<Fetched>),
}

impl RawFile {
    /// Bytes it has.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Has it none?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    fn remote(remote: &Arc<Remote>, hash: &ContentHash, len: u64) -> Self {
        let bytes = Fetched::new(remote.clone(), *hash, len);
        Self {
            bytes: RawBytes::Remote(Arc::new(bytes)),
            len,
        }
    }

    /// Fills the buffer from an offset; an error when the file ends before.
    pub fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        match &self.bytes {
            RawBytes::File(file) => FileExt::read_exact_at(file, buffer, offset),
            RawBytes::Remote(bytes) => bytes.read_exact_at(buffer, offset),
        }
    }
}

impl ReadAt for RawFile {
    fn len(&self) -> io::Result<u64> {
        Ok(self.len)
    }

    fn read_now(&self, position: u64, len: usize) -> Option<Bytes> {
        match &self.bytes {
            RawBytes::File(file) => file.read_now(position, len),
            RawBytes::Remote(bytes) => bytes.read_now(position, len),
        }
    }

    fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        Self::read_exact_at(self, buffer, position)
    }

    fn is_far(&self) -> bool {
        matches!(self.bytes, RawBytes::Remote(_))
    }

    fn fetch(&self, position: u64, len: u64) -> Option<BoxFuture<'static, ()>> {
        match &self.bytes {
            RawBytes::File(_) => None,
            RawBytes::Remote(bytes) => Some(Box::pin(bytes.clone().fetch(position, len))),
        }
    }
}

/// What lies on disk under a blob's name.
#[derive(Debug)]
pub struct RawFiles {
    /// The data.
    pub data: Option<RawFile>,
    /// The outboard; objects of one group have none.
    pub outboard: Option<RawFile>,
}

impl RawFiles {
    /// Opens the files of which the data has this path. Nothing is checked, nothing made again.
    pub fn open(data: &Path) -> Result<Self, BlobError> {
        Self::open_by(data, |path| open_file_on(&RealDisk, path))
    }

    fn open_by(
        data: &Path,
        open: impl Fn(&Path) -> Result<Option<(File, u64)>, BlobError>,
    ) -> Result<Self, BlobError> {
        let raw = |path: &Path| {
            let opened = open(path)?;
            Ok::<_, BlobError>(opened.map(|(file, len)| RawFile {
                bytes: RawBytes::File(file),
                len,
            }))
        };
        Ok(Self {
            data: raw(data)?,
            outboard: raw(&Dirs::outboard_of(data))?,
        })
    }
}

impl BlobStore {
    /// The files of a blob as they are. [`BlobError::Unavailable`] if they are in none of the
    /// directories while one is out.
    pub fn raw_files(&self, hash: &ContentHash) -> Result<RawFiles, BlobError> {
        let Some((mut files, size)) = self.raw_files_here(hash)? else {
            let (data, outboard) = (None, None);
            return Ok(RawFiles { data, outboard });
        };
        if let (Some(_), Some(remote)) = (size, self.remote()) {
            let size = wait_for(remote.size(hash))?;
            files.data = size.map(|size| RawFile::remote(remote, hash, size));
        }
        Ok(files)
    }

    /// The files of a blob to be proved while they are read. As [`raw_files`](Self::raw_files), but an
    /// object store is not asked beforehand whether the object is there in whole.
    pub fn files_to_prove(&self, hash: &ContentHash) -> Result<RawFiles, BlobError> {
        let Some((mut files, size)) = self.raw_files_here(hash)? else {
            let (data, outboard) = (None, None);
            return Ok(RawFiles { data, outboard });
        };
        if let (Some(size), Some(remote)) = (size, self.remote()) {
            remote.check()?;
            files.data = Some(RawFile::remote(remote, hash, size));
        }
        Ok(files)
    }

    /// What of a blob is in the directories, and its size if its data lies in the object store.
    fn raw_files_here(
        &self,
        hash: &ContentHash,
    ) -> Result<Option<(RawFiles, Option<u64>)>, BlobError> {
        let Some(volume) = self.locate(hash)? else {
            return Ok(None);
        };
        let files = RawFiles::open_by(&volume.dirs().data(hash), |path| volume.open_file(path))?;
        let size = match &files.data {
            Some(_) => None,
            None => volume.card(hash)?,
        };
        Ok(Some((files, size)))
    }

    /// Where a blob's files are written to.
    fn mendable(&self, hash: &ContentHash) -> Result<(Arc<Volume>, PathBuf), BlobError> {
        self.check_writable()?;
        let Some(volume) = self.locate(hash)? else {
            let path = self.volumes()[0].dirs().data(hash);
            return Err(BlobError::io("open", &path, io::ErrorKind::NotFound.into()));
        };
        volume.check_writable()?;
        let path = volume.dirs().data(hash);
        Ok((volume, path))
    }

    /// Writes verified bytes into a blob's data file, which must exist, and makes them durable.
    pub fn patch(&self, hash: &ContentHash, bytes: &[u8], offset: u64) -> Result<(), BlobError> {
        let (volume, path) = self.mendable(hash)?;
        let file = open_to_write(&path)?;
        let written = volume.disk().write_at(&file, bytes, offset);
        written.map_err(|error| BlobError::io("write", &path, error))?;
        let synced = volume.disk().sync(&file);
        synced.map_err(|error| BlobError::io("make durable", &path, error))
    }

    /// Cuts off what a data file has behind the object's end. A shorter file stays as it is, and so does
    /// what lies in the object store: it is put there again.
    pub fn cut(&self, hash: &ContentHash, size: u64) -> Result<(), BlobError> {
        let (_, path) = self.mendable(hash)?;
        if self.is_remote(hash)? {
            return Ok(());
        }
        let file = open_to_write(&path)?;
        let cut = || -> io::Result<()> {
            if file.metadata()?.len() > size {
                file.set_len(size)?;
                file.sync_all()?;
            }
            Ok(())
        };
        cut().map_err(|error| BlobError::io("shorten", &path, error))
    }

    /// Gives a blob another outboard, verified by the caller. Says whether the blob is still there.
    pub fn replace_outboard(&self, hash: &ContentHash, bytes: &[u8]) -> Result<bool, BlobError> {
        self.check_writable()?;
        let Some(volume) = self.locate(hash)? else {
            return Ok(false);
        };
        volume.check_writable()?;
        let path = Dirs::outboard_of(&volume.dirs().temp(hash));
        let mut temp = TempFile::create(volume.disk(), path)?;
        temp.write_at(bytes, 0)?;
        temp.sync()?;
        volume.name_outboard(hash, &mut temp)
    }
}

fn open_to_write(path: &Path) -> Result<File, BlobError> {
    let opened = OpenOptions::new().write(true).open(path);
    opened.map_err(|error| BlobError::io("open", path, error))
}

/// Everything in one directory of a store, found without opening the store.
#[derive(Debug, Default)]
pub struct Inventory {
    /// Data files by the hash in their name.
    pub blobs: Vec<(ContentHash, PathBuf)>,
    /// Objects whose data lies in the object store.
    pub remote: Vec<ContentHash>,
    /// Outboards without data; removed when the store is opened.
    pub lone_outboards: Vec<PathBuf>,
    /// Objects on their way in when the process ended; removed when the store is opened.
    pub leftovers: Vec<PathBuf>,
    /// Names that are not the store's.
    pub foreign: Vec<PathBuf>,
    /// Keeps other processes from opening the store.
    _lock: Option<File>,
}

impl Inventory {
    /// Looks through a directory. Changes nothing, and keeps the store from being opened as long as
    /// the value lives; refuses while a process has it open.
    pub fn take(dir: &Path) -> Result<Self, BlobError> {
        let dirs = Dirs::new(dir);
        let lock = open_file_on(&RealDisk, &dirs.lock())?.map(|(file, _)| file);
        if let Some(lock) = &lock {
            flock(lock, FlockOperation::NonBlockingLockShared)
                .map_err(|_| BlobError::InUse { dir: dir.into() })?;
        }
        let mut inventory = Self {
            _lock: lock,
            ..Self::default()
        };
        for (_, path) in read_dir(&dirs.tmp())? {
            inventory.leftovers.push(path);
        }
        for (_, shard) in read_dir(&dirs.blobs())? {
            if !shard.is_dir() {
                inventory.foreign.push(shard);
                continue;
            }
            for (name, path) in read_dir(&shard)? {
                let name = name.to_string_lossy();
                let card = name.strip_suffix(CARD_SUFFIX);
                if let Some(Ok(hash)) = card.map(str::parse::<ContentHash>) {
                    inventory.remote.push(hash);
                    continue;
                }
                let (stem, is_outboard) = match name.strip_suffix(OUTBOARD_SUFFIX) {
                    Some(stem) => (stem, true),
                    None => (&*name, false),
                };
                match stem.parse::<ContentHash>() {
                    Ok(hash) if dirs.data(&hash) != shard.join(stem) => {
                        inventory.foreign.push(path);
                    }
                    Ok(hash) if !is_outboard => inventory.blobs.push((hash, path)),
                    Ok(_) => {
                        let card = shard.join(format!("{stem}{CARD_SUFFIX}"));
                        if !shard.join(stem).exists() && !card.exists() {
                            inventory.lone_outboards.push(path);
                        }
                    }
                    Err(_) => inventory.foreign.push(path),
                }
            }
        }
        inventory.blobs.sort();
        Ok(inventory)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    async fn store_with(bytes: &[u8]) -> (tempfile::TempDir, BlobStore, ContentHash) {
        let dir = tempfile::tempdir().unwrap();
        let store = BlobStore::open(dir.path()).unwrap();
        let hash = ContentHash::of(bytes);
        let mut partial = store.begin(hash, bytes.len() as u64).await.unwrap();
        partial.write(bytes.to_vec().into()).await.unwrap();
        partial.finish().await.unwrap().commit().await.unwrap();
        (dir, store, hash)
    }

    #[tokio::test]
    async fn bytes_are_mended_in_place_and_nothing_is_made_from_nothing() {
        let bytes = vec![7; 40_000];
        let (_dir, store, hash) = store_with(&bytes).await;
        let path = store.volumes()[0].dirs().data(&hash);
        fs::write(&path, vec![9; 50_000]).unwrap();
        store.cut(&hash, 40_000).unwrap();
        store.patch(&hash, &bytes[..20_000], 0).unwrap();
        store.patch(&hash, &bytes[20_000..], 20_000).unwrap();
        assert_eq!(fs::read(&path).unwrap(), bytes);
        fs::remove_file(&path).unwrap();
        assert!(store.patch(&hash, &bytes, 0).is_err());
        assert!(!store.replace_outboard(&hash, b"x").unwrap());
    }

    #[tokio::test]
    async fn an_inventory_names_everything_and_waits_for_nobody() {
        let (dir, store, hash) = store_with(&vec![1; 20_000]).await;
        assert!(matches!(
            Inventory::take(dir.path()),
            Err(BlobError::InUse { .. })
        ));
        let path = store.volumes()[0].dirs().data(&hash);
        drop(store);
        let shard = path.parent().unwrap();
        fs::write(shard.join("note.txt"), "").unwrap();
        fs::write(dir.path().join("tmp/half"), "").unwrap();
        let lone = ContentHash::of(b"lone");
        let lone = Dirs::new(dir.path()).data(&lone);
        fs::write(Dirs::outboard_of(&lone), "").unwrap();
        let inventory = Inventory::take(dir.path()).unwrap();
        assert_eq!(inventory.blobs, [(hash, path)]);
        assert_eq!(inventory.lone_outboards, [Dirs::outboard_of(&lone)]);
        assert_eq!((inventory.leftovers.len(), inventory.foreign.len()), (1, 1));
    }
}
