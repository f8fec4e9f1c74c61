//! The bytes of an object, and its outboard, with ranges and conditional requests.
//!
//! What the chain has not accepted yet is served to other storage nodes, which owe it too, and to
//! everybody only if so configured. Bytes that are not what the hash on chain says are served to
//! nobody: see [`super::opened`].

use std::sync::Arc;

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{self, HeaderValue},
    web,
};
use shared::{
    api::{ApiError, ErrorKind, HOST_ID_HEADER, OUTBOARD_MEDIA_TYPE},
    ids::ObjectId,
    serve::{self, Head, proven::Content},
    verified::Layout,
};

use super::opened::Reading;
use crate::{holdings::Held, node::Node};

/// What is not accepted can still be deleted or replaced on chain at any moment.
const PENDING_CACHE_CONTROL: &str = "no-store";

/// `GET` and `HEAD /api/v1/files/{id}`
pub async fn file(
    request: HttpRequest,
    id: web::Path<String>,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    let found = find(&request, &id, &node, Content::Data).await?;
    let held = &found.reading.held;
    let head = found.head(held.size, held.media_type);
    answer(&request, head, found.reading, Content::Data).await
}

/// `GET` and `HEAD /api/v1/files/{id}/outboard`: empty for objects of one group.
pub async fn outboard(
    request: HttpRequest,
    id: web::Path<String>,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    let found = find(&request, &id, &node, Content::Outboard).await?;
    let len = Layout::new(found.reading.held.size).outboard_len();
    let head = found.head(len, OUTBOARD_MEDIA_TYPE);
    answer(&request, head, found.reading, Content::Outboard).await
}

async fn answer(
    request: &HttpRequest,
    head: Head,
    reading: Reading,
    content: Content,
) -> Result<HttpResponse, ApiError> {
    let first = serve::first_range(request, &head);
    let mut opened = reading.open(content, first).await?;
    Ok(serve::respond_with(request, &head, |range| {
        opened.body(range)
    }))
}

struct Found {
    reading: Reading,
    accepted: bool,
}

impl Found {
    fn head(&self, len: u64, media_type: &'static str) -> Head {
        let head = Head::new(len, self.reading.held.hash, media_type);
        if self.accepted {
            head
        } else {
            head.cache_control(PENDING_CACHE_CONTROL)
        }
    }
}

async fn find(
    request: &HttpRequest,
    id: &str,
    node: &web::Data<Node>,
    content: Content,
) -> Result<Found, ApiError> {
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
    let reading = Reading {
        node: node.clone(),
        object,
        held,
        pin: Arc::new(pin),
        may_wait: caller.is_none(),
    };
    if is_withheld(request, &held, node, content) && !reading.is_mended().await {
        return Err(reading.damaged());
    }
    Ok(Found {
        reading,
        accepted: accepted == Some(true),
    })
}

/// Would the answer hold bytes that are known to be damaged?
fn is_withheld(request: &HttpRequest, held: &Held, node: &Node, content: Content) -> bool {
    let header = |name| request.headers().get(name).map(HeaderValue::as_bytes);
    match content {
        // A range under a condition may be answered with the whole.
        Content::Data if header(header::IF_RANGE).is_some() => {
            node.damage.withholds(&held.hash, None)
        }
        Content::Data => node.damage.withholds(&held.hash, header(header::RANGE)),
        Content::Outboard => node.damage.withholds_outboard(&held.hash),
    }
}
