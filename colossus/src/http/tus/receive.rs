//! A body into a session: until it ends, breaks off, falls silent, or another request takes over.
//! Whichever it is, what came is durable and kept when this returns, unless its checksum is wrong.

use actix_web::{HttpRequest, http::StatusCode, web};
use futures::{FutureExt, StreamExt};
use shared::{
    api::{ApiError, ErrorKind},
    blob::{Resumable, TRIAL_BYTES_MAX},
    serve::server::clients::address::ClientKey,
};
use tokio::time::{Duration, Instant, timeout};

use super::{
    super::{errors, upload::body::SharedPayload},
    checksum::Checksum,
    headers,
};
use crate::{
    metrics::BodyEnd,
    node::Node,
    tus::{State, Turn, complete},
};

/// A session that receives is alive; it is told so this often at most.
const ALIVE_INTERVAL: Duration = Duration::from_secs(1);

/// Receives the body at the session's offset, and completes the upload if it was the last one.
pub async fn receive(
    request: &HttpRequest,
    payload: &SharedPayload,
    node: &web::Data<Node>,
    mut turn: Turn,
) -> Result<Turn, ApiError> {
    let left = turn.about().size - turn.position();
    let checksum = checks(request, left)?;
    // Its space was set aside when it began, but a node that writes nothing cannot go on.
    let standing = node.standing.get();
    if let Some(refusal) = standing.read_only.and_then(|_| standing.refuses_uploads()) {
        return Err(refusal);
    }
    let client = ClientKey::of(request, &node.config.http.limits.trusted_proxies);
    let _slot = node.uploads.take_slot(client)?;
    let before = turn.position();
    // True until the body is whole, for this request may end anywhere.
    turn.broke_off();

    let taken_over = turn.taken_over();
    let State::Awake(upload) = turn.state() else {
        return Err(ApiError::internal(
            "a session without files was to receive a body",
        ));
    };
    let ended = {
        let body = body_into(upload, payload, node, checksum.as_ref());
        futures::pin_mut!(body);
        futures::pin_mut!(taken_over);
        futures::select! {
            ended = body.fuse() => ended,
            () = taken_over.fuse() => Err(interrupted(node)),
        }
    };
    // Also what came before a failure is kept.
    let settled = upload.settle().await;
    if let Err(error) = settled {
        turn.set(State::Asleep);
        node.metrics.body_ended(BodyEnd::Failed);
        return Err(ended.err().unwrap_or_else(|| errors::from_blob(error)));
    }
    turn.fit_room();
    if ended.is_ok() {
        turn.goes_on();
    }
    node.metrics.body_ended(BodyEnd::of(&ended));
    node.metrics
        .tus_bytes
        .inc_by(turn.position().saturating_sub(before));
    node.tus.seen(turn.about().id);
    ended?;
    if turn.position() == turn.about().size {
        return complete::complete(node, turn).await;
    }
    Ok(turn)
}

/// What can be known before the body.
fn checks(request: &HttpRequest, left: u64) -> Result<Option<Checksum>, ApiError> {
    let length = headers::bytes(request, "content-length")?;
    if let Some(length) = length.filter(|length| *length > left) {
        let message = format!("the body has {length} bytes, and {left} are missing of the object");
        return Err(ApiError::new(ErrorKind::TooLarge, message));
    }
    let Some(value) = headers::text(request, headers::UPLOAD_CHECKSUM)? else {
        return Ok(None);
    };
    if length.is_none_or(|length| length > TRIAL_BYTES_MAX) {
        let message = format!(
            "a body with 'Upload-Checksum' must have a 'Content-Length' of at most {TRIAL_BYTES_MAX} bytes: send smaller parts"
        );
        return Err(ApiError::new(ErrorKind::TooLarge, message));
    }
    Checksum::parse(value).map(Some)
}

async fn body_into(
    upload: &mut Resumable,
    payload: &SharedPayload,
    node: &Node,
    checksum: Option<&Checksum>,
) -> Result<(), ApiError> {
    if let Some(checksum) = checksum {
        let begun = upload.begin_trial(checksum.observer()).await;
        begun.map_err(errors::from_blob)?;
    }
    let silence_max = node.config.uploads.chunk_timeout.0;
    let mut payload = payload.clone();
    let mut alive = Instant::now();
    loop {
        let next = timeout(silence_max, payload.next()).await;
        let next = next.map_err(|_| silent(silence_max))?;
        let Some(piece) = next else { break };
        let piece = piece.map_err(|error| cut(&error))?;
        upload.write(piece).await.map_err(errors::from_blob)?;
        if alive.elapsed() >= ALIVE_INTERVAL {
            alive = Instant::now();
            node.tus.seen(upload.id());
        }
    }
    if let Some(checksum) = checksum {
        upload.write_out().await.map_err(errors::from_blob)?;
        if !checksum.holds() {
            let message = "the body does not have the checksum of 'Upload-Checksum': send it again";
            return Err(ApiError::new(ErrorKind::WrongChecksum, message));
        }
        upload.keep_trial().await.map_err(errors::from_blob)?;
    }
    Ok(())
}

fn silent(silence_max: Duration) -> ApiError {
    let message = format!(
        "no bytes came for {} ms: ask with HEAD where to go on",
        silence_max.as_millis()
    );
    ApiError::new(ErrorKind::RequestTimeout, message)
}

fn cut(error: &actix_web::error::PayloadError) -> ApiError {
    let message = format!("the body broke off: {error}; ask with HEAD where to go on");
    ApiError::new(ErrorKind::BrokenBody, message)
}

fn interrupted(node: &Node) -> ApiError {
    if node.tus.is_closing() {
        let message = "this node stops: ask with HEAD where to go on when it is back";
        return ApiError::new(ErrorKind::Unavailable, message).retry_after(5);
    }
    let message = "another request took this upload over: ask with HEAD where to go on";
    ApiError::new(ErrorKind::Conflict, message).with_status(StatusCode::LOCKED)
}
