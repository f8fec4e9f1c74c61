//! Everything about an upload that can be known before its body.

use std::{collections::HashMap, time::Duration};

use actix_web::{HttpRequest, http::header, web};
use shared::{
    api::{ApiError, ErrorKind},
    chain::directory::{DataObject, StorageOperator},
    hash::ContentHash,
    ids::{BagId, ObjectId, StorageBucketId},
};

use crate::{holdings::OutboxEntry, node::Node};

/// What a form may have beside the file: boundaries, headers of the part, small fields.
pub const FORM_BYTES_MAX: u64 = 64 * 1024;

/// How long the chain has to answer when it is asked directly.
const ASK_TIMEOUT: Duration = Duration::from_secs(10);

/// What comes of the look before the body.
pub enum Admission {
    /// Receive the body.
    Receive(Target),
    /// The object is held with this very content: the upload was finished before.
    AlreadyHeld(Target),
}

/// What is being uploaded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    /// The object.
    pub object: ObjectId,
    /// The bucket it is uploaded to.
    pub bucket: StorageBucketId,
    /// Its bag.
    pub bag: BagId,
    /// Bytes, as on chain.
    pub size: u64,
    /// Hash, as on chain.
    pub hash: ContentHash,
    /// Accepted on chain already?
    pub accepted: bool,
}

impl Target {
    /// The debt to accept it, unless the chain has it accepted.
    pub fn debt(&self) -> Option<OutboxEntry> {
        let (bucket, bag) = (self.bucket, self.bag);
        (!self.accepted).then(|| OutboxEntry {
            bucket,
            bag,
            stored_ms: crate::node::now_ms(),
        })
    }
}

/// Checks all there is to check of a form.
pub async fn admit(request: &HttpRequest, node: &Node) -> Result<Admission, ApiError> {
    let ids = parse_query(request.query_string())?;
    check_bucket(node, ids.bucket)?;
    check_media_type(request)?;
    let target = find_target(node, &ids).await?;
    check_length(request, &target)?;
    Ok(look(node, target))
}

/// Checks all there is to check of an object and the bucket it is uploaded to.
pub async fn admit_ids(node: &Node, ids: &Ids) -> Result<Admission, ApiError> {
    check_bucket(node, ids.bucket)?;
    let target = find_target(node, ids).await?;
    Ok(look(node, target))
}

fn look(node: &Node, target: Target) -> Admission {
    // What is damaged here is taken again: it may be the last good copy.
    let is_well = node.damage.get(&target.hash).is_none();
    match node.holdings.get(target.object) {
        Some(held) if held.hash == target.hash && is_well => Admission::AlreadyHeld(target),
        _ => Admission::Receive(target),
    }
}

/// The metric label of a refusal.
pub fn reason(kind: ErrorKind) -> &'static str {
    match kind {
        ErrorKind::InvalidRequest => "invalid_request",
        ErrorKind::MalformedId => "malformed_id",
        ErrorKind::UnknownObject => "unknown_object",
        ErrorKind::WrongBag => "wrong_bag",
        ErrorKind::BagNotAssigned => "bag_not_assigned",
        ErrorKind::WrongBucket => "wrong_bucket",
        ErrorKind::BucketNotAccepting => "bucket_not_accepting",
        ErrorKind::Blacklisted => "blacklisted",
        ErrorKind::WrongSize => "wrong_size",
        ErrorKind::WrongHash => "wrong_hash",
        ErrorKind::WrongChecksum => "wrong_checksum",
        ErrorKind::BrokenBody => "broken_body",
        ErrorKind::PreconditionFailed => "precondition_failed",
        ErrorKind::UnverifiableContent => "unverifiable_content",
        ErrorKind::MissingFile => "missing_file",
        ErrorKind::TooManyFiles => "too_many_files",
        ErrorKind::TooLarge => "too_large",
        ErrorKind::UnsupportedMediaType => "unsupported_media_type",
        ErrorKind::RequestTimeout => "request_timeout",
        ErrorKind::Overloaded => "overloaded",
        ErrorKind::Unavailable => "unavailable",
        ErrorKind::OutOfSpace => "out_of_space",
        ErrorKind::ReadOnly => "read_only",
        _ => "internal",
    }
}

/// What a client names when it uploads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    /// The object.
    pub object: ObjectId,
    /// The bucket to upload to.
    pub bucket: StorageBucketId,
    /// The bag the object is in.
    pub bag: BagId,
}

impl Ids {
    /// Reads the ids from texts by their names: `dataObjectId`, `storageBucketId`, `bagId`.
    pub fn read(text: impl Fn(&'static str) -> Result<String, ApiError>) -> Result<Self, ApiError> {
        Ok(Self {
            object: text("dataObjectId")?.parse()?,
            bucket: text("storageBucketId")?.parse()?,
            bag: text("bagId")?.parse()?,
        })
    }
}

fn parse_query(query: &str) -> Result<Ids, ApiError> {
    let refuse = |message: String| ApiError::new(ErrorKind::InvalidRequest, message);
    let query = web::Query::<HashMap<String, String>>::from_query(query)
        .map_err(|error| refuse(format!("the query cannot be read: {error}")))?;
    Ids::read(|name| {
        let value = query.get(name).cloned();
        value.ok_or_else(|| refuse(format!("the query parameter '{name}' is missing")))
    })
}

/// The bucket must be this worker's on chain, and one this node is configured for.
fn check_bucket(node: &Node, bucket: StorageBucketId) -> Result<(), ApiError> {
    let worker = node.config.worker;
    let ours: Vec<String> = node.our_buckets().iter().map(ToString::to_string).collect();
    if ours.contains(&bucket.to_string()) {
        return Ok(());
    }
    let directory = node.view.read();
    let operator = directory
        .storage_buckets
        .get(&bucket)
        .map(|known| &known.operator);
    let configured = node.config.buckets.contains(&bucket);
    match operator {
        Some(StorageOperator::Active { .. }) if !configured => {}
        None if !configured => {}
        Some(StorageOperator::Active { worker: other, .. }) => {
            let message =
                format!("bucket {bucket} is operated by worker {other}, not by worker {worker}");
            return Err(ApiError::new(ErrorKind::WrongBucket, message));
        }
        Some(StorageOperator::Missing | StorageOperator::Invited(_)) => {
            let message = format!(
                "bucket {bucket} has no active operator; worker {worker} must accept its invitation"
            );
            return Err(ApiError::new(ErrorKind::WrongBucket, message));
        }
        None => {
            let message = format!("bucket {bucket} does not exist on chain");
            return Err(ApiError::new(ErrorKind::WrongBucket, message));
        }
    }
    let message = format!(
        "bucket {bucket} takes no uploads on this node; it takes them for: {}",
        if ours.is_empty() {
            "none".into()
        } else {
            ours.join(", ")
        }
    );
    Err(ApiError::new(ErrorKind::BucketNotAccepting, message))
}

fn check_media_type(request: &HttpRequest) -> Result<(), ApiError> {
    let header = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let media_type = header.unwrap_or_default();
    if media_type
        .to_ascii_lowercase()
        .starts_with("multipart/form-data")
    {
        return Ok(());
    }
    let shown: String = media_type.chars().take(80).collect();
    let message =
        format!("content type '{shown}' is not multipart/form-data: send the file as a form");
    Err(ApiError::new(ErrorKind::UnsupportedMediaType, message))
}

async fn find_target(node: &Node, ids: &Ids) -> Result<Target, ApiError> {
    let (object, bucket, bag) = (ids.object, ids.bucket, ids.bag);
    let in_view = node.view.read().object(object);
    let known = match in_view {
        Some(known) if known.bag == bag => known,
        Some(known) => {
            let message = format!("object {object} is in bag {}, not in bag {bag}", known.bag);
            return Err(ApiError::new(ErrorKind::WrongBag, message));
        }
        // It may have been created a moment ago: ask the chain itself, once.
        None => ask_chain(node, object, bag).await?,
    };
    let assigned = {
        let directory = node.view.read();
        directory
            .bags
            .get(&bag)
            .is_none_or(|known| known.stored_by.contains(&bucket))
    };
    if !assigned {
        let message = format!("bag {bag} is not assigned to bucket {bucket}");
        return Err(ApiError::new(ErrorKind::BagNotAssigned, message));
    }
    if node
        .view
        .read()
        .blacklist
        .contains(&known.content_id.to_string())
    {
        let message = format!(
            "content {} of object {object} is on the blacklist",
            known.content_id
        );
        return Err(ApiError::new(ErrorKind::Blacklisted, message));
    }
    let hash = known.content_id.hash().map_err(|error| {
        let message = format!("object {object} cannot be verified: {error}");
        ApiError::new(ErrorKind::UnverifiableContent, message)
    })?;
    Ok(Target {
        object,
        bucket,
        bag,
        size: known.size,
        hash,
        accepted: known.accepted,
    })
}

async fn ask_chain(node: &Node, object: ObjectId, bag: BagId) -> Result<DataObject, ApiError> {
    let answer = tokio::time::timeout(ASK_TIMEOUT, node.chain.data_object(bag, object)).await;
    match answer {
        Ok(Ok(Some(known))) => Ok(known),
        Ok(Ok(None)) => {
            let message = format!("object {object} does not exist in bag {bag}");
            let status = actix_web::http::StatusCode::BAD_REQUEST;
            Err(ApiError::new(ErrorKind::UnknownObject, message).with_status(status))
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, %object, "the chain could not be asked about an object");
            Err(chain_is_away(object))
        }
        Err(_) => Err(chain_is_away(object)),
    }
}

fn chain_is_away(object: ObjectId) -> ApiError {
    let message =
        format!("object {object} is new to this node and the chain does not answer: try again");
    ApiError::new(ErrorKind::Unavailable, message).retry_after(5)
}

/// A form is a little longer than its file; anything else is another file.
fn check_length(request: &HttpRequest, target: &Target) -> Result<(), ApiError> {
    let header = request.headers().get(header::CONTENT_LENGTH);
    let Some(length) = header.and_then(|value| value.to_str().ok()?.parse::<u64>().ok()) else {
        return Ok(());
    };
    let longest = target.size.saturating_add(FORM_BYTES_MAX);
    if (target.size..=longest).contains(&length) {
        return Ok(());
    }
    let message = format!(
        "object {} has {} bytes on chain, and a form of {length} bytes cannot hold just that",
        target.object, target.size
    );
    Err(ApiError::new(ErrorKind::WrongSize, message))
}
