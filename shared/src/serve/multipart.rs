//! Several ranges in one answer: `multipart/byteranges` (RFC 9110, section 14.6), with its length
//! known before the first byte.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, MessageBody},
    http::header::HeaderValue,
};
use bytes::Bytes;

use crate::range::ByteRange;

/// The parts of an answer with the text in front of each.
pub struct Layout {
    boundary: String,
    parts: Vec<(Bytes, ByteRange)>,
    closing: Bytes,
}

impl Layout {
    /// Lays out these ranges of an object of `total` bytes.
    pub fn new(ranges: &[ByteRange], total: u64, content_type: Option<&HeaderValue>) -> Self {
        // Random, so that nobody can upload an object that contains it.
        let boundary = format!("{:032x}", rand::random::<u128>());
        let content_type = content_type
            .and_then(|value| value.to_str().ok())
            .unwrap_or("application/octet-stream");
        let parts = ranges
            .iter()
            .map(|range| {
                let content_range = range.content_range(total);
                let text = format!(
                    "\r\n--{boundary}\r\nContent-Type: {content_type}\r\nContent-Range: {content_range}\r\n\r\n"
                );
                (Bytes::from(text), *range)
            })
            .collect();
        let closing = Bytes::from(format!("\r\n--{boundary}--\r\n"));
        Self {
            boundary,
            parts,
            closing,
        }
    }

    /// Length of the whole body.
    pub fn len(&self) -> u64 {
        let parts = self
            .parts
            .iter()
            .map(|(text, range)| text.len() as u64 + range.len());
        parts.sum::<u64>() + self.closing.len() as u64
    }

    /// Are there no parts? Never, when made from a parsed header.
    pub fn is_empty(&self) -> bool {
        self.parts.is_empty()
    }

    /// The value of `Content-Type` for the answer.
    pub fn content_type(&self) -> HeaderValue {
        let text = format!("multipart/byteranges; boundary={}", self.boundary);
        HeaderValue::from_str(&text).expect("hexadecimal digits are a header value")
    }

    /// The body; `body_of` gives the bytes of each range.
    pub fn body<B>(self, mut body_of: impl FnMut(ByteRange) -> B) -> MultipartBody<B> {
        let len = self.len();
        let mut pieces = VecDeque::with_capacity(self.parts.len() * 2 + 1);
        for (text, range) in self.parts {
            pieces.push_back(Piece::Text(text));
            pieces.push_back(Piece::Range(body_of(range)));
        }
        pieces.push_back(Piece::Text(self.closing));
        MultipartBody { len, pieces }
    }
}

enum Piece<B> {
    Text(Bytes),
    Range(B),
}

/// The body of an answer with several ranges.
pub struct MultipartBody<B> {
    len: u64,
    pieces: VecDeque<Piece<B>>,
}

impl<B: MessageBody<Error = io::Error> + Unpin> MessageBody for MultipartBody<B> {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.len)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        loop {
            let Some(piece) = self.pieces.front_mut() else {
                return Poll::Ready(None);
            };
            let bytes = match piece {
                Piece::Text(text) => {
                    let text = std::mem::take(text);
                    self.pieces.pop_front();
                    return Poll::Ready(Some(Ok(text)));
                }
                Piece::Range(body) => std::task::ready!(Pin::new(body).poll_next(cx)),
            };
            match bytes {
                Some(bytes) => return Poll::Ready(Some(bytes)),
                None => self.pieces.pop_front(),
            };
        }
    }
}
