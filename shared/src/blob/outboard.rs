//! [`OutboardWriter`]: makes the outboard of an object that goes by, whose bytes lie elsewhere and stay
//! there. The blocking side of taking files and buckets over.

use std::sync::Arc;

use super::{BlobError, dirs::Dirs, temp::TempFile, volume::Volume};
use crate::{
    hash::ContentHash,
    verified::{Builder, Layout},
};

/// Group CVs are written to the outboard when this many bytes have come together.
const WRITE_BYTES: usize = 64 * 1024;

/// An outboard on its way to its file. Dropping it removes that.
pub(super) struct OutboardWriter {
    hash: ContentHash,
    size: u64,
    /// `None` for objects of one group.
    file: Option<TempFile>,
    at: u64,
    builder: Builder,
}

impl OutboardWriter {
    /// For the object of this hash and size.
    pub(super) fn create(
        volume: &Arc<Volume>,
        hash: ContentHash,
        size: u64,
    ) -> Result<Self, BlobError> {
        let layout = Layout::new(size);
        let file = match layout.outboard_len() {
            0 => None,
            _ => {
                let path = Dirs::outboard_of(&volume.dirs().temp(&hash));
                Some(TempFile::create(volume.disk(), path)?)
            }
        };
        Ok(Self {
            hash,
            size,
            file,
            at: layout.top_len(),
            builder: Builder::new(size),
        })
    }

    /// Bytes that went by.
    pub(super) fn position(&self) -> u64 {
        self.builder.position()
    }

    /// The next bytes.
    pub(super) fn update(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        let limit = self.size;
        let taken = self.builder.update(bytes);
        taken.map_err(|_| BlobError::TooLong { limit })?;
        if self.builder.group_cvs_len() >= WRITE_BYTES
            && let Some(file) = &self.file
        {
            let cvs = self.builder.take_group_cvs();
            file.write_at(&cvs, self.at)?;
            self.at += cvs.len() as u64;
        }
        Ok(())
    }

    /// The outboard, whole and not yet synced, if the bytes were those of the hash.
    pub(super) fn finish(self) -> Result<Option<TempFile>, BlobError> {
        let (size, got, expected) = (self.size, self.builder.position(), self.hash);
        let built = self.builder.finish();
        let built = built.map_err(|_| BlobError::TooShort { size, got })?;
        if built.hash != expected {
            return Err(BlobError::HashMismatch {
                expected,
                actual: built.hash,
            });
        }
        if let Some(file) = &self.file {
            file.write_at(&built.group_cvs, self.at)?;
            file.write_at(&built.top, 0)?;
        }
        Ok(self.file)
    }
}
