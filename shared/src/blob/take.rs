//! A file that lies on disk already, taken into the store: verified first, then linked or copied.
//! The file itself is never written to, renamed or removed.

use std::{
    fs::{self, File},
    io::{self, Read},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{
    BlobError, BlobStore, Verified,
    outboard::OutboardWriter,
    temp::{TempFile, VerifiedFiles},
    volume::Volume,
};
use crate::hash::ContentHash;

/// Bytes read at once.
const READ_BYTES: usize = 1024 * 1024;

/// Is told how many bytes have been read since it was told last.
pub type OnRead = Arc<dyn Fn(u64) + Send + Sync>;

impl BlobStore {
    /// Verifies a file and gives it a second name (a hard link) in the store: no byte is written
    /// but its outboard. The file must be on the device of one
    /// of the store's directories ([`io::ErrorKind::CrossesDevices`] otherwise).
    pub async fn take_link(
        &self,
        source: &Path,
        hash: ContentHash,
        size: u64,
        on_read: OnRead,
    ) -> Result<Verified, BlobError> {
        let (store, source) = (self.clone(), source.to_owned());
        let verify = move || {
            let opened = Source::open(&source, size)?;
            let Some(volume) = store.place_on(opened.identity.0) else {
                let other = io::ErrorKind::CrossesDevices.into();
                return Err(BlobError::io("link", &opened.path, other));
            };
            let outboard = verified_outboard(&volume, &opened, hash, &on_read)?;
            let data = opened.link(&volume, volume.dirs().temp(&hash))?;
            Ok(VerifiedFiles {
                volume,
                data,
                outboard,
                _claim: None,
            })
        };
        let files = self.on_pool(hash, verify).await?;
        Ok(Verified::new(self.clone(), hash, size, files))
    }

    /// Verifies a file while it is copied into the store.
    pub async fn take_copy(
        &self,
        source: &Path,
        hash: ContentHash,
        size: u64,
        on_read: OnRead,
    ) -> Result<Verified, BlobError> {
        let path = source.to_owned();
        let open = move || Source::open(&path, size);
        let mut source = self.on_pool(hash, open).await?;
        let mut partial = self.begin(hash, size).await?;
        while partial.written() < size {
            let read = move || {
                let piece = source.read_piece()?;
                Ok((source, piece))
            };
            let piece;
            (source, piece) = self.on_pool(hash, read).await?;
            if piece.is_empty() {
                break;
            }
            on_read(piece.len() as u64);
            partial.write(piece).await?;
        }
        partial.finish().await
    }

    /// Does the store hold the object under another name of this very file?
    pub async fn is_same_file(&self, source: &Path, hash: ContentHash) -> Result<bool, BlobError> {
        let (source, store) = (source.to_owned(), self.clone());
        let compare = move || {
            let Some(volume) = store.locate(&hash)? else {
                return Ok(false);
            };
            let held = volume.dirs().data(&hash);
            let identity = |path: &Path| match fs::symlink_metadata(path) {
                Ok(meta) => Ok(Some((meta.dev(), meta.ino()))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(BlobError::io("look at", path, error)),
            };
            let source = identity(&source)?;
            Ok(source.is_some() && source == identity(&held)?)
        };
        self.on_pool(hash, compare).await
    }
}

/// A file to be taken, of the right length when it was opened.
struct Source {
    path: PathBuf,
    file: File,
    identity: (u64, u64),
}

impl Source {
    fn open(path: &Path, size: u64) -> Result<Self, BlobError> {
        let error = |error| BlobError::io("open", path, error);
        let file = File::open(path).map_err(error)?;
        let meta = file.metadata().map_err(error)?;
        match meta.len() {
            len if len > size => return Err(BlobError::TooLong { limit: size }),
            len if len < size => return Err(BlobError::TooShort { size, got: len }),
            _ => {}
        }
        Ok(Self {
            path: path.into(),
            file,
            identity: (meta.dev(), meta.ino()),
        })
    }

    fn read_piece(&mut self) -> Result<Bytes, BlobError> {
        let mut buffer = vec![0; READ_BYTES];
        let read = self.read(&mut buffer)?;
        buffer.truncate(read);
        Ok(buffer.into())
    }

    fn read(&self, buffer: &mut [u8]) -> Result<usize, BlobError> {
        let read = (&self.file).read(buffer);
        read.map_err(|error| BlobError::io("read", &self.path, error))
    }

    /// A second name for what was opened and read, and for nothing that took its place since.
    fn link(&self, volume: &Volume, name: PathBuf) -> Result<TempFile, BlobError> {
        fs::hard_link(&self.path, &name)
            .map_err(|error| BlobError::io("link", &self.path, error))?;
        let linked = TempFile::adopt(volume.disk(), name.clone());
        let linked = linked.inspect_err(|_| drop(fs::remove_file(&name)))?;
        let meta = fs::metadata(&name).map_err(|error| BlobError::io("look at", &name, error))?;
        if (meta.dev(), meta.ino()) == self.identity {
            return Ok(linked);
        }
        let replaced = io::Error::other("it was replaced while it was read");
        Err(BlobError::io("link", &self.path, replaced))
    }
}

/// Reads the file through and makes its outboard; refuses bytes that are not those of the hash.
fn verified_outboard(
    volume: &Arc<Volume>,
    source: &Source,
    expected: ContentHash,
    on_read: &OnRead,
) -> Result<Option<TempFile>, BlobError> {
    let size = source.file.metadata();
    let size = size
        .map_err(|error| BlobError::io("look at", &source.path, error))?
        .len();
    let mut outboard = OutboardWriter::create(volume, expected, size)?;
    let mut buffer = vec![0; READ_BYTES];
    while outboard.position() < size {
        let read = source.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        outboard.update(&buffer[..read])?;
        on_read(read as u64);
    }
    outboard.finish()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{super::dirs::Dirs, *};

    fn counting() -> (OnRead, Arc<AtomicU64>) {
        let count = Arc::new(AtomicU64::new(0));
        let told = count.clone();
        let on_read = move |bytes| {
            told.fetch_add(bytes, Ordering::Relaxed);
        };
        (Arc::new(on_read), count)
    }

    fn path_of(store: &BlobStore, hash: &ContentHash) -> PathBuf {
        store.volumes()[0].dirs().data(hash)
    }

    /// Sizes around groups and reads.
    const SIZES: [usize; 6] = [
        0,
        1,
        16 * 1024,
        16 * 1024 + 1,
        READ_BYTES,
        3 * READ_BYTES + 7,
    ];

    #[tokio::test]
    async fn what_is_taken_is_what_an_upload_would_have_stored() {
        for size in SIZES {
            let bytes: Vec<u8> = (0..size).map(|at| (at * 31 % 251) as u8).collect();
            let hash = ContentHash::of(&bytes);
            let dir = tempfile::tempdir().unwrap();
            let source = dir.path().join("17");
            fs::write(&source, &bytes).unwrap();
            let outboard_of = |store: BlobStore| async move {
                let path = Dirs::outboard_of(&path_of(&store, &hash));
                fs::read(path).ok()
            };
            let uploaded = BlobStore::open(&dir.path().join("uploaded")).unwrap();
            let mut partial = uploaded.begin(hash, size as u64).await.unwrap();
            partial.write(bytes.clone().into()).await.unwrap();
            partial.finish().await.unwrap().commit().await.unwrap();
            let wanted = outboard_of(uploaded).await;

            for is_linked in [true, false] {
                let store = BlobStore::open(&dir.path().join(is_linked.to_string())).unwrap();
                let (on_read, read) = counting();
                let taken = match is_linked {
                    true => store.take_link(&source, hash, size as u64, on_read).await,
                    false => store.take_copy(&source, hash, size as u64, on_read).await,
                };
                taken.unwrap().commit().await.unwrap();
                assert_eq!(fs::read(path_of(&store, &hash)).unwrap(), bytes);
                assert_eq!(read.load(Ordering::Relaxed), size as u64);
                let is_same = store.is_same_file(&source, hash).await.unwrap();
                assert_eq!(is_same, is_linked);
                assert_eq!(outboard_of(store).await, wanted, "{size} {is_linked}");
            }
        }
    }

    #[tokio::test]
    async fn wrong_files_leave_nothing_and_stay() {
        let dir = tempfile::tempdir().unwrap();
        let store = BlobStore::open(&dir.path().join("store")).unwrap();
        let source = dir.path().join("17");
        fs::write(&source, b"wrong bytes").unwrap();
        let hash = ContentHash::of(b"right bytes");
        let (on_read, _) = counting();
        for (size, kind) in [(11, "hash"), (10, "more bytes"), (12, "only 11")] {
            let linked = store.take_link(&source, hash, size, on_read.clone()).await;
            let copied = store.take_copy(&source, hash, size, on_read.clone()).await;
            for refused in [linked.err(), copied.err()] {
                let refused = refused.unwrap().to_string();
                assert!(refused.contains(kind), "{refused}");
            }
        }
        assert_eq!(fs::read(&source).unwrap(), b"wrong bytes");
        assert!(store.list().await.unwrap().is_empty());
        drop(store);
        let reopened = BlobStore::open(&dir.path().join("store")).unwrap();
        assert_eq!(fs::read_dir(reopened.dir().join("tmp")).unwrap().count(), 0);
    }

    #[tokio::test]
    async fn a_link_to_another_device_is_refused_as_such() {
        // Every Linux has a file system of its own there.
        let elsewhere = tempfile::tempdir_in("/dev/shm").unwrap();
        let dir = tempfile::tempdir().unwrap();
        let store = BlobStore::open(dir.path()).unwrap();
        let source = elsewhere.path().join("17");
        fs::write(&source, b"bytes").unwrap();
        let hash = ContentHash::of(b"bytes");
        let (on_read, _) = counting();
        match store
            .take_link(&source, hash, 5, on_read.clone())
            .await
            .err()
        {
            Some(BlobError::Io { source, .. }) => {
                assert_eq!(source.kind(), io::ErrorKind::CrossesDevices);
            }
            other => panic!("{other:?}"),
        }
        let copied = store.take_copy(&source, hash, 5, on_read).await.unwrap();
        copied.commit().await.unwrap();
        assert!(store.get(&hash).await.unwrap().is_some());
    }
}
