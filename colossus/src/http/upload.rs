//! **The upload story.** `POST /api/v1/files?dataObjectId=&storageBucketId=&bagId=`, one file as
//! multipart form data, from the first byte of the request to the moment it may be forgotten:
//!
//! 1. [`admission`]: everything that can be known before the body: ids, bucket, object, bag, size,
//!    blacklist, free space, a free slot
//! 2. [`body`]: the file streams into the blob store while it is hashed; cut off past its size
//! 3. [`crate::holdings`]: verified, durable, recorded together with the debt to accept it
//! 4. 201, with a receipt signed by this node ([`crate::receipts`])
//! 5. hints: [`crate::accept`] will tell the chain, [`crate::network`] the other nodes,
//!    [`crate::replicate`] need not look for it any more
//!
//! Whatever goes wrong before 3 leaves nothing on disk. Repeating a finished upload succeeds, so a
//! lost 201 can be retried. Two clients that send one object at once both end well: the second to
//! finish finds the object stored.
//!
//! Before all that, [`preflight`] tells a client which buckets could take an object.

use actix_web::{HttpRequest, HttpResponse, web};
use serde::Serialize;
use shared::{api::ApiError, hash::ContentHash, ids::ObjectId, p2p::receipt::SignedReceipt};

use self::{
    admission::{Admission, Target},
    body::SharedPayload,
    limits::Client,
};
use super::errors;
use crate::{
    holdings::Taken,
    node::{Node, now_ms},
};

pub mod admission;
pub mod body;
pub mod limits;
pub mod preflight;

/// The answer to a finished upload; `id` is what existing clients read.
#[derive(Debug, Serialize)]
pub struct Uploaded {
    /// Hash of the object.
    pub id: ContentHash,
    /// The object.
    pub object: ObjectId,
    /// Bytes.
    pub size: u64,
    /// `stored`, or `accepted` if the chain knows already that somebody holds it.
    pub state: &'static str,
    /// This node's word for it.
    pub receipt: Option<SignedReceipt>,
}

/// `POST /api/v1/files`
pub async fn upload(
    request: HttpRequest,
    payload: web::Payload,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    let payload = SharedPayload::new(payload);
    let result = receive(&request, &payload, &node).await;
    let outcome = match &result {
        Ok(Outcome::Stored(_)) => ("stored", "none"),
        Ok(Outcome::Repeated(_)) => ("repeated", "none"),
        Err(error) if error.status.is_client_error() => ("refused", admission::reason(error.kind)),
        Err(error) => ("failed", admission::reason(error.kind)),
    };
    node.metrics
        .uploads
        .with_label_values(&[outcome.0, outcome.1])
        .inc();
    match result {
        Ok(Outcome::Stored(uploaded) | Outcome::Repeated(uploaded)) => {
            Ok(HttpResponse::Created().json(uploaded))
        }
        Err(error) => {
            // A client that is still sending would otherwise see a broken line, not the answer.
            let silence_max = node.config.uploads.chunk_timeout.0;
            let drained = payload.drain(body::REFUSED_BYTES_MAX, silence_max);
            let _in_time = tokio::time::timeout(body::REFUSED_TIME_MAX, drained).await;
            Err(error)
        }
    }
}

enum Outcome {
    Stored(Uploaded),
    Repeated(Uploaded),
}

async fn receive(
    request: &HttpRequest,
    payload: &SharedPayload,
    node: &Node,
) -> Result<Outcome, ApiError> {
    let target = match admission::admit(request, node).await? {
        Admission::Receive(target) => target,
        Admission::AlreadyHeld(target) => {
            let bytes_max = target.size.saturating_add(admission::FORM_BYTES_MAX);
            payload
                .drain(bytes_max, node.config.uploads.chunk_timeout.0)
                .await;
            note_taken(node, &target).await?;
            node.repeat_upload(target.object, target.hash, target.debt())
                .await?;
            return Ok(Outcome::Repeated(uploaded(node, &target).await?));
        }
    };
    let client = Client::of(request, &node.config.uploads);
    let _slot = node.uploads.take_slot(client)?;
    let _room = node.uploads.reserve(target.size, node.holdings.blobs())?;

    let begun = node.holdings.blobs().begin(target.hash, target.size).await;
    let partial = begun.map_err(errors::from_blob)?;
    let verified = body::receive_file(request, payload, partial, &node.config.uploads).await?;
    note_taken(node, &target).await?;
    let stored = node
        .holdings
        .store(target.object, verified, target.debt())
        .await;
    stored.map_err(errors::from_holdings)?;

    node.metrics.upload_bytes.inc_by(target.size);
    tracing::debug!(object = %target.object, bucket = %target.bucket, size = target.size, "stored");
    node.object_stored(
        target.object,
        target.hash,
        target.size,
        target.bag,
        target.debt(),
    );
    Ok(Outcome::Stored(uploaded(node, &target).await?))
}

/// What the receipt says later, to become durable with the object.
async fn note_taken(node: &Node, target: &Target) -> Result<(), ApiError> {
    let taken = Taken {
        bucket: target.bucket,
        time_ms: now_ms(),
        accepted_block: None,
    };
    let noted = node.holdings.note_taken(target.object, taken).await;
    noted.map_err(errors::from_holdings)
}

async fn uploaded(node: &Node, target: &Target) -> Result<Uploaded, ApiError> {
    let taken = node.holdings.taken(target.object).await;
    let taken = taken.map_err(errors::from_holdings)?;
    let held = node.holdings.get(target.object);
    // Neither is there if the object was deleted on chain meanwhile.
    let receipt = held
        .zip(taken)
        .map(|(held, taken)| node.notary.receipt(target.object, &held, &taken));
    let state = if target.accepted {
        "accepted"
    } else {
        "stored"
    };
    Ok(Uploaded {
        id: target.hash,
        object: target.object,
        size: target.size,
        state,
        receipt,
    })
}
