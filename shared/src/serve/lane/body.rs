//! [`LaneBody`]: any body, sent by the lane or as ever.

use std::{
    error::Error,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use pin_project_lite::pin_project;

use super::{Lane, Piece};
use crate::serve::hold;

pin_project! {
    /// The body of any answer of a server with lanes.
    #[project = Projected]
    pub(in crate::serve) enum LaneBody<B> {
        /// Its pieces are copied into the write buffer.
        Copied { #[pin] body: B },
        /// There is only a head: an answer to HEAD.
        Unsent,
        /// Its pieces go into the lane, one at a time.
        ByLane { #[pin] body: B, turn: Turn },
    }
}

/// A body's turn on its connection. A turn that ends too early ends the connection.
pub(in crate::serve) struct Turn {
    lane: Lane,
    /// Bytes that are still to come.
    left: u64,
    is_over: bool,
}

impl<B> LaneBody<B> {
    pub(super) fn by_lane(body: B, lane: Lane, len: u64) -> Self {
        let turn = Turn {
            lane,
            left: len,
            is_over: false,
        };
        Self::ByLane { body, turn }
    }
}

impl Turn {
    /// Takes a piece. Nobody else sees to it that there are as many bytes as the head has announced.
    fn take(&mut self, piece: Bytes) -> io::Result<()> {
        let len = piece.len() as u64;
        self.left = self.left.checked_sub(len).ok_or_else(|| {
            let left = self.left;
            io::Error::other(format!("a body gave {len} bytes where {left} were to come"))
        })?;
        let hold = hold::said_of(&piece);
        self.lane.put(Piece::new(piece, hold));
        Ok(())
    }

    fn end(&mut self) -> io::Result<()> {
        if self.left > 0 {
            let left = self.left;
            let why = format!("a body ended with {left} bytes still to come");
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, why));
        }
        self.is_over = true;
        Ok(())
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        if !self.is_over {
            self.lane.break_off();
        }
    }
}

impl<B: MessageBody> MessageBody for LaneBody<B> {
    type Error = Box<dyn Error>;

    fn size(&self) -> BodySize {
        match self {
            Self::Copied { body } => body.size(),
            Self::Unsent | Self::ByLane { .. } => BodySize::Stream,
        }
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let (mut body, turn) = match self.project() {
            Projected::Copied { body } => {
                let piece = ready!(body.poll_next(cx));
                return Poll::Ready(piece.map(|piece| piece.map_err(Into::into)));
            }
            Projected::Unsent => return Poll::Ready(None),
            Projected::ByLane { body, turn } => (body, turn),
        };
        loop {
            // A piece that waits is sent by the flush that follows, and that asks again.
            match turn.lane.is_free() {
                Ok(true) => {}
                Ok(false) => return Poll::Pending,
                Err(error) => return Poll::Ready(Some(Err(error.into()))),
            }
            hold::forget();
            let taken = match ready!(body.as_mut().poll_next(cx)) {
                Some(Ok(piece)) if piece.is_empty() => continue,
                Some(Ok(piece)) => turn.take(piece),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => match turn.end() {
                    Ok(()) => return Poll::Ready(None),
                    Err(error) => Err(error),
                },
            };
            if let Err(error) = taken {
                return Poll::Ready(Some(Err(error.into())));
            }
        }
    }
}
