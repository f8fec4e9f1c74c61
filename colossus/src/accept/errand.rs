//! What the actor asks of the chain: a batch's turn and state, and the batch itself.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use futures::{StreamExt, TryStreamExt, stream};
use shared::{
    chain::{
        Chain, ChainError, Included, Signer, Turn,
        call::Call,
        event::{ChainEvent, StorageEvent},
        follower::DirectoryView,
    },
    ids::{AccountId, BagId, ObjectId},
};

use super::{core::Event, duty};

/// Questions to the chain at once.
const QUESTIONS_AT_ONCE: usize = 16;
/// How long the chain has to answer one question.
pub(super) const QUESTION_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a batch could not be made, or was not included.
#[derive(Debug, thiserror::Error)]
pub(super) enum AcceptError {
    #[error("no transactor key is configured: set keys.transactor_uri")]
    NoKey,
    #[error(transparent)]
    Chain(#[from] ChainError),
}

fn timed_out(what: &str, after: Duration) -> AcceptError {
    AcceptError::Chain(ChainError::TimedOut {
        what: what.to_owned(),
        after_ms: after.as_millis() as u64,
    })
}

/// Submitting is not to be cut off in the middle, so it runs on its own and only the waiting ends.
/// A batch that was given up may still get into a block, but then no other of its turn does.
pub(super) async fn submit(
    chain: Arc<dyn Chain>,
    signer: Option<Signer>,
    turn: Turn,
    call: Call,
    timeout: Duration,
) -> Result<Included, AcceptError> {
    let signer = signer.ok_or(AcceptError::NoKey)?;
    let running = tokio::spawn(async move { chain.submit_in_turn(&signer, turn, call).await });
    match tokio::time::timeout(timeout, running).await {
        Ok(Ok(result)) => Ok(result?),
        Ok(Err(_)) | Err(_) => Err(timed_out("a batch of acceptances", timeout)),
    }
}

pub(super) fn accepted_in(included: &Included) -> BTreeSet<ObjectId> {
    included
        .events
        .iter()
        .filter_map(|event| match &event.event {
            ChainEvent::Storage(StorageEvent::ObjectsAccepted { objects, .. }) => Some(objects),
            _ => None,
        })
        .flatten()
        .copied()
        .collect()
}

/// The order matters: see [`super::core`].
pub(super) async fn prepare(
    chain: Arc<dyn Chain>,
    view: DirectoryView,
    transactor: Option<AccountId>,
    objects: Vec<(ObjectId, BagId)>,
) -> Result<Event, AcceptError> {
    let transactor = transactor.ok_or(AcceptError::NoKey)?;
    let turn = answered("the transactor's turn", chain.turn(transactor)).await?;
    let at = turn.at.hash;
    let states = stream::iter(objects).map(|(object, bag)| {
        let (chain, view) = (chain.clone(), view.clone());
        async move {
            let known = chain.data_object_at(at, bag, object);
            let known = answered("an object to accept", known).await?;
            let state = duty::state(&view.read(), object, known.as_ref());
            Ok::<_, AcceptError>((object, state))
        }
    });
    let states = states.buffer_unordered(QUESTIONS_AT_ONCE);
    let states = states.try_collect().await?;
    Ok(Event::Prepared { turn, states })
}

async fn answered<T>(
    what: &str,
    answer: impl Future<Output = Result<T, ChainError>>,
) -> Result<T, AcceptError> {
    match tokio::time::timeout(QUESTION_TIMEOUT, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(timed_out(what, QUESTION_TIMEOUT)),
    }
}
