//! [`Partial`] and [`Verified`]: an object on its way in.

use bytes::{Bytes, BytesMut};
use tokio::task::JoinHandle;

use super::{
    BlobError, BlobStore, Stored,
    temp::{VerifiedFiles, Writer, drop_on_pool},
};
use crate::hash::ContentHash;

/// Network pieces are gathered to this many bytes before a thread of the blocking pool writes and
/// hashes them. A partial holds at most two such batches: one being gathered, one being written.
const BATCH_BYTES: usize = 256 * 1024;

/// Pieces smaller than this are copied together, so that a batch has few of them.
const SMALL_PIECE_BYTES: usize = 4096;

/// An object being received. Dropping it removes its temp files.
pub struct Partial {
    store: BlobStore,
    hash: ContentHash,
    size: u64,
    accepted: u64,
    batch: Batch,
    state: State,
}

enum State {
    Idle(Box<Writer>),
    Writing(JoinHandle<Result<Box<Writer>, BlobError>>),
    BrokenOff,
}

/// Pieces gathered for one write.
#[derive(Default)]
struct Batch {
    pieces: Vec<Bytes>,
    small: BytesMut,
    len: usize,
}

impl Batch {
    fn push(&mut self, piece: Bytes) {
        self.len += piece.len();
        if piece.len() < SMALL_PIECE_BYTES {
            self.small.extend_from_slice(&piece);
        } else {
            self.close_small();
            self.pieces.push(piece);
        }
    }

    fn close_small(&mut self) {
        if !self.small.is_empty() {
            self.pieces.push(self.small.split().freeze());
        }
    }

    fn take(&mut self) -> Vec<Bytes> {
        self.close_small();
        self.len = 0;
        std::mem::take(&mut self.pieces)
    }
}

impl Partial {
    pub(super) fn new(store: BlobStore, hash: ContentHash, size: u64, writer: Writer) -> Self {
        let state = State::Idle(Box::new(writer));
        Self {
            store,
            hash,
            size,
            accepted: 0,
            batch: Batch::default(),
            state,
        }
    }

    /// The hash the object must have.
    pub fn hash(&self) -> ContentHash {
        self.hash
    }

    /// The size the object must have.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes accepted so far.
    pub fn written(&self) -> u64 {
        self.accepted
    }

    /// Take the next bytes. Returns at once while a batch is gathered, else when the batch before
    /// has been written: the sender is slowed down to what the disk can take.
    ///
    /// Bytes past the object's size are refused, and none of `bytes` is taken.
    pub async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        if bytes.len() as u64 > self.size - self.accepted {
            return Err(BlobError::TooLong { limit: self.size });
        }
        if self.batch.len >= BATCH_BYTES {
            self.start_batch().await?;
        }
        self.accepted += bytes.len() as u64;
        self.batch.push(bytes);
        if self.batch.len >= BATCH_BYTES {
            self.start_batch().await
        } else {
            Ok(())
        }
    }

    /// Compare what came with what was asked for. On error the temp files are removed.
    pub async fn finish(mut self) -> Result<Verified, BlobError> {
        if self.accepted != self.size {
            return Err(BlobError::TooShort {
                size: self.size,
                got: self.accepted,
            });
        }
        self.wait().await?;
        let State::Idle(mut writer) = std::mem::replace(&mut self.state, State::BrokenOff) else {
            return Err(BlobError::BrokenOff { hash: self.hash });
        };
        let (pieces, hash) = (self.batch.take(), self.hash);
        let files = self.store.on_pool(hash, move || {
            writer.write(&pieces)?;
            writer.finish(hash)
        });
        let files = files.await?;
        Ok(Verified::new(self.store.clone(), hash, self.size, files))
    }

    /// Hand the batch to the blocking pool, after the one before is done.
    async fn start_batch(&mut self) -> Result<(), BlobError> {
        self.wait().await?;
        match std::mem::replace(&mut self.state, State::BrokenOff) {
            State::Idle(mut writer) => {
                let pieces = self.batch.take();
                let store = self.store.clone();
                self.state = State::Writing(tokio::task::spawn_blocking(move || {
                    store.check_writable()?;
                    writer.write(&pieces)?;
                    Ok(writer)
                }));
                Ok(())
            }
            State::Writing(_) | State::BrokenOff => Err(BlobError::BrokenOff { hash: self.hash }),
        }
    }

    /// Wait for the batch that is being written. A caller that stops waiting can wait again.
    async fn wait(&mut self) -> Result<(), BlobError> {
        if let State::Writing(batch) = &mut self.state {
            let result = batch.await;
            self.state = State::BrokenOff;
            let writer = result.map_err(|_| BlobError::BrokenOff { hash: self.hash })??;
            self.state = State::Idle(writer);
        }
        Ok(())
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        // A batch under way drops its writer itself, on the pool, when nobody waits for it.
        if let State::Idle(writer) = std::mem::replace(&mut self.state, State::BrokenOff) {
            drop_on_pool(writer);
        }
    }
}

/// An object that is all there and has the hash asked for, but no name yet. Dropping it removes its
/// temp files.
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
        self.store
            .on_pool(hash, move || store.publish(hash, size, files))
            .await
    }
}

impl Drop for Verified {
    fn drop(&mut self) {
        if let Some(files) = self.files.take() {
            drop_on_pool(files);
        }
    }
}
