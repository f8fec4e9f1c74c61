//! The end of an upload, by whichever protocol: verified bytes become a held object with its debt to
//! the chain, and the answer says so.

use serde::Serialize;
use shared::{
    api::ApiError, blob::Verified, hash::ContentHash, ids::ObjectId, p2p::receipt::SignedReceipt,
};

use super::{super::errors, admission::Target};
use crate::{
    history::Way,
    holdings::Taken,
    node::{Node, hint, now_ms},
    scrub::actor::Noted,
};

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

/// The bytes are there and verified: makes them durable, records them, and tells everybody.
pub async fn store(node: &Node, target: &Target, verified: Verified) -> Result<(), ApiError> {
    note_taken(node, target).await?;
    let stored = node
        .holdings
        .store(target.object, verified, target.debt(), Way::Upload)
        .await;
    stored.map_err(errors::from_holdings)?;

    if node.damage.get(&target.hash).is_some() {
        let (hash, is_fresh) = (target.hash, false);
        hint(
            &node.scrub,
            Noted { hash, is_fresh },
            "scrub",
            &node.metrics,
        );
    }
    node.metrics.upload_bytes.inc_by(target.size);
    tracing::debug!(object = %target.object, bucket = %target.bucket, size = target.size, "stored");
    node.object_stored(
        target.object,
        target.hash,
        target.size,
        target.bag,
        target.debt(),
    );
    Ok(())
}

/// The object was held before: it is vouched for all the same.
pub async fn repeat(node: &Node, target: &Target) -> Result<(), ApiError> {
    note_taken(node, target).await?;
    node.repeat_upload(target.object, target.hash, target.debt())
        .await
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

/// What the client is told.
pub async fn uploaded(node: &Node, target: &Target) -> Result<Uploaded, ApiError> {
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
