//! A body on its way from a storage node, held to the length that was announced and asked for.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use futures::Stream;
use reqwest::{StatusCode, header};

use super::client::FetchError;
use crate::range::ByteRange;

/// A body on its way: a stream of its pieces. It ends with an error unless exactly as many bytes
/// came as were announced, and as were asked for.
pub struct Download {
    pub(super) url: String,
    /// Length of the body, when announced or asked for.
    len: Option<u64>,
    received: u64,
    stall_timeout: Duration,
    stalled: Pin<Box<tokio::time::Sleep>>,
    /// Is somebody waiting for the next piece? Only then does time count against the node.
    waiting: bool,
    pieces: Pin<Box<dyn Stream<Item = reqwest::Result<Bytes>> + Send>>,
    ended: bool,
}

impl std::fmt::Debug for Download {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Download")
            .field("url", &self.url)
            .field("len", &self.len)
            .field("received", &self.received)
            .finish_non_exhaustive()
    }
}

impl Download {
    pub(super) fn from_answer(
        response: reqwest::Response,
        range: Option<ByteRange>,
        stall_timeout: Duration,
    ) -> Result<Self, FetchError> {
        let url = response.url().to_string();
        let announced = response.content_length();
        if let Some(range) = range {
            check_range(&response, range).map_err(|what| FetchError::Wrong {
                url: url.clone(),
                what,
            })?;
        }
        Ok(Self {
            url,
            len: range.map(ByteRange::len).or(announced),
            received: 0,
            stall_timeout,
            stalled: Box::pin(tokio::time::sleep(stall_timeout)),
            waiting: false,
            pieces: Box::pin(response.bytes_stream()),
            ended: false,
        })
    }

    /// Length of the body, when known.
    pub fn content_len(&self) -> Option<u64> {
        self.len
    }

    /// Bytes that came so far.
    pub fn received(&self) -> u64 {
        self.received
    }

    /// The whole body, which must not be longer than `bytes_max`.
    pub async fn collect(mut self, bytes_max: usize) -> Result<Vec<u8>, FetchError> {
        let mut all = Vec::with_capacity(self.len.unwrap_or(0).min(bytes_max as u64) as usize);
        while let Some(piece) = futures::StreamExt::next(&mut self).await {
            let piece = piece?;
            if all.len() + piece.len() > bytes_max {
                let what = format!("a body of more than {bytes_max} bytes");
                return Err(FetchError::Wrong {
                    url: self.url,
                    what,
                });
            }
            all.extend_from_slice(&piece);
        }
        Ok(all)
    }

    fn take(&mut self, piece: Bytes) -> Result<Bytes, FetchError> {
        self.received += piece.len() as u64;
        match self.len {
            Some(len) if self.received > len => {
                Err(self.wrong(format!("more than the {len} bytes of the answer")))
            }
            _ => {
                self.waiting = false;
                Ok(piece)
            }
        }
    }

    fn at_end(&self) -> Option<FetchError> {
        let len = self.len?;
        (self.received < len)
            .then(|| self.wrong(format!("{} bytes instead of {len}", self.received)))
    }

    fn wrong(&self, what: String) -> FetchError {
        FetchError::Wrong {
            url: self.url.clone(),
            what,
        }
    }
}

/// Is this the part that was asked for? A node that ignores the range and sends the whole is refused
/// here, because its bytes would be taken for others; the caller may ask for the whole instead.
fn check_range(response: &reqwest::Response, range: ByteRange) -> Result<(), String> {
    if response.status() != StatusCode::PARTIAL_CONTENT {
        return Err(format!(
            "{} instead of a partial answer to {}",
            response.status(),
            range.header_value()
        ));
    }
    let given = response
        .headers()
        .get(header::CONTENT_RANGE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or("");
    let expected = format!("bytes {}-{}/", range.start, range.end - 1);
    if !given.starts_with(&expected) {
        return Err(format!("range '{given}' instead of '{expected}…'"));
    }
    Ok(())
}

impl Stream for Download {
    type Item = Result<Bytes, FetchError>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let item = match self.pieces.as_mut().poll_next(cx) {
            Poll::Ready(Some(Ok(piece))) => Some(self.take(piece)),
            Poll::Ready(Some(Err(cause))) => Some(Err(FetchError::Broken {
                url: self.url.clone(),
                received: self.received,
                cause,
            })),
            Poll::Ready(None) => self.at_end().map(Err),
            Poll::Pending => {
                if !std::mem::replace(&mut self.waiting, true) {
                    let until = tokio::time::Instant::now() + self.stall_timeout;
                    self.stalled.as_mut().reset(until);
                }
                ready!(self.stalled.as_mut().poll(cx));
                let after_ms = self.stall_timeout.as_millis() as u64;
                Some(Err(FetchError::TimedOut {
                    url: self.url.clone(),
                    received: self.received,
                    after_ms,
                }))
            }
        };
        self.ended = !matches!(item, Some(Ok(_)));
        Poll::Ready(item)
    }
}
