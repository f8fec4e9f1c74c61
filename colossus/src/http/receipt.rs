//! The receipt of an upload, and what became of it.

use actix_web::{HttpResponse, web};
use serde::Serialize;
use shared::{
    api::{ApiError, ErrorKind},
    ids::ObjectId,
    p2p::receipt::SignedReceipt,
};

use super::errors;
use crate::{
    node::Node,
    receipts::{Progress, Replicated, progress, replicated},
};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    receipt: SignedReceipt,
    state: Progress,
    #[serde(skip_serializing_if = "Option::is_none")]
    replicated: Option<Replicated>,
}

/// `GET /api/v1/files/{id}/receipt`
pub async fn receipt(
    id: web::Path<String>,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    let object: ObjectId = id.parse()?;
    let taken = node.holdings.taken(object).await;
    let taken = taken.map_err(errors::from_holdings)?;
    let (Some(held), Some(taken)) = (node.holdings.get(object), taken) else {
        let message = format!(
            "this node has no receipt for object {object}: it gives one to whoever uploads it here"
        );
        return Err(ApiError::new(ErrorKind::NotHeld, message));
    };
    let (ours, announced) = (node.our_buckets(), node.notary.announced(object));
    let (state, replicated) = {
        let directory = node.view.read();
        (
            progress(&directory, object, &taken),
            replicated(&directory, object, &ours, &announced),
        )
    };
    Ok(HttpResponse::Ok().json(Body {
        receipt: node.notary.receipt(object, &held, &taken),
        state,
        replicated,
    }))
}
