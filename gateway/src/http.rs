//! The public interface: `/graphql` and `/api/v1/status`, for apps on other origins.

use std::sync::Arc;

use actix_web::{
    Error, HttpRequest, HttpResponse,
    body::MessageBody,
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderValue},
    },
    middleware::Next,
    web,
};
use bytes::Bytes;
use serde_json::json;
use shared::graphiql;

use crate::{
    clients::Clients,
    edges::{Coordinates, Wish},
    error::GatewayError,
    gateway::{Caller, Gateway},
};

/// Longest request.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// Where a client is: `<latitude>, <longitude>`.
const LOCATION_HEADER: &str = "x-client-loc";
/// How many URLs a client wants for each object.
const URLS_LIMIT_HEADER: &str = "x-asset-urls-limit";

/// Headers that apps on other origins may send.
const ALLOWED_HEADERS: &str = "content-type, authorization, queryname, x-client-loc, x-asset-urls-limit, x-request-id, apollographql-client-name, apollographql-client-version";

/// What the handlers share.
pub struct Shared {
    /// Answers.
    pub gateway: Gateway,
    /// Who asks.
    pub clients: Clients,
}

/// The routes.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(
            web::resource("/graphql")
                .route(web::get().to(browse))
                .route(web::post().to(graphql))
                .default_service(web::to(not_allowed)),
        )
        .route("/api/v1/status", web::get().to(status))
        .configure(graphiql::configure);
}

async fn graphql(
    request: HttpRequest,
    payload: web::Payload,
    shared: web::Data<Arc<Shared>>,
) -> HttpResponse {
    let answer = async {
        let body = read(&request, payload).await?;
        shared
            .gateway
            .answer(body, caller(&request, &shared.clients))
            .await
    };
    match answer.await {
        Ok(reply) => json_response(reply.status, reply.body),
        Err(error) => refuse(&error),
    }
}

async fn read(request: &HttpRequest, payload: web::Payload) -> Result<Bytes, GatewayError> {
    let content_type = request
        .headers()
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let is_json = content_type.is_some_and(|text| {
        text.trim_start()
            .to_ascii_lowercase()
            .starts_with("application/json")
    });
    if !is_json {
        return Err(GatewayError::BadRequest(
            "send the request with content-type: application/json".into(),
        ));
    }
    match payload.to_bytes_limited(BODY_BYTES_MAX).await {
        Ok(Ok(body)) => Ok(body),
        Ok(Err(error)) => Err(GatewayError::BadRequest(format!(
            "the request broke off: {error}"
        ))),
        Err(_) => Err(GatewayError::TooLong {
            limit: BODY_BYTES_MAX,
        }),
    }
}

fn caller(request: &HttpRequest, clients: &Clients) -> Caller {
    let header = |name: &str| {
        request
            .headers()
            .get(name)
            .and_then(|value| value.to_str().ok())
    };
    // Several headers of this name are one list.
    let forwarded: Vec<&str> = request
        .headers()
        .get_all("x-forwarded-for")
        .filter_map(|value| value.to_str().ok())
        .collect();
    let peer = request.peer_addr().map(|address| address.ip());
    Caller {
        client: clients.identify(peer, Some(&forwarded.join(","))),
        wish: Wish {
            location: header(LOCATION_HEADER).and_then(Coordinates::parse),
            limit: header(URLS_LIMIT_HEADER).and_then(|text| text.trim().parse().ok()),
        },
    }
}

async fn status(shared: web::Data<Arc<Shared>>) -> HttpResponse {
    let gateway = &shared.gateway;
    HttpResponse::Ok().json(json!({
        "version": env!("CARGO_PKG_VERSION"),
        "indexer": {
            "url": gateway.indexer.url(),
            "trouble": gateway.indexer.trouble(),
            "schemaLoaded": gateway.indexer.schema().is_ok(),
        },
        "bagsWithEdges": gateway.edges.bags(),
    }))
}

/// People get a page on which they can ask; programs are told how.
async fn browse(request: HttpRequest) -> HttpResponse {
    match graphiql::wants_page(&request) {
        true => graphiql::respond("Orion", "/graphql"),
        false => not_allowed().await,
    }
}

async fn not_allowed() -> HttpResponse {
    let error = GatewayError::BadRequest("send GraphQL requests by POST".into());
    HttpResponse::MethodNotAllowed()
        .insert_header((header::ALLOW, "GET, POST, OPTIONS"))
        .content_type("application/json")
        .body(error.body())
}

fn refuse(error: &GatewayError) -> HttpResponse {
    if error.status().is_server_error() {
        tracing::warn!(%error, "a request was not answered");
    }
    let mut response = json_response(error.status(), error.body().into());
    if let Some(seconds) = error.retry_after_s() {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, seconds.into());
    }
    response
}

fn json_response(status: StatusCode, body: Bytes) -> HttpResponse {
    HttpResponse::build(status)
        .content_type("application/json")
        .body(body)
}

/// Let apps on any origin ask, also with credentials: what is answered does not depend on them. The
/// JSON content type that is asked for keeps forms of other sites out.
pub async fn cross_origin(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let origin = request.headers().get(header::ORIGIN).cloned();
    let is_preflight = request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if is_preflight {
        let mut response = HttpResponse::NoContent().finish();
        let headers = response.headers_mut();
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, POST, OPTIONS"),
        );
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(ALLOWED_HEADERS),
        );
        headers.insert(
            header::ACCESS_CONTROL_MAX_AGE,
            HeaderValue::from_static("86400"),
        );
        allow(headers, origin);
        return Ok(request.into_response(response).map_into_right_body());
    }
    let mut response = next.call(request).await?;
    allow(response.headers_mut(), origin);
    Ok(response.map_into_left_body())
}

fn allow(headers: &mut HeaderMap, origin: Option<HeaderValue>) {
    headers.append(header::VARY, HeaderValue::from_static("origin"));
    if let Some(origin) = origin {
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(
            header::ACCESS_CONTROL_ALLOW_CREDENTIALS,
            HeaderValue::from_static("true"),
        );
        headers.insert(
            header::ACCESS_CONTROL_EXPOSE_HEADERS,
            HeaderValue::from_static("x-request-id, retry-after"),
        );
    }
}
