//! [`Sparse`]: an object on its way in by verified groups, in any order and from several sources. It
//! survives the process: what is there is found again, and proved again, by the next one.
//!
//! There is no record of which groups are there. The file's own holes say where nothing was written,
//! and the outboard beside it proves the rest, so nothing can disagree with the data after a crash.

use std::{
    fs::{self, File, OpenOptions},
    io,
    ops::Range,
    os::unix::fs::MetadataExt,
    path::PathBuf,
    sync::Arc,
};

use parking_lot::Mutex;
use rustix::fs::{SeekFrom, seek};

use super::{
    BlobError, BlobStore, Verified,
    dirs::{Dirs, read_dir},
    temp::{TempFile, VerifiedFiles},
    volume::{Promise, Volume},
};
use crate::{
    fetch::{Proof, Sink, verify_on_disk},
    hash::ContentHash,
    verified::{GROUP_LEN, Layout, Present, Run, Top},
};

/// An object being received by groups. Dropping it keeps its files for the next attempt.
pub struct Sparse {
    store: BlobStore,
    hash: ContentHash,
    layout: Layout,
    files: Arc<Files>,
    outboard: Option<Arc<File>>,
    claim: Claim,
    volume: Arc<Volume>,
    _promise: Promise,
}

/// The data file and what was written to it. A [`Sink`] for verified runs.
struct Files {
    store: BlobStore,
    volume: Arc<Volume>,
    hash: ContentHash,
    data: File,
    present: Mutex<Present>,
}

/// One receiver at a time for each object.
pub(super) struct Claim {
    store: BlobStore,
    hash: ContentHash,
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.store.sparse_claims().lock().remove(&self.hash);
    }
}

impl Sink for Files {
    fn keep(&self, run: &Run) -> io::Result<()> {
        if run.hash() != self.hash {
            let message = format!("bytes of {} came for {}", run.hash(), self.hash);
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        let writable = self.store.check_writable();
        let writable = writable.and_then(|()| self.volume.check_writable());
        writable.map_err(io::Error::other)?;
        let kept = self.data.keep(run);
        kept.inspect_err(|error| self.volume.saw_write_fail(error))?;
        let mut present = self.present.lock();
        for group in run.groups() {
            present.set(group);
        }
        Ok(())
    }
}

impl BlobStore {
    /// Start or continue to receive an object of more than one group. `None` while it is being
    /// received already. Nothing counts as there before [`Sparse::recover`].
    pub async fn begin_sparse(
        &self,
        hash: ContentHash,
        size: u64,
    ) -> Result<Option<Sparse>, BlobError> {
        self.check_writable()?;
        if !self.sparse_claims().lock().insert(hash) {
            return Ok(None);
        }
        let claim = Claim {
            store: self.clone(),
            hash,
        };
        let store = self.clone();
        let open = move || {
            let volume = match store.partial_at(&hash) {
                Some(volume) => volume,
                None => store.place(&hash, size)?,
            };
            volume.check_writable()?;
            let path = volume.dirs().partial(&hash);
            let layout = Layout::new(size);
            let data = open_or_create(&path)?;
            let len = |file: &File| file.metadata().map(|meta| meta.len());
            if len(&data).is_ok_and(|len| len > size) {
                // Another size: nothing of it can be trusted to be this object's.
                let emptied = data.set_len(0);
                emptied.map_err(|error| BlobError::io("empty", &path, error))?;
            }
            let outboard = match layout.outboard_len() {
                0 => None,
                _ => Some(Arc::new(open_or_create(&Dirs::outboard_of(&path))?)),
            };
            let files = Files {
                store: store.clone(),
                volume: volume.clone(),
                hash,
                data,
                present: Mutex::new(Present::new(layout.groups())),
            };
            Ok(Sparse {
                store: store.clone(),
                hash,
                layout,
                files: Arc::new(files),
                outboard,
                claim,
                _promise: volume.promise(size),
                volume,
            })
        };
        self.on_pool(hash, open).await.map(Some)
    }

    /// Hashes of the objects of which a part is there.
    pub async fn list_sparse(&self) -> Result<Vec<ContentHash>, BlobError> {
        let store = self.clone();
        let list = move || {
            let hash_of = |name: std::ffi::OsString| name.to_str()?.parse::<ContentHash>().ok();
            let mut hashes = Vec::new();
            for volume in store.readable() {
                match read_dir(&volume.dirs().partials()) {
                    Ok(names) => {
                        hashes.extend(names.into_iter().filter_map(|(name, _)| hash_of(name)));
                    }
                    Err(error) if volume.is_there() => return Err(error),
                    Err(_) => {}
                }
            }
            Ok(hashes)
        };
        let listed = tokio::task::spawn_blocking(list).await;
        listed
            .unwrap_or_else(|error| Err(BlobError::io("list", self.dir(), io::Error::other(error))))
    }

    /// Bytes of disk that the part of an object takes, 0 if there is none.
    pub async fn sparse_bytes(&self, hash: ContentHash) -> Result<u64, BlobError> {
        let store = self.clone();
        let look = move || {
            let paths = store.readable().map(|volume| volume.dirs().partial(&hash));
            let parts = paths.filter_map(|path| fs::metadata(path).ok());
            // Holes take nothing; what the file system set aside beyond the end is not of the part.
            Ok(parts.map(|part| part.len().min(part.blocks() * 512)).sum())
        };
        self.on_pool(hash, look).await
    }

    /// Forget what came of an object, unless it is being received.
    pub async fn forget_sparse(&self, hash: ContentHash) -> Result<(), BlobError> {
        let store = self.clone();
        let forget = move || {
            let claims = store.sparse_claims().lock();
            if claims.contains(&hash) {
                return Ok(());
            }
            for volume in store.readable() {
                let data = volume.dirs().partial(&hash);
                for path in [Dirs::outboard_of(&data), data] {
                    match fs::remove_file(&path) {
                        Err(error) if error.kind() != io::ErrorKind::NotFound => {
                            return Err(BlobError::io("remove", &path, error));
                        }
                        _ => {}
                    }
                }
            }
            Ok(())
        };
        self.on_pool(hash, forget).await
    }

    /// The directory in which a part of the object is.
    fn partial_at(&self, hash: &ContentHash) -> Option<Arc<Volume>> {
        let has = |volume: &&Arc<Volume>| {
            volume.health().is_open() && volume.dirs().partial(hash).exists()
        };
        self.readable().find(has).cloned()
    }
}

impl Sparse {
    /// Where its outboard is kept; a [`Proof`] reads and writes it. `None` for objects of one group.
    pub fn outboard(&self) -> Option<Arc<File>> {
        self.outboard.clone()
    }

    /// Where verified runs go.
    pub fn sink(&self) -> Arc<dyn Sink> {
        self.files.clone()
    }

    /// Which groups are there, each of them proved by this process.
    pub fn present(&self) -> Present {
        self.files.present.lock().clone()
    }

    /// Proves what an earlier process left, as far as the outboard on disk reaches. Says how many
    /// groups are there.
    pub async fn recover(&self, proof: &Proof) -> u64 {
        let files = self.files.clone();
        let written = tokio::task::spawn_blocking(move || written_ranges(&files.data));
        let written = written.await.unwrap_or_default();
        for segment in 0..self.layout.segments() {
            let groups = self.layout.segment_groups(segment);
            let touched: Vec<Range<u64>> = written
                .iter()
                .map(|bytes| self.layout.groups_of(bytes.clone()))
                .map(|found| found.start.max(groups.start)..found.end.min(groups.end))
                .filter(|found| !found.is_empty())
                .collect();
            if touched.is_empty() {
                continue;
            }
            let Some(segment) = proof.known(segment).await else {
                continue;
            };
            let files = self.files.clone();
            let check = move || {
                for groups in touched {
                    for good in verify_on_disk(&files.data, &segment, groups) {
                        files.present.lock().set(good);
                    }
                }
            };
            // A pool that is gone leaves groups that are fetched again.
            let _checked = tokio::task::spawn_blocking(check).await;
        }
        self.files.present.lock().count()
    }

    /// Gives its room back: nothing of the data is there afterwards. What proves it stays. Nothing may be
    /// written to it meanwhile.
    pub fn empty(&self) -> impl Future<Output = Result<(), BlobError>> + use<> {
        let (store, files, hash) = (self.store.clone(), self.files.clone(), self.hash);
        let (path, groups) = (self.volume.dirs().partial(&hash), self.layout.groups());
        let empty = move || {
            let mut present = files.present.lock();
            *present = Present::new(groups);
            let emptied = files.data.set_len(0);
            emptied.map_err(|error| BlobError::io("empty", &path, error))
        };
        async move { store.on_pool(hash, empty).await }
    }

    /// All groups are there: the object is complete, and its outboard too. An error keeps the files.
    pub async fn finish(self) -> Result<Verified, BlobError> {
        let (size, hash) = (self.layout.size(), self.hash);
        let store = self.store.clone();
        let check = move || {
            let present = self.files.present.lock();
            if !present.is_complete() {
                let got = (present.count() * GROUP_LEN as u64).min(size.saturating_sub(1));
                return Err(BlobError::TooShort { size, got });
            }
            drop(present);
            let path = self.volume.dirs().partial(&hash);
            let outboard_path = Dirs::outboard_of(&path);
            if let Some(outboard) = &self.outboard {
                check_outboard(outboard, hash, size)
                    .map_err(|error| BlobError::io("verify", &outboard_path, error))?;
            }
            let reopened = |path: PathBuf| TempFile::adopt(self.volume.disk(), path);
            let outboard = self.outboard.is_some().then(|| reopened(outboard_path));
            Ok(VerifiedFiles {
                outboard: outboard.transpose()?,
                data: reopened(path)?,
                volume: self.volume.clone(),
                _claim: Some(self.claim),
            })
        };
        let files = store.on_pool(hash, check).await?;
        Ok(Verified::new(store, hash, size, files))
    }
}

fn open_or_create(path: &std::path::Path) -> Result<File, BlobError> {
    let mut options = OpenOptions::new();
    let opened = options.read(true).write(true).create(true).truncate(false);
    opened
        .open(path)
        .map_err(|error| BlobError::io("open", path, error))
}

/// The whole outboard, as it will be served, belongs to the hash. Reads one segment at a time.
fn check_outboard(file: &File, hash: ContentHash, size: u64) -> io::Result<()> {
    use std::os::unix::fs::FileExt;
    let layout = Layout::new(size);
    let read = |range: Range<u64>| {
        let mut bytes = vec![0; (range.end - range.start) as usize];
        file.read_exact_at(&mut bytes, range.start).map(|()| bytes)
    };
    if file.metadata()?.len() != layout.outboard_len() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    let top = Top::check(hash, size, &read(0..layout.top_len())?).map_err(io::Error::other)?;
    for segment in 0..layout.segments() {
        let cvs = read(layout.segment_range(segment))?;
        top.segment(segment, &cvs).map_err(io::Error::other)?;
    }
    Ok(())
}

/// Where a file has been written to, by its holes; all of it on a file system that knows none.
fn written_ranges(file: &File) -> Vec<Range<u64>> {
    let len = file.metadata().map_or(0, |meta| meta.len());
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < len {
        let Ok(start) = seek(file, SeekFrom::Data(at)) else {
            break;
        };
        let end = seek(file, SeekFrom::Hole(start)).unwrap_or(len);
        if end <= start {
            break;
        }
        ranges.push(start..end);
        at = end;
    }
    ranges
}

#[cfg(test)]
mod tests {
    use prometheus::IntCounter;

    use super::*;
    use crate::{
        ids::ObjectId,
        verified::{Builder, SEGMENT_LEN},
    };

    struct Given {
        dir: tempfile::TempDir,
        data: Vec<u8>,
        hash: ContentHash,
        outboard: Vec<u8>,
    }

    fn given(len: usize) -> Given {
        let data: Vec<u8> = (0..len as u64)
            .flat_map(|at| ((at * at) >> 7).to_le_bytes())
            .take(len)
            .collect();
        let mut builder = Builder::new(len as u64);
        builder.update(&data).unwrap();
        let built = builder.finish().unwrap();
        Given {
            dir: tempfile::tempdir().unwrap(),
            data,
            hash: built.hash,
            outboard: built.into_outboard(),
        }
    }

    impl Given {
        fn size(&self) -> u64 {
            self.data.len() as u64
        }

        async fn begin(&self, store: &BlobStore) -> (Sparse, Proof) {
            let sparse = store.begin_sparse(self.hash, self.size()).await;
            let sparse = sparse.unwrap().unwrap();
            let received = IntCounter::new("received", "bytes").unwrap();
            let file = sparse.outboard();
            let proof = Proof::new(ObjectId(1), self.hash, self.size(), file, received);
            (sparse, proof)
        }

        fn write(&self, sparse: &Sparse, groups: Range<u64>) {
            let layout = Layout::new(self.size());
            let top = &self.outboard[..layout.top_len() as usize];
            let top = Top::check(self.hash, self.size(), top).unwrap();
            for group in groups {
                let segment = Layout::segment_of(group);
                let cvs = layout.segment_range(segment);
                let cvs = &self.outboard[cvs.start as usize..cvs.end as usize];
                let range = layout.group_range(group).unwrap();
                let bytes = self.data[range.start as usize..range.end as usize].to_vec();
                let segment = top.segment(segment, cvs).unwrap();
                let run = segment.verify_run(group..group + 1, bytes.into()).unwrap();
                sparse.sink().keep(&run).unwrap();
            }
        }

        fn write_outboard(&self, sparse: &Sparse) {
            use std::os::unix::fs::FileExt;
            let file = sparse.outboard().unwrap();
            file.write_all_at(&self.outboard, 0).unwrap();
        }
    }

    #[tokio::test]
    async fn what_came_in_any_order_is_found_again_and_becomes_a_blob() {
        let given = given(SEGMENT_LEN as usize + 5 * GROUP_LEN + 9);
        let groups = Layout::new(given.size()).groups();
        let store = BlobStore::open(given.dir.path()).unwrap();
        let (sparse, _) = given.begin(&store).await;
        given.write_outboard(&sparse);
        given.write(&sparse, groups - 3..groups);
        given.write(&sparse, 100..700);
        assert!(
            store
                .begin_sparse(given.hash, given.size())
                .await
                .unwrap()
                .is_none(),
            "one receiver at a time"
        );
        drop((sparse, store));

        let store = BlobStore::open(given.dir.path()).unwrap();
        assert_eq!(store.list_sparse().await.unwrap(), [given.hash]);
        let (sparse, proof) = given.begin(&store).await;
        assert_eq!(sparse.recover(&proof).await, 603);
        let unfinished = sparse.finish().await;
        assert!(matches!(unfinished, Err(BlobError::TooShort { .. })));

        let (sparse, proof) = given.begin(&store).await;
        sparse.recover(&proof).await;
        let missing: Vec<_> = sparse.present().missing(0..groups).collect();
        for run in missing {
            given.write(&sparse, run);
        }
        let stored = sparse.finish().await.unwrap().commit().await.unwrap();
        assert_eq!(fs::read(stored.path()).unwrap(), given.data);
        assert_eq!(stored.outboard_len(), given.outboard.len() as u64);
        assert!(store.list_sparse().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn damage_between_two_processes_is_not_taken_for_data() {
        let given = given(20 * GROUP_LEN);
        let store = BlobStore::open(given.dir.path()).unwrap();
        let (sparse, _) = given.begin(&store).await;
        given.write_outboard(&sparse);
        given.write(&sparse, 0..20);
        let path = store.volumes()[0].dirs().partial(&given.hash);
        let mut bytes = fs::read(&path).unwrap();
        bytes[7 * GROUP_LEN] ^= 1;
        fs::write(&path, bytes).unwrap();
        drop(sparse);
        let (sparse, proof) = given.begin(&store).await;
        assert_eq!(sparse.recover(&proof).await, 19);
        let present = sparse.present();
        let missing: Vec<_> = present.missing(0..20).collect();
        assert_eq!(missing.len(), 1);
        assert_eq!(missing.first(), Some(&(7..8)));
        // A torn outboard proves nothing, and is fetched again.
        sparse.outboard().unwrap().set_len(40).unwrap();
        drop(sparse);
        let (sparse, proof) = given.begin(&store).await;
        assert_eq!(sparse.recover(&proof).await, 0);
        drop(sparse);
        store.forget_sparse(given.hash).await.unwrap();
        assert!(store.list_sparse().await.unwrap().is_empty());
    }

    #[tokio::test]
    async fn what_is_emptied_takes_no_room_and_is_received_anew() {
        let given = given(20 * GROUP_LEN);
        let store = BlobStore::open(given.dir.path()).unwrap();
        let (sparse, _) = given.begin(&store).await;
        given.write_outboard(&sparse);
        given.write(&sparse, 0..19);
        let bytes = async || store.sparse_bytes(given.hash).await.unwrap();
        assert_eq!(bytes().await, 19 * GROUP_LEN as u64);
        sparse.empty().await.unwrap();
        assert_eq!((bytes().await, sparse.present().count()), (0, 0));
        given.write(&sparse, 19..20);
        assert_eq!(sparse.present().count(), 1);
        given.write(&sparse, 0..19);
        let stored = sparse.finish().await.unwrap().commit().await.unwrap();
        assert_eq!(fs::read(stored.path()).unwrap(), given.data);
    }

    #[tokio::test]
    async fn an_object_without_a_whole_outboard_is_not_finished() {
        let given = given(20 * GROUP_LEN);
        let store = BlobStore::open(given.dir.path()).unwrap();
        let (sparse, _) = given.begin(&store).await;
        given.write(&sparse, 0..20);
        assert!(matches!(sparse.finish().await, Err(BlobError::Io { .. })));
        assert_eq!(store.list_sparse().await.unwrap(), [given.hash]);
        assert!(store.list().await.unwrap().is_empty());
    }
}
