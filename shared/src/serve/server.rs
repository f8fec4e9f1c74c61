//! Settings of a node's public HTTP server that are easily forgotten and dear when they are.

use std::{fmt, time::Duration};

use actix_web::{
    HttpServer,
    body::MessageBody,
    dev::{AppConfig, Service, ServiceFactory},
};
use serde::{Deserialize, Serialize};

use crate::config::TimeSpan;

/// Limits of a public HTTP server: the `[http]` section of a node's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpLimits {
    /// Worker threads; one per core if absent.
    pub workers: Option<usize>,
    /// Connections open at once; more wait in the kernel's queue.
    pub connections_max: usize,
    /// New connections handled at once (the rest wait), which bounds TLS and header work.
    pub connecting_max: usize,
    /// Time a client has for the head of its request.
    pub header_timeout: TimeSpan,
    /// Time an idle connection is kept.
    pub keep_alive: TimeSpan,
    /// Time a closing connection has.
    pub disconnect_timeout: TimeSpan,
    /// Time answers under way have when the node stops.
    pub shutdown_timeout: TimeSpan,
    /// Threads per worker for reads that must wait for the disk.
    pub blocking_threads_max: usize,
}

impl Default for HttpLimits {
    fn default() -> Self {
        Self {
            workers: None,
            connections_max: 10_000,
            connecting_max: 512,
            header_timeout: TimeSpan(Duration::from_secs(10)),
            keep_alive: TimeSpan(Duration::from_secs(75)),
            disconnect_timeout: TimeSpan(Duration::from_secs(5)),
            shutdown_timeout: TimeSpan(Duration::from_secs(10)),
            blocking_threads_max: 32,
        }
    }
}

impl HttpLimits {
    /// How many workers there will be.
    pub fn workers(&self) -> usize {
        let cores = || std::thread::available_parallelism().map_or(2, |cores| cores.get());
        self.workers.unwrap_or_else(cores).max(1)
    }

    /// Applies the limits, and turns Nagle's algorithm off: with it a small answer waits some 40 ms
    /// for the client's delayed acknowledgement. Signals are left to [`crate::supervise`].
    pub fn apply<F, I, S, B>(&self, server: HttpServer<F, I, S, B>) -> HttpServer<F, I, S, B>
    where
        F: Fn() -> I + Send + Clone + 'static,
        I: actix_service::IntoServiceFactory<S, actix_http::Request>,
        S: ServiceFactory<actix_http::Request, Config = AppConfig> + 'static,
        S::Error: Into<actix_web::Error> + 'static,
        S::InitError: fmt::Debug,
        S::Response: Into<actix_http::Response<B>> + 'static,
        <S::Service as Service<actix_http::Request>>::Future: 'static,
        S::Service: 'static,
        B: MessageBody + 'static,
    {
        let workers = self.workers();
        server
            .workers(workers)
            .max_connections(self.connections_max.div_ceil(workers))
            .max_connection_rate(self.connecting_max.div_ceil(workers))
            .client_request_timeout(self.header_timeout.0)
            .client_disconnect_timeout(self.disconnect_timeout.0)
            .keep_alive(self.keep_alive.0)
            .shutdown_timeout(self.shutdown_timeout.0.as_secs())
            .worker_max_blocking_threads(self.blocking_threads_max)
            .tcp_nodelay(true)
            .disable_signals()
    }
}
