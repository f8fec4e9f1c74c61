//! The public interface: `POST /graphql`, its page for browsers and its WebSocket.
//!
//! - [`cors`][]: any site may ask, with credentials
//! - [`socket`][]: subscriptions

pub mod cors;
pub mod socket;

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use async_graphql::{Request, Response};
use shared::{
    api::{ApiError, ErrorKind},
    graphiql,
};

use crate::{
    graphql::{
        Api,
        errors::{Fault, server_error, status},
        refused,
    },
    metrics::Metrics,
};

/// Path of the endpoint.
pub const PATH: &str = "/graphql";

/// Largest request: ten thousand ids fit in a quarter of it.
pub const BODY_BYTES_MAX: usize = 2 << 20;

/// Title of the page.
const TITLE: &str = "Indexer";

/// Adds the routes.
pub fn configure(config: &mut web::ServiceConfig) {
    config
        .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
        .service(
            web::resource(PATH)
                .route(web::post().to(post))
                .route(web::get().to(get))
                .default_service(web::to(async || method_not_allowed())),
        )
        .service(web::redirect("/", PATH))
        .configure(graphiql::configure)
        .default_service(web::to(
            async |request: HttpRequest| -> Result<HttpResponse, ApiError> {
                Err(ApiError::new(
                    ErrorKind::NotFound,
                    format!("there is nothing at {}; ask {PATH}", request.path()),
                ))
            },
        ));
}

fn method_not_allowed() -> Result<HttpResponse, ApiError> {
    Err(ApiError::new(
        ErrorKind::MethodNotAllowed,
        format!("{PATH} takes POST, and GET for a page or a WebSocket"),
    ))
}

async fn post(
    body: Result<web::Bytes, actix_web::Error>,
    api: web::Data<Api>,
    metrics: web::Data<Metrics>,
) -> HttpResponse {
    let body = match body {
        Ok(body) => body,
        Err(error) => {
            let status = error.as_response_error().status_code();
            let message =
                format!("the body cannot be read: {error}; it may have {BODY_BYTES_MAX} bytes");
            return HttpResponse::build(status).json(refused(server_error(Fault::Query, message)));
        }
    };
    let answer = match parse(&body) {
        Ok(request) => api.answer(request).await,
        Err(message) => refused(server_error(Fault::Query, message)),
    };
    respond(&answer, &metrics)
}

/// A request is one JSON object; several in a list are not taken.
fn parse(body: &[u8]) -> Result<Request, String> {
    if body.trim_ascii_start().starts_with(b"[") {
        return Err("batches are not taken: send one request at a time".to_owned());
    }
    serde_json::from_slice(body)
        .map_err(|error| format!("the body is not a GraphQL request in JSON: {error}"))
}

fn respond(answer: &Response, metrics: &Metrics) -> HttpResponse {
    let status = status(answer);
    if status.is_server_error() {
        metrics.query_failures.inc();
    }
    let mut response = HttpResponse::build(status);
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    response.json(answer)
}

async fn get(
    request: HttpRequest,
    body: web::Payload,
    api: web::Data<Api>,
    metrics: web::Data<Metrics>,
) -> Result<HttpResponse, actix_web::Error> {
    if request.headers().contains_key(header::UPGRADE) {
        return socket::open(
            &request,
            body,
            api.get_ref().clone(),
            metrics.get_ref().clone(),
        );
    }
    if graphiql::wants_page(&request) {
        return Ok(graphiql::respond(TITLE, PATH));
    }
    let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string());
    let query = query.ok().and_then(|pairs| {
        pairs
            .into_inner()
            .into_iter()
            .find(|(name, _)| name == "query")
    });
    let answer = match query {
        Some((_, query)) => api.answer(Request::new(query)).await,
        None => refused(server_error(
            Fault::Query,
            "send a query: as JSON by POST, or as ?query= by GET",
        )),
    };
    Ok(respond(&answer, &metrics))
}
