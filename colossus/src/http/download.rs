//! The bytes of an object, and its outboard, with ranges and conditional requests.
//!
//! What the chain has not accepted yet is served to other storage nodes, which owe it too, and to
//! everybody only if so configured. Bytes that are known to be damaged are served to nobody.

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web,
};
use shared::{
    api::{ApiError, ErrorKind, HOST_ID_HEADER, OUTBOARD_MEDIA_TYPE},
    blob::Stored,
    ids::ObjectId,
    serve::{self, FileBody, Head},
};

use super::{errors, pinned::Pinned};
use crate::{
    holdings::{Held, Pin},
    node::{Node, hint},
    peer::Part,
    scrub::actor::Suspect,
};

/// What is not accepted can still be deleted or replaced on chain at any moment.
const PENDING_CACHE_CONTROL: &str = "no-store";

/// Seconds after which a client may ask for a damaged object again.
const DAMAGED_RETRY_AFTER_S: u32 = 30;

/// `GET` and `HEAD /api/v1/files/{id}`
pub async fn file(
    request: HttpRequest,
    id: web::Path<String>,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    let found = find(&request, &id, &node, Part::Data).await?;
    let head = found.head(found.held.size, found.held.media_type);
    let file = found.stored.file();
    Ok(serve::respond_with(&request, &head, |range| {
        Pinned::new(FileBody::new(file.clone(), range), &found.pin)
    }))
}

/// `GET` and `HEAD /api/v1/files/{id}/outboard`: empty for objects of one group.
pub async fn outboard(
    request: HttpRequest,
    id: web::Path<String>,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    let found = find(&request, &id, &node, Part::Outboard).await?;
    let head = found.head(found.stored.outboard_len(), OUTBOARD_MEDIA_TYPE);
    // An empty outboard has no file, and none of its bytes are ever asked for.
    let file = found.stored.outboard().unwrap_or(found.stored.file());
    Ok(serve::respond_with(&request, &head, |range| {
        Pinned::new(FileBody::new(file.clone(), range), &found.pin)
    }))
}

struct Found {
    held: Held,
    stored: Stored,
    accepted: bool,
    pin: Arc<Pin>,
}

impl Found {
    fn head(&self, len: u64, media_type: &'static str) -> Head {
        let head = Head::new(len, self.held.hash, media_type);
        if self.accepted {
            head
        } else {
            head.cache_control(PENDING_CACHE_CONTROL)
        }
    }
}

async fn find(request: &HttpRequest, id: &str, node: &Node, part: Part) -> Result<Found, ApiError> {
    let object: ObjectId = id.parse()?;
    let caller = request
        .headers()
        .get(HOST_ID_HEADER)
        .and_then(|value| value.to_str().ok());
    if caller == Some(node.host_id.as_str()) {
        let message = format!("the request for object {object} comes from this node itself");
        return Err(ApiError::new(ErrorKind::OwnRequest, message));
    }
    let not_held = || {
        ApiError::new(
            ErrorKind::NotHeld,
            format!("object {object} is not held by this node"),
        )
    };
    let (held, pin) = node.holdings.pinned(object).ok_or_else(not_held)?;
    let accepted = node.view.read().object(object).map(|known| known.accepted);
    let for_everybody = match accepted {
        Some(accepted) => accepted || node.config.http.serve_pending,
        // Deleted, and here only until its grace period ends; or newer than this node's view.
        None => false,
    };
    if !for_everybody && caller.is_none() {
        let message = format!("object {object} is not accepted on chain yet; try again shortly");
        return Err(ApiError::new(ErrorKind::NotAccepted, message));
    }
    if is_withheld(request, &held, node, part) {
        let message = format!(
            "object {object} is damaged on this node and being repaired: take it from another node"
        );
        return Err(
            ApiError::new(ErrorKind::Unavailable, message).retry_after(DAMAGED_RETRY_AFTER_S)
        );
    }
    let opened = node.holdings.open_files(&held).await;
    if !matches!(opened, Ok(Some(_))) {
        hint(&node.scrub, Suspect(held.hash), "scrub", &node.metrics);
    }
    let stored = opened.map_err(errors::from_blob)?.ok_or_else(not_held)?;
    Ok(Found {
        held,
        stored,
        accepted: accepted == Some(true),
        pin: Arc::new(pin),
    })
}

/// Would the answer hold bytes that are known to be damaged?
fn is_withheld(request: &HttpRequest, held: &Held, node: &Node, part: Part) -> bool {
    let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
    match part {
        // A range under a condition may be answered with the whole.
        Part::Data if header(header::IF_RANGE).is_some() => node.damage.withholds(&held.hash, None),
        Part::Data => node.damage.withholds(&held.hash, header(header::RANGE)),
        Part::Outboard => node.damage.withholds_outboard(&held.hash),
    }
}
