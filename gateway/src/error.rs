//! [`GatewayError`]: why a request was not answered, and with which HTTP status that is said.

use actix_web::http::StatusCode;
use serde_json::json;

use crate::{graphql::document::DocumentError, indexer::IndexerError, store::StoreError};

/// Why a request was not answered.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// The request is not one.
    #[error("{0}")]
    BadRequest(String),
    /// The body is too long.
    #[error("the request is longer than {limit} bytes: ask for less at once")]
    TooLong {
        /// Most bytes of a body.
        limit: usize,
    },
    /// Its document cannot be used.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The client asks too often.
    #[error("too many requests: try again in {retry_after_s} s")]
    TooMany {
        /// When it may ask again.
        retry_after_s: u64,
    },
    /// There is no such entity.
    #[error("there is no {kind} '{id}'")]
    Unknown {
        /// What kind of entity.
        kind: &'static str,
        /// Its id.
        id: String,
    },
    /// The indexer could not be asked.
    #[error(transparent)]
    Indexer(#[from] IndexerError),
    /// The event log failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl GatewayError {
    /// The client must wait.
    pub fn too_many(retry_after_s: u64) -> Self {
        Self::TooMany { retry_after_s }
    }

    /// The HTTP status that says so.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::BadRequest(_) | Self::Document(_) => StatusCode::BAD_REQUEST,
            Self::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unknown { .. } => StatusCode::NOT_FOUND,
            Self::Store(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Indexer(error) => match error {
                IndexerError::NoSchema { .. } | IndexerError::Busy => {
                    StatusCode::SERVICE_UNAVAILABLE
                }
                IndexerError::TimedOut { .. } => StatusCode::GATEWAY_TIMEOUT,
                IndexerError::Unreachable { .. }
                | IndexerError::TooLong
                | IndexerError::BadAnswer { .. } => StatusCode::BAD_GATEWAY,
            },
        }
    }

    /// A word for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Self::BadRequest(_) => "BAD_REQUEST",
            Self::TooLong { .. } => "TOO_LONG",
            Self::Document(_) => "GRAPHQL_VALIDATION_FAILED",
            Self::TooMany { .. } => "TOO_MANY_REQUESTS",
            Self::Unknown { .. } => "NOT_FOUND",
            Self::Indexer(_) => "INDEXER_UNAVAILABLE",
            Self::Store(_) => "INTERNAL",
        }
    }

    /// After how many seconds another attempt makes sense.
    pub fn retry_after_s(&self) -> Option<u64> {
        match self {
            Self::TooMany { retry_after_s } => Some(*retry_after_s),
            Self::Indexer(IndexerError::NoSchema { .. } | IndexerError::Busy) => Some(1),
            _ => None,
        }
    }

    /// As a GraphQL answer without data.
    pub fn body(&self) -> String {
        json!({"errors": [{"message": self.to_string(), "extensions": {"code": self.code()}}]})
            .to_string()
    }
}
