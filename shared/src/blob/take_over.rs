//! [`TakeOver`]: makes a bucket usable again whose directories are lost, with their outboards and cards.
//!
//! The order is that of everything here: a note in the list of places (durable) → this node's marker in
//! the bucket → per object: read once, compared with its hash, outboard and card synced and named → the
//! note goes. As long as it is there the store cannot be opened for use, so nobody takes a part of the
//! bucket for all of it; begun again, the take-over goes on behind what has a card.

use std::{path::PathBuf, sync::Arc};

use futures::Stream;

use super::{
    BlobError, BlobStore, Disk, Places, RealDisk, Registry,
    open::Purpose,
    outboard::OutboardWriter,
    remote::{Listed, Remote},
    take::OnRead,
    volume::{Promise, Volume},
};
use crate::{hash::ContentHash, verified::Layout};

/// A bucket that is being taken over. Holds the locks of the directories as long as it lives.
pub struct TakeOver {
    store: BlobStore,
    remote: Arc<Remote>,
    registry: PathBuf,
}

impl TakeOver {
    /// Opens the directories, which are made if need be. `None` if the places have no object store.
    /// Changes nothing in the bucket, and asks it nothing. Blocks.
    pub fn open(places: &Places) -> Result<Option<Self>, BlobError> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        let store = BlobStore::open_for(places, &disk, Purpose::TakeOver)?;
        Ok(store.remote().cloned().map(|remote| Self {
            store,
            remote,
            registry: places.registry.clone(),
        }))
    }

    /// A directory that is out: what has its card there would be read again.
    pub fn first_out(&self) -> Option<PathBuf> {
        let volumes = self.store.volumes().iter();
        let mut out = volumes.filter(|volume| !volume.is_there());
        out.next().map(|volume| volume.root().into())
    }

    /// Everything below `<prefix>/blobs`, in no order.
    pub fn list(&self) -> impl Stream<Item = Result<Listed, BlobError>> + Send + 'static {
        self.remote.list()
    }

    /// Is it known here already?
    pub async fn is_known(&self, hash: &ContentHash) -> Result<bool, BlobError> {
        self.store.contains(hash).await
    }

    /// Makes the bucket this node's, whoever had it. From now on the store cannot be opened for use until
    /// [`finish`](Self::finish).
    pub async fn claim(&self) -> Result<(), BlobError> {
        self.note(true).await?;
        self.remote.claim().await
    }

    /// Asks whether the bucket is this node's, and can be used: after a failure, and at the end.
    pub async fn check(&self) -> Result<(), BlobError> {
        self.remote.check_owner().await
    }

    /// Reads an object through once, a part at a time, and makes it known here if it is that of its hash.
    pub async fn take(
        &self,
        hash: ContentHash,
        size: u64,
        on_read: &OnRead,
    ) -> Result<(), BlobError> {
        let store = self.store.clone();
        let create = move || {
            let volume = store.place(&hash, Layout::new(size).outboard_len())?;
            Card::create(&volume, hash, size)
        };
        let mut card = self.store.on_pool(hash, create).await?;
        while card.outboard.position() < size {
            let at = card.outboard.position();
            let end = size.min(at + self.remote.part_bytes());
            let read = self.remote.read(&hash, at..end).await?;
            let bytes = read.ok_or(BlobError::TooShort { size, got: at })?;
            on_read(end - at);
            let update = move || card.outboard.update(&bytes).map(|()| card);
            card = self.store.on_pool(hash, update).await?;
        }
        self.store.on_pool(hash, move || card.publish()).await
    }

    /// Removes an object from the bucket for good.
    pub async fn discard(&self, hash: &ContentHash) -> Result<(), BlobError> {
        self.remote.remove(hash).await
    }

    /// Everything is taken: the store can be opened for use, if nobody else took the bucket meanwhile.
    pub async fn finish(self) -> Result<(), BlobError> {
        self.check().await?;
        self.note(false).await
    }

    async fn note(&self, is_under_way: bool) -> Result<(), BlobError> {
        let (path, name) = (self.registry.clone(), self.remote.name().to_path_buf());
        let note = move || {
            // Opening has written it.
            let gone = || BlobError::io("read", &path, std::io::ErrorKind::NotFound.into());
            let mut registry = Registry::read(&path)?.ok_or_else(gone)?;
            registry.taking_over = is_under_way.then_some(name);
            registry.write(&path)
        };
        let noted = tokio::task::spawn_blocking(note).await;
        noted.unwrap_or_else(|error| {
            let error = std::io::Error::other(error);
            Err(BlobError::io("write", &self.registry, error))
        })
    }
}

/// What is made of an object in the bucket: its outboard, and the card that tells of it.
struct Card {
    volume: Arc<Volume>,
    hash: ContentHash,
    size: u64,
    outboard: OutboardWriter,
    _promise: Promise,
}

impl Card {
    fn create(volume: &Arc<Volume>, hash: ContentHash, size: u64) -> Result<Self, BlobError> {
        volume.check_writable()?;
        Ok(Self {
            volume: volume.clone(),
            hash,
            size,
            outboard: OutboardWriter::create(volume, hash, size)?,
            _promise: volume.promise(Layout::new(size).outboard_len()),
        })
    }

    fn publish(self) -> Result<(), BlobError> {
        let mut outboard = self.outboard.finish()?;
        self.volume
            .name_card(self.hash, self.size, outboard.as_mut())
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use rand::{SeedableRng, rngs::StdRng};

    use super::{
        super::{
            crash_tests::scratch_dir,
            crashing::CrashingDisk,
            dirs::Dirs,
            registry::{Marker, Name},
            tests::data,
            volume::Cards,
        },
        *,
    };

    fn open(dir: &std::path::Path, disk: &Arc<CrashingDisk>) -> Arc<Volume> {
        let marker = Marker {
            store: Name::random(),
            volume: Name::random(),
        };
        Arc::new(Volume::open(dir, disk.clone(), marker, Cards::Kept).unwrap())
    }

    fn take(volume: &Arc<Volume>, hash: ContentHash, bytes: &[u8]) -> Result<(), BlobError> {
        let mut card = Card::create(volume, hash, bytes.len() as u64)?;
        for part in bytes.chunks(300_000) {
            card.outboard.update(part)?;
        }
        card.publish()
    }

    /// Two objects; the power goes after `steps`. Says whether it did.
    fn crash_after(steps: usize, seed: u64, any_order: bool) -> bool {
        let (before, after) = (scratch_dir(), scratch_dir());
        let disk = Arc::new(CrashingDisk::new());
        let volume = open(before.path(), &disk);
        disk.crash_after(steps);
        let objects = [data(5), data(1_200_000)].map(|bytes| (ContentHash::of(&bytes), bytes));
        let mut taken = Vec::new();
        for (hash, bytes) in &objects {
            if take(&volume, *hash, bytes).is_ok() {
                taken.push(*hash);
            }
        }
        let mut random = StdRng::seed_from_u64(seed);
        disk.after_crash(before.path(), after.path(), any_order, &mut random)
            .unwrap();
        let marker = fs::read(before.path().join(Registry::MARKER)).unwrap();
        fs::write(after.path().join(Registry::MARKER), marker).unwrap();
        let found = open(after.path(), &Arc::new(CrashingDisk::new()));
        let listed = found.list().unwrap();
        for hash in &taken {
            assert!(listed.iter().any(|(listed, _)| listed == hash));
        }
        for (hash, size) in listed {
            let (_, bytes) = objects.iter().find(|(known, _)| *known == hash).unwrap();
            assert_eq!(size, bytes.len() as u64);
            let mut builder = crate::verified::Builder::new(size);
            builder.update(bytes).unwrap();
            let whole = builder.finish().unwrap().into_outboard();
            let path = Dirs::outboard_of(&found.dirs().data(&hash));
            assert_eq!(fs::read(path).unwrap_or_default(), whole);
        }
        disk.crashed()
    }

    #[test]
    fn a_crash_at_any_step_leaves_a_card_with_its_whole_outboard_or_none() {
        for any_order in [false, true] {
            let mut steps = 0;
            while [0, 1, 2]
                .map(|seed| crash_after(steps, seed, any_order))
                .contains(&true)
            {
                steps += 1;
            }
            assert!(steps > 12, "{steps} steps");
        }
    }

    #[test]
    fn bytes_of_another_hash_get_no_card() {
        let dir = tempfile::tempdir().unwrap();
        let volume = open(dir.path(), &Arc::new(CrashingDisk::new()));
        let hash = ContentHash::of(b"right");
        let refused = take(&volume, hash, b"wrong").unwrap_err();
        assert!(matches!(refused, BlobError::HashMismatch { .. }));
        assert!(volume.list().unwrap().is_empty() && !volume.holds(&hash).unwrap());
        assert_eq!(fs::read_dir(volume.dirs().tmp()).unwrap().count(), 0);
    }
}
