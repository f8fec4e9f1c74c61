//! A line to a node that does what bad lines and bad nodes do, and counts what goes over it.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer, http::StatusCode, web};
use bytes::Bytes;
use futures::{StreamExt, stream};

/// How the line behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// As the node behind it.
    Honest,
    /// So many bytes per second in one answer, as the node behind it else.
    Paced(u64),
    /// Objects come with other bytes; the outboard is right.
    Lies,
    /// Objects begin and never go on.
    Stalls,
    /// It knows neither outboards nor digests, like the reference's storage node.
    Reference,
    /// The same behind a cache that gives whole objects only.
    NoRanges,
}

impl Manner {
    fn has_outboards(self) -> bool {
        !matches!(self, Self::Reference | Self::NoRanges)
    }
}

/// A running proxy.
pub struct Proxy {
    pub root: String,
    line: Arc<Line>,
}

struct Line {
    upstream: String,
    manner: Manner,
    http: reqwest::Client,
    data_bytes: AtomicU64,
    asked: Mutex<Vec<String>>,
}

impl Proxy {
    /// A proxy before this node.
    pub async fn start(upstream: &str, manner: Manner) -> Self {
        let line = Arc::new(Line {
            upstream: upstream.trim_end_matches('/').to_owned(),
            manner,
            http: reqwest::Client::new(),
            data_bytes: AtomicU64::new(0),
            asked: Mutex::default(),
        });
        let data = web::Data::new(line.clone());
        let app = move || {
            App::new()
                .app_data(data.clone())
                .default_service(web::to(forward))
        };
        let server = HttpServer::new(app).workers(1).bind("127.0.0.1:0").unwrap();
        let root = format!("http://{}", server.addrs()[0]);
        actix_web::rt::spawn(server.run());
        Self { root, line }
    }

    /// Bytes of objects that went over it.
    pub fn data_bytes(&self) -> u64 {
        self.line.data_bytes.load(Ordering::SeqCst)
    }

    /// Paths and queries that were asked for.
    pub fn asked(&self) -> Vec<String> {
        self.line.asked.lock().unwrap().clone()
    }
}

async fn forward(request: HttpRequest, line: web::Data<Arc<Line>>) -> HttpResponse {
    let line = line.get_ref().clone();
    let path = request.uri().to_string();
    line.asked.lock().unwrap().push(path.clone());
    let is_outboard = path.ends_with("/outboard");
    let is_data = path.starts_with("/api/v1/files/") && !is_outboard;
    if !line.manner.has_outboards() && (is_outboard || path.contains("digest")) {
        return HttpResponse::NotFound().finish();
    }
    let mut asked = line.http.get(format!("{}{path}", line.upstream));
    for name in ["range", "x-colossus-host-id"] {
        if name == "range" && line.manner == Manner::NoRanges {
            continue;
        }
        if let Some(value) = request.headers().get(name) {
            asked = asked.header(name, value.to_str().unwrap());
        }
    }
    let Ok(answer) = asked.send().await else {
        return HttpResponse::BadGateway().finish();
    };
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap();
    let mut response = HttpResponse::build(status);
    if let Some(range) = answer.headers().get("content-range") {
        response.insert_header(("content-range", range.to_str().unwrap()));
    }
    if let Some(len) = answer.content_length() {
        response.no_chunking(len);
    }
    if is_data && line.manner == Manner::Stalls && status.is_success() {
        let first = stream::once(async { Ok::<_, reqwest::Error>(Bytes::from_static(b"s")) });
        return response.streaming(first.chain(stream::pending()));
    }
    let pieces = answer.bytes_stream().then(move |piece| {
        let line = line.clone();
        async move {
            let mut piece = piece?;
            if is_data {
                line.data_bytes
                    .fetch_add(piece.len() as u64, Ordering::SeqCst);
                match line.manner {
                    Manner::Paced(per_second) => {
                        let ms = piece.len() as u64 * 1_000 / per_second;
                        tokio::time::sleep(Duration::from_millis(ms)).await;
                    }
                    Manner::Lies => {
                        piece = piece.iter().map(|byte| byte ^ 1).collect();
                    }
                    _ => {}
                }
            }
            Ok::<_, reqwest::Error>(piece)
        }
    });
    response.streaming(pieces)
}
