//! The JSON error body `{"type": "...", "message": "..."}` and the status of each kind.

use actix_web::{
    HttpRequest, HttpResponse, ResponseError, Route,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
    web,
};
use serde::{Deserialize, Serialize};

/// What kind of error it is: a stable word for programs, as the message is for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorKind {
    /// The request cannot be understood.
    InvalidRequest,
    /// An id in the request is not one.
    MalformedId,
    /// The chain knows no such object (404; an upload answers 400).
    UnknownObject,
    /// This node does not hold the object.
    NotHeld,
    /// The object is not in the cache, and the client wants only what is.
    NotCached,
    /// The object exists on chain, but nobody has uploaded it yet.
    NotAccepted,
    /// Another node's business: the object is not distributed by this one.
    NotDistributedHere,
    /// The object is in another bag.
    WrongBag,
    /// The bag is not assigned to the bucket.
    BagNotAssigned,
    /// The bucket does not exist, or is another worker's.
    WrongBucket,
    /// The bucket takes no uploads on this node.
    BucketNotAccepting,
    /// The content id is on the blacklist.
    Blacklisted,
    /// The body is not as long as the chain says.
    WrongSize,
    /// The bytes have another hash than the chain says.
    WrongHash,
    /// The bytes have another checksum than the client said.
    WrongChecksum,
    /// The body broke off.
    BrokenBody,
    /// The content id on chain is not a BLAKE3 multihash, so its bytes cannot be verified.
    UnverifiableContent,
    /// The form has no file.
    MissingFile,
    /// The form has more than one file.
    TooManyFiles,
    /// The body is longer than allowed.
    TooLarge,
    /// The body has the wrong media type.
    UnsupportedMediaType,
    /// The client was too slow.
    RequestTimeout,
    /// No or wrong credentials.
    Unauthorized,
    /// Understood and refused.
    Forbidden,
    /// The node called itself.
    OwnRequest,
    /// The state does not allow it now.
    Conflict,
    /// A precondition of the request does not hold.
    PreconditionFailed,
    /// No such route.
    NotFound,
    /// The route exists for other methods.
    MethodNotAllowed,
    /// The node is at one of its limits.
    Overloaded,
    /// The client is at one of its limits.
    TooManyRequests,
    /// Something the node needs (chain, source, disk) is away.
    Unavailable,
    /// The sources answered wrongly or not at all.
    BadSource,
    /// The disk is full.
    OutOfSpace,
    /// The node writes nothing now.
    ReadOnly,
    /// A bug or a broken disk; details are in the log.
    Internal,
}

impl ErrorKind {
    /// The status an error of this kind is answered with, unless its maker says otherwise.
    pub fn status(self) -> StatusCode {
        match self {
            Self::InvalidRequest
            | Self::MalformedId
            | Self::WrongBag
            | Self::BagNotAssigned
            | Self::WrongBucket
            | Self::Blacklisted
            | Self::WrongSize
            | Self::WrongHash
            | Self::UnverifiableContent
            | Self::BrokenBody
            | Self::MissingFile => StatusCode::BAD_REQUEST,
            // Of tus; not in the registry of statuses.
            Self::WrongChecksum => StatusCode::from_u16(460).unwrap_or(StatusCode::BAD_REQUEST),
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::Forbidden | Self::OwnRequest => StatusCode::FORBIDDEN,
            Self::UnknownObject | Self::NotHeld | Self::NotAccepted | Self::NotFound => {
                StatusCode::NOT_FOUND
            }
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict => StatusCode::CONFLICT,
            Self::PreconditionFailed => StatusCode::PRECONDITION_FAILED,
            Self::TooManyFiles | Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotDistributedHere => StatusCode::MISDIRECTED_REQUEST,
            Self::TooManyRequests => StatusCode::TOO_MANY_REQUESTS,
            Self::BadSource => StatusCode::BAD_GATEWAY,
            Self::NotCached => StatusCode::GATEWAY_TIMEOUT,
            Self::BucketNotAccepting | Self::Overloaded | Self::Unavailable | Self::ReadOnly => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::OutOfSpace => StatusCode::INSUFFICIENT_STORAGE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error as a client sees it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// Status of the answer.
    pub status: StatusCode,
    /// The stable word.
    pub kind: ErrorKind,
    /// Names the value that is wrong and what would be right.
    pub message: String,
    /// `Retry-After`, for errors that pass by themselves.
    pub retry_after_s: Option<u32>,
}

/// The JSON body of an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// The kind, in kebab case.
    #[serde(rename = "type")]
    pub kind: String,
    /// The message.
    pub message: String,
}

impl ApiError {
    /// An error with the usual status of its kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            status: kind.status(),
            kind,
            message: message.into(),
            retry_after_s: None,
        }
    }

    /// The same with another status, where the contract asks for it.
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The same with `Retry-After`.
    pub fn retry_after(self, seconds: u32) -> Self {
        Self {
            retry_after_s: Some(seconds),
            ..self
        }
    }

    /// A bug or a broken disk: the cause goes to the log, not to the client.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "request failed");
        Self::new(
            ErrorKind::Internal,
            "the node failed to answer; its log says why",
        )
    }
}

impl From<crate::ids::IdError> for ApiError {
    fn from(error: crate::ids::IdError) -> Self {
        Self::new(ErrorKind::MalformedId, error.to_string())
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.status
    }
    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        response.insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(seconds) = self.retry_after_s {
            response.insert_header((header::RETRY_AFTER, seconds));
        }
        response.json(serde_json::json!({ "type": self.kind, "message": self.message }))
    }
}

/// The answer of a resource to a method that it does not take: 405. It takes those of `allow`, as in
/// `GET, HEAD, OPTIONS`.
pub fn takes_only(allow: &'static str) -> Route {
    web::to(move |request: HttpRequest| async move {
        let (path, method) = (request.path(), request.method());
        let message = format!("'{path}' does not take {method}: it takes {allow}");
        let mut answer = ApiError::new(ErrorKind::MethodNotAllowed, message).error_response();
        let allow = HeaderValue::from_static(allow);
        answer.headers_mut().insert(header::ALLOW, allow);
        answer
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[actix_web::test]
    async fn the_body_names_kind_and_message() {
        let error = ApiError::new(
            ErrorKind::NotDistributedHere,
            "object 7 is not distributed here",
        )
        .retry_after(3);
        let response = error.error_response();
        assert_eq!(response.status(), 421);
        assert_eq!(response.headers().get("retry-after").unwrap(), "3");
        let body = actix_web::body::to_bytes(response.into_body())
            .await
            .unwrap();
        let body: ErrorBody = serde_json::from_slice(&body).unwrap();
        assert_eq!(body.kind, "not-distributed-here");
        assert_eq!(body.message, "object 7 is not distributed here");
    }

    #[test]
    fn malformed_ids_are_400_and_named() {
        let error: ApiError = "a1b".parse::<crate::ids::ObjectId>().unwrap_err().into();
        assert_eq!(error.status, 400);
        assert!(error.message.contains("a1b"));
    }
}
