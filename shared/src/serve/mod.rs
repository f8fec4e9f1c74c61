//! The byte path of storage and edge nodes: answers GET and HEAD for immutable files with ranges and
//! conditional requests (RFC 9110), without ever holding more than a slice of a file in memory.
//!
//! - [`respond`]: an immutable file; bodies are [`body::FileBody`]
//! - [`respond_with`]: the same answers over bytes from anywhere, such as a file that is still filling
//! - [`proven`]: bodies of which every byte is proved against the content hash before it leaves
//! - [`conditions`]: `If-Match`, `If-None-Match`, `If-Range`
//! - [`multipart`]: several ranges in one answer
//! - [`sniff`]: media type from the first bytes
//! - [`pages`]: the page cache as memory to send from
//! - `slices`: the buffers of those bodies
//! - `lane`: their way to the socket without a copy
//! - [`hold`]: what becomes of a piece for which a client has no room
//! - [`server`]: what every public server of a node needs
//! - [`openapi`]: a node's document of its interface, and the page to try it

pub mod body;
pub mod conditions;
pub mod hold;
mod lane;
pub mod multipart;
pub mod openapi;
pub mod pages;
pub mod proven;
pub mod server;
mod slices;
mod sniff;

use std::{fs::File, io, sync::Arc};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    body::{BodySize, MessageBody},
    http::{
        Method, StatusCode,
        header::{self, HeaderName, HeaderValue},
    },
};

use crate::{
    hash::ContentHash,
    range::{self, ByteRange, Wanted},
};
use conditions::Verdict;

pub use body::FileBody;
pub use lane::goes_by_lane;
pub use proven::{Proven, ProvenBody, ReadAt, Unproven};
pub use sniff::sniff;

/// How many of a file's first bytes [`sniff`] wants to see.
pub const SNIFF_BYTES: usize = 4096;

/// What is said about an immutable object whatever part of it is sent. Values are made once and
/// cloned per answer, which copies no text.
#[derive(Debug, Clone)]
pub struct Head {
    len: u64,
    etag: HeaderValue,
    content_type: Option<HeaderValue>,
    cache_control: HeaderValue,
    extra: Vec<(HeaderName, HeaderValue)>,
}

impl Head {
    /// An object of this length and content. `content_type` usually comes from [`sniff`]; it is left
    /// out where the bytes are not at hand, which only an answer without them may do.
    pub fn new(len: u64, etag: ContentHash, content_type: impl Into<Option<&'static str>>) -> Self {
        let content_type = content_type.into();
        let etag = HeaderValue::from_str(&format!("\"{etag}\""))
            .expect("base58 in quotes is a header value");
        let mut head = Self {
            len,
            etag,
            content_type: content_type.map(HeaderValue::from_static),
            cache_control: HeaderValue::from_static("public, max-age=31536000, immutable"),
            extra: Vec::new(),
        };
        if content_type.is_some_and(|content_type| content_type.starts_with("image/svg")) {
            // A drawing may carry scripts, and is shown from the node's own origin.
            let policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox";
            head.extra.push((
                header::CONTENT_SECURITY_POLICY,
                HeaderValue::from_static(policy),
            ));
        }
        head
    }

    /// Another `Cache-Control` than immutable for a year.
    pub fn cache_control(mut self, value: &'static str) -> Self {
        self.cache_control = HeaderValue::from_static(value);
        self
    }

    /// One more header on every answer.
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.extra.push((name, value));
        self
    }

    /// Length of the object in bytes.
    pub fn len(&self) -> u64 {
        self.len
    }

    /// Is it an object without bytes?
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The strong entity tag, with its quotes.
    pub fn etag(&self) -> &HeaderValue {
        &self.etag
    }

    fn start(&self, status: StatusCode) -> HttpResponseBuilder {
        let mut response = HttpResponse::build(status);
        let cache_control = match status {
            // An answer to one request, and not what is at this address.
            StatusCode::PRECONDITION_FAILED | StatusCode::RANGE_NOT_SATISFIABLE => {
                HeaderValue::from_static("no-store")
            }
            _ => self.cache_control.clone(),
        };
        response
            .insert_header((header::ETAG, self.etag.clone()))
            .insert_header((header::CACHE_CONTROL, cache_control))
            .insert_header((header::ACCEPT_RANGES, HeaderValue::from_static("bytes")));
        for (name, value) in &self.extra {
            response.insert_header((name.clone(), value.clone()));
        }
        response
    }

    fn start_with_body(
        &self,
        status: StatusCode,
        content_type: Option<HeaderValue>,
    ) -> HttpResponseBuilder {
        let mut response = self.start(status);
        if let Some(content_type) = content_type {
            response.insert_header((header::CONTENT_TYPE, content_type));
        }
        response
            .insert_header((
                header::CONTENT_DISPOSITION,
                HeaderValue::from_static("inline"),
            ))
            .insert_header((
                header::X_CONTENT_TYPE_OPTIONS,
                HeaderValue::from_static("nosniff"),
            ));
        response
    }
}

/// An immutable file that is held open, and what is said about it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The open file. It may be unlinked meanwhile, but never truncated or overwritten.
    pub file: Arc<File>,
    /// What is said about it.
    pub head: Head,
}

/// Answers GET or HEAD for an immutable file.
pub fn respond(request: &HttpRequest, entry: &Entry) -> HttpResponse {
    respond_with(request, &entry.head, |range| {
        FileBody::new(entry.file.clone(), range)
    })
}

/// Answers GET or HEAD for an object whose bytes come from anywhere. `body_of` is asked once for each
/// part that is sent (never for HEAD) and gives a body of exactly that range; a body that cannot be
/// completed must end with an error, which breaks the connection, because a short body that just ends
/// looks like success.
pub fn respond_with<B>(
    request: &HttpRequest,
    head: &Head,
    mut body_of: impl FnMut(ByteRange) -> B,
) -> HttpResponse
where
    B: MessageBody<Error = io::Error> + Unpin + 'static,
{
    match decide(request, head) {
        Answer::NotModified => head.start(StatusCode::NOT_MODIFIED).finish(),
        Answer::PreconditionFailed => head.start(StatusCode::PRECONDITION_FAILED).finish(),
        Answer::Unsatisfiable => head
            .start(StatusCode::RANGE_NOT_SATISFIABLE)
            .insert_header((header::CONTENT_RANGE, format!("bytes */{}", head.len)))
            .finish(),
        Answer::Whole => {
            let mut response = head.start_with_body(StatusCode::OK, head.content_type.clone());
            let all = ByteRange {
                start: 0,
                end: head.len,
            };
            if is_head(request) || head.is_empty() {
                response.body(LengthOnly(head.len))
            } else {
                response.body(body_of(all))
            }
        }
        Answer::One(range) => {
            let mut response =
                head.start_with_body(StatusCode::PARTIAL_CONTENT, head.content_type.clone());
            response.insert_header((header::CONTENT_RANGE, range.content_range(head.len)));
            if is_head(request) {
                response.body(LengthOnly(range.len()))
            } else {
                response.body(body_of(range))
            }
        }
        Answer::Several(ranges) => {
            let layout = multipart::Layout::new(&ranges, head.len, head.content_type.as_ref());
            let mut response =
                head.start_with_body(StatusCode::PARTIAL_CONTENT, Some(layout.content_type()));
            if is_head(request) {
                response.body(LengthOnly(layout.len()))
            } else {
                response.body(layout.body(body_of))
            }
        }
    }
}

/// What of an object is wanted by a request once its conditions have been looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// 200.
    Whole,
    /// 206 with one range.
    One(ByteRange),
    /// 206 with several ranges.
    Several(Vec<ByteRange>),
    /// 304.
    NotModified,
    /// 412.
    PreconditionFailed,
    /// 416.
    Unsatisfiable,
}

/// What [`respond_with`] will answer. HEAD is answered as GET would be, without the body.
pub fn decide(request: &HttpRequest, head: &Head) -> Answer {
    let etag = head.etag.as_bytes();
    match conditions::evaluate(request.headers(), etag) {
        Verdict::NotModified => return Answer::NotModified,
        Verdict::Failed => return Answer::PreconditionFailed,
        Verdict::Proceed => {}
    }
    let wanted = if conditions::range_applies(request.headers(), etag) {
        let header = request
            .headers()
            .get(header::RANGE)
            .map(HeaderValue::as_bytes);
        range::parse(header, head.len)
    } else {
        Wanted::Whole
    };
    match wanted {
        Wanted::Whole => Answer::Whole,
        Wanted::One(range) => Answer::One(range),
        Wanted::Several(ranges) => Answer::Several(ranges),
        Wanted::Unsatisfiable => Answer::Unsatisfiable,
    }
}

/// The first bytes that [`respond_with`] will ask a body for; `None` when the answer has none.
pub fn first_range(request: &HttpRequest, head: &Head) -> Option<ByteRange> {
    if is_head(request) || head.is_empty() {
        return None;
    }
    match decide(request, head) {
        Answer::Whole => Some(ByteRange {
            start: 0,
            end: head.len,
        }),
        Answer::One(range) => Some(range),
        Answer::Several(ranges) => ranges.first().copied(),
        Answer::NotModified | Answer::PreconditionFailed | Answer::Unsatisfiable => None,
    }
}

fn is_head(request: &HttpRequest) -> bool {
    request.method() == Method::HEAD
}

/// A body of known length that is not sent: answers to HEAD.
struct LengthOnly(u64);

impl MessageBody for LengthOnly {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.0)
    }

    fn poll_next(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Result<bytes::Bytes, Self::Error>>> {
        std::task::Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests;
