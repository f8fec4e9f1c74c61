//! The body of an upload: one file part of any name streams into the blob store.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{HttpRequest, error::PayloadError, http::header, web};
use bytes::Bytes;
use futures::{Stream, StreamExt};
use multer::{Field, Multipart};
use send_wrapper::SendWrapper;
use shared::{
    api::{ApiError, ErrorKind},
    blob::{Partial, Verified},
};

use super::super::errors;
use crate::config::UploadsConfig;

/// Body bytes of a refused request that are read away, so that the client hears the answer.
const REFUSED_BYTES_MAX: u64 = 512 * 1024 * 1024;

/// How long the rest of a refused request is read away at most.
const REFUSED_TIME_MAX: Duration = Duration::from_secs(15);

/// Bytes of all text fields of a form together.
const FIELD_BYTES_MAX: usize = 16 * 1024;

/// Parts of a form that are looked at.
const PARTS_MAX: usize = 16;

/// Bytes that may come without any of them being a part's content: heads of parts, and what comes
/// before the first. The form reader keeps them in memory.
const AHEAD_BYTES_MAX: usize = 1024 * 1024;

/// Reads the form and hands the file's bytes to the blob store. What is returned is complete, has
/// the right hash, and is the only file of the form.
pub async fn receive_file(
    request: &HttpRequest,
    payload: &SharedPayload,
    partial: Partial,
    limits: &UploadsConfig,
) -> Result<Verified, ApiError> {
    let silence_max = limits.chunk_timeout.0;
    let ahead = Rc::new(Cell::new(0));
    let mut form = form(request, payload, &ahead)?;
    let mut awaited = Some(partial);
    let mut verified = None;
    let mut text_left = FIELD_BYTES_MAX;
    for _ in 0..PARTS_MAX {
        let part = in_time(form.next_field(), silence_max).await?;
        ahead.set(0);
        let Some(mut part) = part.map_err(from_form)? else {
            let missing = || {
                let message = "the form has no file: send the object's bytes as a file part";
                ApiError::new(ErrorKind::MissingFile, message)
            };
            return verified.ok_or_else(missing);
        };
        if !is_file(&part) {
            skip_text(&mut part, &mut text_left, &ahead, silence_max).await?;
            continue;
        }
        let Some(partial) = awaited.take() else {
            let message = "the form has more than one file: send one object per request";
            return Err(ApiError::new(ErrorKind::TooManyFiles, message));
        };
        verified = Some(stream_into(partial, &mut part, &ahead, silence_max).await?);
    }
    let message = format!("the form has more than {PARTS_MAX} parts: send the file alone");
    Err(ApiError::new(ErrorKind::InvalidRequest, message))
}

/// The request's form. Its reader wants a stream that could move between threads; a request never
/// leaves its worker.
fn form(
    request: &HttpRequest,
    payload: &SharedPayload,
    ahead: &Rc<Cell<usize>>,
) -> Result<Multipart<'static>, ApiError> {
    let media_type = request.headers().get(header::CONTENT_TYPE);
    let media_type = media_type.and_then(|value| value.to_str().ok());
    let boundary = multer::parse_boundary(media_type.unwrap_or_default()).map_err(|error| {
        let given = media_type.map_or("absent".to_owned(), |given| format!("'{given}'"));
        let message = format!(
            "the Content-Type is {given}: send multipart/form-data with a boundary ({error})"
        );
        ApiError::new(ErrorKind::UnsupportedMediaType, message)
    })?;
    let body = Ahead {
        payload: payload.clone(),
        ahead: ahead.clone(),
    };
    Ok(Multipart::new(SendWrapper::new(body), boundary))
}

async fn stream_into(
    mut partial: Partial,
    part: &mut Field<'_>,
    ahead: &Cell<usize>,
    silence_max: Duration,
) -> Result<Verified, ApiError> {
    while let Some(piece) = in_time(part.next(), silence_max).await? {
        ahead.set(0);
        partial
            .write(piece.map_err(from_form)?)
            .await
            .map_err(errors::from_blob)?;
    }
    partial.finish().await.map_err(errors::from_blob)
}

/// Files have a file name or a media type, or at least are called so.
fn is_file(part: &Field<'_>) -> bool {
    part.file_name().is_some() || part.content_type().is_some() || part.name() == Some("file")
}

async fn skip_text(
    part: &mut Field<'_>,
    left: &mut usize,
    ahead: &Cell<usize>,
    silence_max: Duration,
) -> Result<(), ApiError> {
    while let Some(piece) = in_time(part.next(), silence_max).await? {
        ahead.set(0);
        let len = piece.map_err(from_form)?.len();
        *left = left.checked_sub(len).ok_or_else(|| {
            let message = format!("the form's text fields are longer than {FIELD_BYTES_MAX} bytes");
            ApiError::new(ErrorKind::TooLarge, message)
        })?;
    }
    Ok(())
}

async fn in_time<T>(next: impl Future<Output = T>, silence_max: Duration) -> Result<T, ApiError> {
    tokio::time::timeout(silence_max, next).await.map_err(|_| {
        let message = format!(
            "no bytes came for {} ms: send the file again",
            silence_max.as_millis()
        );
        ApiError::new(ErrorKind::RequestTimeout, message)
    })
}

fn from_form(error: multer::Error) -> ApiError {
    let why = match &error {
        multer::Error::StreamReadFailed(cause) => cause.to_string(),
        other => other.to_string(),
    };
    let message = format!("the form broke off or cannot be read: {why}");
    ApiError::new(ErrorKind::InvalidRequest, message)
}

/// The body for the form reader, which keeps whatever is no part's content: that has an end here.
struct Ahead {
    payload: SharedPayload,
    /// Bytes handed out since the reader last gave something.
    ahead: Rc<Cell<usize>>,
}

/// Why the form is not read on.
#[derive(Debug, thiserror::Error)]
enum BodyError {
    #[error(transparent)]
    Payload(#[from] PayloadError),
    #[error("a part's head is longer than {AHEAD_BYTES_MAX} bytes")]
    HeadTooLong,
}

impl Stream for Ahead {
    type Item = Result<Bytes, BodyError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let piece = futures::ready!(self.payload.poll_next_unpin(cx));
        let piece = piece.map(|piece| {
            let piece = piece?;
            let ahead = self.ahead.get() + piece.len();
            self.ahead.set(ahead);
            match ahead {
                ..=AHEAD_BYTES_MAX => Ok(piece),
                _ => Err(BodyError::HeadTooLong),
            }
        });
        Poll::Ready(piece)
    }
}

/// The request's body. Shared, so that what the form reader left can be read away.
#[derive(Clone)]
pub struct SharedPayload {
    payload: Rc<RefCell<web::Payload>>,
}

impl SharedPayload {
    /// Takes the body over.
    pub fn new(payload: web::Payload) -> Self {
        Self {
            payload: Rc::new(RefCell::new(payload)),
        }
    }

    /// Reads away what is left of a refused request, within bounds: a client that is still sending
    /// would otherwise see a broken line, not the answer.
    pub async fn drain_refused(&self, silence_max: Duration) {
        let drained = self.drain(REFUSED_BYTES_MAX, silence_max);
        let _in_time = tokio::time::timeout(REFUSED_TIME_MAX, drained).await;
    }

    /// Reads away what is left, up to a limit of bytes and of silence.
    pub async fn drain(&self, bytes_max: u64, silence_max: Duration) {
        let mut left = bytes_max;
        let mut rest = self.clone();
        while let Ok(Some(Ok(piece))) = tokio::time::timeout(silence_max, rest.next()).await {
            match left.checked_sub(piece.len() as u64) {
                Some(still) => left = still,
                None => return,
            }
        }
    }
}

impl Stream for SharedPayload {
    type Item = Result<Bytes, PayloadError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.payload.borrow_mut().poll_next_unpin(cx)
    }
}
