//! The body of an upload: one file part of any name streams into the blob store.

use std::{
    cell::RefCell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use actix_multipart::{Field, Multipart, MultipartError};
use actix_web::{HttpRequest, error::PayloadError, web};
use bytes::Bytes;
use futures::{Stream, StreamExt};
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

/// Reads the form and hands the file's bytes to the blob store. What is returned is complete, has
/// the right hash, and is the only file of the form.
pub async fn receive_file(
    request: &HttpRequest,
    payload: &SharedPayload,
    partial: Partial,
    limits: &UploadsConfig,
) -> Result<Verified, ApiError> {
    let silence_max = limits.chunk_timeout.0;
    let mut form = Multipart::new(request.headers(), payload.clone());
    let mut awaited = Some(partial);
    let mut verified = None;
    let mut text_left = FIELD_BYTES_MAX;
    for _ in 0..PARTS_MAX {
        let Some(part) = in_time(form.next(), silence_max).await? else {
            let missing = || {
                let message = "the form has no file: send the object's bytes as a file part";
                ApiError::new(ErrorKind::MissingFile, message)
            };
            return verified.ok_or_else(missing);
        };
        let mut part = part.map_err(from_form)?;
        if !is_file(&part) {
            skip_text(&mut part, &mut text_left, silence_max).await?;
            continue;
        }
        let Some(partial) = awaited.take() else {
            let message = "the form has more than one file: send one object per request";
            return Err(ApiError::new(ErrorKind::TooManyFiles, message));
        };
        verified = Some(stream_into(partial, &mut part, silence_max).await?);
    }
    let message = format!("the form has more than {PARTS_MAX} parts: send the file alone");
    Err(ApiError::new(ErrorKind::InvalidRequest, message))
}

async fn stream_into(
    mut partial: Partial,
    part: &mut Field,
    silence_max: Duration,
) -> Result<Verified, ApiError> {
    while let Some(piece) = in_time(part.next(), silence_max).await? {
        partial
            .write(piece.map_err(from_form)?)
            .await
            .map_err(errors::from_blob)?;
    }
    partial.finish().await.map_err(errors::from_blob)
}

/// Files have a file name or a media type, or at least are called so.
fn is_file(part: &Field) -> bool {
    let named = part
        .content_disposition()
        .is_some_and(|disposition| disposition.get_filename().is_some());
    named || part.content_type().is_some() || part.name() == Some("file")
}

async fn skip_text(
    part: &mut Field,
    left: &mut usize,
    silence_max: Duration,
) -> Result<(), ApiError> {
    while let Some(piece) = in_time(part.next(), silence_max).await? {
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

fn from_form(error: MultipartError) -> ApiError {
    ApiError::new(
        ErrorKind::InvalidRequest,
        format!("the form broke off or cannot be read: {error}"),
    )
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
