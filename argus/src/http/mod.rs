//! The public interface.
//!
//! - [`admin`]: what the operator may ask of the cache, on the admin port
//! - [`asset`]: `GET` and `HEAD /api/v1/assets/{id}`
//! - [`growing`]: an asset that is being filled
//! - [`hit`]: an asset that is there as a whole
//! - [`outboard`]: `GET /api/v1/files/{id}/outboard`, for other edges
//! - [`status`]: `/api/v1/status` and `/api/v1/buckets`

pub mod admin;
pub mod asset;
pub mod growing;
pub mod hit;
pub mod outboard;
pub mod status;

use std::sync::Arc;

use actix::Addr;
use actix_web::{HttpResponse, http::header, middleware::DefaultHeaders, web};
use shared::{
    api::{ApiError, ErrorKind, takes_only},
    serve::{openapi, pages::PagesLimit},
};
use tokio::{sync::Semaphore, time::Instant};

use crate::{
    cache::{OpenObjects, RamTier, keeper::Keeper},
    catalog::Catalog,
    fill::Fetching,
    metrics::Metrics,
    network::Network,
    prefetch::Prefetch,
};

/// Headers that scripts of any origin may read.
const EXPOSED_HEADERS: &str = "x-cache, x-data-source, x-request-id, etag, accept-ranges, content-range, content-length, \
     retry-after, server-timing";

/// What the handlers need.
pub struct State {
    /// What may be served.
    pub catalog: Catalog,
    /// What is open.
    pub open: OpenObjects,
    /// What is in memory.
    pub ram: RamTier,
    /// Files that are sent without a copy.
    pub pages: PagesLimit,
    /// Who decides what is kept.
    pub keeper: Addr<Keeper>,
    /// Who fetches beginnings before anybody asks, if that is configured.
    pub prefetch: Option<Prefetch>,
    /// What fetches past the cache need.
    pub fetching: Arc<Fetching>,
    /// Places for answers past the cache.
    pub pass_through: Arc<Semaphore>,
    /// The gossip that is listened to, if it is.
    pub network: Option<Arc<Network>>,
    /// Metrics.
    pub metrics: Metrics,
    /// What the node is called, if it has a name.
    pub name: Option<String>,
    /// Start of the node.
    pub started: Instant,
    /// Bytes the cache may take.
    pub cache_limit: u64,
}

/// Headers on every answer, errors included.
pub fn open_headers() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .add((header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED_HEADERS))
        .add(("timing-allow-origin", "*"))
}

/// The document of all this. It is kept by hand; a test calls each path and status in it.
pub const DOCUMENT: &str = include_str!("openapi.json");

/// All routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource(shared::api::ASSET_ROUTE)
                .route(web::get().to(asset::answer))
                .route(web::head().to(asset::answer))
                .route(web::method(actix_web::http::Method::OPTIONS).to(preflight))
                .default_service(takes_only("GET, HEAD, OPTIONS")),
        )
        .service(get_resource(shared::api::OUTBOARD_ROUTE).route(web::get().to(outboard::answer)))
        .service(get_resource(shared::api::STATUS_ROUTE).route(web::get().to(status::status)))
        .service(get_resource(shared::api::BUCKETS_ROUTE).route(web::get().to(status::buckets)))
        .configure(|config| openapi::routes(config, get_resource, DOCUMENT))
        .default_service(web::to(not_found));
}

fn get_resource(pattern: &str) -> actix_web::Resource {
    web::resource(pattern).default_service(takes_only("GET"))
}

/// What a browser asks before a request with a `Range` or a condition.
async fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, OPTIONS"))
        .insert_header((
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "range, if-range, if-match, if-none-match, x-request-id",
        ))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish()
}

async fn not_found(request: actix_web::HttpRequest) -> Result<HttpResponse, ApiError> {
    let message = format!(
        "there is nothing at {}; assets are at /api/v1/assets/<object id>",
        request.path()
    );
    Err(ApiError::new(ErrorKind::NotFound, message))
}
