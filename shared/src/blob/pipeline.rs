//! [`Pipeline`]: pieces from the network gathered into blocks, which threads of the blocking pool hash and
//! write one after the other.

use bytes::Bytes;
use tokio::task::JoinHandle;

use super::{
    BlobError, BlobStore,
    block::Block,
    temp::{Writer, drop_on_pool},
};
use crate::hash::ContentHash;

/// Pieces from the network are copied together to blocks that end at multiples of this; a thread of the
/// blocking pool writes and hashes one at a time. A pipeline has at most two: one that is gathered, one
/// that is written. The copy lets the piece's own memory go at once, and the block may go past the
/// page cache.
pub(super) const BLOCK_BYTES: usize = 512 * 1024;

/// One object on its way to the disk.
pub(super) struct Pipeline {
    store: BlobStore,
    hash: ContentHash,
    size: u64,
    accepted: u64,
    block: Block,
    state: State,
}

enum State {
    /// The block is the one that was written last.
    Idle(Box<Writer>, Block),
    Writing(JoinHandle<Result<(Box<Writer>, Block), BlobError>>),
    BrokenOff,
}

impl Pipeline {
    /// The object goes on where the writer is.
    pub(super) fn new(store: BlobStore, hash: ContentHash, size: u64, writer: Writer) -> Self {
        Self {
            store,
            hash,
            size,
            accepted: writer.position(),
            block: Block::default(),
            state: State::Idle(Box::new(writer), Block::default()),
        }
    }

    /// The hash the object must have.
    pub(super) fn hash(&self) -> ContentHash {
        self.hash
    }

    /// The size the object must have.
    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Bytes accepted so far.
    pub(super) fn accepted(&self) -> u64 {
        self.accepted
    }

    /// Take the next bytes. Returns at once while a block is gathered, else when the block before
    /// has been written. Bytes past the object's size are refused, and none of `bytes` is taken.
    pub(super) async fn write(&mut self, bytes: Bytes) -> Result<(), BlobError> {
        if bytes.len() as u64 > self.size - self.accepted {
            return Err(BlobError::TooLong { limit: self.size });
        }
        let mut left = &bytes[..];
        while !left.is_empty() {
            let len_max = self.block_len_max();
            if self.block.len() >= len_max {
                self.run(|_| Ok(())).await?;
                continue;
            }
            if self.block.is_empty() && self.block.capacity() < len_max {
                self.block = Block::with_capacity(len_max);
            }
            let taken = self.block.take(left, len_max);
            self.accepted += taken as u64;
            left = &left[taken..];
        }
        // The last block is written with what comes at the end of the object.
        if self.accepted < self.size && self.block.len() >= self.block_len_max() {
            self.run(|_| Ok(())).await?;
        }
        Ok(())
    }

    /// How long the block becomes: up to the next multiple of [`BLOCK_BYTES`], or to the object's end.
    fn block_len_max(&self) -> usize {
        let start = self.accepted - self.block.len() as u64;
        let len = BLOCK_BYTES as u64 - start % BLOCK_BYTES as u64;
        len.min(self.size - start) as usize
    }

    /// Hand the block to the blocking pool, and `then` the writer to some more work. Returns when
    /// that has begun: see [`settle`](Self::settle).
    pub(super) async fn run(
        &mut self,
        then: impl FnOnce(&mut Writer) -> Result<(), BlobError> + Send + 'static,
    ) -> Result<(), BlobError> {
        self.settle().await?;
        match std::mem::replace(&mut self.state, State::BrokenOff) {
            State::Idle(mut writer, next) => {
                let mut block = std::mem::replace(&mut self.block, next);
                let store = self.store.clone();
                self.state = State::Writing(tokio::task::spawn_blocking(move || {
                    if !block.is_empty() {
                        store.check_writable()?;
                        writer.write(block.bytes())?;
                        block.clear();
                    }
                    then(&mut writer)?;
                    Ok((writer, block))
                }));
                Ok(())
            }
            State::Writing(_) | State::BrokenOff => Err(BlobError::BrokenOff { hash: self.hash }),
        }
    }

    /// Wait for the work that was handed over. A caller that stops waiting can wait again.
    pub(super) async fn settle(&mut self) -> Result<(), BlobError> {
        if let State::Writing(work) = &mut self.state {
            let result = work.await;
            self.state = State::BrokenOff;
            let (writer, written) =
                result.map_err(|_| BlobError::BrokenOff { hash: self.hash })??;
            self.accepted = writer.position() + self.block.len() as u64;
            self.state = State::Idle(writer, written);
        }
        Ok(())
    }

    /// The writer and what is still to be written, when all bytes have come.
    pub(super) async fn close(mut self) -> Result<(Box<Writer>, Block), BlobError> {
        if self.accepted != self.size {
            return Err(BlobError::TooShort {
                size: self.size,
                got: self.accepted,
            });
        }
        self.settle().await?;
        match std::mem::replace(&mut self.state, State::BrokenOff) {
            State::Idle(writer, _) => Ok((writer, std::mem::take(&mut self.block))),
            State::Writing(_) | State::BrokenOff => Err(BlobError::BrokenOff { hash: self.hash }),
        }
    }
}

impl Drop for Pipeline {
    fn drop(&mut self) {
        // Work under way drops its writer itself, on the pool, when nobody waits for it.
        if let State::Idle(writer, _) = std::mem::replace(&mut self.state, State::BrokenOff) {
            drop_on_pool(writer);
        }
    }
}
