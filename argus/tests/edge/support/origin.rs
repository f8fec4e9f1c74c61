//! A storage node in this process that behaves as a test wants it to.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer, ResponseError,
    body::SizedStream,
    dev::ServerHandle,
    http::header,
    web::{self, Data, Path},
};
use bytes::Bytes;
use futures::{StreamExt, stream};
use shared::{
    api::{
        ApiError, ErrorKind, FILE_ROUTE, OUTBOARD_ROUTE, STATUS_ROUTE,
        wire::{P2pStatus, StorageStatusBody},
    },
    range::{self, Wanted},
    verified::Builder,
};
use tokio::sync::watch;

/// How a node behaves.
#[derive(Debug, Clone)]
pub enum Manner {
    Honest,
    /// Has nothing.
    Empty,
    /// Gives this byte of each object wrong.
    Flips(u64),
    /// Gives a byte of the outboard wrong.
    FlipsOutboard,
    /// Announces everything and breaks off before this byte.
    BreaksOffAt(u64),
    /// Sends nothing more from this byte on.
    StallsAt(u64),
    /// Gives zeros.
    AnotherObject,
    /// Knows no outboards.
    WithoutOutboard,
    /// The two together.
    WithoutOutboardFlips(u64),
    /// Sends bytes from this one on only when the gate has been opened.
    Gated(u64, watch::Receiver<bool>),
    /// Gives this byte of the outboard wrong.
    FlipsOutboardAt(u64),
    /// Gives only so many bytes of the outboard, and says that this is all.
    CutsOutboard(u64),
    /// Sends all bytes, each piece after a pause.
    Delays(Duration),
    /// Says that the object is this much longer, or shorter, than it is.
    LiesAboutLength(i64),
    /// Gives the bytes that follow, by this many, those that were asked for.
    Shifts(u64),
    /// Behaves differently with each object.
    ByObject(Arc<HashMap<u64, Manner>>),
}

impl Manner {
    fn with(&self, object: u64) -> &Self {
        match self {
            Self::ByObject(manners) => manners.get(&object).unwrap_or(&Self::Honest),
            manner => manner,
        }
    }
}

struct Shelf {
    manner: Manner,
    objects: HashMap<u64, (Bytes, Bytes)>,
    data_bytes: AtomicU64,
    requests: AtomicU64,
    p2p: Mutex<Option<P2pStatus>>,
}

pub struct Origin {
    pub url: String,
    shelf: Arc<Shelf>,
    server: ServerHandle,
}

impl Origin {
    pub fn start(manner: Manner, objects: &[(u64, Vec<u8>)]) -> Self {
        let objects = objects.iter().map(|(id, bytes)| {
            let mut builder = Builder::new(bytes.len() as u64);
            builder.update(bytes).unwrap();
            let outboard = builder.finish().unwrap().into_outboard();
            (*id, (Bytes::from(bytes.clone()), Bytes::from(outboard)))
        });
        let shelf = Arc::new(Shelf {
            manner,
            objects: objects.collect(),
            data_bytes: AtomicU64::new(0),
            requests: AtomicU64::new(0),
            p2p: Mutex::default(),
        });
        let data = Data::from(shelf.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .route(OUTBOARD_ROUTE, web::get().to(outboard))
                .route(FILE_ROUTE, web::get().to(file))
                .route(STATUS_ROUTE, web::get().to(status))
        })
        .workers(1)
        .shutdown_timeout(0)
        .disable_signals()
        .bind(("127.0.0.1", 0))
        .unwrap();
        let url = format!("http://{}/", server.addrs()[0]);
        let running = server.run();
        let server = running.handle();
        actix_web::rt::spawn(running);
        Self { url, shelf, server }
    }

    /// Bytes of objects handed out so far.
    pub fn data_bytes(&self) -> u64 {
        self.shelf.data_bytes.load(Ordering::SeqCst)
    }

    pub fn requests(&self) -> u64 {
        self.shelf.requests.load(Ordering::SeqCst)
    }

    /// From now on its status says where it gossips.
    pub fn gossips(&self, status: P2pStatus) {
        *self.shelf.p2p.lock().unwrap() = Some(status);
    }

    pub async fn stop(self) {
        self.server.stop(false).await;
    }
}

fn not_held(id: u64) -> HttpResponse {
    ApiError::new(ErrorKind::NotHeld, format!("object {id} is not held here")).error_response()
}

async fn status(shelf: Data<Shelf>) -> HttpResponse {
    HttpResponse::Ok().json(StorageStatusBody {
        p2p: shelf.p2p.lock().unwrap().clone(),
        ..StorageStatusBody::default()
    })
}

async fn outboard(request: HttpRequest, id: Path<u64>, shelf: Data<Shelf>) -> HttpResponse {
    let Some((_, outboard)) = shelf.objects.get(&id) else {
        return not_held(*id);
    };
    let mut outboard = outboard.to_vec();
    match shelf.manner.with(*id) {
        Manner::Empty => return not_held(*id),
        Manner::WithoutOutboard | Manner::WithoutOutboardFlips(_) => {
            return HttpResponse::NotFound().body("no such route");
        }
        Manner::FlipsOutboard => outboard[5] ^= 1,
        Manner::FlipsOutboardAt(at) => flip(&mut outboard, *at),
        Manner::CutsOutboard(len) => outboard.truncate(*len as usize),
        _ => {}
    }
    answer(
        &request,
        outboard.len() as u64,
        stream::iter([Ok(Bytes::from(outboard))]).boxed_local(),
        0,
    )
}

async fn file(request: HttpRequest, id: Path<u64>, shelf: Data<Shelf>) -> HttpResponse {
    shelf.requests.fetch_add(1, Ordering::SeqCst);
    let Some((bytes, _)) = shelf.objects.get(&id) else {
        return not_held(*id);
    };
    let manner = shelf.manner.with(*id).clone();
    let mut bytes = bytes.clone();
    match &manner {
        Manner::Empty => return not_held(*id),
        Manner::Flips(at) | Manner::WithoutOutboardFlips(at) => {
            let mut wrong = bytes.to_vec();
            flip(&mut wrong, *at);
            bytes = wrong.into();
        }
        Manner::AnotherObject => bytes = vec![0; bytes.len()].into(),
        Manner::LiesAboutLength(by) => {
            let mut wrong = bytes.to_vec();
            wrong.resize(bytes.len().saturating_add_signed(*by as isize), 0);
            bytes = wrong.into();
        }
        Manner::Shifts(by) => {
            let mut wrong = bytes.to_vec();
            wrong.rotate_left(*by as usize % bytes.len().max(1));
            bytes = wrong.into();
        }
        _ => {}
    }
    let len = bytes.len() as u64;
    let start = match wanted(&request, len) {
        Wanted::One(range) => range.start,
        _ => 0,
    };
    let end = match wanted(&request, len) {
        Wanted::One(range) => range.end,
        _ => len,
    };
    const PIECE: u64 = 8_192;
    let pieces = stream::unfold(
        (start, (shelf, manner), bytes),
        move |(at, (shelf, manner), bytes)| async move {
            if at >= end {
                return None;
            }
            let mut to = (at + PIECE).min(end);
            match &manner {
                Manner::Delays(pause) => tokio::time::sleep(*pause).await,
                Manner::BreaksOffAt(limit) if at >= *limit => {
                    return Some((
                        Err(std::io::Error::other("broken off")),
                        (end, (shelf, manner), bytes),
                    ));
                }
                Manner::BreaksOffAt(limit) => to = to.min((*limit).max(at + 1)),
                Manner::StallsAt(limit) if at >= *limit => std::future::pending().await,
                Manner::StallsAt(limit) => to = to.min((*limit).max(at + 1)),
                Manner::Gated(limit, gate) if to > *limit => {
                    let _ = gate.clone().wait_for(|open| *open).await;
                }
                _ => {}
            }
            shelf.data_bytes.fetch_add(to - at, Ordering::SeqCst);
            let piece = bytes.slice(at as usize..to as usize);
            Some((Ok(piece), (to, (shelf, manner), bytes)))
        },
    );
    answer(&request, len, pieces.boxed_local(), start)
}

/// Changes a byte, if there is one there.
fn flip(bytes: &mut [u8], at: u64) {
    if let Some(byte) = bytes.get_mut(at as usize) {
        *byte ^= 1;
    }
}

fn wanted(request: &HttpRequest, len: u64) -> Wanted {
    range::parse(
        request
            .headers()
            .get(header::RANGE)
            .map(|value| value.as_bytes()),
        len,
    )
}

type Pieces = stream::LocalBoxStream<'static, Result<Bytes, std::io::Error>>;

/// Answers with `pieces`, which start at `start` if they are of the object; an outboard's are cut here.
fn answer(request: &HttpRequest, len: u64, pieces: Pieces, start: u64) -> HttpResponse {
    match wanted(request, len) {
        Wanted::One(range) => {
            let skip = (range.start - start) as usize;
            let take = range.len() as usize;
            let pieces = pieces.map(move |piece| {
                piece.map(|piece: Bytes| {
                    if skip > 0 || piece.len() > take {
                        piece.slice(skip..skip + take)
                    } else {
                        piece
                    }
                })
            });
            HttpResponse::PartialContent()
                .insert_header((header::CONTENT_RANGE, range.content_range(len)))
                .body(SizedStream::new(range.len(), pieces.boxed_local()))
        }
        _ => HttpResponse::Ok().body(SizedStream::new(len, pieces)),
    }
}
