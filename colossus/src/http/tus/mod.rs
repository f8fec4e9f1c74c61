//! **Uploads that survive a broken line**: tus 1.0 at `/api/v1/uploads`, with its extensions
//! creation, creation-with-upload, expiration, checksum and termination.
//! Format: <https://tus.io/protocols/resumable-upload>.
//!
//! | module | what it answers |
//! |---|---|
//! | [`create`] | `POST`: the checks before the body, then a durable session |
//! | [`patch`] | `PATCH`: bytes at the offset where the session is |
//! | [`look`] | `HEAD`, `GET`, `DELETE`, `OPTIONS` |
//! | [`receive`] | a body into a session, until it ends, breaks off or is taken over |
//! | [`checksum`], [`headers`] | reading and writing the protocol's headers |
//!
//! A client names the object in `Upload-Metadata` by the keys `dataObjectId`, `storageBucketId` and
//! `bagId`, and gives the size that the chain has in `Upload-Length`. Checks, limits, cut-off and end
//! are those of [`super::upload`]; sessions are in [`crate::tus`].
//!
//! Departures: `Upload-Defer-Length` is refused, because the chain knows the size. A request to a
//! session that another request is writing to takes over. The receipt of the finished upload is in
//! the header `Upload-Receipt`, base64 of the JSON that a multipart upload is answered with.

use actix_web::{
    guard,
    http::Method,
    middleware::DefaultHeaders,
    web::{self, ServiceConfig},
};
use shared::api::{self, takes_only};

pub mod checksum;
pub mod create;
pub mod headers;
pub mod look;
pub mod patch;
pub mod receive;

/// Adds the routes.
pub fn routes(service: &mut ServiceConfig) {
    let method = |name: &'static str| guard::Header("x-http-method-override", name);
    service
        .service(
            web::resource(api::TUS_ROUTE)
                .wrap(version())
                .route(web::post().to(create::create))
                .route(web::method(Method::OPTIONS).to(look::options))
                .default_service(takes_only("POST, OPTIONS")),
        )
        .service(
            web::resource(api::TUS_UPLOAD_ROUTE)
                .wrap(version())
                .route(web::patch().to(patch::patch))
                .route(web::head().to(look::head))
                .route(web::get().to(look::get))
                .route(web::delete().to(look::delete))
                // For clients whose surroundings know only GET and POST.
                .route(web::post().guard(method("PATCH")).to(patch::patch))
                .route(web::post().guard(method("DELETE")).to(look::delete))
                .route(web::method(Method::OPTIONS).to(look::options))
                .default_service(takes_only("PATCH, HEAD, GET, DELETE, POST, OPTIONS")),
        );
}

fn version() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((headers::TUS_RESUMABLE, headers::VERSION))
        .add((headers::TUS_VERSION, headers::VERSION))
}
