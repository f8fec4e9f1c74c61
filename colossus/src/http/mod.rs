//! The public HTTP interface: the requests existing clients send, and the routes that answer them.
//!
//! | module | what it answers |
//! |---|---|
//! | [`upload`] | **the upload story**, top to bottom |
//! | [`tus`] | uploads that survive a broken line |
//! | [`download`] | the bytes of an object, its outboard |
//! | [`opened`] | an object on its way to a client: pinned, and proved before it leaves |
//! | [`receipt`] | the receipt of an upload, and what became of it |
//! | [`state`] | what is held |
//! | [`digests`] | what is held, in a few bytes |
//! | [`status`] | version and state of the node |
//! | [`cleanup`] | the operator's questions about what may go, on the admin port |
//! | [`openapi`] | the document of all this, and a page to try it |
//! | [`admin`] | the operator's requests, on the admin port |
//! | [`errors`] | how errors of the rooms below become answers |

use actix_web::{
    HttpResponse,
    http::{Method, header},
    middleware::DefaultHeaders,
    web,
};
use shared::api::{self, ApiError, ErrorKind, takes_only};

pub mod admin;
pub mod cleanup;
pub mod digests;
pub mod download;
pub mod errors;
pub mod openapi;
pub mod opened;
pub mod receipt;
pub mod state;
pub mod status;
pub mod tus;
pub mod upload;

/// Adds all routes.
pub fn routes(service: &mut web::ServiceConfig) {
    service
        .service(
            web::resource(api::UPLOAD_ROUTE)
                .route(web::post().to(upload::upload))
                .route(preflight())
                .default_service(takes_only("POST, OPTIONS")),
        )
        .service(
            get_resource(api::UPLOAD_PREFLIGHT_ROUTE)
                .route(get_or_head().to(upload::preflight::preflight)),
        )
        .configure(tus::routes)
        .service(get_resource(api::FILE_ROUTE).route(get_or_head().to(download::file)))
        .service(get_resource(api::OUTBOARD_ROUTE).route(get_or_head().to(download::outboard)))
        .service(get_resource(api::RECEIPT_ROUTE).route(get_or_head().to(receipt::receipt)))
        .service(get_resource(api::HELD_OBJECTS_ROUTE).route(get_or_head().to(state::objects)))
        .service(
            get_resource(api::HELD_OBJECTS_OF_BAG_ROUTE)
                .route(get_or_head().to(state::objects_of_bag)),
        )
        .configure(digests::routes)
        .service(get_resource(api::STATE_DATA_ROUTE).route(get_or_head().to(state::data)))
        .service(get_resource(api::VERSION_ROUTE).route(get_or_head().to(status::version)))
        .service(get_resource(api::STATUS_ROUTE).route(get_or_head().to(status::status)))
        .configure(|service| openapi::routes(service, get_resource, openapi::DOCUMENT))
        .default_service(web::to(no_such_route));
}

/// Open CORS: players and wallets live on other origins.
pub fn open_cors() -> DefaultHeaders {
    let exposed = "content-length, content-range, accept-ranges, etag, retry-after, x-request-id, \
                   location, tus-checksum-algorithm, tus-extension, tus-resumable, tus-version, \
                   upload-expires, upload-length, upload-metadata, upload-offset, upload-receipt";
    DefaultHeaders::new()
        .add((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .add((header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed))
}

fn get_resource(pattern: &str) -> actix_web::Resource {
    web::resource(pattern)
        .route(preflight())
        .default_service(takes_only("GET, HEAD, OPTIONS"))
}

fn get_or_head() -> actix_web::Route {
    web::route().guard(actix_web::guard::Any(actix_web::guard::Get()).or(actix_web::guard::Head()))
}

fn preflight() -> actix_web::Route {
    web::method(Method::OPTIONS).to(async || {
        HttpResponse::NoContent()
            .insert_header((
                header::ACCESS_CONTROL_ALLOW_METHODS,
                "GET, HEAD, POST, OPTIONS",
            ))
            .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "*"))
            .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
            .finish()
    })
}

async fn no_such_route(request: actix_web::HttpRequest) -> Result<HttpResponse, ApiError> {
    let message = format!(
        "there is no '{}' here; a storage node answers under /api/v1/",
        request.path()
    );
    Err(ApiError::new(ErrorKind::NotFound, message))
}
