//! The way of large bodies to the socket without a copy, for plain HTTP/1.1.
//!
//! actix-http copies every byte of a body into a write buffer of the connection and writes that. Here the
//! body's pieces go past the buffer: the dispatcher writes the head as ever, and the socket adds the piece
//! that waits in the connection's [`Lane`], both in one system call.
//!
//! - [`LaneSocket`]: the socket that a connection's dispatcher writes to
//! - [`LaneBody`]: the body it asks; puts one piece at a time into the lane
//! - `piece`: what may wait in it
//! - here: the lane between the two, which holds one piece, and [`answer`], which decides who takes it
//!
//! A body is asked for its next piece when the socket has taken the one before, by the dispatcher, so that
//! keep-alive, pipelining, time-outs and the way a server stops are the dispatcher's own. Everything that
//! wraps an application's bodies (metrics, limits) is inside of this and sees pieces as ever.

mod body;
mod piece;
mod socket;
#[cfg(test)]
mod tests;

use std::{cell::RefCell, io, rc::Rc};

use actix_http::{Request, Response, ResponseHead};
use actix_service::Service;
use actix_web::{
    HttpRequest,
    body::{BodySize, MessageBody},
    http::{
        Method, StatusCode,
        header::{CONTENT_LENGTH, HeaderValue},
    },
};
use tokio::task::JoinHandle;

pub(super) use body::LaneBody;
use piece::Piece;
pub(super) use socket::LaneSocket;

/// Shortest body that takes the lane: below, a copy costs less than to ask the body twice.
const BODY_BYTES_MIN: u64 = 16 * 1024;

/// One connection's way past its write buffer. Clones are one.
#[derive(Clone, Default)]
pub(super) struct Lane(Rc<RefCell<Slot>>);

/// What is in a lane.
#[derive(Default)]
enum Slot {
    /// Nothing.
    #[default]
    Free,
    /// A piece, or what the socket has not taken of it. What is in the write buffer goes before it.
    Piece(Piece),
    /// A piece that has waited and is read from the disk again.
    Coming(JoinHandle<io::Result<Piece>>),
    /// A body ended before its length: nothing may follow on this connection.
    Broken,
}

impl Lane {
    fn is_free(&self) -> io::Result<bool> {
        match *self.0.borrow() {
            Slot::Free => Ok(true),
            Slot::Piece(_) | Slot::Coming(_) => Ok(false),
            Slot::Broken => Err(broken()),
        }
    }

    fn put(&self, piece: Piece) {
        *self.0.borrow_mut() = Slot::Piece(piece);
    }

    fn break_off(&self) {
        *self.0.borrow_mut() = Slot::Broken;
    }
}

/// Will an answer with a body of so many bytes go by the lane? Only then may it be made of
/// [pages](super::pages).
pub fn goes_by_lane(request: &HttpRequest, len: u64) -> bool {
    len >= BODY_BYTES_MIN && request.conn_data::<Lane>().is_some()
}

fn broken() -> io::Error {
    io::Error::new(
        io::ErrorKind::BrokenPipe,
        "an answer on this connection ended before its length",
    )
}

/// What an application answers, sent by the lane of the request's connection if the body is long and of a
/// length that is known.
pub(super) fn answer<S, B>(
    request: Request,
    app: &S,
) -> impl Future<Output = Result<Response<LaneBody<B>>, S::Error>> + use<S, B>
where
    S: Service<Request, Response: Into<Response<B>>>,
    B: MessageBody,
{
    let is_head = request.head().method == Method::HEAD;
    let lane = request.conn_data::<Lane>().cloned();
    let answer = app.call(request);
    async move {
        let answer = answer.await?.into();
        Ok(match lane {
            Some(_) if is_head => head_only(answer),
            Some(lane) => onto(lane, answer),
            None => answer.map_body(|_, body| LaneBody::Copied { body }),
        })
    }
}

fn onto<B: MessageBody>(lane: Lane, answer: Response<B>) -> Response<LaneBody<B>> {
    let has_body = matches!(
        answer.status(),
        StatusCode::OK | StatusCode::PARTIAL_CONTENT
    );
    match answer.body().size() {
        BodySize::Sized(len) if has_body && len >= BODY_BYTES_MIN => {
            answer.map_body(|head, body| {
                announce(head, len);
                LaneBody::by_lane(body, lane, len)
            })
        }
        _ => answer.map_body(|_, body| LaneBody::Copied { body }),
    }
}

/// The answer to HEAD. The encoder takes it for one to the request that was read last: of several that came
/// at once it would send this body, or wait for it.
fn head_only<B: MessageBody>(answer: Response<B>) -> Response<LaneBody<B>> {
    match answer.body().size() {
        BodySize::Sized(len) if len > 0 => answer.map_body(|head, _| {
            announce(head, len);
            LaneBody::Unsent
        }),
        _ => answer.map_body(|_, body| LaneBody::Copied { body }),
    }
}

/// Says how long the body is, in the place of the encoder, which would count the bytes.
fn announce(head: &mut ResponseHead, len: u64) {
    head.no_chunking(true);
    let headers = head.headers_mut();
    headers.insert(CONTENT_LENGTH, HeaderValue::from(len));
}
