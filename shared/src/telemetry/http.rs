//! The middleware that gives each request an id, times it until the last byte has left, counts it by
//! route pattern, method and status, and writes the access log (level debug; 5xx level warn).

use std::{
    future::{Ready, ready},
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll},
};

use actix_web::{
    Error, HttpMessage,
    body::{BodySize, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{
        Method, StatusCode,
        header::{HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use futures::future::LocalBoxFuture;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry};
use tokio::time::Instant;

/// Header that carries the request id, in both directions.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// Longest id taken over from a client.
const REQUEST_ID_CHARS_MAX: usize = 64;

/// Route label of requests that match no route.
const UNMATCHED: &str = "unmatched";

/// Upper bounds of the duration histogram, in seconds: a hot hit takes well below a millisecond, a
/// whole film may take hours.
const DURATION_BUCKETS_S: [f64; 11] = [
    0.001, 0.005, 0.02, 0.1, 0.3, 1.0, 3.0, 10.0, 60.0, 600.0, 3600.0,
];

/// The id of one request, found in the request's extensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestId(pub String);

/// Times, counts and logs the requests of one server. One value serves all workers; give each
/// `App` a clone with `.wrap(telemetry.clone())`.
#[derive(Clone)]
pub struct RequestTelemetry {
    durations: HistogramVec,
    in_flight: IntGauge,
    body_bytes: IntCounterVec,
}

impl RequestTelemetry {
    /// Registers the metrics. A registry takes one of these.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let durations = HistogramVec::new(
            HistogramOpts::new(
                "http_server_request_duration_seconds",
                "Time from the head of the request to the last byte of the answer",
            )
            .buckets(DURATION_BUCKETS_S.to_vec()),
            &["route", "method", "status"],
        )?;
        let in_flight =
            IntGauge::new("http_server_active_requests", "Requests being answered now")?;
        let body_bytes = IntCounterVec::new(
            Opts::new(
                "http_response_bytes_total",
                "Bytes of answers' bodies handed out",
            ),
            &["route"],
        )?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(in_flight.clone()))?;
        registry.register(Box::new(body_bytes.clone()))?;
        Ok(Self {
            durations,
            in_flight,
            body_bytes,
        })
    }
}

impl<S, B> Transform<S, ServiceRequest> for RequestTelemetry
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + Unpin + 'static,
{
    type Response = ServiceResponse<TimedBody<B>>;
    type Error = Error;
    type InitError = ();
    type Transform = RequestTelemetryService<S>;
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(RequestTelemetryService {
            service,
            telemetry: self.clone(),
        }))
    }
}

/// [`RequestTelemetry`] around one worker's service.
pub struct RequestTelemetryService<S> {
    service: S,
    telemetry: RequestTelemetry,
}

impl<S, B> Service<ServiceRequest> for RequestTelemetryService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + Unpin + 'static,
{
    type Response = ServiceResponse<TimedBody<B>>;
    type Error = Error;
    type Future = LocalBoxFuture<'static, Result<Self::Response, Error>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let id = request_id(&request);
        let mut timing = Timing {
            telemetry: self.telemetry.clone(),
            started: Instant::now(),
            method: request.method().clone(),
            route: None,
            // What a request is counted as if its client leaves before there is an answer.
            status: client_closed_request(),
            sent: 0,
            line: LogLine::of(&request, &id),
        };
        timing.telemetry.in_flight.inc();
        let header = HeaderValue::from_str(&id.0);
        request.extensions_mut().insert(id);
        let answer = self.service.call(request);
        Box::pin(async move {
            let mut response = match answer.await {
                Ok(response) => response,
                Err(error) => {
                    timing.answered(error.as_response_error().status_code(), None);
                    return Err(error);
                }
            };
            timing.answered(response.status(), response.request().match_pattern());
            if let Ok(value) = header {
                response.headers_mut().insert(REQUEST_ID_HEADER, value);
            }
            Ok(response.map_body(|_, body| TimedBody { body, timing }))
        })
    }
}

/// Status under which a request is counted whose client left before the answer.
fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

/// The client's id if it is short and plain, else one of our own.
fn request_id(request: &ServiceRequest) -> RequestId {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static PROCESS: std::sync::LazyLock<u32> = std::sync::LazyLock::new(rand::random);
    let plain = |id: &&str| {
        (1..=REQUEST_ID_CHARS_MAX).contains(&id.len())
            && id
                .bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
    };
    let given = request
        .headers()
        .get(REQUEST_ID_HEADER)
        .and_then(|value| value.to_str().ok())
        .filter(plain);
    match given {
        Some(id) => RequestId(id.to_owned()),
        None => RequestId(format!(
            "{:08x}-{:x}",
            *PROCESS,
            NEXT.fetch_add(1, Ordering::Relaxed)
        )),
    }
}

/// What the access log says besides the figures; made only when someone reads it.
struct LogLine {
    id: String,
    path: String,
    peer: Option<std::net::IpAddr>,
}

impl LogLine {
    fn of(request: &ServiceRequest, id: &RequestId) -> Option<Self> {
        tracing::enabled!(tracing::Level::WARN).then(|| Self {
            id: id.0.clone(),
            path: request.path().to_owned(),
            peer: request.peer_addr().map(|address| address.ip()),
        })
    }
}

/// Counts the request when it is dropped, which is when its body has been sent or given up.
struct Timing {
    telemetry: RequestTelemetry,
    started: Instant,
    method: Method,
    route: Option<String>,
    status: StatusCode,
    sent: u64,
    line: Option<LogLine>,
}

impl Timing {
    fn answered(&mut self, status: StatusCode, route: Option<String>) {
        self.status = status;
        self.route = route;
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        let route = self.route.as_deref().unwrap_or(UNMATCHED);
        let labels = [route, method_label(&self.method), self.status.as_str()];
        self.telemetry
            .durations
            .with_label_values(&labels)
            .observe(seconds);
        self.telemetry.in_flight.dec();
        self.telemetry
            .body_bytes
            .with_label_values(&[route])
            .inc_by(self.sent);
        let Some(line) = &self.line else { return };
        let (id, path, peer) = (line.id.as_str(), line.path.as_str(), line.peer);
        let (method, status, bytes) = (&self.method, self.status.as_u16(), self.sent);
        if status >= 500 {
            tracing::warn!(target: "http", id, %method, path, status, bytes, seconds, ?peer, "request failed");
        } else {
            tracing::debug!(target: "http", id, %method, path, status, bytes, seconds, ?peer, "request");
        }
    }
}

/// Methods are a closed set of labels, whatever clients invent.
fn method_label(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}

/// A body that is counted while it is handed out.
pub struct TimedBody<B> {
    body: B,
    timing: Timing,
}

impl<B: MessageBody + Unpin> MessageBody for TimedBody<B> {
    type Error = B::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, B::Error>>> {
        let this = self.get_mut();
        let piece = Pin::new(&mut this.body).poll_next(cx);
        if let Poll::Ready(Some(Ok(bytes))) = &piece {
            this.timing.sent += bytes.len() as u64;
        }
        piece
    }
}

#[cfg(test)]
mod tests {
    use actix_web::{App, HttpResponse, test, web};

    use super::*;

    #[actix_web::test]
    async fn requests_are_counted_by_route_pattern_and_carry_an_id() {
        let registry = Registry::new();
        let telemetry = RequestTelemetry::register(&registry).unwrap();
        let app = test::init_service(App::new().wrap(telemetry.clone()).route(
            "/things/{id}",
            web::get().to(|| async { HttpResponse::Ok().body("hello") }),
        ))
        .await;
        for path in ["/things/1", "/things/2", "/nowhere"] {
            let response =
                test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
            assert!(response.headers().contains_key(REQUEST_ID_HEADER));
            test::read_body(response).await;
        }
        let count = |labels: [&str; 3]| {
            telemetry
                .durations
                .with_label_values(&labels)
                .get_sample_count()
        };
        assert_eq!(count(["/things/{id}", "GET", "200"]), 2);
        assert_eq!(count([UNMATCHED, "GET", "404"]), 1);
        assert_eq!(telemetry.in_flight.get(), 0);
        let sent = telemetry.body_bytes.with_label_values(&["/things/{id}"]);
        assert_eq!(sent.get(), 10);
    }

    #[actix_web::test]
    async fn a_plain_id_of_the_client_is_kept_and_a_hostile_one_replaced() {
        let telemetry = RequestTelemetry::register(&Registry::new()).unwrap();
        let app = test::init_service(App::new().wrap(telemetry)).await;
        for (given, kept) in [
            ("abc-1.2_3", true),
            ("a b", false),
            ("", false),
            (&"x".repeat(65), false),
        ] {
            let request = test::TestRequest::get()
                .uri("/")
                .insert_header((REQUEST_ID_HEADER, given));
            let response = test::call_service(&app, request.to_request()).await;
            let id = response
                .headers()
                .get(REQUEST_ID_HEADER)
                .unwrap()
                .to_str()
                .unwrap();
            assert_eq!(id == given, kept, "{given:?} became {id:?}");
        }
    }
}
