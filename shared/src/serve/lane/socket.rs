//! [`LaneSocket`]: what the dispatcher of a connection takes for its socket.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Lane, Slot, broken};
use crate::serve::slices;

/// A socket with a lane: what waits there is sent after what is written, and by each flush.
pub(in crate::serve) struct LaneSocket<T> {
    socket: T,
    lane: Lane,
}

impl<T> LaneSocket<T> {
    pub(in crate::serve) fn new(socket: T) -> Self {
        Self {
            socket,
            lane: Lane::default(),
        }
    }

    /// The socket itself.
    pub(in crate::serve) fn socket(&self) -> &T {
        &self.socket
    }

    /// Its lane.
    pub(in crate::serve) fn lane(&self) -> Lane {
        self.lane.clone()
    }
}

/// What a client has no room for now waits in memory of its own: a part of something larger would keep all
/// of that for as long as the client likes. A lent buffer is the piece's own.
fn keep(rest: &mut Bytes) {
    if !rest.is_unique() && !slices::is_lent(rest) {
        *rest = Bytes::copy_from_slice(rest);
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for LaneSocket<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_read(cx, buffer)
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for LaneSocket<T> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let socket = Pin::new(&mut this.socket);
        match &mut *this.lane.0.borrow_mut() {
            Slot::Free => socket.poll_write(cx, buffer),
            Slot::Piece(piece) => {
                let parts = [IoSlice::new(buffer), IoSlice::new(piece)];
                let Poll::Ready(written) = socket.poll_write_vectored(cx, &parts) else {
                    keep(piece);
                    return Poll::Pending;
                };
                let written = written?;
                piece.advance(written.saturating_sub(buffer.len()));
                Poll::Ready(Ok(written.min(buffer.len())))
            }
            Slot::Broken => Poll::Ready(Err(broken())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut slot = this.lane.0.borrow_mut();
        if let Slot::Piece(piece) = &mut *slot {
            while !piece.is_empty() {
                let Poll::Ready(written) = Pin::new(&mut this.socket).poll_write(cx, piece) else {
                    keep(piece);
                    return Poll::Pending;
                };
                match written? {
                    0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    written => piece.advance(written),
                }
            }
            *slot = Slot::Free;
            // The body is asked by the dispatcher only.
            cx.waker().wake_by_ref();
        }
        drop(slot);
        ready!(Pin::new(&mut this.socket).poll_flush(cx))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
