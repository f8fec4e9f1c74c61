//! Beginnings that nobody has asked for yet, on their way through the keeper.

use actix::{Context, Handler, ResponseFuture};
use tokio::sync::oneshot;

use super::{
    actor::Keeper,
    core::Event,
    messages::{Ahead, FetchedAhead},
};

/// What is fetched ahead of an object, and who is told when that is done. One that is dropped says that it
/// failed.
pub(super) struct Beginning {
    pub(super) extents: u64,
    pub(super) done: oneshot::Sender<FetchedAhead>,
}

impl Handler<Ahead> for Keeper {
    type Result = ResponseFuture<FetchedAhead>;

    fn handle(&mut self, wanted: Ahead, ctx: &mut Context<Self>) -> Self::Result {
        let (Ahead { asset, extents }, (done, told)) = (wanted, oneshot::channel());
        let content = asset.content;
        if self.is_stopping() {
            return Box::pin(async { FetchedAhead::Failed });
        }
        self.declined = None;
        self.step_without_disk(Event::Ahead { content, extents }, ctx);
        match self.declined.take() {
            Some(why) => _ = done.send(FetchedAhead::Declined(why)),
            None => self.begins(asset, Beginning { extents, done }),
        }
        self.start_disk_turn(ctx);
        Box::pin(async { told.await.unwrap_or(FetchedAhead::Failed) })
    }
}
