//! How errors of the rooms below become answers: the one place where they meet status codes.

use shared::{
    api::{ApiError, ErrorKind},
    blob::BlobError,
};

use crate::holdings::HoldingsError;

/// Seconds after which a client may try again when this node's disk or chain is in trouble.
const RETRY_AFTER_S: u32 = 30;

/// An error of the blob store while an upload is received.
pub fn from_blob(error: BlobError) -> ApiError {
    match error {
        BlobError::TooLong { .. } | BlobError::TooShort { .. } => {
            ApiError::new(ErrorKind::WrongSize, error.to_string())
        }
        BlobError::HashMismatch { .. } => ApiError::new(ErrorKind::WrongHash, error.to_string()),
        BlobError::DiskFull { .. } => {
            tracing::error!(%error, "an upload was refused");
            out_of_space("the disk of this node is full: upload to another bucket of the bag")
        }
        BlobError::ReadOnly { .. } => {
            let message = "this node has just stopped writing: upload to another bucket of the bag";
            ApiError::new(ErrorKind::ReadOnly, message).retry_after(RETRY_AFTER_S)
        }
        BlobError::Unavailable { .. } => {
            tracing::debug!(%error, "an object is unavailable");
            let message = "the disk with this object is out at this node: take it from another node, or try again later";
            ApiError::new(ErrorKind::Unavailable, message).retry_after(RETRY_AFTER_S)
        }
        BlobError::Io { .. } => {
            tracing::error!(%error, "a disk failed a request");
            let message =
                "a disk of this node failed: try again, or take another bucket of the bag";
            ApiError::new(ErrorKind::Unavailable, message).retry_after(RETRY_AFTER_S)
        }
        other => ApiError::internal(other),
    }
}

/// An error while an object is made durable or read.
pub fn from_holdings(error: HoldingsError) -> ApiError {
    match error {
        HoldingsError::Blob(error) => from_blob(error),
        other => ApiError::internal(other),
    }
}

/// No room for an upload.
pub fn out_of_space(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::OutOfSpace, message).retry_after(RETRY_AFTER_S)
}
