//! The middleware that gives each request an id, times it until the last byte has left, counts it by
//! route pattern, method and status, and writes the access log (level debug; 5xx level warn).

use std::{
    cell::RefCell,
    future::{Ready, ready},
    io::Write,
    pin::Pin,
    rc::Rc,
    sync::atomic::{AtomicU64, Ordering},
    task::{Context, Poll, ready as ready_or_return},
};

use actix_web::{
    Error,
    body::{BodySize, MessageBody},
    dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready},
    http::{
        Method, StatusCode, Uri,
        header::{CONTENT_RANGE, HeaderName, HeaderValue},
    },
};
use bytes::Bytes;
use pin_project_lite::pin_project;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry,
};
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

/// Kinds of answers whose counters a worker keeps at hand; beyond, it starts anew.
const METERS_MAX: usize = 256;

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
        let meters = Rc::new(Meters {
            telemetry: self.clone(),
            known: RefCell::default(),
        });
        ready(Ok(RequestTelemetryService { service, meters }))
    }
}

/// The counters of one worker, found once for each kind of answer: to look them up by their labels
/// costs more than to count. There are a few dozen kinds at most, so they stand in a row.
struct Meters {
    telemetry: RequestTelemetry,
    known: RefCell<Vec<Rc<Meter>>>,
}

/// The counters of answers by one route to one method with one status.
struct Meter {
    route: String,
    method: &'static str,
    status: StatusCode,
    duration: Histogram,
    body_bytes: IntCounter,
}

impl Meters {
    fn of(&self, route: Option<String>, method: &Method, status: StatusCode) -> Rc<Meter> {
        let route = route.unwrap_or_else(|| UNMATCHED.to_owned());
        let method = method_label(method);
        let is_it = |meter: &&Rc<Meter>| {
            meter.status == status && meter.method == method && meter.route == route
        };
        let mut known = self.known.borrow_mut();
        if let Some(meter) = known.iter().find(is_it) {
            return meter.clone();
        }
        let telemetry = &self.telemetry;
        let labels = [&route, method, status.as_str()];
        let meter = Rc::new(Meter {
            method,
            status,
            duration: telemetry.durations.with_label_values(&labels),
            body_bytes: telemetry.body_bytes.with_label_values(&[&route]),
            route,
        });
        if known.len() >= METERS_MAX {
            known.clear();
        }
        known.push(meter.clone());
        meter
    }
}

/// [`RequestTelemetry`] around one worker's service.
pub struct RequestTelemetryService<S> {
    service: S,
    meters: Rc<Meters>,
}

impl<S, B> Service<ServiceRequest> for RequestTelemetryService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = Error> + 'static,
    B: MessageBody + Unpin + 'static,
{
    type Response = ServiceResponse<TimedBody<B>>;
    type Error = Error;
    type Future = Answering<S::Future>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let timing = Timing {
            meters: self.meters.clone(),
            started: Instant::now(),
            method: request.method().clone(),
            meter: None,
            sent: 0,
            id: request_id(&request),
            line: LogLine::of(&request),
        };
        self.meters.telemetry.in_flight.inc();
        Answering {
            answer: self.service.call(request),
            timing: Some(timing),
        }
    }
}

pin_project! {
    /// An answer that is being made.
    pub struct Answering<F> {
        #[pin]
        answer: F,
        timing: Option<Timing>,
    }
}

impl<F, B> Future for Answering<F>
where
    F: Future<Output = Result<ServiceResponse<B>, Error>>,
    B: MessageBody + Unpin + 'static,
{
    type Output = Result<ServiceResponse<TimedBody<B>>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let answer = ready_or_return!(this.answer.poll(cx));
        let mut timing = this.timing.take().expect("polled after its answer");
        Poll::Ready(match answer {
            Ok(mut response) => {
                timing.answered(response.request().match_pattern(), response.status());
                if let Some(line) = &mut timing.line {
                    line.content_range = response.headers().get(CONTENT_RANGE).cloned();
                }
                let headers = response.headers_mut();
                headers.insert(REQUEST_ID_HEADER, timing.id.clone());
                Ok(response.map_body(|_, body| TimedBody { body, timing }))
            }
            Err(error) => {
                timing.answered(None, error.as_response_error().status_code());
                Err(error)
            }
        })
    }
}

/// Status under which a request is counted whose client left before the answer.
fn client_closed_request() -> StatusCode {
    StatusCode::from_u16(499).unwrap_or(StatusCode::BAD_REQUEST)
}

/// The client's id if it is short and plain, else one of our own.
fn request_id(request: &ServiceRequest) -> HeaderValue {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    static PROCESS: std::sync::LazyLock<u32> = std::sync::LazyLock::new(rand::random);
    let plain = |id: &&HeaderValue| {
        (1..=REQUEST_ID_CHARS_MAX).contains(&id.len())
            && id
                .as_bytes()
                .iter()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
    };
    let given = request.headers().get(REQUEST_ID_HEADER).filter(plain);
    given.cloned().unwrap_or_else(|| {
        let mut id = [0; REQUEST_ID_CHARS_MAX];
        let mut rest = &mut id[..];
        // Eight digits, a dash, and sixteen digits at most: there is room for them.
        let _ = write!(
            rest,
            "{:08x}-{:x}",
            *PROCESS,
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let len = REQUEST_ID_CHARS_MAX - rest.len();
        HeaderValue::from_bytes(&id[..len]).expect("hexadecimal digits are a header value")
    })
}

/// What the access log says besides the figures; kept only when someone may read it.
struct LogLine {
    uri: Uri,
    peer: Option<std::net::IpAddr>,
    /// Which part of what is at this address was sent, if it was one part.
    content_range: Option<HeaderValue>,
}

impl LogLine {
    fn of(request: &ServiceRequest) -> Option<Self> {
        tracing::enabled!(tracing::Level::WARN).then(|| Self {
            uri: request.uri().clone(),
            peer: request.peer_addr().map(|address| address.ip()),
            content_range: None,
        })
    }
}

/// Counts the request when it is dropped, which is when its body has been sent or given up.
struct Timing {
    meters: Rc<Meters>,
    started: Instant,
    method: Method,
    /// Of the answer, once there is one.
    meter: Option<Rc<Meter>>,
    sent: u64,
    id: HeaderValue,
    line: Option<LogLine>,
}

impl Timing {
    fn answered(&mut self, route: Option<String>, status: StatusCode) {
        self.meter = Some(self.meters.of(route, &self.method, status));
    }
}

impl Drop for Timing {
    fn drop(&mut self) {
        let seconds = self.started.elapsed().as_secs_f64();
        // Its client left before there was an answer.
        let unanswered = || self.meters.of(None, &self.method, client_closed_request());
        let meter = self.meter.take().unwrap_or_else(unanswered);
        meter.duration.observe(seconds);
        meter.body_bytes.inc_by(self.sent);
        self.meters.telemetry.in_flight.dec();
        let Some(line) = &self.line else { return };
        let (id, path) = (&self.id, line.uri.path());
        let peer = line.peer.map(tracing::field::display);
        let id = id.to_str().unwrap_or_default();
        let content_range = line.content_range.as_ref();
        let content_range = content_range.and_then(|range| range.to_str().ok());
        let (method, status, bytes) = (&self.method, meter.status.as_u16(), self.sent);
        if status >= 500 {
            tracing::warn!(target: "http", id, %method, path, status, bytes, seconds, peer, "request failed");
        } else {
            tracing::debug!(target: "http", id, %method, path, status, content_range, bytes, seconds, peer, "request");
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
