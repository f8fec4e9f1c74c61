//! The clients of a public server: how many connections there are, how many each client has, how often
//! it asks. Who is beyond a limit gets an answer that says when to come again.
//!
//! - [`core`]: the books; pure
//! - [`address`]: which client a request comes from
//! - here: [`Door`], the middleware, and what is noted when a connection is made

use std::{
    any::Any,
    future::{Ready, ready},
    net::IpAddr,
    num::NonZeroUsize,
    sync::Arc,
    task::{Context, Poll},
};

use actix_tls::accept::rustls_0_23::TlsStream;
use actix_web::{
    Error, ResponseError,
    body::{BoxBody, EitherBody, MessageBody},
    dev::{Extensions, Service, ServiceRequest, ServiceResponse, Transform},
    http::ConnectionType,
    rt::net::TcpStream,
};
use futures::future::{Either, MapOk, TryFutureExt};
use parking_lot::Mutex;
use prometheus::{IntCounterVec, IntGauge, Opts, Registry};
use tokio::time::{Duration, Instant};

use self::{
    address::{ClientKey, Network, client_address},
    core::{Allowed, Clients, Rate, Refusal},
};
use super::{
    HttpLimits,
    stall::{Watched, watch},
    unsent,
};
use crate::api::{ApiError, ErrorKind};

pub mod address;
pub mod core;

/// What `Retry-After` says when there are too many connections.
const RETRY_AFTER_S: u32 = 5;

/// The middleware that refuses clients beyond their limits. Give each `App` a clone, within the
/// middleware that counts requests and sets headers of all answers.
#[derive(Clone)]
pub struct Door(Arc<Inner>);

struct Inner {
    books: Mutex<Clients<ClientKey>>,
    has_rate: bool,
    trusted_proxies: Vec<Network>,
    connections: IntGauge,
    refusals: IntCounterVec,
}

/// Kept with a connection: whether it is refused; gone, it is counted off.
struct Visitor {
    client: Option<ClientKey>,
    refused: Option<Refusal>,
    door: Arc<Inner>,
}

impl Door {
    /// A door with these limits. A registry takes one of these.
    pub fn new(limits: &HttpLimits, registry: &Registry) -> Result<Self, prometheus::Error> {
        let rate = limits.requests_per_second.map(|per_second| Rate {
            interval: Duration::from_secs(1) / per_second.get(),
            burst: limits.request_burst.unwrap_or(per_second).get(),
        });
        let allowed = Allowed {
            connections_max: limits.connections_max,
            connections_per_client_max: limits.connections_per_client_max,
            rate,
        };
        let connections = IntGauge::new("http_server_connections", "Connections open now")?;
        let refusals = IntCounterVec::new(
            Opts::new(
                "http_server_refusals_total",
                "Requests of clients that were refused for a limit",
            ),
            &["reason"],
        )?;
        registry.register(Box::new(connections.clone()))?;
        registry.register(Box::new(refusals.clone()))?;
        // Each at 0 from the start: nobody sees the rise of a series that was not there before.
        for word in Refusal::WORDS {
            refusals.with_label_values(&[word]);
        }
        let clients_max = NonZeroUsize::new(limits.clients_max).unwrap_or(NonZeroUsize::MIN);
        Ok(Self(Arc::new(Inner {
            books: Mutex::new(Clients::new(allowed, clients_max)),
            has_rate: rate.is_some(),
            trusted_proxies: limits.trusted_proxies.clone(),
            connections,
            refusals,
        })))
    }

    /// Notes a connection, plain or TLS, in what is kept with it.
    pub(super) fn on_connect(&self, connection: &dyn Any, kept: &mut Extensions) {
        let plain = connection.downcast_ref::<TcpStream>();
        let tls = connection.downcast_ref::<TlsStream<TcpStream>>();
        let stream = plain.or_else(|| tls.map(|tls| tls.get_ref().0));
        let peer = stream.and_then(|stream| stream.peer_addr().ok());
        kept.insert(self.visitor(peer.map(|peer| peer.ip())));
        if let Some(stream) = stream {
            let connections = self.0.connections.get();
            // It fails for a client that has gone again; else what it has will do.
            let _ = unsent::allot(stream, connections.unsigned_abs());
        }
    }

    fn visitor(&self, peer: Option<IpAddr>) -> Visitor {
        let door = self.0.clone();
        door.connections.inc();
        // A client that has gone already is counted by nobody.
        let Some(peer) = peer else {
            return Visitor {
                client: None,
                refused: None,
                door,
            };
        };
        let client = ClientKey::from(peer);
        let mut refused = door.books.lock().connected(client).err();
        // A proxy's connections are its clients'.
        let is_proxy = door.is_trusted(peer);
        if is_proxy && refused == Some(Refusal::ClientConnections) {
            refused = None;
        }
        Visitor {
            client: Some(client),
            refused,
            door,
        }
    }

    fn admit(&self, request: &ServiceRequest) -> Result<(), Refusal> {
        if let Some(refused) = request.conn_data::<Visitor>().and_then(|it| it.refused) {
            return Err(refused);
        }
        if !self.0.has_rate {
            return Ok(());
        }
        let Some(peer) = request.peer_addr() else {
            return Ok(());
        };
        let client = client_address(peer.ip(), request.headers(), &self.0.trusted_proxies);
        let mut books = self.0.books.lock();
        books.request(Instant::now(), client.into())
    }
}

impl Inner {
    fn is_trusted(&self, peer: IpAddr) -> bool {
        self.trusted_proxies.iter().any(|it| it.contains(peer))
    }
}

impl Drop for Visitor {
    fn drop(&mut self) {
        self.door.connections.dec();
        if let Some(client) = &self.client {
            self.door.books.lock().disconnected(client);
        }
    }
}

impl Refusal {
    fn answer(self) -> ApiError {
        let (kind, why) = match self {
            Self::Full => (
                ErrorKind::Overloaded,
                "the node has as many connections as it may",
            ),
            Self::ClientConnections => (
                ErrorKind::TooManyRequests,
                "this client has as many connections as it may",
            ),
            Self::Rate { .. } => (ErrorKind::TooManyRequests, "this client asks too often"),
        };
        let wait_s = match self {
            Self::Rate { retry_after } => retry_after.as_secs_f64().ceil().max(1.0) as u32,
            Self::Full | Self::ClientConnections => RETRY_AFTER_S,
        };
        ApiError::new(kind, format!("{why}; try again in {wait_s} s")).retry_after(wait_s)
    }

    /// Should the connection end with the answer?
    fn ends_connection(self) -> bool {
        !matches!(self, Self::Rate { .. })
    }
}

impl<S, B> Transform<S, ServiceRequest> for Door
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<Watched<B>, BoxBody>>;
    type Error = Error;
    type InitError = ();
    type Transform = DoorService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(DoorService {
            service,
            door: self.clone(),
        }))
    }
}

/// [`Door`] in front of one worker's service.
pub struct DoorService<S> {
    service: S,
    door: Door,
}

/// An answer with the service's body, or with our own.
type Answer<B> = ServiceResponse<EitherBody<Watched<B>, BoxBody>>;

impl<S, B> Service<ServiceRequest> for DoorService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = Answer<B>;
    type Error = Error;
    type Future = Either<
        Ready<Result<Answer<B>, Error>>,
        MapOk<S::Future, fn(ServiceResponse<B>) -> Answer<B>>,
    >;

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.service.poll_ready(cx)
    }

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let Err(refusal) = self.door.admit(&request) else {
            let through: fn(ServiceResponse<B>) -> Answer<B> =
                |answer| watch(answer).map_into_left_body();
            return Either::Right(self.service.call(request).map_ok(through));
        };
        let refusals = &self.door.0.refusals;
        refusals.with_label_values(&[refusal.word()]).inc();
        let mut response = refusal.answer().error_response();
        if refusal.ends_connection() {
            response
                .head_mut()
                .set_connection_type(ConnectionType::Close);
        }
        let response = request.into_response(response).map_into_right_body();
        Either::Left(ready(Ok(response)))
    }
}
