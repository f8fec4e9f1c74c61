//! A session is entered: what was broken off is settled, and when the last byte has come it becomes
//! an object, whoever asks.

use std::sync::Arc;

use actix_web::web;
use shared::{
    api::{ApiError, ErrorKind},
    blob::BlobError,
};

use super::session::{Session, State, Turn};
use crate::{
    http::{
        errors,
        upload::{
            admission::{self, Admission},
            finish,
        },
    },
    metrics::SessionEnd,
    node::Node,
};

/// Takes the turn of a session and brings it up to date. The state is then `Awake` with bytes
/// missing, or `Finished`.
pub async fn enter(node: &web::Data<Node>, session: &Arc<Session>) -> Result<Turn, ApiError> {
    let turn = session.turn().await;
    let mut turn = turn.map_err(|busy| {
        let status = actix_web::http::StatusCode::LOCKED;
        ApiError::new(ErrorKind::Conflict, busy.to_string()).with_status(status)
    })?;
    if let State::Awake(upload) = turn.state()
        && let Err(error) = upload.settle().await
    {
        tracing::warn!(upload = %session.about.id, %error, "an upload goes on at its last checkpoint");
        turn.set(State::Asleep);
    }
    let held = node.holdings.get(session.about.ids.object);
    let is_held = held.is_some_and(|held| held.hash == session.about.hash);
    match turn.state() {
        State::Gone => return Err(gone(&session.about.id)),
        State::Finished => return Ok(turn),
        // Somebody else was faster.
        State::Asleep | State::Awake(_) if is_held => return complete(node, turn).await,
        State::Asleep => wake(node, &mut turn).await?,
        State::Awake(_) => {}
    }
    if turn.position() == session.about.size {
        return complete(node, turn).await;
    }
    turn.fit_room();
    Ok(turn)
}

async fn wake(node: &Node, turn: &mut Turn) -> Result<(), ApiError> {
    let about = turn.about().clone();
    let blobs = node.holdings.blobs();
    let resumed = blobs.resume(about.id, about.hash, about.size).await;
    match resumed.map_err(errors::from_blob)? {
        Some(upload) => {
            turn.set(State::Awake(Box::new(upload)));
            Ok(())
        }
        None => {
            node.tus.end(turn, SessionEnd::Lost).await?;
            Err(gone(&about.id))
        }
    }
}

fn gone(id: &shared::blob::ResumableId) -> ApiError {
    let message = format!("upload {id} is over: begin another one");
    ApiError::new(ErrorKind::NotFound, message).with_status(actix_web::http::StatusCode::GONE)
}

/// All bytes are there: verifies and stores them. Goes on to its end if the client leaves.
pub async fn complete(node: &web::Data<Node>, turn: Turn) -> Result<Turn, ApiError> {
    let node = node.clone();
    let work = actix_web::rt::spawn(async move { complete_here(&node, turn).await });
    work.await.map_err(ApiError::internal)?
}

async fn complete_here(node: &Node, mut turn: Turn) -> Result<Turn, ApiError> {
    let outcome = match admission::admit_ids(node, &turn.about().ids).await? {
        Admission::AlreadyHeld(target) => {
            finish::repeat(node, &target).await?;
            "repeated"
        }
        Admission::Receive(target) => {
            let State::Awake(upload) = std::mem::replace(turn.state(), State::Asleep) else {
                return Err(gone(&turn.about().id));
            };
            let verified = match upload.finish().await {
                Ok(verified) => verified,
                Err(error) => {
                    let is_wrong = matches!(error, BlobError::HashMismatch { .. });
                    let answer = errors::from_blob(error);
                    if is_wrong {
                        node.metrics.upload_refused(&answer);
                        node.tus.end(&mut turn, SessionEnd::WrongHash).await?;
                    }
                    return Err(answer);
                }
            };
            finish::store(node, &target, verified).await?;
            "stored"
        }
    };
    node.metrics
        .uploads
        .with_label_values(&[outcome, "none"])
        .inc();
    node.tus.finish(&mut turn).await?;
    Ok(turn)
}
