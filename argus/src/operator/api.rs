//! The operator's requests, on a port of their own.
//!
//! `POST /api/v1/{stop-api,start-api,shutdown,set-worker,set-buckets}`: 200 with an empty body; 400 for
//! a body that is not understood, 401 without a good token, 409 when it is so already.

use std::{io, net::SocketAddr, sync::Arc, time::SystemTime};

use actix::Recipient;
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    dev::ServerHandle,
    http::header,
    web::{self, Data},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::Value;
use shared::{
    api::{ApiError, ErrorKind, takes_only},
    config::{Secret, TimeSpan},
    ids::{DistributionBucketId, WorkerId},
    serve::server::HttpLimits,
};
use tokio_util::sync::CancellationToken;

use super::{
    PublicPort,
    public_port::OpenError,
    token::{self, Bound, TokenError},
};
use crate::{
    cache::keeper::PurgeUnwanted,
    catalog::{Catalog, Scope},
};

/// Longest body: a list of buckets.
const BODY_BYTES_MAX: usize = 64 << 10;
/// Operators at once.
const CONNECTIONS_MAX: usize = 16;

/// What an operator can change.
pub struct Controls {
    /// The public server.
    pub port: Arc<PublicPort>,
    /// What is served.
    pub catalog: Catalog,
    /// Told when less is served than before.
    pub purge: Recipient<PurgeUnwanted>,
    /// Cancelled when the node is to end.
    pub shutdown: CancellationToken,
    /// What tokens are signed with.
    pub secret: Secret,
}

/// The running operator server.
pub struct OperatorServer {
    address: SocketAddr,
    handle: ServerHandle,
}

impl OperatorServer {
    /// Listens on this address (port 0 takes a free one). Needs an actix system.
    pub fn start(address: SocketAddr, controls: Controls) -> io::Result<Self> {
        let controls = Data::new(controls);
        let limits = HttpLimits {
            workers: Some(1),
            connections_max: CONNECTIONS_MAX,
            shutdown_timeout: TimeSpan::from_secs(1),
            ..HttpLimits::default()
        };
        let server = HttpServer::new(move || {
            let command = |path| web::resource(path).default_service(takes_only("POST"));
            App::new()
                .app_data(controls.clone())
                .app_data(web::PayloadConfig::new(BODY_BYTES_MAX))
                .service(command("/api/v1/stop-api").route(web::post().to(stop_api)))
                .service(command("/api/v1/start-api").route(web::post().to(start_api)))
                .service(command("/api/v1/shutdown").route(web::post().to(shutdown)))
                .service(command("/api/v1/set-worker").route(web::post().to(set_worker)))
                .service(command("/api/v1/set-buckets").route(web::post().to(set_buckets)))
                .default_service(web::to(no_such_command))
        });
        let server = limits.apply(server).bind(address)?;
        let address = server.addrs().first().copied().unwrap_or(address);
        let running = server.run();
        let handle = running.handle();
        actix_web::rt::spawn(running);
        Ok(Self { address, handle })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Stops it.
    pub async fn stop(self) {
        self.handle.stop(true).await;
    }
}

async fn no_such_command(request: HttpRequest) -> Answer {
    let message = format!(
        "there is no '{}' here; commands: stop-api, start-api, shutdown, set-worker and set-buckets below /api/v1/",
        request.path()
    );
    Err(ApiError::new(ErrorKind::NotFound, message))
}

type Answer = Result<HttpResponse, ApiError>;

async fn stop_api(request: HttpRequest, body: web::Bytes, controls: Data<Controls>) -> Answer {
    let Nothing {} = controls.admit(&request, &body)?;
    let closed = controls.port.close().await;
    closed.map_err(|already| conflict(already.to_string()))?;
    tracing::info!("the operator closed the public port");
    Ok(done())
}

async fn start_api(request: HttpRequest, body: web::Bytes, controls: Data<Controls>) -> Answer {
    let Nothing {} = controls.admit(&request, &body)?;
    controls.port.open().await.map_err(|error| match error {
        OpenError::Already(already) => conflict(already.to_string()),
        OpenError::Listen { .. } => ApiError::new(ErrorKind::Unavailable, error.to_string()),
    })?;
    tracing::info!("the operator opened the public port");
    Ok(done())
}

async fn shutdown(request: HttpRequest, body: web::Bytes, controls: Data<Controls>) -> Answer {
    let Nothing {} = controls.admit(&request, &body)?;
    if controls.shutdown.is_cancelled() {
        return Err(conflict("the node is stopping already"));
    }
    tracing::info!("the operator stops the node");
    controls.shutdown.cancel();
    Ok(done())
}

async fn set_worker(request: HttpRequest, body: web::Bytes, controls: Data<Controls>) -> Answer {
    let wanted: SetWorker = controls.admit(&request, &body)?;
    let scope = Scope {
        worker: WorkerId(wanted.worker_id),
        only: Vec::new(),
    };
    controls.rescope(scope).await
}

async fn set_buckets(request: HttpRequest, body: web::Bytes, controls: Data<Controls>) -> Answer {
    let wanted: SetBuckets = controls.admit(&request, &body)?;
    let (worker, _) = controls.catalog.scope();
    let only = wanted.buckets.unwrap_or_default();
    controls.rescope(Scope { worker, only }).await
}

/// A request that says nothing but its path.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// For which worker to serve.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct SetWorker {
    worker_id: u64,
}

/// Which of the worker's buckets to serve; absent: all of them.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SetBuckets {
    buckets: Option<Vec<DistributionBucketId>>,
}

impl Controls {
    /// Checks the token, then reads the body.
    fn admit<T: DeserializeOwned>(
        &self,
        request: &HttpRequest,
        body: &[u8],
    ) -> Result<T, ApiError> {
        let json: Value = match body {
            [] => Value::Null,
            body => serde_json::from_slice(body).map_err(|error| misunderstood(&error))?,
        };
        self.check_token(request, &json).map_err(|error| {
            tracing::warn!(%error, path = request.path(), "an operator's request was refused");
            ApiError::new(ErrorKind::Unauthorized, error.to_string())
        })?;
        let said = match json {
            Value::Null => Value::Object(serde_json::Map::new()),
            said => said,
        };
        serde_json::from_value(said).map_err(|error| misunderstood(&error))
    }

    fn check_token(&self, request: &HttpRequest, body: &Value) -> Result<(), TokenError> {
        let header = request.headers().get(header::AUTHORIZATION);
        let token = header
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or(TokenError::Missing)?;
        let url = request
            .uri()
            .path_and_query()
            .map_or("", |path_and_query| path_and_query.as_str());
        let bound = Bound {
            url,
            body: Some(body),
        };
        token::check(&self.secret, token, bound, SystemTime::now())
    }

    /// Serves for somebody else, and lets go of what is not served any more.
    async fn rescope(&self, scope: Scope) -> Answer {
        tracing::info!(?scope, "the operator changed what is served");
        self.catalog.rescope(scope);
        match self.purge.send(PurgeUnwanted).await {
            Ok(()) => Ok(done()),
            Err(_) => Err(ApiError::new(
                ErrorKind::Unavailable,
                "the cache keeper is gone; the node is about to end",
            )),
        }
    }
}

fn done() -> HttpResponse {
    HttpResponse::Ok().finish()
}

fn conflict(message: impl Into<String>) -> ApiError {
    ApiError::new(ErrorKind::Conflict, message.into())
}

fn misunderstood(error: &serde_json::Error) -> ApiError {
    ApiError::new(
        ErrorKind::InvalidRequest,
        format!("the body is not what this request takes: {error}"),
    )
}
