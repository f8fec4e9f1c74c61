//! The client against a real server in this process, honest and otherwise.

use std::{sync::Arc, time::Duration};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, dev::ServerHandle, web};
use bytes::Bytes;
use futures::StreamExt;

use super::client::Fault;
use super::*;
use crate::{hash::ContentHash, range::ByteRange, serve};

const TIMEOUT: Duration = Duration::from_millis(200);

struct Origin {
    url: String,
    server: ServerHandle,
}

fn content() -> Vec<u8> {
    (0..200_000u32).map(|index| (index % 251) as u8).collect()
}

/// Object 1 is served honestly; each further one in a wrong way of its own.
async fn file(request: HttpRequest, id: web::Path<ObjectId>) -> HttpResponse {
    let bytes = Bytes::from(content());
    match id.into_inner().0 {
        1 => {
            let mut file = tempfile::tempfile().unwrap();
            std::io::Write::write_all(&mut file, &bytes).unwrap();
            let head = serve::Head::new(bytes.len() as u64, ContentHash::of(&bytes), "video/mp4");
            serve::respond(
                &request,
                &serve::Entry {
                    file: Arc::new(file),
                    head,
                },
            )
        }
        // Ignores ranges.
        2 => HttpResponse::Ok().body(bytes),
        // Answers another range.
        3 => HttpResponse::PartialContent()
            .insert_header(("content-range", "bytes 5-14/200000"))
            .body(bytes.slice(5..15)),
        // Says the right range and sends too much.
        4 => HttpResponse::PartialContent()
            .insert_header(("content-range", "bytes 0-9/200000"))
            .body(bytes.slice(0..20)),
        // Says the right range and sends too little.
        5 => HttpResponse::PartialContent()
            .insert_header(("content-range", "bytes 0-9/200000"))
            .body(bytes.slice(0..4)),
        // Sends a piece and hangs.
        6 => HttpResponse::Ok().streaming(
            futures::stream::iter([Ok::<_, std::io::Error>(bytes.slice(0..10))])
                .chain(futures::stream::pending()),
        ),
        // Breaks off.
        7 => HttpResponse::Ok().streaming(futures::stream::iter([
            Ok(bytes.slice(0..10)),
            Err(std::io::Error::other("broken")),
        ])),
        8 => std::future::pending().await,
        _ => {
            actix_web::ResponseError::error_response(&ApiError::new(ErrorKind::NotHeld, "not here"))
        }
    }
}

async fn status(request: HttpRequest) -> HttpResponse {
    let host_id = request
        .headers()
        .get(HOST_ID_HEADER)
        .map_or("", |value| value.to_str().unwrap());
    HttpResponse::Ok().json(wire::StorageStatusBody {
        version: host_id.into(),
        ..Default::default()
    })
}

impl Origin {
    fn start() -> Self {
        let server = HttpServer::new(|| {
            App::new()
                .service(
                    web::resource(FILE_ROUTE)
                        .route(web::get().to(file))
                        .route(web::head().to(file)),
                )
                .route(STATUS_ROUTE, web::get().to(status))
                .route(VERSION_ROUTE, web::get().to(|| async { "not json" }))
        })
        .workers(1)
        .shutdown_timeout(0)
        .bind(("127.0.0.1", 0))
        .unwrap();
        let url = format!("http://{}/", server.addrs()[0]);
        let running = server.run();
        let server = running.handle();
        actix_web::rt::spawn(running);
        Self { url, server }
    }

    fn client(&self) -> StorageClient {
        let options = HttpOptions {
            first_byte_timeout: TIMEOUT,
            connect_timeout: TIMEOUT,
            stall_timeout: TIMEOUT,
            host_id: Some("me".into()),
            ..HttpOptions::default()
        };
        HttpPool::new(options)
            .unwrap()
            .storage_node(&self.url)
            .unwrap()
    }
}

async fn fetch(
    client: &StorageClient,
    object: u64,
    range: Option<ByteRange>,
) -> Result<Vec<u8>, FetchError> {
    client
        .download(ObjectId(object), range)
        .await?
        .collect(1 << 20)
        .await
}

#[actix_web::test]
async fn an_honest_node_gives_bytes_ranges_heads_and_its_status() {
    let origin = Origin::start();
    let client = origin.client();
    assert_eq!(fetch(&client, 1, None).await.unwrap(), content());
    let range = ByteRange {
        start: 7,
        end: 150_000,
    };
    assert_eq!(
        fetch(&client, 1, Some(range)).await.unwrap(),
        content()[7..150_000]
    );
    for _ in 0..2 {
        // Twice on one connection: a HEAD leaves nothing behind on it.
        let head = client.head(ObjectId(1)).await.unwrap();
        assert_eq!(head.len, Some(200_000));
        assert!(head.accepts_ranges && head.etag.is_some());
    }
    assert_eq!(client.status().await.unwrap().version, "me");
    origin.server.stop(false).await;
}

#[actix_web::test]
async fn wrong_answers_are_errors_that_know_whose_fault_they_are() {
    let origin = Origin::start();
    let client = origin.client();
    let ten = Some(ByteRange { start: 0, end: 10 });
    for (object, range, fault, retryable) in [
        (2, ten, Fault::Theirs, false),
        (3, ten, Fault::Theirs, false),
        (4, ten, Fault::Theirs, false),
        (5, ten, Fault::Theirs, false),
        (6, None, Fault::Network, true),
        (7, None, Fault::Network, true),
        (8, None, Fault::Network, true),
        (9, None, Fault::Ours, true),
    ] {
        let error = fetch(&client, object, range).await.unwrap_err();
        assert_eq!(
            (error.fault(), error.is_retryable()),
            (fault, retryable),
            "{object}: {error}"
        );
    }
    let error = fetch(&client, 9, None).await.unwrap_err();
    assert!(
        error.is_not_found() && error.to_string().contains("not here"),
        "{error}"
    );
    assert!(matches!(
        client.version().await,
        Err(FetchError::Wrong { .. })
    ));
    let too_long = client
        .download(ObjectId(1), None)
        .await
        .unwrap()
        .collect(1000)
        .await;
    assert!(matches!(too_long, Err(FetchError::Wrong { .. })));
    origin.server.stop(false).await;
    assert!(matches!(
        fetch(&client, 1, None).await,
        Err(FetchError::Connect { .. })
    ));
}

#[test]
fn endpoints_are_taken_as_operators_write_them() {
    let pool = HttpPool::new(HttpOptions::default()).unwrap();
    for endpoint in [
        "http://a:1",
        "http://a:1/",
        " http://a:1/// ",
        "http://a:1/api/v1",
        "http://a:1/api/v1/",
    ] {
        assert_eq!(
            pool.storage_node(endpoint).unwrap().root(),
            "http://a:1/",
            "{endpoint}"
        );
    }
    assert_eq!(
        pool.storage_node("https://a/storage").unwrap().root(),
        "https://a/storage/"
    );
    for endpoint in [
        "",
        "a:1",
        "ftp://a/",
        "http://",
        "file:///etc/passwd",
        "javascript:alert(1)",
    ] {
        assert!(pool.storage_node(endpoint).is_err(), "{endpoint}");
    }
}
