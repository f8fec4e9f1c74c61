//! Temp files, and the writer that fills them: the blocking side of an object on its way in.

use std::{
    fs::File,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use bytes::Bytes;

use super::{BlobError, disk::Disk, sparse::Claim, store::Dirs};
use crate::{
    hash::ContentHash,
    verified::{Builder, Layout},
};

/// Group CVs are written to the outboard file when this many bytes have come together: 64 KiB stand
/// for 32 MiB of data.
const OUTBOARD_WRITE_BYTES: usize = 64 * 1024;

/// A file in the temp directory. Removed when dropped, unless it was given its final name; a drop
/// touches the disk, so let it happen on the blocking pool (see [`drop_on_pool`]).
pub(super) struct TempFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: File,
    is_published: bool,
}

impl TempFile {
    pub(super) fn create(disk: &Arc<dyn Disk>, path: PathBuf) -> Result<Self, BlobError> {
        let file = disk
            .create(&path)
            .map_err(|error| BlobError::io("create", &path, error))?;
        Ok(Self {
            disk: disk.clone(),
            path,
            file,
            is_published: false,
        })
    }

    /// A file that exists already, under a name that is not its final one.
    pub(super) fn adopt(disk: &Arc<dyn Disk>, path: PathBuf) -> Result<Self, BlobError> {
        let file = File::options().read(true).write(true).open(&path);
        let file = file.map_err(|error| BlobError::io("open", &path, error))?;
        Ok(Self {
            disk: disk.clone(),
            path,
            file,
            is_published: false,
        })
    }

    fn append(&self, pieces: &[Bytes]) -> Result<(), BlobError> {
        self.disk
            .append(&self.file, pieces)
            .map_err(|error| self.error("write", error))
    }

    pub(super) fn write_at(&self, bytes: &[u8], offset: u64) -> Result<(), BlobError> {
        self.disk
            .write_at(&self.file, bytes, offset)
            .map_err(|error| self.error("write", error))
    }

    pub(super) fn sync(&self) -> Result<(), BlobError> {
        self.disk
            .sync(&self.file)
            .map_err(|error| self.error("make durable", error))
    }

    pub(super) fn publish(&mut self, to: &Path) -> Result<(), BlobError> {
        self.disk
            .rename(&self.path, to)
            .map_err(|error| BlobError::io("rename a temp file to", to, error))?;
        self.is_published = true;
        Ok(())
    }

    fn error(&self, action: &'static str, error: io::Error) -> BlobError {
        BlobError::io(action, &self.path, error)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.is_published
            && let Err(error) = self.disk.remove(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "could not remove a temp file; the next start will");
        }
    }
}

/// Drop a value that owns temp files where the disk may be waited for.
pub(super) fn drop_on_pool<T: Send + 'static>(value: T) {
    match tokio::runtime::Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn_blocking(move || drop(value))),
        Err(_) => drop(value),
    }
}

/// Data and outboard of one object, complete and equal to what was asked for, but without a name.
pub(super) struct VerifiedFiles {
    pub(super) data: TempFile,
    pub(super) outboard: Option<TempFile>,
    /// Of an object that came by groups: nobody else receives it until the files have their names.
    pub(super) _claim: Option<Claim>,
}

/// Writes the pieces of one object to its temp files while hashing them.
pub(super) struct Writer {
    data: TempFile,
    outboard: Option<TempFile>,
    outboard_at: u64,
    builder: Builder,
}

impl Writer {
    pub(super) fn create(
        disk: &Arc<dyn Disk>,
        dirs: &Dirs,
        hash: ContentHash,
        size: u64,
    ) -> Result<Self, BlobError> {
        let layout = Layout::new(size);
        let path = dirs.temp(&hash);
        let outboard = match layout.outboard_len() {
            0 => None,
            _ => Some(TempFile::create(disk, Dirs::outboard_of(&path))?),
        };
        let data = TempFile::create(disk, path)?;
        Ok(Self {
            data,
            outboard,
            outboard_at: layout.top_len(),
            builder: Builder::new(size),
        })
    }

    pub(super) fn write(&mut self, pieces: &[Bytes]) -> Result<(), BlobError> {
        let limit = self.builder.layout().size();
        for piece in pieces {
            self.builder
                .update(piece)
                .map_err(|_| BlobError::TooLong { limit })?;
        }
        self.data.append(pieces)?;
        if self.builder.group_cvs_len() >= OUTBOARD_WRITE_BYTES
            && let Some(outboard) = &self.outboard
        {
            let cvs = self.builder.take_group_cvs();
            outboard.write_at(&cvs, self.outboard_at)?;
            self.outboard_at += cvs.len() as u64;
        }
        Ok(())
    }

    /// The last bytes have come: compare with the hash asked for, and complete the outboard.
    pub(super) fn finish(self, expected: ContentHash) -> Result<VerifiedFiles, BlobError> {
        let (size, got) = (self.builder.layout().size(), self.builder.position());
        let built = self
            .builder
            .finish()
            .map_err(|_| BlobError::TooShort { size, got })?;
        if built.hash != expected {
            return Err(BlobError::HashMismatch {
                expected,
                actual: built.hash,
            });
        }
        if let Some(outboard) = &self.outboard {
            outboard.write_at(&built.group_cvs, self.outboard_at)?;
            outboard.write_at(&built.top, 0)?;
        }
        Ok(VerifiedFiles {
            data: self.data,
            outboard: self.outboard,
            _claim: None,
        })
    }
}
