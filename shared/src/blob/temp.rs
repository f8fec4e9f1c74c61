//! Temp files, and the writer that fills them: the blocking side of an object on its way in.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek, SeekFrom},
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{
    BlobError,
    block::ALIGN,
    checkpoint::{Checkpoints, Observer},
    dirs::Dirs,
    disk::Disk,
    sparse::Claim,
    volume::{Promise, Volume},
};
use crate::{
    hash::ContentHash,
    verified::{Builder, CV_LEN, GROUP_LEN, Layout},
};

/// Group CVs are written to the outboard file when this many bytes have come together: 64 KiB stand
/// for 32 MiB of data.
const OUTBOARD_WRITE_BYTES: usize = 64 * 1024;

/// The beginning of an object is written through the page cache: its media type is read from it in a moment,
/// and small objects are sent to other nodes at once. The rest goes past it.
const CACHED_BYTES: u64 = 1 << 20;

/// A file that has not its final name yet. Removed when dropped, unless it was given that name or is
/// kept; a drop touches the disk, so let it happen on the blocking pool (see [`drop_on_pool`]).
pub(super) struct TempFile {
    disk: Arc<dyn Disk>,
    path: PathBuf,
    file: File,
    stays: bool,
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
            stays: false,
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
            stays: false,
        })
    }

    /// A file of an earlier run, which is kept. `None` if there is none.
    pub(super) fn reopen(disk: &Arc<dyn Disk>, path: PathBuf) -> Result<Option<Self>, BlobError> {
        match OpenOptions::new().read(true).write(true).open(&path) {
            Ok(file) => Ok(Some(Self {
                disk: disk.clone(),
                path,
                file,
                stays: true,
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(BlobError::io("open", &path, error)),
        }
    }

    /// From now on a drop leaves the file where it is.
    pub(super) fn keep(mut self) -> Self {
        self.stays = true;
        self
    }

    /// From now on a drop removes the file.
    pub(super) fn let_go(&mut self) {
        self.stays = false;
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    pub(super) fn len(&self) -> Result<u64, BlobError> {
        let meta = self.file.metadata();
        Ok(meta.map_err(|error| self.error("look at", error))?.len())
    }

    /// Appended bytes go to this offset from now on, over what is there.
    pub(super) fn append_at(&self, offset: u64) -> Result<(), BlobError> {
        let sought = (&self.file).seek(SeekFrom::Start(offset));
        sought
            .map(drop)
            .map_err(|error| self.error("seek in", error))
    }

    /// Appends bytes, past the page cache as far as they are whole pages if `direct` says so: then they
    /// begin at a page of the file, and in memory as a [`Block`](super::block::Block) does.
    fn append(&self, bytes: &[u8], direct: bool) -> Result<(), BlobError> {
        let pages = if direct {
            bytes.len() / ALIGN * ALIGN
        } else {
            0
        };
        let (pages, rest) = bytes.split_at(pages);
        let appended = match pages.is_empty() {
            true => Ok(()),
            false => self.disk.append_direct(&self.file, pages),
        };
        let appended = appended.and_then(|()| match rest.is_empty() {
            true => Ok(()),
            false => self.disk.append(&self.file, rest),
        });
        appended.map_err(|error| self.error("write", error))
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
        self.stays = true;
        Ok(())
    }

    pub(super) fn error(&self, action: &'static str, error: io::Error) -> BlobError {
        BlobError::io(action, &self.path, error)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.stays
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
    /// Where they lie, and get their names.
    pub(super) volume: Arc<Volume>,
    pub(super) data: TempFile,
    pub(super) outboard: Option<TempFile>,
    /// Of an object that came by groups: nobody else receives it until the files have their names.
    pub(super) _claim: Option<Claim>,
}

/// Writes the pieces of one object to its temp files while hashing them.
pub(super) struct Writer {
    volume: Arc<Volume>,
    _promise: Promise,
    data: TempFile,
    outboard: Option<TempFile>,
    outboard_at: u64,
    builder: Builder,
    /// Of an object that must survive a crash before it is whole.
    checkpoints: Option<Checkpoints>,
}

impl Writer {
    pub(super) fn create(
        volume: &Arc<Volume>,
        hash: ContentHash,
        size: u64,
    ) -> Result<Self, BlobError> {
        let (path, disk) = (volume.dirs().temp(&hash), volume.disk());
        let outboard = match Layout::new(size).outboard_len() {
            0 => None,
            _ => Some(TempFile::create(disk, Dirs::outboard_of(&path))?),
        };
        let data = TempFile::create(disk, path)?;
        Ok(Self::over(volume, data, outboard, Builder::new(size), None))
    }

    /// A writer that goes on where the builder is; its files must be there up to that point.
    pub(super) fn over(
        volume: &Arc<Volume>,
        data: TempFile,
        outboard: Option<TempFile>,
        builder: Builder,
        checkpoints: Option<Checkpoints>,
    ) -> Self {
        // CVs that the builder still has are not in the outboard yet.
        let cvs = builder.position() / GROUP_LEN as u64 * CV_LEN as u64;
        let written = cvs.saturating_sub(builder.group_cvs_len() as u64);
        let left = builder.layout().size() - builder.position();
        Self {
            volume: volume.clone(),
            _promise: volume.promise(left),
            data,
            outboard,
            outboard_at: builder.layout().top_len() + written,
            builder,
            checkpoints,
        }
    }

    /// Bytes written so far.
    pub(super) fn position(&self) -> u64 {
        self.builder.position()
    }

    /// Appends a block.
    pub(super) fn write(&mut self, bytes: &[u8]) -> Result<(), BlobError> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.volume.check_writable()?;
        let limit = self.builder.layout().size();
        let start = self.builder.position();
        self.builder
            .update(bytes)
            .map_err(|_| BlobError::TooLong { limit })?;
        let direct = start >= CACHED_BYTES
            && start.is_multiple_of(ALIGN as u64)
            && !self.volume.is_written_cached();
        self.data.append(bytes, direct)?;
        let position = self.builder.position();
        if let Some(checkpoints) = &mut self.checkpoints {
            if checkpoints.see(position, bytes) {
                self.checkpoint()?;
            }
        } else if self.builder.group_cvs_len() >= OUTBOARD_WRITE_BYTES {
            self.write_cvs()?;
        }
        Ok(())
    }

    fn write_cvs(&mut self) -> Result<(), BlobError> {
        if let Some(outboard) = &self.outboard {
            let cvs = self.builder.take_group_cvs();
            outboard.write_at(&cvs, self.outboard_at)?;
            self.outboard_at += cvs.len() as u64;
        }
        Ok(())
    }

    /// Make what has come durable: first the data, then the CVs that vouch for it.
    pub(super) fn checkpoint(&mut self) -> Result<(), BlobError> {
        let Some(checkpoints) = &mut self.checkpoints else {
            return Ok(());
        };
        if !checkpoints.passed(self.builder.position()) {
            return Ok(());
        }
        self.data.sync()?;
        let Some(outboard) = &self.outboard else {
            return Ok(());
        };
        // In steps, so that a crash leaves only a bounded end of the CVs in doubt.
        let cvs = self.builder.take_group_cvs();
        for step in cvs.chunks(Checkpoints::CVS_BYTES_MAX) {
            outboard.write_at(step, self.outboard_at)?;
            outboard.sync()?;
            self.outboard_at += step.len() as u64;
        }
        Ok(())
    }

    /// Until [`keep_trial`](Self::keep_trial) what comes is on trial: `observe` sees it, and it is
    /// not made durable.
    pub(super) fn begin_trial(&mut self, observe: Observer) -> Result<(), BlobError> {
        self.checkpoint()?;
        if let Some(checkpoints) = &mut self.checkpoints {
            checkpoints.begin_trial(self.builder.clone(), observe);
        }
        Ok(())
    }

    /// What came on trial is like anything else.
    pub(super) fn keep_trial(&mut self) {
        if let Some(checkpoints) = &mut self.checkpoints {
            drop(checkpoints.end_trial());
        }
    }

    /// Forget what came on trial, if anything did.
    pub(super) fn forget_trial(&mut self) -> Result<(), BlobError> {
        let before = self.checkpoints.as_mut().and_then(Checkpoints::end_trial);
        if let Some(builder) = before {
            self.data.append_at(builder.position())?;
            self.builder = builder;
        }
        Ok(())
    }

    /// The last bytes have come: compare with the hash asked for, and complete the outboard. Files
    /// that are kept go when they cannot become the object.
    pub(super) fn finish(mut self, expected: ContentHash) -> Result<VerifiedFiles, BlobError> {
        self.checkpoint()?;
        let (size, got) = (self.builder.layout().size(), self.builder.position());
        let built = self
            .builder
            .finish()
            .map_err(|_| BlobError::TooShort { size, got })?;
        if built.hash != expected {
            self.data.let_go();
            if let Some(outboard) = &mut self.outboard {
                outboard.let_go();
            }
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
            volume: self.volume,
            data: self.data,
            outboard: self.outboard,
            _claim: None,
        })
    }
}
