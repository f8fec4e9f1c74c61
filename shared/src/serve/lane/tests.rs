//! Answers by the lane, byte for byte, over connections that take a few bytes at a time.

use std::{
    os::unix::fs::FileExt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use actix_http::{HttpService, Request, Response, error::DispatchError};
use actix_service::{ServiceFactory, apply_fn_factory, fn_service};
use actix_web::body::{BoxBody, SizedStream};
use bytes::Bytes;
use futures::{FutureExt, Stream, StreamExt, stream};
use prometheus::IntGauge;
use proptest::prelude::*;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader, DuplexStream, duplex};

use super::*;
use crate::{
    range::ByteRange,
    serve::{
        FileBody,
        pages::{PagesLimit, PagesSlot},
    },
};

const LONG: usize = 100_000;

fn content(len: usize) -> Bytes {
    (0..len).map(|index| (index * 31 % 251) as u8).collect()
}

/// Bytes that are counted as long as they are in memory.
struct Counted(Bytes, Arc<AtomicUsize>);

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.1.fetch_sub(self.0.len(), Ordering::Relaxed);
    }
}

/// A server's application, and what it has seen.
#[derive(Clone, Default)]
struct Bodies {
    /// Pieces that were asked of bodies.
    asked: Arc<AtomicUsize>,
    /// Bytes of pieces in memory.
    in_memory: Arc<AtomicUsize>,
}

impl Bodies {
    /// Pieces of this length, now and then an empty one, and some that have to be waited for.
    fn pieces(&self, bytes: Bytes, len: usize) -> impl Stream<Item = io::Result<Bytes>> + use<> {
        let count = bytes.len().div_ceil(len);
        let bodies = self.clone();
        stream::iter(0..count).then(move |number| {
            let (bodies, bytes) = (bodies.clone(), bytes.clone());
            async move {
                bodies.asked.fetch_add(1, Ordering::Relaxed);
                if number % 3 == 1 {
                    tokio::task::yield_now().await;
                }
                let piece = bytes.slice(number * len..bytes.len().min((number + 1) * len));
                bodies.in_memory.fetch_add(piece.len(), Ordering::Relaxed);
                let in_memory = bodies.in_memory.clone();
                Ok(Bytes::from_owner(Counted(piece, in_memory)))
            }
        })
    }

    /// A body that is sent from the page cache.
    fn of_pages(&self) -> FileBody {
        let file = tempfile::tempfile().unwrap();
        file.write_all_at(&content(1_000_000), 0).unwrap();
        let all = ByteRange {
            start: 0,
            end: 1_000_000,
        };
        let limit = PagesLimit::new(1 << 20, IntGauge::new("pages", "bytes").unwrap());
        let pages = limit.pages(&PagesSlot::default(), &file).unwrap();
        let first = pages.now(0, 1_000_000).unwrap();
        self.in_memory.store(first.len(), Ordering::Relaxed);
        FileBody::new(Arc::new(file), all).from_pages(Some(pages))
    }

    fn answer(&self, request: &Request) -> Response<BoxBody> {
        let path = request.path().to_owned();
        let numbers = path
            .split('/')
            .filter_map(|part| part.parse::<usize>().ok());
        let numbers: Vec<usize> = numbers.collect();
        let sized = |len: usize, pieces| BoxBody::new(SizedStream::new(len as u64, pieces));
        let boxed = |bytes, len| self.pieces(bytes, len).boxed_local();
        let body = match *numbers {
            [len, piece] => sized(len, boxed(content(len), piece)),
            [len] => BoxBody::new(content(len)),
            _ => match path.as_str() {
                "/short" => sized(LONG, boxed(content(LONG - 1), 9_000)),
                "/more" => sized(LONG, boxed(content(LONG + 1), 9_000)),
                "/fails" => {
                    let fails = stream::once(async { Err(io::Error::other("no")) });
                    let pieces = boxed(content(60_000), 9_000).chain(fails);
                    sized(LONG, pieces.boxed_local())
                }
                "/pages" => BoxBody::new(self.of_pages()),
                "/stream" => {
                    let pieces = boxed(content(LONG), 9_000);
                    BoxBody::new(actix_web::body::BodyStream::new(pieces))
                }
                _ => return Response::not_found().map_into_boxed_body(),
            },
        };
        Response::ok().set_body(body)
    }

    /// A connection that takes `room` bytes at a time, served until it ends.
    async fn connect(
        &self,
        room: usize,
    ) -> (
        DuplexStream,
        impl Future<Output = Result<(), DispatchError>> + use<>,
    ) {
        let (client, server) = duplex(room);
        let bodies = self.clone();
        let app = fn_service(move |request: Request| {
            let answer = bodies.answer(&request);
            async move { Ok::<_, actix_web::Error>(answer) }
        });
        let http = HttpService::build()
            .on_connect_ext(|socket: &LaneSocket<DuplexStream>, kept| {
                kept.insert::<Lane>(socket.lane());
            })
            .h1(apply_fn_factory(app, answer));
        let service = http.new_service(()).await.unwrap();
        (client, service.call((LaneSocket::new(server), None)))
    }

    /// All that comes for these requests, and how the connection ended.
    async fn talk(&self, room: usize, requests: &str) -> (Vec<u8>, Result<(), DispatchError>) {
        let (client, serve) = self.connect(room).await;
        let (mut incoming, mut outgoing) = tokio::io::split(client);
        let mut got = Vec::new();
        let client = async {
            let send = async {
                outgoing.write_all(requests.as_bytes()).await.unwrap();
                outgoing.shutdown().await.unwrap();
            };
            futures::join!(send, incoming.read_to_end(&mut got))
                .1
                .unwrap();
        };
        // When the server is done, the connection is gone.
        let ((), end) = futures::join!(client, serve);
        (got, end)
    }
}

fn get(path: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n")
}

/// Takes one answer from what came: its head and its body.
async fn next_answer<R: AsyncRead + Unpin>(
    came: &mut BufReader<R>,
    is_head: bool,
) -> (String, Vec<u8>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(came.read_u8().await.expect("a head"));
    }
    let head = String::from_utf8(head).unwrap();
    let length = head.lines().filter_map(|line| line.split_once(": "));
    let lengths: Vec<usize> = length
        .filter(|(name, _)| *name == "content-length")
        .map(|(_, value)| value.parse().unwrap())
        .collect();
    let mut body = Vec::new();
    if head.contains("transfer-encoding: chunked") {
        assert!(lengths.is_empty(), "{head}");
        loop {
            let mut line = Vec::new();
            while !line.ends_with(b"\r\n") {
                line.push(came.read_u8().await.unwrap());
            }
            let line = std::str::from_utf8(&line).unwrap().trim_end();
            let mut chunk = vec![0; usize::from_str_radix(line, 16).unwrap() + 2];
            came.read_exact(&mut chunk).await.unwrap();
            assert!(chunk.ends_with(b"\r\n"));
            chunk.truncate(chunk.len() - 2);
            if chunk.is_empty() {
                break;
            }
            body.extend(chunk);
        }
    } else if !is_head {
        assert_eq!(lengths.len(), 1, "{head}");
        body.resize(lengths[0], 0);
        came.read_exact(&mut body).await.unwrap();
    }
    (head, body)
}

#[actix_web::test]
async fn seven_requests_in_one_piece_get_their_seven_answers() {
    let paths = [
        "/100000/9000",
        "/5",
        "HEAD /100000/9000",
        "/stream",
        "/16384/1",
        "/missing",
        "/1000000",
    ];
    let request = |path: &&str| match path.strip_prefix("HEAD ") {
        Some(path) => format!("HEAD {path} HTTP/1.1\r\nhost: test\r\n\r\n"),
        None => get(path),
    };
    let requests: String = paths.iter().map(request).collect();
    for room in [7, 1_000, 1 << 20] {
        let (got, end) = Bodies::default().talk(room, &requests).await;
        end.unwrap();
        let came = &mut BufReader::new(&got[..]);
        for (path, len) in paths.iter().zip([LONG, 5, 0, LONG, 16_384, 0, 1_000_000]) {
            let (head, body) = next_answer(came, path.starts_with("HEAD")).await;
            let status = if *path == "/missing" { "404" } else { "200" };
            assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
            assert!(body == content(len), "{path} {room}: {} bytes", body.len());
            if path.starts_with("HEAD") {
                assert!(head.contains("content-length: 100000\r\n"), "{head}");
            }
            assert!(!head.contains("connection: close"), "{head}");
        }
        assert_eq!(came.read(&mut [0]).await.unwrap(), 0, "nothing else came");
    }
}

#[actix_web::test]
async fn the_connection_ends_with_the_answer_for_those_who_want_it() {
    for (version, extra, said) in [
        ("1.0", "", ""),
        ("1.0", "connection: keep-alive\r\n", "keep-alive"),
        ("1.1", "connection: close\r\n", "close"),
    ] {
        let request = format!("GET /100000/9000 HTTP/{version}\r\nhost: test\r\n{extra}\r\n");
        let (client, serve) = Bodies::default().connect(3_000).await;
        let (mut incoming, mut outgoing) = tokio::io::split(client);
        let ask = async {
            outgoing.write_all(request.as_bytes()).await.unwrap();
            let mut came = BufReader::new(&mut incoming);
            let (head, body) = next_answer(&mut came, false).await;
            assert!(head.starts_with(&format!("HTTP/{version} 200")), "{head}");
            let connection = head
                .lines()
                .find_map(|line| line.strip_prefix("connection: "));
            assert_eq!(connection.unwrap_or_default(), said, "{head}");
            assert!(body == content(LONG));
            if said == "keep-alive" {
                outgoing.write_all(request.as_bytes()).await.unwrap();
                assert!(next_answer(&mut came, false).await.1 == content(LONG));
            } else {
                assert_eq!(came.read(&mut [0]).await.unwrap(), 0);
            }
            drop((incoming, outgoing));
        };
        let _ = futures::join!(ask, serve);
    }
}

#[actix_web::test]
async fn a_body_of_another_length_or_with_an_error_is_never_a_whole_answer() {
    for path in ["/short", "/more", "/fails"] {
        for room in [999, 1 << 20] {
            let bodies = Bodies::default();
            let requests = [get("/5"), get(path), get("/5")].concat();
            let (got, end) = bodies.talk(room, &requests).await;
            let error = end.unwrap_err().to_string();
            assert!(error.to_lowercase().contains("body"), "{error}");
            let came = &mut BufReader::new(&got[..]);
            assert!(next_answer(came, false).await.1 == content(5));
            let mut rest = Vec::new();
            came.read_to_end(&mut rest).await.unwrap();
            let head_end = rest.windows(4).position(|end| end == b"\r\n\r\n");
            let body = &rest[head_end.map_or(rest.len(), |at| at + 4)..];
            // What had gone out was right, and no other answer came after it.
            assert!(body.len() < LONG, "{path}: {}", body.len());
            assert!(body == &content(LONG)[..body.len()], "{path}");
            assert_eq!(bodies.in_memory.load(Ordering::Relaxed), 0);
        }
    }
}

#[actix_web::test]
async fn a_client_that_reads_nothing_costs_one_piece_of_its_own() {
    let bodies = Bodies::default();
    let (client, serve) = bodies.connect(1_000).await;
    let (mut incoming, mut outgoing) = tokio::io::split(client);
    outgoing
        .write_all(get("/1000000/50000").as_bytes())
        .await
        .unwrap();
    futures::pin_mut!(serve);
    let mut got = Vec::new();
    for round in 1..=3 {
        for _ in 0..20 {
            assert!(serve.as_mut().now_or_never().is_none());
        }
        let read = got.len() + 1_000;
        let asked = bodies.asked.load(Ordering::Relaxed);
        assert!(
            asked <= read / 50_000 + 1,
            "{asked} pieces in round {round}"
        );
        // What it was taken from is not kept for this client.
        assert_eq!(bodies.in_memory.load(Ordering::Relaxed), 0);
        let mut bytes = vec![0; 60_000];
        let read = async { incoming.read_exact(&mut bytes).await.unwrap() };
        futures::select! {
            _ = read.fuse() => {}
            end = serve.as_mut().fuse() => panic!("{end:?}"),
        }
        got.extend(bytes);
    }
    let head_end = got.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    assert!(got[head_end..] == content(1_000_000)[..got.len() - head_end]);
    // It leaves in the middle.
    drop((incoming, outgoing));
    serve.await.unwrap_err();
}

#[actix_web::test]
async fn what_the_page_cache_holds_is_sent_from_there() {
    for room in [999, 50_000, 1 << 22] {
        let bodies = Bodies::default();
        let requests = [get("/5"), get("/pages"), get("/5"), get("/pages")].concat();
        let (got, end) = bodies.talk(room, &requests).await;
        end.unwrap();
        assert!(
            bodies.in_memory.load(Ordering::Relaxed) > 0,
            "nothing of it was in the page cache"
        );
        let came = &mut BufReader::new(&got[..]);
        for len in [5, 1_000_000, 5, 1_000_000] {
            assert!(
                next_answer(came, false).await.1 == content(len),
                "{len} {room}"
            );
        }
        assert_eq!(came.read(&mut [0]).await.unwrap(), 0);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_bodies_in_any_pieces_over_any_connection_come_whole(
        bodies in prop::collection::vec((15_000usize..40_000, 1usize..20_000), 1..6),
        room in 1usize..30_000,
    ) {
        let requests = bodies.iter().map(|(len, piece)| get(&format!("/{len}/{piece}")));
        let requests: String = requests.collect();
        let talk = async {
            let (got, end) = Bodies::default().talk(room, &requests).await;
            end.unwrap();
            let came = &mut BufReader::new(&got[..]);
            for (len, _) in &bodies {
                assert!(next_answer(came, false).await.1 == content(*len));
            }
            assert_eq!(came.read(&mut [0]).await.unwrap(), 0);
        };
        actix_web::rt::System::new().block_on(talk);
    }
}
