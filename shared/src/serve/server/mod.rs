//! A node's public HTTP server: limits that are easily forgotten and dear when they are, TLS, and the
//! way it ends.
//!
//! | module | what it owns |
//! |---|---|
//! | here | [`HttpLimits`], the configuration; [`PublicServer`], what servers are made with |
//! | [`clients`] | connections and requests per client, and the middleware that refuses |
//! | `plain` | servers without TLS, whose bodies are not copied |
//! | `stall` | TLS connections whose client takes nothing |
//! | [`tls`] | certificate and key, read again while the server runs |
//! | `unsent` | what the kernel takes of an answer before the client has room for it |

use std::{
    fmt, io,
    net::{SocketAddr, TcpListener},
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actix_web::{
    HttpServer,
    body::MessageBody,
    dev::{AppConfig, Server, Service, ServiceFactory},
};
use prometheus::Registry;
use rustix::net::sockopt;
use serde::{Deserialize, Serialize};
use socket2::SockRef;
use tokio_util::task::AbortOnDropHandle;

use crate::config::TimeSpan;

pub mod clients;
mod plain;
mod stall;
#[cfg(test)]
mod tests;
pub mod tls;
mod unsent;

use clients::{Door, address::Network};
use stall::Stalls;
use tls::{Tls, TlsError, TlsFiles};

/// Connections that wait for the program to accept them, at most.
const BACKLOG: i32 = 1024;

/// Limits of a public HTTP server: the `[http.limits]` section of a node's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HttpLimits {
    /// Worker threads; one per core if absent.
    pub workers: Option<usize>,
    /// Connections open at once; more are answered 503.
    pub connections_max: usize,
    /// Connections of one client (an IPv4 address, an IPv6 /64) at once; more are answered 429. Those
    /// of trusted proxies are not limited.
    pub connections_per_client_max: usize,
    /// Requests a client may make per second on the average; more are answered 429. Absent: any
    /// number.
    pub requests_per_second: Option<NonZeroU32>,
    /// Requests a client may make at once before the rate holds; as many as in a second if absent.
    pub request_burst: Option<NonZeroU32>,
    /// Clients whose rate is remembered.
    pub clients_max: usize,
    /// Networks of proxies in front of the node, as in 10.0.0.0/8: they are believed when they name
    /// the client by `Forwarded` or `X-Forwarded-For`.
    pub trusted_proxies: Vec<Network>,
    /// New TLS connections handled at once (the rest wait).
    pub connecting_max: usize,
    /// Time a client has for the TLS handshake, and then for the head of its request.
    pub header_timeout: TimeSpan,
    /// Time an idle connection is kept.
    pub keep_alive: TimeSpan,
    /// Time a client may take nothing of what is sent to it; then its connection ends.
    pub write_stall_timeout: TimeSpan,
    /// Time a closing connection has.
    pub disconnect_timeout: TimeSpan,
    /// Time between the moment the node says on its admin port that it is not ready any more and the
    /// moment it takes no more connections, for load balancers.
    pub drain_delay: TimeSpan,
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
            connections_per_client_max: 1_000,
            requests_per_second: None,
            request_burst: None,
            clients_max: 100_000,
            trusted_proxies: Vec::new(),
            connecting_max: 512,
            header_timeout: TimeSpan(Duration::from_secs(10)),
            keep_alive: TimeSpan(Duration::from_secs(75)),
            write_stall_timeout: TimeSpan(Duration::from_secs(60)),
            disconnect_timeout: TimeSpan(Duration::from_secs(5)),
            drain_delay: TimeSpan(Duration::ZERO),
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

    fn connections_per_worker_max(&self) -> usize {
        // Places for those who are told that there is none: beyond them connections wait in the
        // kernel's queue.
        let refused_max = (self.connections_max / 8).max(64);
        let connections_max = self.connections_max.saturating_add(refused_max);
        connections_max.div_ceil(self.workers())
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
            .max_connections(self.connections_per_worker_max())
            .max_connection_rate(self.connecting_max.div_ceil(workers))
            .client_request_timeout(self.header_timeout.0)
            .tls_handshake_timeout(self.header_timeout.0)
            .client_disconnect_timeout(self.disconnect_timeout.0)
            .keep_alive(self.keep_alive.0)
            .shutdown_timeout(self.shutdown_timeout.0.as_secs())
            .worker_max_blocking_threads(self.blocking_threads_max)
            .tcp_nodelay(true)
            .disable_signals()
    }

    /// A listening socket. Its connections inherit how much the kernel takes that it cannot send yet, and
    /// the time that bytes may stay unacknowledged or, as the client has no room for them, unsent: the
    /// kernel ends the connection then, whatever the protocol above it.
    fn listen(&self, address: SocketAddr) -> io::Result<TcpListener> {
        let listener = TcpListener::bind(address)?;
        let stall_ms = self.write_stall_timeout.0.as_millis();
        sockopt::set_tcp_user_timeout(&listener, u32::try_from(stall_ms).unwrap_or(u32::MAX))?;
        SockRef::from(&listener).set_tcp_notsent_lowat(unsent::BYTES_MIN)?;
        rustix::net::listen(&listener, BACKLOG)?;
        Ok(listener)
    }
}

/// What a node's public servers are made with. Clones are one.
#[derive(Clone)]
pub struct PublicServer {
    limits: Arc<HttpLimits>,
    door: Door,
    stalls: Stalls,
    tls: Option<Tls>,
    /// Takes over changed certificates.
    _watching: Option<Arc<AbortOnDropHandle<io::Result<()>>>>,
    draining: Arc<AtomicBool>,
}

impl PublicServer {
    /// With these limits, and with TLS if there are files for it, which are watched from now on. A
    /// registry takes one of these.
    pub async fn prepare(
        limits: &HttpLimits,
        tls: Option<&TlsFiles>,
        registry: &Registry,
    ) -> Result<Self, TlsError> {
        let tls = match tls {
            None => None,
            Some(files) => Some(Tls::load(files, registry).await?),
        };
        let watch = |tls: &Tls| AbortOnDropHandle::new(tokio::spawn(tls.clone().watch()));
        Ok(Self {
            limits: Arc::new(limits.clone()),
            door: Door::new(limits, registry)?,
            stalls: Stalls::new(limits.write_stall_timeout.0, registry)?,
            _watching: tls.as_ref().map(watch).map(Arc::new),
            tls,
            draining: Arc::default(),
        })
    }

    /// The middleware that refuses clients beyond their limits.
    pub fn door(&self) -> Door {
        self.door.clone()
    }

    /// The certificate in force, if there is TLS.
    pub fn tls(&self) -> Option<Tls> {
        self.tls.clone()
    }

    /// A server of this application at an address (port 0 takes a free one; the one in force is
    /// returned), ready to run.
    pub fn bind<F, I, S, B>(&self, app: F, address: SocketAddr) -> io::Result<(SocketAddr, Server)>
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
        let door = self.door.clone();
        let listener = self.limits.listen(address)?;
        let address = listener.local_addr()?;
        let Some(tls) = &self.tls else {
            let server = plain::serve(&self.limits, door, listener, app)?;
            return Ok((address, server));
        };
        let stalls = self.stalls.clone();
        let server = self
            .limits
            .apply(HttpServer::new(app))
            .on_connect(move |connection, kept| {
                door.on_connect(connection, kept);
                stalls.on_connect(connection, kept);
            });
        let config = tls.server_config().map_err(io::Error::other)?;
        let server = server.listen_rustls_0_23(listener, config)?.run();
        Ok((address, server))
    }

    /// The node stops: from now on it says that it is not ready. Resolves when servers are to be
    /// stopped, after the time that load balancers are given.
    pub async fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
        tokio::time::sleep(self.limits.drain_delay.0).await;
    }

    /// The check of readiness: fails from [`drain`](Self::drain) on.
    pub fn ready(&self) -> impl Fn() -> Result<(), String> + Send + Sync + 'static {
        let draining = self.draining.clone();
        move || match draining.load(Ordering::Relaxed) {
            true => Err("the node is stopping".to_owned()),
            false => Ok(()),
        }
    }
}
