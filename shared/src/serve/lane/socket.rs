//! [`LaneSocket`]: what the dispatcher of a connection takes for its socket.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::{Lane, Slot, broken};

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
            Slot::Piece(piece) if !piece.has_to_come() => {
                let parts = [IoSlice::new(buffer), IoSlice::new(piece.rest())];
                let Poll::Ready(written) = socket.poll_write_vectored(cx, &parts) else {
                    piece.wait();
                    return Poll::Pending;
                };
                let written = written?;
                piece.taken(written.saturating_sub(buffer.len()));
                Poll::Ready(Ok(written.min(buffer.len())))
            }
            Slot::Free | Slot::Piece(_) | Slot::Coming(_) => socket.poll_write(cx, buffer),
            Slot::Broken => Poll::Ready(Err(broken())),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let mut slot = this.lane.0.borrow_mut();
        loop {
            match &mut *slot {
                Slot::Free | Slot::Broken => break,
                Slot::Coming(piece) => {
                    let piece = ready!(Pin::new(piece).poll(cx)).map_err(io::Error::other)??;
                    *slot = Slot::Piece(piece);
                }
                Slot::Piece(piece) if piece.rest().is_empty() => {
                    *slot = Slot::Free;
                    // The body is asked by the dispatcher only.
                    cx.waker().wake_by_ref();
                }
                Slot::Piece(piece) => {
                    if let Some(coming) = piece.coming() {
                        *slot = Slot::Coming(coming);
                        continue;
                    }
                    let socket = Pin::new(&mut this.socket);
                    let Poll::Ready(written) = socket.poll_write(cx, piece.rest()) else {
                        piece.wait();
                        return Poll::Pending;
                    };
                    match written? {
                        0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                        written => piece.taken(written),
                    }
                }
            }
        }
        drop(slot);
        ready!(Pin::new(&mut this.socket).poll_flush(cx))?;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
