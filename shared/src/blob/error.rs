//! [`BlobError`]: what went wrong in the blob store, whose fault it is, and whether a retry helps.

use std::{
    io,
    path::{Path, PathBuf},
};

use crate::hash::ContentHash;

/// Why the blob store could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// More bytes came than the object has.
    #[error("more bytes came than the {limit} of the object: send exactly {limit} bytes")]
    TooLong {
        /// Bytes of the object.
        limit: u64,
    },
    /// The bytes ended before the object's end.
    #[error("only {got} of the object's {size} bytes came: send all of them")]
    TooShort {
        /// Bytes of the object.
        size: u64,
        /// Bytes that came.
        got: u64,
    },
    /// The bytes are those of another object.
    #[error(
        "the bytes hash to {actual}, the object is {expected}: send the file that was announced on chain"
    )]
    HashMismatch {
        /// The hash asked for.
        expected: ContentHash,
        /// The hash of what came.
        actual: ContentHash,
    },
    /// No space left, or the quota is used up.
    #[error("the disk is full at {path}: free space or move data away")]
    DiskFull {
        /// What was to be written.
        path: PathBuf,
    },
    /// The store was told to write nothing.
    #[error(
        "nothing is written to {dir} now: free space there, or leave read-only mode if it was chosen by hand"
    )]
    ReadOnly {
        /// The directory.
        dir: PathBuf,
    },
    /// The operating system refused an operation.
    #[error("could not {action} {path}: {source}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
    /// A directory is out, and the object is most likely there: it is not lost.
    #[error("not to be had while {dir} is out: {reason}")]
    Unavailable {
        /// The directory.
        dir: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Directories of the store are not among those it was opened with.
    #[error(
        "{} held objects of this store and {} not configured any more: add {} again, or give up what {} held with `colossus disks forget <directory>`",
        .dirs.iter().map(|dir| dir.display().to_string()).collect::<Vec<_>>().join(", "),
        if .dirs.len() == 1 { "is" } else { "are" },
        if .dirs.len() == 1 { "it" } else { "them" },
        if .dirs.len() == 1 { "it" } else { "they" }
    )]
    LeftOut {
        /// The directories.
        dirs: Vec<PathBuf>,
    },
    /// The object store holds what the directories here do not tell of, or is another node's.
    #[error(
        "{} is not used: {reason}. If the directories that belong to it are lost, or an earlier run of it was broken off, \
         take it over with `colossus rebuild-index --take-over {}`; if it is another node's, give this one a store.prefix of its own",
        store.display(), store.display()
    )]
    NotTakenOver {
        /// The store, as `s3://bucket/prefix`.
        store: PathBuf,
        /// What was found there.
        reason: String,
    },
    /// The directory cannot be a blob store.
    #[error("{dir} cannot hold blobs: {reason}")]
    Unusable {
        /// The directory.
        dir: PathBuf,
        /// Why not, and what to do.
        reason: String,
    },
    /// Another process has the store open.
    #[error("{dir} is in use by another process: stop it or choose another directory")]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// A stored object is no longer what its name says.
    #[error(
        "{path} is damaged: its bytes hash to {actual}; remove the object so that it is fetched again"
    )]
    Damaged {
        /// The data file.
        path: PathBuf,
        /// The hash of what it holds.
        actual: ContentHash,
    },
    /// An earlier write failed or the process is stopping, so this object cannot be finished.
    #[error("writing of {hash} was broken off earlier: begin it again")]
    BrokenOff {
        /// The object.
        hash: ContentHash,
    },
}

/// Whose fault an error is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Who sent the bytes.
    Client,
    /// This node or its disk.
    Ours,
}

impl BlobError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::TooLong { .. } | Self::TooShort { .. } | Self::HashMismatch { .. } => {
                Fault::Client
            }
            _ => Fault::Ours,
        }
    }

    /// Whether the same request may succeed later, or on another node, without being changed.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::TooLong { .. }
            | Self::HashMismatch { .. }
            | Self::Unusable { .. }
            | Self::NotTakenOver { .. }
            | Self::LeftOut { .. } => false,
            Self::TooShort { .. }
            | Self::DiskFull { .. }
            | Self::ReadOnly { .. }
            | Self::Io { .. }
            | Self::Unavailable { .. }
            | Self::InUse { .. }
            | Self::Damaged { .. }
            | Self::BrokenOff { .. } => true,
        }
    }

    /// An error of the operating system, with its context.
    pub(super) fn io(action: &'static str, path: &Path, source: io::Error) -> Self {
        match source.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                Self::DiskFull { path: path.into() }
            }
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { dir: path.into() },
            _ => Self::Io {
                action,
                path: path.into(),
                source,
            },
        }
    }
}
