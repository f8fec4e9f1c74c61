//! What this node holds: ids and figures.

use actix_web::{HttpResponse, web};
use shared::{
    api::{ApiError, wire::StateDataBody},
    ids::BagId,
};

use crate::node::Node;

/// `GET /api/v1/state/data-objects`
pub async fn objects(node: web::Data<Node>) -> HttpResponse {
    HttpResponse::Ok().json(node.holdings.ids())
}

/// `GET /api/v1/state/bags/{bagId}/data-objects`
pub async fn objects_of_bag(
    bag: web::Path<String>,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    let bag: BagId = bag.parse()?;
    let ids: Vec<_> = node
        .view
        .read()
        .objects_of(bag)
        .map(|object| object.id)
        .collect();
    let held: Vec<_> = ids
        .into_iter()
        .filter(|id| node.holdings.contains(*id))
        .collect();
    Ok(HttpResponse::Ok().json(held))
}

/// `GET /api/v1/state/data`
pub async fn data(node: web::Data<Node>) -> HttpResponse {
    let (object_number, total_size) = node.holdings.totals();
    let (pending_objects, pending_dir_size) = node.pending_totals();
    HttpResponse::Ok().json(StateDataBody {
        object_number,
        total_size,
        temp_downloads: u64::try_from(node.metrics.fetches_in_flight.get()).unwrap_or(0),
        temp_dir_size: node.uploads.reserved_bytes(),
        pending_objects,
        pending_dir_size,
    })
}
