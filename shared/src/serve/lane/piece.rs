//! [`Piece`]: a piece of a body that is on its way to a socket, and how it waits there.

use std::io;

use bytes::{Buf, Bytes};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::serve::hold::Hold;

/// What is left of a piece.
pub(super) struct Piece {
    bytes: Bytes,
    hold: Hold,
    has_waited: bool,
}

impl Piece {
    pub(super) fn new(bytes: Bytes, hold: Hold) -> Self {
        Self {
            bytes,
            hold,
            has_waited: false,
        }
    }

    /// What the socket has not taken.
    pub(super) fn rest(&self) -> &[u8] {
        &self.bytes
    }

    /// The socket took so many bytes.
    pub(super) fn taken(&mut self, len: usize) {
        self.bytes.advance(len);
    }

    /// The socket has no room for more now.
    pub(super) fn wait(&mut self) {
        self.has_waited = true;
        if matches!(self.hold, Hold::Copy) {
            if !self.bytes.is_unique() {
                self.bytes = Bytes::copy_from_slice(&self.bytes);
            }
            self.hold = Hold::InPlace;
        }
    }

    /// Did the page cache let go of it while it waited?
    pub(super) fn has_to_come(&self) -> bool {
        let Hold::Pages(pages) = &self.hold else {
            return false;
        };
        self.has_waited && !pages.has(&self.bytes)
    }

    /// The piece again, once the blocking pool has read what the page cache let go of while it waited;
    /// `None` if it may be written now.
    pub(super) fn coming(&self) -> Option<JoinHandle<io::Result<Self>>> {
        let Hold::Pages(pages) = &self.hold else {
            return None;
        };
        if !self.has_to_come() {
            return None;
        }
        let (bytes, pages) = (self.bytes.clone(), pages.clone());
        Some(spawn_blocking(move || {
            pages.bring(&bytes)?;
            Ok(Self::new(bytes, Hold::Pages(pages)))
        }))
    }
}
