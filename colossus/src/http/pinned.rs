//! A body that keeps its object from being removed until it is sent or broken off.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;

use crate::holdings;

/// A body with a pin on what it reads. Several bodies of one answer share a pin.
pub struct Pinned<B> {
    body: B,
    _pin: Arc<holdings::Pin>,
}

impl<B> Pinned<B> {
    /// `body` reads what `pin` holds.
    pub fn new(body: B, pin: &Arc<holdings::Pin>) -> Self {
        let _pin = pin.clone();
        Self { body, _pin }
    }
}

impl<B: MessageBody<Error = io::Error> + Unpin> MessageBody for Pinned<B> {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        Pin::new(&mut self.body).poll_next(cx)
    }
}
