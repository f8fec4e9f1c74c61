//! Digests of what is held, for nodes that compare what they hold: see [`crate::digest`].

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, de::DeserializeOwned};
use shared::{
    api::{ApiError, ErrorKind},
    ids::{BagId, ObjectId},
};

use crate::{
    digest::{ALL, BAG_DIGEST_ROUTE, BAGS_MAX, BagDigest, DIGESTS_ROUTE, RangeDigest},
    node::Node,
    replicate::compare::held_within,
};

/// Adds the routes.
pub fn routes(service: &mut web::ServiceConfig) {
    service
        .service(super::get_resource(DIGESTS_ROUTE).route(super::get_or_head().to(of_bags)))
        .service(super::get_resource(BAG_DIGEST_ROUTE).route(super::get_or_head().to(of_range)));
}

#[derive(Deserialize)]
struct Bags {
    bags: String,
}

#[derive(Deserialize)]
struct Range {
    first: Option<ObjectId>,
    last: Option<ObjectId>,
}

async fn of_bags(request: HttpRequest, node: web::Data<Node>) -> Result<HttpResponse, ApiError> {
    let query: Bags = query(&request)?;
    let bags = query.bags.split(',').filter(|name| !name.is_empty());
    let bags: Vec<BagId> = bags.map(str::parse).collect::<Result<_, _>>()?;
    if bags.len() > BAGS_MAX {
        let message = format!("{} bags asked for, at most {BAGS_MAX} at once", bags.len());
        return Err(ApiError::new(ErrorKind::InvalidRequest, message));
    }
    let digest = |bag| BagDigest {
        bag,
        digest: node.holdings.digest_of(bag),
    };
    let digests: Vec<BagDigest> = bags.into_iter().map(digest).collect();
    Ok(HttpResponse::Ok().json(digests))
}

async fn of_range(
    bag: web::Path<String>,
    request: HttpRequest,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    let bag: BagId = bag.parse()?;
    let query: Range = query(&request)?;
    let range = (query.first.unwrap_or(ALL.0), query.last.unwrap_or(ALL.1));
    let held = move || held_within(&node.view, &node.holdings, bag, range, usize::MAX);
    let digest = move || RangeDigest::of(held());
    Ok(HttpResponse::Ok().json(on_pool(digest).await?))
}

fn query<T: DeserializeOwned>(request: &HttpRequest) -> Result<T, ApiError> {
    let query = web::Query::<T>::from_query(request.query_string());
    let query = query.map_err(|error| {
        let message = format!("query '{}': {error}", request.query_string());
        ApiError::new(ErrorKind::InvalidRequest, message)
    })?;
    Ok(query.into_inner())
}

async fn on_pool<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, ApiError> {
    let stopping = |_| ApiError::new(ErrorKind::Unavailable, "the node is stopping");
    tokio::task::spawn_blocking(work).await.map_err(stopping)
}
