//! **The upload story.** `POST /api/v1/files?dataObjectId=&storageBucketId=&bagId=`, one file as
//! multipart form data, from the first byte of the request to the moment it may be forgotten:
//!
//! 1. [`admission`]: everything that can be known before the body: ids, bucket, object, bag, size,
//!    blacklist, free space, a free slot
//! 2. [`body`]: the file streams into the blob store while it is hashed; cut off past its size
//! 3. [`finish`]: durable and recorded in [`crate::holdings`] together with the debt to accept it
//! 4. 201, with a receipt signed by this node ([`crate::receipts`])
//! 5. hints: [`crate::accept`] will tell the chain, [`crate::network`] the other nodes,
//!    [`crate::replicate`] need not look for it any more
//!
//! Whatever goes wrong before 3 leaves nothing on disk. Repeating a finished upload succeeds, so a
//! lost 201 can be retried. Two clients that send one object at once both end well: the second to
//! finish finds the object stored.
//!
//! [`super::tus`] is the other way to upload, with the same checks, limits and end; it survives a
//! broken line. Before all that, [`preflight`] tells a client which buckets could take an object.

use actix_web::{HttpRequest, HttpResponse, web};
use shared::{api::ApiError, serve::server::clients::address::ClientKey};

use self::{admission::Admission, body::SharedPayload, finish::Uploaded};
use super::errors;
use crate::node::Node;

pub mod admission;
pub mod body;
pub mod finish;
pub mod limits;
pub mod preflight;

/// `POST /api/v1/files`
pub async fn upload(
    request: HttpRequest,
    payload: web::Payload,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    let payload = SharedPayload::new(payload);
    let result = receive(&request, &payload, &node).await;
    match &result {
        Ok(outcome) => {
            let outcome = match outcome {
                Outcome::Stored(_) => "stored",
                Outcome::Repeated(_) => "repeated",
            };
            let labels = [outcome, "none"];
            node.metrics.uploads.with_label_values(&labels).inc();
        }
        Err(error) => node.metrics.upload_refused(error),
    }
    match result {
        Ok(Outcome::Stored(uploaded) | Outcome::Repeated(uploaded)) => {
            Ok(HttpResponse::Created().json(uploaded))
        }
        Err(error) => {
            payload
                .drain_refused(node.config.uploads.chunk_timeout.0)
                .await;
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
            finish::repeat(node, &target).await?;
            return Ok(Outcome::Repeated(finish::uploaded(node, &target).await?));
        }
    };
    let client = ClientKey::of(request, &node.config.http.limits.trusted_proxies);
    let _slot = node.uploads.take_slot(client)?;
    let _room = node.uploads.reserve(target.size, node.holdings.blobs())?;

    let begun = node.holdings.blobs().begin(target.hash, target.size).await;
    let partial = begun.map_err(errors::from_blob)?;
    let verified = body::receive_file(request, payload, partial, &node.config.uploads).await?;
    finish::store(node, &target, verified).await?;
    Ok(Outcome::Stored(finish::uploaded(node, &target).await?))
}
