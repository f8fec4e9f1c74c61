//! [`Fetched`]: the bytes of an object in the object store as a reader sees them. They come in pieces,
//! which grow as long as the reader goes on where it was: a look at a few bytes costs a few, a whole
//! object costs few requests.

use std::{fmt, io, sync::Arc};

use bytes::Bytes;
use parking_lot::Mutex;

use super::{remote::Remote, stored::wait_for};
use crate::hash::ContentHash;

/// A piece has at most so many bytes. One is kept per reader.
const PIECE_BYTES_MAX: u64 = 1 << 20;

/// Bytes of an object, not verified.
pub(super) struct Fetched {
    remote: Arc<Remote>,
    hash: ContentHash,
    len: u64,
    piece: Mutex<Piece>,
}

/// What was fetched last.
#[derive(Default)]
struct Piece {
    at: u64,
    bytes: Bytes,
}

impl Piece {
    /// What there is from a position on; `None` if nothing.
    fn from(&self, position: u64) -> Option<Bytes> {
        let skip = usize::try_from(position.checked_sub(self.at)?).ok()?;
        (skip < self.bytes.len()).then(|| self.bytes.slice(skip..))
    }

    /// How much to ask for, to go on at a position.
    fn next_len(&self, position: u64, wanted: u64) -> u64 {
        let had = self.bytes.len() as u64;
        let is_next = had > 0 && position == self.at + had;
        let grown = if is_next { had * 2 } else { 0 };
        grown.max(wanted).min(PIECE_BYTES_MAX)
    }
}

impl fmt::Debug for Fetched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} in {}", self.hash, self.remote.name().display())
    }
}

impl Fetched {
    pub(super) fn new(remote: Arc<Remote>, hash: ContentHash, len: u64) -> Self {
        let piece = Mutex::default();
        Self {
            remote,
            hash,
            len,
            piece,
        }
    }

    /// What of these bytes was fetched already.
    pub(super) fn read_now(&self, position: u64, len: usize) -> Option<Bytes> {
        let there = self.piece.lock().from(position)?;
        Some(there.slice(..len.min(there.len())))
    }

    /// Fetches bytes from a position on, so many or fewer. What goes wrong the next read meets, which
    /// asks again.
    pub(super) async fn fetch(self: Arc<Self>, position: u64, wanted: u64) {
        if let Err(error) = self.load(position, wanted).await {
            tracing::debug!(object = ?self, %error, "bytes could not be fetched");
        }
    }

    /// Fills the buffer; fetches what is not there. Blocks.
    pub(super) fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            let (at, wanted) = (position + filled as u64, buffer.len() - filled);
            let bytes = match self.read_now(at, wanted) {
                Some(bytes) => bytes,
                None => {
                    let loaded = wait_for(self.load(at, wanted as u64));
                    loaded.map_err(io::Error::other)?.slice(..)
                }
            };
            let len = bytes.len().min(wanted);
            if len == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            buffer[filled..filled + len].copy_from_slice(&bytes[..len]);
            filled += len;
        }
        Ok(())
    }

    /// The bytes from a position on; none where the store's copy ends before.
    async fn load(&self, position: u64, wanted: u64) -> Result<Bytes, super::BlobError> {
        let len = self.piece.lock().next_len(position, wanted);
        let end = self.len.min(position.saturating_add(len));
        if position >= end {
            return Ok(Bytes::new());
        }
        let read = self.remote.read(&self.hash, position..end).await?;
        let bytes = read.unwrap_or_default();
        let fetched = bytes.clone();
        *self.piece.lock() = Piece {
            at: position,
            bytes,
        };
        Ok(fetched)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_grow_while_a_reader_goes_on_and_are_small_for_a_look() {
        let mut piece = Piece::default();
        let (mut at, mut lens) = (32_768, Vec::new());
        for _ in 0..9 {
            let len = piece.next_len(at, 16_384);
            lens.push(len >> 10);
            piece = Piece {
                at,
                bytes: vec![0; len as usize].into(),
            };
            at += len;
        }
        assert_eq!(lens, [16, 32, 64, 128, 256, 512, 1024, 1024, 1024]);
        assert_eq!(piece.next_len(7, 100), 100);
        assert_eq!(piece.next_len(7, 5 << 20), 1 << 20);
        assert_eq!(piece.from(piece.at + 10).unwrap().len(), (1 << 20) - 10);
        assert!(piece.from(at).is_none() && piece.from(0).is_none());
    }
}
