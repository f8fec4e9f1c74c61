//! Public servers with real clients: limits, slow clients, TLS and HTTP/2, changing certificates, and
//! the way they end.

use std::{collections::BTreeMap, io::Read};

use actix_web::{
    App, HttpResponse,
    body::SizedStream,
    dev::{Extensions, ServerHandle},
    web,
};
use bytes::Bytes;
use futures::stream;
use prometheus::proto::{Metric, MetricFamily};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Notify,
};

use super::*;

/// A server with a word, a body without end, and one that ends when it is told to; the latter two without a
/// length and with one.
struct Running {
    public: PublicServer,
    registry: Registry,
    address: SocketAddr,
    handle: ServerHandle,
    finish: Arc<Notify>,
}

impl Running {
    async fn start(limits: HttpLimits, tls: Option<&TlsFiles>) -> Self {
        let registry = Registry::new();
        let public = PublicServer::prepare(&limits, tls, &registry)
            .await
            .unwrap();
        let finish = Arc::new(Notify::new());
        let (door, told) = (public.door(), finish.clone());
        let app = move || {
            let told = told.clone();
            let endless = || async {
                let piece = Ok::<_, actix_web::Error>(Bytes::from(vec![7; 65_536]));
                HttpResponse::Ok().streaming(
                    stream::repeat_with(move || piece.as_ref().unwrap().clone()).map_ok(),
                )
            };
            let sized = || async {
                let piece = Bytes::from(vec![7; 65_536]);
                let pieces = stream::repeat_with(move || piece.clone());
                HttpResponse::Ok().body(SizedStream::new(1 << 50, pieces.map_ok().boxed_local()))
            };
            let told_sized = told.clone();
            let slow_sized = move || {
                let told = told_sized.clone();
                async move {
                    let first = stream::iter([Bytes::from_static(&[b'x'; 50_000])]);
                    let first = stream::iter([Bytes::from_static(b"begin ")]).chain(first);
                    let rest = stream::once(async move {
                        told.notified().await;
                        Bytes::from_static(b"end")
                    });
                    let pieces = first.chain(rest).map_ok().boxed_local();
                    HttpResponse::Ok().body(SizedStream::new(50_009, pieces))
                }
            };
            let slow = move || {
                let told = told.clone();
                async move {
                    let first = stream::iter([Bytes::from_static(b"begin ")]);
                    let rest = stream::once(async move {
                        told.notified().await;
                        Bytes::from_static(b"end")
                    });
                    HttpResponse::Ok().streaming(first.chain(rest).map_ok())
                }
            };
            App::new()
                .wrap(door.clone())
                .route("/", web::get().to(|| async { "word" }))
                .route("/endless", web::get().to(endless))
                .route("/endless-sized", web::get().to(sized))
                .route("/slow", web::get().to(slow))
                .route("/slow-sized", web::get().to(slow_sized))
        };
        let (address, server) = public.bind(app, ([127, 0, 0, 1], 0).into()).unwrap();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self {
            public,
            registry,
            address,
            handle,
            finish,
        }
    }

    /// The value of a metric, summed over its labels.
    fn metric(&self, name: &str) -> f64 {
        let families = self.registry.gather();
        let metrics = families.iter().filter(|family| family.name() == name);
        metrics
            .flat_map(|family| family.get_metric())
            .map(|metric| metric.get_gauge().get_value() + metric.get_counter().get_value())
            .sum()
    }

    async fn until(&self, name: &str, value: f64) {
        while self.metric(name) != value {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// A connection that has sent this request.
    async fn connect(&self, head: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        let head = format!("{head}\r\nhost: test\r\n\r\n");
        stream.write_all(head.as_bytes()).await.unwrap();
        stream
    }

    /// The first answer on a connection, as text.
    async fn answer(&self, head: &str) -> String {
        let mut stream = self.connect(head).await;
        read_some(&mut stream).await
    }
}

/// Everything stream items need to be bodies: no errors.
trait MapOk: futures::Stream<Item = Bytes> + Sized {
    fn map_ok(self) -> impl futures::Stream<Item = Result<Bytes, actix_web::Error>> {
        futures::StreamExt::map(self, Ok)
    }
}
impl<S: futures::Stream<Item = Bytes>> MapOk for S {}
use futures::StreamExt as _;

async fn read_some(stream: &mut TcpStream) -> String {
    let mut bytes = vec![0; 4096];
    let len = stream.read(&mut bytes).await.unwrap();
    String::from_utf8_lossy(&bytes[..len]).into_owned()
}

fn small() -> HttpLimits {
    HttpLimits {
        workers: Some(1),
        shutdown_timeout: TimeSpan::from_secs(20),
        ..HttpLimits::default()
    }
}

const WORD: &str = "GET / HTTP/1.1";

#[actix_web::test]
async fn beyond_its_connections_a_client_is_told_when_to_come_again() {
    for (limits, status, reason) in [
        (
            HttpLimits {
                connections_max: 2,
                ..small()
            },
            "503 Service Unavailable",
            "full",
        ),
        (
            HttpLimits {
                connections_per_client_max: 2,
                ..small()
            },
            "429 Too Many Requests",
            "client-connections",
        ),
    ] {
        let server = Running::start(limits, None).await;
        let mut kept = Vec::new();
        for _ in 0..2 {
            let mut stream = server.connect(WORD).await;
            assert!(read_some(&mut stream).await.contains("200 OK"));
            kept.push(stream);
        }
        let mut third = server.connect(WORD).await;
        let mut told = String::new();
        third.read_to_string(&mut told).await.unwrap();
        assert!(told.contains(status), "{told}");
        for part in ["retry-after: 5", "connection: close", "try again in 5 s"] {
            assert!(told.to_lowercase().contains(part), "{part} in {told}");
        }
        let families = server.registry.gather();
        let refusals = families
            .iter()
            .find(|family| family.name() == "http_server_refusals_total");
        let series = refusals.unwrap().get_metric().iter();
        let counts: Vec<_> = series
            .map(|series| {
                (
                    series.get_label()[0].value(),
                    series.get_counter().get_value(),
                )
            })
            .collect();
        assert_eq!(counts.len(), 3, "all are there from the start: {counts:?}");
        for (label, count) in counts {
            assert_eq!(count, f64::from(u8::from(label == reason)), "{label}");
        }
        // Whoever leaves makes place.
        drop((kept, third));
        server.until("http_server_connections", 0.0).await;
        assert!(server.answer(WORD).await.contains("200 OK"));
        server.handle.stop(false).await;
    }
}

#[actix_web::test]
async fn each_client_behind_a_trusted_proxy_has_a_rate_of_its_own() {
    let limits = HttpLimits {
        requests_per_second: NonZeroU32::new(1),
        request_burst: NonZeroU32::new(2),
        connections_per_client_max: 1,
        trusted_proxies: vec!["127.0.0.0/8".parse().unwrap()],
        ..small()
    };
    let server = Running::start(limits, None).await;
    // The proxy's own connections are not limited.
    let idle = TcpStream::connect(server.address).await.unwrap();
    server.until("http_server_connections", 1.0).await;
    let ask = async |client: &str| {
        let head = format!("{WORD}\r\nx-forwarded-for: {client}");
        server.answer(&head).await
    };
    for _ in 0..2 {
        assert!(ask("192.0.2.1").await.contains("200 OK"));
    }
    // The two above took less than the many seconds in which this many tokens come back.
    let mut refused = String::new();
    while !refused.contains("429") {
        refused = ask("192.0.2.1").await;
    }
    assert!(refused.contains("retry-after: 1"), "{refused}");
    assert!(!refused.contains("close"), "{refused}");
    assert!(ask("192.0.2.2").await.contains("200 OK"));
    assert!(ask("2001:db8::1").await.contains("200 OK"));
    drop(idle);
    server.handle.stop(false).await;
}

#[actix_web::test]
async fn a_client_that_takes_nothing_loses_its_connection_and_one_that_reads_does_not() {
    for request in ["GET /endless HTTP/1.1", "GET /endless-sized HTTP/1.1"] {
        let limits = HttpLimits {
            write_stall_timeout: TimeSpan(Duration::from_millis(300)),
            ..small()
        };
        let server = Running::start(limits, None).await;
        let stalled = server.connect(request).await;
        let mut reading = server.connect(request).await;
        server.until("http_server_connections", 2.0).await;
        let mut bytes = vec![0; 1 << 20];
        while server.metric("http_server_connections") != 1.0 {
            assert!(reading.read(&mut bytes).await.unwrap() > 0);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert!(reading.read(&mut bytes).await.unwrap() > 0);
        // Who leaves is gone at once.
        drop((stalled, reading));
        server.until("http_server_connections", 0.0).await;
        server.handle.stop(false).await;
    }
}

#[test]
fn connections_inherit_how_much_the_kernel_may_take() {
    let listener = small().listen(([127, 0, 0, 1], 0).into()).unwrap();
    let address = listener.local_addr().unwrap();
    let _client = std::net::TcpStream::connect(address).unwrap();
    let (connection, _) = listener.accept().unwrap();
    let unsent_max = SockRef::from(&connection).tcp_notsent_lowat().unwrap();
    assert_eq!(unsent_max, unsent::BYTES_MIN);
    let stall_ms = sockopt::tcp_user_timeout(&connection).unwrap();
    assert_eq!(
        u128::from(stall_ms),
        small().write_stall_timeout.0.as_millis()
    );
}

#[actix_web::test]
async fn while_connections_are_few_the_kernel_may_take_more_of_each() {
    let listener = small().listen(([127, 0, 0, 1], 0).into()).unwrap();
    listener.set_nonblocking(true).unwrap();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    let address = listener.local_addr().unwrap();
    let door = Door::new(&small(), &Registry::new()).unwrap();
    let _client = std::net::TcpStream::connect(address).unwrap();
    let (connection, _) = listener.accept().await.unwrap();
    door.on_connect(&connection, &mut Extensions::new());
    let unsent_max = SockRef::from(&connection).tcp_notsent_lowat().unwrap();
    assert!(unsent_max > unsent::BYTES_MIN, "{unsent_max}");
}

#[actix_web::test]
async fn what_is_under_way_is_finished_and_nothing_new_begins() {
    for (path, end) in [("/slow", "end\r\n0\r\n\r\n"), ("/slow-sized", "xend")] {
        let server = Running::start(small(), None).await;
        let ready = server.public.ready();
        assert_eq!(ready(), Ok(()));
        let mut stream = server.connect(&format!("GET {path} HTTP/1.1")).await;
        let mut got = String::new();
        while !got.contains("begin") {
            got += &read_some(&mut stream).await;
        }
        server.public.drain().await;
        assert!(ready().unwrap_err().contains("stopping"));
        let stopping = server.handle.stop(true);
        let rest = async {
            // Connections are refused as soon as the socket is closed.
            while TcpStream::connect(server.address).await.is_ok() {
                tokio::task::yield_now().await;
            }
            server.finish.notify_one();
            stream.read_to_string(&mut got).await.unwrap();
        };
        futures::join!(stopping, rest);
        assert!(got.ends_with(end), "{path}: {} bytes", got.len());
    }
}

/// The beginnings of 2040 and 2050, in seconds since the Unix epoch.
const DECADES_S: [f64; 2] = [2_208_988_800.0, 2_524_608_000.0];

/// Writes a certificate for localhost and gives it.
fn certify(files: &TlsFiles) -> rcgen::Certificate {
    certify_until(files, 2040)
}

fn certify_until(files: &TlsFiles, year: i32) -> rcgen::Certificate {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(&files.key_file, key.serialize_pem()).unwrap();
    std::fs::write(&files.certificate_file, certificate.pem()).unwrap();
    certificate
}

fn files_in(dir: &std::path::Path) -> TlsFiles {
    TlsFiles {
        certificate_file: dir.join("certificate.pem"),
        key_file: dir.join("key.pem"),
    }
}

/// Which certificate a new connection is shown.
async fn shown(address: SocketAddr, trusted: &rcgen::Certificate) -> Result<Vec<u8>, String> {
    let trusted = trusted.der().clone();
    let connect = move || {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(trusted).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = "localhost".try_into().unwrap();
        let mut tls = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
        let mut tcp = std::net::TcpStream::connect(address).unwrap();
        let mut stream = rustls::Stream::new(&mut tls, &mut tcp);
        io::Write::write_all(
            &mut stream,
            b"GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n",
        )
        .map_err(|error| error.to_string())?;
        let mut text = String::new();
        // The end of the connection is not announced by all servers.
        let _ = stream.read_to_string(&mut text);
        assert!(text.contains("word"), "{text}");
        Ok(tls.peer_certificates().unwrap()[0].to_vec())
    };
    tokio::task::spawn_blocking(connect).await.unwrap()
}

#[actix_web::test]
async fn a_changed_certificate_is_taken_over_and_a_broken_one_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let files = files_in(dir.path());
    let first = certify(&files);
    let server = Running::start(small(), Some(&files)).await;
    let tls = server.public.tls().unwrap();
    let end = "tls_certificate_not_after_timestamp_seconds";
    assert_eq!(server.metric(end), DECADES_S[0]);
    assert_eq!(
        shown(server.address, &first).await.unwrap(),
        first.der().to_vec()
    );

    let second = certify_until(&files, 2050);
    tls.reload().unwrap();
    assert_eq!(server.metric(end), DECADES_S[1]);
    assert_eq!(
        shown(server.address, &second).await.unwrap(),
        second.der().to_vec()
    );
    assert!(shown(server.address, &first).await.is_err());

    // The key of another certificate, no key, no certificate: the one in force stays.
    let other = tempfile::tempdir().unwrap();
    certify(&files_in(other.path()));
    std::fs::copy(files_in(other.path()).key_file, &files.key_file).unwrap();
    let error = tls.reload().unwrap_err().to_string();
    assert!(error.contains("does not go with"), "{error}");
    for (path, name) in [
        (&files.key_file, "private key"),
        (&files.certificate_file, "certificate"),
    ] {
        std::fs::write(path, "nonsense").unwrap();
        let error = tls.reload().unwrap_err().to_string();
        let path = path.display().to_string();
        assert!(error.contains(name) && error.contains(&path), "{error}");
    }
    assert_eq!(server.metric(end), DECADES_S[1]);
    assert_eq!(
        shown(server.address, &second).await.unwrap(),
        second.der().to_vec()
    );
    server.handle.stop(false).await;
}

/// Without a value before the first attempt its increase is not seen.
#[tokio::test]
async fn attempts_to_take_a_certificate_over_are_counted_from_none() {
    let dir = tempfile::tempdir().unwrap();
    let files = files_in(dir.path());
    certify(&files);
    let registry = Registry::new();
    let tls = Tls::load(&files, &registry).await.unwrap();
    let counted = || {
        let families = registry.gather();
        let of_it = |family: &&MetricFamily| family.name() == "tls_certificate_reloads_total";
        let metrics = families.iter().find(of_it).unwrap().get_metric();
        let read = |metric: &Metric| {
            let outcome = metric.get_label()[0].value().to_owned();
            (outcome, metric.get_counter().get_value())
        };
        metrics.iter().map(read).collect::<BTreeMap<_, _>>()
    };
    let are = |refused, taken| [("refused".to_owned(), refused), ("taken".to_owned(), taken)];
    assert_eq!(counted(), are(0.0, 0.0).into());
    tls.reload().unwrap();
    assert_eq!(counted(), are(0.0, 1.0).into());
    std::fs::remove_file(&files.key_file).unwrap();
    tls.reload().unwrap_err();
    assert_eq!(counted(), are(1.0, 1.0).into());
}

#[actix_web::test]
async fn files_and_the_signal_are_watched() {
    let dir = tempfile::tempdir().unwrap();
    let files = files_in(dir.path());
    certify(&files);
    let server = Running::start(small(), Some(&files)).await;
    let second = certify(&files);
    let me = rustix::process::getpid();
    // Until the signal is listened to it would end this process: the watcher's first look shows
    // that it listens.
    let taken = "tls_certificate_reloads_total";
    server.until(taken, 1.0).await;
    assert_eq!(
        shown(server.address, &second).await.unwrap(),
        second.der().to_vec()
    );
    rustix::process::kill_process(me, rustix::process::Signal::HUP).unwrap();
    server.until(taken, 2.0).await;
    server.handle.stop(false).await;
}

fn client_of(server: &Running, certificate: &rcgen::Certificate) -> reqwest::Client {
    crate::api::install_tls_provider();
    let trusted = reqwest::Certificate::from_der(certificate.der()).unwrap();
    reqwest::Client::builder()
        .tls_certs_only([trusted])
        .resolve("localhost", server.address)
        .no_proxy()
        .build()
        .unwrap()
}

#[actix_web::test]
async fn http_2_is_spoken_where_there_is_tls() {
    let dir = tempfile::tempdir().unwrap();
    let files = files_in(dir.path());
    let certificate = certify(&files);
    let server = Running::start(small(), Some(&files)).await;
    let client = client_of(&server, &certificate);
    let url = format!("https://localhost:{}/", server.address.port());
    let asked = (0..20).map(|_| client.get(&url).send());
    for answer in futures::future::join_all(asked).await {
        let answer = answer.unwrap();
        assert_eq!(answer.version(), reqwest::Version::HTTP_2);
        assert_eq!(answer.text().await.unwrap(), "word");
    }
    server.handle.stop(false).await;
}

#[actix_web::test]
async fn a_client_that_opens_no_window_of_http_2_loses_its_connection_and_one_that_reads_does_not()
{
    let dir = tempfile::tempdir().unwrap();
    let files = files_in(dir.path());
    let certificate = certify(&files);
    let limits = HttpLimits {
        write_stall_timeout: TimeSpan(Duration::from_millis(300)),
        ..small()
    };
    let server = Running::start(limits, Some(&files)).await;
    let url = |path: &str| format!("https://localhost:{}/{path}", server.address.port());
    // A client each, gone with its answer: what of a body is not read keeps the connection's window closed.
    let get = async |path| {
        let asked = client_of(&server, &certificate).get(url(path)).send();
        asked.await.unwrap()
    };
    let stalled = get("endless").await;
    assert_eq!(stalled.version(), reqwest::Version::HTTP_2);
    let mut reading = get("endless").await;
    // Here it is the body that lets the client wait.
    let mut waiting = get("slow").await;
    while server.metric("http_server_stalled_total") != 1.0 {
        assert!(reading.chunk().await.unwrap().is_some());
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    server.until("http_server_connections", 2.0).await;
    assert!(reading.chunk().await.unwrap().is_some());
    drop(stalled);
    server.finish.notify_one();
    let mut slow = Vec::new();
    while let Some(piece) = waiting.chunk().await.unwrap() {
        slow.extend_from_slice(&piece);
    }
    assert!(slow.ends_with(b"end"));
    drop((reading, waiting));
    server.until("http_server_connections", 0.0).await;
    assert_eq!(server.metric("http_server_stalled_total"), 1.0);
    server.handle.stop(false).await;
}
