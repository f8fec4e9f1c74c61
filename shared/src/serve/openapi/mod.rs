//! The OpenAPI document of a node's public interface, and the page on which it can be tried. Documents
//! are kept by hand; tests of the nodes call each path and status in them and find each route in them.
//!
//! The page loads its script from the node and nothing from anywhere else.

use actix_web::{
    HttpResponse,
    http::header::{self, HeaderValue},
    web,
};

/// Route of the document.
pub const DOCUMENT_ROUTE: &str = "/api/v1/openapi.json";
/// Route of the page.
pub const PAGE_ROUTE: &str = "/api/v1/docs";
/// Route of the page's script.
pub const SCRIPT_ROUTE: &str = "/api/v1/docs/rapidoc.js";

const PAGE: &str = include_str!("page.html");

/// Compressed as it came from its package; every browser can unpack it.
const SCRIPT_GZIP: &[u8] = include_bytes!("../../../assets/rapidoc/rapidoc-min.js.gz");

/// How long browsers keep document and page; the program may be updated at any time.
const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// Adds the routes of a node's document, each made of a pattern by `resource`.
pub fn routes(
    service: &mut web::ServiceConfig,
    resource: impl Fn(&str) -> actix_web::Resource,
    document: &'static str,
) {
    let document = move || async move { answer("application/json").body(document) };
    service
        .service(resource(DOCUMENT_ROUTE).route(web::get().to(document)))
        .service(resource(SCRIPT_ROUTE).route(web::get().to(script)))
        .service(resource(PAGE_ROUTE).route(web::get().to(page)));
}

async fn page() -> HttpResponse {
    answer("text/html; charset=utf-8").body(PAGE)
}

async fn script() -> HttpResponse {
    answer("text/javascript; charset=utf-8")
        .insert_header((header::CONTENT_ENCODING, "gzip"))
        .body(SCRIPT_GZIP)
}

fn answer(media_type: &'static str) -> actix_web::HttpResponseBuilder {
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header((header::CONTENT_TYPE, media_type))
        .insert_header((header::CACHE_CONTROL, CACHE_CONTROL))
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"));
    answer
}
