//! What was removed and still takes room: to free that of a large object takes the disk so long that whoever
//! opens another must not wait for it. It is done beside the keeper's turns, one after the other.

use actix::{ActorFutureExt, AsyncContext, Context, WrapFuture};
use tokio::{sync::oneshot, task::spawn_blocking};

use super::actor::Keeper;
use crate::cache::shelf::Removed;

/// Who is told of room, and how much it is.
pub(super) type Given = (oneshot::Sender<u64>, u64);

/// What is leaving, and the room that is free when it has left.
#[derive(Default)]
pub(super) struct Leaving {
    removed: Vec<Removed>,
    given: Vec<Given>,
    is_freeing: bool,
}

impl Keeper {
    /// Frees the room of what was removed, and then tells those who were given room: they wait for everything
    /// that was removed before.
    pub(super) fn free(
        &mut self,
        removed: Vec<Removed>,
        given: Vec<Given>,
        ctx: &mut Context<Self>,
    ) {
        let leaving = &mut self.leaving;
        leaving.removed.extend(removed);
        leaving.given.extend(given);
        if leaving.is_freeing {
            return;
        }
        let Leaving { removed, given, .. } = std::mem::take(leaving);
        if removed.is_empty() {
            return answer(given);
        }
        leaving.is_freeing = true;
        let freed = spawn_blocking(|| drop(removed)).into_actor(self);
        ctx.spawn(freed.map(|_, keeper, ctx| {
            answer(given);
            keeper.leaving.is_freeing = false;
            keeper.free(Vec::new(), Vec::new(), ctx);
        }));
    }
}

/// Tells fills that their room is free. One that is gone has given its room back by its end.
fn answer(given: Vec<Given>) {
    for (fill, extents) in given {
        let _ = fill.send(extents);
    }
}
