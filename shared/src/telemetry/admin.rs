//! The admin port: `/metrics` for Prometheus, `/livez` and `/readyz` for service managers. It is its
//! own server with one worker, so that it answers while the public port is busy or closed.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, http::header, web};
use prometheus::{Encoder, IntGaugeVec, Opts, Registry, TextEncoder};
use serde_json::json;

/// Connections the admin port takes at once.
const CONNECTIONS_MAX: usize = 64;

/// Is one thing the node needs in order? `Err` says what is wrong. Called on each request: cheap,
/// and never waiting.
pub type Check = Arc<dyn Fn() -> Result<(), String> + Send + Sync>;

/// The named checks behind `/readyz`, and those whose failure means that only a restart helps,
/// behind `/livez`.
#[derive(Clone, Default)]
pub struct Health {
    ready: Vec<(&'static str, Check)>,
    live: Vec<(&'static str, Check)>,
}

impl Health {
    /// Without checks: live and ready.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check that must pass for the node to take requests.
    pub fn ready_when(
        mut self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.ready.push((name, Arc::new(check)));
        self
    }

    /// Adds a check whose failure asks for a restart.
    pub fn live_when(
        mut self,
        name: &'static str,
        check: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        self.live.push((name, Arc::new(check)));
        self
    }
}

/// The running admin server.
pub struct AdminServer {
    address: SocketAddr,
    handle: ServerHandle,
}

impl AdminServer {
    /// Binds the address (port 0 takes a free one) and serves from now on. Needs an actix system.
    pub fn start(address: SocketAddr, registry: Registry, health: Health) -> io::Result<Self> {
        Self::start_with(address, registry, health, |_| {})
    }

    /// [`start`](Self::start) with routes of the node's own: what only its operator may ask for.
    pub fn start_with(
        address: SocketAddr,
        registry: Registry,
        health: Health,
        routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static,
    ) -> io::Result<Self> {
        build_info(&registry).map_err(io::Error::other)?;
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(registry.clone()))
                .app_data(web::Data::new(health.clone()))
                .route("/metrics", web::get().to(metrics))
                .route("/livez", web::get().to(livez))
                .route("/readyz", web::get().to(readyz))
                .configure(routes.clone())
        })
        .workers(1)
        .max_connections(CONNECTIONS_MAX)
        .client_request_timeout(Duration::from_secs(5))
        .shutdown_timeout(1)
        .disable_signals()
        .bind(address)?;
        let address = server.addrs()[0];
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

/// Which program this is: 1, with its version and the commit it was built from, if the build said so.
fn build_info(registry: &Registry) -> Result<(), prometheus::Error> {
    let options = Opts::new("jsnode_build_info", "Version and commit of the program");
    let info = IntGaugeVec::new(options, &["version", "commit"])?;
    let commit = option_env!("BUILD_COMMIT").unwrap_or("unknown");
    info.with_label_values(&[env!("CARGO_PKG_VERSION"), commit])
        .set(1);
    registry.register(Box::new(info))
}

async fn metrics(registry: web::Data<Registry>) -> HttpResponse {
    let encoder = TextEncoder::new();
    let mut text = Vec::new();
    match encoder.encode(&registry.gather(), &mut text) {
        Ok(()) => HttpResponse::Ok()
            .insert_header((header::CONTENT_TYPE, encoder.format_type()))
            .body(text),
        Err(error) => {
            tracing::error!(%error, "metrics cannot be written");
            HttpResponse::InternalServerError().finish()
        }
    }
}

async fn livez(request: HttpRequest, health: web::Data<Health>) -> HttpResponse {
    report(&request, &health.live)
}

async fn readyz(request: HttpRequest, health: web::Data<Health>) -> HttpResponse {
    report(&request, &health.ready)
}

/// 200 if all checks pass, else 503. With `?verbose` all checks are listed, else the failing ones.
fn report(request: &HttpRequest, checks: &[(&'static str, Check)]) -> HttpResponse {
    let results: Vec<_> = checks
        .iter()
        .map(|(name, check)| (*name, check()))
        .collect();
    let healthy = results.iter().all(|(_, result)| result.is_ok());
    let verbose = request
        .query_string()
        .split('&')
        .any(|part| part.split('=').next() == Some("verbose"));
    let listed: Vec<_> = results
        .iter()
        .filter(|(_, result)| verbose || result.is_err())
        .map(|(name, result)| match result {
            Ok(()) => json!({ "name": name, "ok": true }),
            Err(reason) => json!({ "name": name, "ok": false, "reason": reason }),
        })
        .collect();
    let mut response = if healthy {
        HttpResponse::Ok()
    } else {
        HttpResponse::ServiceUnavailable()
    };
    response.insert_header((header::CACHE_CONTROL, "no-store"));
    response.json(json!({ "status": if healthy { "ok" } else { "failing" }, "checks": listed }))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    async fn get(address: SocketAddr, path: &str) -> (u16, String) {
        let answer = reqwest_like(address, path).await;
        let status = answer.split(' ').nth(1).unwrap().parse().unwrap();
        (status, answer)
    }

    /// A bare request, so that the test needs no client.
    async fn reqwest_like(address: SocketAddr, path: &str) -> String {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        let mut connection = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n");
        connection.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        answer
    }

    #[actix_web::test]
    async fn readiness_follows_its_checks_and_metrics_are_those_of_the_registry() {
        let chain_is_there = Arc::new(AtomicBool::new(false));
        let seen = chain_is_there.clone();
        let health = Health::new().ready_when("chain", move || {
            if seen.load(Ordering::Relaxed) {
                Ok(())
            } else {
                Err("no block yet".to_owned())
            }
        });
        let registry = Registry::new();
        let counter = prometheus::IntCounter::new("tests_total", "how often").unwrap();
        registry.register(Box::new(counter.clone())).unwrap();
        counter.inc();
        let admin = AdminServer::start(([127, 0, 0, 1], 0).into(), registry, health).unwrap();

        let (status, body) = get(admin.address(), "/readyz").await;
        assert_eq!(status, 503);
        assert!(body.contains("no block yet"), "{body}");
        assert_eq!(get(admin.address(), "/livez").await.0, 200);

        chain_is_there.store(true, Ordering::Relaxed);
        let (status, body) = get(admin.address(), "/readyz").await;
        assert_eq!(status, 200);
        assert!(!body.contains("chain"), "{body}");
        assert!(
            get(admin.address(), "/readyz?verbose")
                .await
                .1
                .contains("chain")
        );
        assert!(
            get(admin.address(), "/metrics")
                .await
                .1
                .contains("tests_total 1")
        );
        admin.stop().await;
    }
}
