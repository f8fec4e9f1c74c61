//! [`Partial`] and [`Verified`]: an object on its way in.

use bytes::Bytes;

use super::{
    BlobError, BlobStore, Stored,
    pipeline::Pipeline,
    temp::{VerifiedFiles, Writer, drop_on_pool},
};
use crate::hash::ContentHash;

/// An object being received. Dropping it removes its temp files.
pub struct Partial {
    store: BlobStore,
    pipeline: Pipeline,
}

impl Partial {
    pub(super) fn new(store: BlobStore, hash: ContentHash, size: u64, writer: Writer) -> Self {
        let pipeline = Pipeline::new(store.clone(), hash, size, writer);
        Self { store, pipeline }
    }

    /// The hash the object must have.
    pub fn hash(&self) -> ContentHash {
        self.pipeline.hash()
    }

    /// The size the object must have.
    pub fn size(&self) -> u64 {
        self.pipeline.size()
    }

    /// Bytes accepted so far.
    pub fn written(&self) -> u64 {
        self.pipeline.accepted()
    }

    /// Take the next bytes. Returns at once while a batch is gathered, else when the batch before
    /// has been written: the sender is slowed down to what the disk can take.
    ///
    /// Bytes past the object's size are refused, and none of `bytes` is taken.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        self.pipeline.write(bytes).await
    }

    /// Compare what came with what was asked for. On error the temp files are removed.
    pub async fn finish(self) -> Result<Verified, BlobError> {
        let Self { store, pipeline } = self;
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

/// An object that is all there and has the hash asked for, but no name yet. Dropping it removes its
/// temp files, unless it came as a [`Resumable`](super::Resumable).
pub struct Verified {
    store: BlobStore,
    hash: ContentHash,
    size: u64,
    files: Option<VerifiedFiles>,
}

impl Verified {
    pub(super) fn new(
        store: BlobStore,
        hash: ContentHash,
        size: u64,
        files: VerifiedFiles,
    ) -> Self {
        let files = Some(files);
        Self {
            store,
            hash,
            size,
            files,
        }
    }

    /// The content hash.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// Bytes of the object.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Make it durable and give it its name. Committing an object that is stored already is fine.
    pub async fn commit(mut self) -> Result<Stored, BlobError> {
        let (hash, size) = (self.hash, self.size);
        let files = self.files.take().ok_or(BlobError::BrokenOff { hash })?;
        let store = self.store.clone();
        let Some(remote) = store.remote().cloned() else {
            let publish = move || store.publish(hash, size, files);
            return self.store.on_pool(hash, publish).await;
        };
        let puts = remote.clone();
        let begin = move || {
            let file = files.data.file().try_clone();
            let file = file.map_err(|error| files.data.error("open", error))?;
            Ok((puts.puts().begin(hash)?, file, files))
        };
        let (put, file, files) = self.store.on_pool(hash, begin).await?;
        if let Err(error) = remote.put(&hash, file, size).await {
            drop_on_pool((put, files));
            return Err(error);
        }
        let publish = move || {
            let stored = store.publish(hash, size, files)?;
            put.done();
            Ok(stored)
        };
        self.store.on_pool(hash, publish).await
    }
}

impl Drop for Verified {
    fn drop(&mut self) {
        if let Some(files) = self.files.take() {
            drop_on_pool(files);
        }
    }
}
