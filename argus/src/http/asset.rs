//! `GET` and `HEAD /api/v1/assets/{id}`: the main path of the node.
//!
//! 1. The id becomes an asset, or an answer that says why not ([`Catalog::find`]).
//! 2. **Hit**: a complete object is served without asking anybody ([`super::hit`]).
//! 3. HEAD, and everything that is answered without bytes (304, 412, 416), starts nothing.
//! 4. `Cache-Control: only-if-cached` (RFC 9111) starts nothing either: what is not here as a whole is
//!    answered with 504. Edges ask each other so.
//! 5. Else the keeper says: read this object while it grows (**miss** for the one who started the fill,
//!    **pending** for the others), read past the cache, or come back later.

use std::{
    future::{Ready, ready},
    io,
    ops::Range,
    pin::Pin,
    time::Duration,
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::SizedStream,
    http::{
        Method,
        header::{self, HeaderName, HeaderValue},
    },
    web,
};
use bytes::Bytes;
use futures::{
    Stream,
    future::{Either, LocalBoxFuture},
};
use shared::{
    api::{ApiError, ErrorKind},
    ids::ObjectId,
    range::ByteRange,
    serve::{self, Answer, FileBody, Head},
    verified::GROUP_LEN,
};
use tokio::time::Instant;

use super::{State, growing, hit};
use crate::{
    cache::{
        Follower, Lease, Object, Phase,
        keeper::{Admission, Held, Holding, Holds, Want},
        object::NotComing,
    },
    catalog::{Asset, Catalog, Lookup},
    fill::pass::PassThrough,
    metrics::CacheResult,
};

/// How long the keeper may take to answer. It waits for the disk at most.
pub(super) const KEEPER_TIMEOUT: Duration = Duration::from_secs(10);
/// How long the first bytes may take. Sources have their own, shorter, time-outs.
const FIRST_BYTES_TIMEOUT: Duration = Duration::from_secs(60);
/// What `Retry-After` says when there is too much to do.
const RETRY_AFTER_S: u32 = 2;

const X_CACHE: HeaderName = HeaderName::from_static("x-cache");
const X_DATA_SOURCE: HeaderName = HeaderName::from_static("x-data-source");
const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");

/// Of bytes that may still turn out not to come.
const CACHE_CONTROL_FILLING: &str = "public, max-age=180, must-revalidate";
pub(super) const CACHE_CONTROL_COMPLETE: &str = "public, max-age=31536000, immutable";

/// A body whose pieces come from a stream.
pub(super) type StreamedBody = SizedStream<Pin<Box<dyn Stream<Item = io::Result<Bytes>>>>>;

/// What a handler says.
type Answered = Result<HttpResponse, ApiError>;

/// Answers `GET` and `HEAD`. A hit is answered at once; the future of all others, which is large, is only made
/// for them.
pub fn answer(
    request: HttpRequest,
    state: web::Data<State>,
) -> Either<Ready<Answered>, LocalBoxFuture<'static, Answered>> {
    let found = request.match_info().query("id").parse();
    let found = found.map_err(ApiError::from);
    let asset = match found.and_then(|id| find(&state.catalog, id)) {
        Ok(asset) => asset,
        Err(error) => return Either::Left(ready(Err(error))),
    };
    match state.open.lease(&asset.content) {
        Some(lease) if lease.is_complete() && lease.media_type().is_some() => {
            Either::Left(ready(Ok(hit::answer(&request, &state, &asset, lease))))
        }
        open => Either::Right(Box::pin(not_at_once(request, state, asset, open))),
    }
}

/// Answers what is no hit. `open` is the object if it is open.
async fn not_at_once(
    request: HttpRequest,
    state: web::Data<State>,
    asset: Asset,
    open: Option<Lease>,
) -> Answered {
    if request.method() == Method::HEAD || !needs_bytes(&request, &asset) {
        return without_bytes(&request, &state, &asset).await;
    }
    if is_only_if_cached(&request) && holding(&state, &asset).await? != Holding::Whole {
        state.metrics.request(CacheResult::Refused);
        return Err(ApiError::new(
            ErrorKind::NotCached,
            format!(
                "object {} is not in the cache, and only-if-cached forbids to fetch it",
                asset.id
            ),
        ));
    }
    let asked = Instant::now();
    // Of what grows the keeper need not be asked for every one of a crowd.
    if let Some(lease) = open.filter(|lease| lease.phase() == Phase::Growing) {
        hit::touch(&state, &asset, &lease);
        return follow(&request, &state, asset, (lease, false), asked).await;
    }
    if let Some(prefetch) = &state.prefetch {
        prefetch.asked(asset.bag);
    }
    let admission = tokio::time::timeout(KEEPER_TIMEOUT, state.keeper.send(Want { asset })).await;
    match admission {
        Ok(Ok(Admission::Open { lease, started })) => {
            follow(&request, &state, asset, (lease, started), asked).await
        }
        Ok(Ok(Admission::PassThrough(_))) => pass_through(&request, &state, asset).await,
        Ok(Ok(Admission::DiskFailed(cause))) => Err(ApiError::internal(cause)),
        Ok(Ok(Admission::Refused)) | Err(_) => Err(refused(
            &state,
            "the node is filling as many objects as it may",
        )),
        Ok(Err(error)) => Err(ApiError::internal(error)),
    }
}

/// The asset of this id, or why there is none.
pub(super) fn find(catalog: &Catalog, id: ObjectId) -> Result<Asset, ApiError> {
    let (kind, message) = match catalog.find(id) {
        Lookup::Here(asset) => return Ok(asset),
        Lookup::Unknown => (
            ErrorKind::UnknownObject,
            format!("object {id} does not exist on chain"),
        ),
        Lookup::NotAccepted => (
            ErrorKind::NotAccepted,
            format!("object {id} has not been uploaded yet: no storage node has accepted it"),
        ),
        Lookup::Elsewhere { bag } => (
            ErrorKind::NotDistributedHere,
            format!(
                "object {id} of bag {bag} is not distributed by this node; ask an edge of the bag's buckets"
            ),
        ),
        Lookup::Unverifiable { content_id } => {
            let message = format!(
                "object {id} has content id {content_id}, which is not a BLAKE3 hash: it cannot be verified"
            );
            return Err(ApiError::new(ErrorKind::UnverifiableContent, message)
                .with_status(actix_web::http::StatusCode::NOT_FOUND));
        }
    };
    Err(ApiError::new(kind, message))
}

/// What is said about an object in this state of the cache.
pub(super) fn head(
    object: &Object,
    media_type: Option<&'static str>,
    cache: &'static str,
    source: &'static str,
    control: &'static str,
) -> Head {
    head_of(object.content(), media_type, cache, source, control)
}

fn head_of(
    content: crate::content::Content,
    media_type: Option<&'static str>,
    cache: &'static str,
    source: &'static str,
    control: &'static str,
) -> Head {
    Head::new(content.size, content.hash, media_type)
        .cache_control(control)
        .header(X_CACHE, HeaderValue::from_static(cache))
        .header(X_DATA_SOURCE, HeaderValue::from_static(source))
        .header(SERVER_TIMING, cache_timing(cache))
}

/// `Server-Timing` of an answer that waited for nothing. The words are those of `x-cache`.
fn cache_timing(cache: &'static str) -> HeaderValue {
    HeaderValue::from_static(match cache {
        "hit" => "cache;desc=hit",
        "pending" => "cache;desc=pending",
        _ => "cache;desc=miss",
    })
}

/// `Server-Timing` with the time in which the first bytes came and were verified.
fn fill_timing(cache: &'static str, first_bytes: Duration) -> HeaderValue {
    let ms = first_bytes.as_secs_f64() * 1e3;
    HeaderValue::from_str(&format!("cache;desc={cache}, fill;dur={ms:.1}"))
        .unwrap_or_else(|_| cache_timing(cache))
}

/// Does the client want only what needs no fetch?
fn is_only_if_cached(request: &HttpRequest) -> bool {
    let values = request.headers().get_all(header::CACHE_CONTROL);
    values
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|directive| directive.trim().eq_ignore_ascii_case("only-if-cached"))
}

/// Does the answer need bytes of the object?
fn needs_bytes(request: &HttpRequest, asset: &Asset) -> bool {
    let head = head_of(
        asset.content,
        None,
        "miss",
        "external",
        CACHE_CONTROL_FILLING,
    );
    matches!(
        serve::decide(request, &head),
        Answer::Whole | Answer::One(_) | Answer::Several(_)
    )
}

/// How much of an asset the cache has. The cache is left as it is.
pub(super) async fn holding(state: &State, asset: &Asset) -> Result<Holding, ApiError> {
    let question = Holds {
        content: asset.content,
    };
    let answer = tokio::time::timeout(KEEPER_TIMEOUT, state.keeper.send(question)).await;
    let Ok(answer) = answer else {
        return Err(refused(state, "the node is busy"));
    };
    let Held(holding) = answer.map_err(ApiError::internal)?;
    Ok(holding)
}

/// HEAD, 304, 412, 416: known from the chain; the cache is asked, and left as it is.
async fn without_bytes(
    request: &HttpRequest,
    state: &State,
    asset: &Asset,
) -> Result<HttpResponse, ApiError> {
    let (cache, source, control, result) = match holding(state, asset).await? {
        Holding::Whole => ("hit", "local", CACHE_CONTROL_COMPLETE, CacheResult::Hit),
        Holding::Part => (
            "pending",
            "local",
            CACHE_CONTROL_FILLING,
            CacheResult::Pending,
        ),
        Holding::Nothing => ("miss", "external", CACHE_CONTROL_FILLING, CacheResult::Miss),
    };
    let open = state.open.get(&asset.content);
    let media_type = open.and_then(|object| object.media_type());
    state.metrics.request(result);
    let head = head_of(asset.content, media_type, cache, source, control);
    Ok(serve::respond_with(request, &head, |_| -> FileBody {
        unreachable!("HEAD and answers without bytes have no body")
    }))
}

/// Serves an object while it grows. The head waits for the first group, which tells the media type,
/// and for the first bytes of the answer, so that a fill that fails at once is an honest error.
async fn follow(
    request: &HttpRequest,
    state: &web::Data<State>,
    asset: Asset,
    (lease, started): (Lease, bool),
    asked: Instant,
) -> Result<HttpResponse, ApiError> {
    let complete = lease.is_complete();
    let probe = head(&lease, None, "pending", "local", CACHE_CONTROL_FILLING);
    let size = lease.content().size;
    let first = match serve::decide(request, &probe) {
        Answer::One(range) => range.into(),
        Answer::Several(ranges) => ranges.first().map_or(0..size, |range| (*range).into()),
        _ => 0..size,
    };
    let waited = tokio::time::timeout(FIRST_BYTES_TIMEOUT, wait_for_first(&lease, first)).await;
    match waited {
        Ok(Ok(())) => {}
        Ok(Err(NotComing::NoRoom)) => {
            drop(lease);
            return pass_through(request, state, asset).await;
        }
        Ok(Err(NotComing::Failed(why))) => {
            state.metrics.request(CacheResult::Failed);
            return Err(
                ApiError::new(ErrorKind::BadSource, why.to_string()).retry_after(RETRY_AFTER_S)
            );
        }
        Err(_) => return Err(refused(state, "the sources are too slow")),
    }
    let (word, result) = match (started, complete) {
        (true, _) => ("miss", CacheResult::Miss),
        (false, true) => ("hit", CacheResult::Hit),
        (false, false) => ("pending", CacheResult::Pending),
    };
    state.metrics.request(result);
    let control = if complete {
        CACHE_CONTROL_COMPLETE
    } else {
        CACHE_CONTROL_FILLING
    };
    let source = if started { "external" } else { "local" };
    let head = head(&lease, lease.media_type(), word, source, control)
        .header(SERVER_TIMING, fill_timing(word, asked.elapsed()));
    Ok(serve::respond_with(request, &head, |range| {
        growing::body(state.clone(), asset, lease.clone(), range)
    }))
}

/// Waits for group 0 and for the group of the first byte asked for; both are fetched at once.
async fn wait_for_first(lease: &Lease, first: Range<u64>) -> Result<(), NotComing> {
    let first_group = first.start / GROUP_LEN as u64;
    let _start = Follower::new(lease.clone(), 0..1.min(lease.content().size));
    let _asked = Follower::new(lease.clone(), first);
    tokio::try_join!(lease.wait_for(0), lease.wait_for(first_group))?;
    crate::fill::task::say_media_type(lease).await;
    Ok(())
}

async fn pass_through(
    request: &HttpRequest,
    state: &State,
    asset: Asset,
) -> Result<HttpResponse, ApiError> {
    let Ok(permit) = state.pass_through.clone().try_acquire_owned() else {
        return Err(refused(
            state,
            "the node passes through as many answers as it may",
        ));
    };
    let way = PassThrough::new(asset, state.catalog.clone(), state.fetching.clone(), permit);
    let asked = Instant::now();
    let media_type = match tokio::time::timeout(FIRST_BYTES_TIMEOUT, way.media_type()).await {
        Ok(Ok(media_type)) => media_type,
        Ok(Err(error)) => {
            state.metrics.request(CacheResult::Failed);
            return Err(
                ApiError::new(ErrorKind::BadSource, error.to_string()).retry_after(RETRY_AFTER_S)
            );
        }
        Err(_) => return Err(refused(state, "the sources are too slow")),
    };
    state.metrics.request(CacheResult::PassThrough);
    let head = head_of(
        asset.content,
        Some(media_type),
        "miss",
        "external",
        CACHE_CONTROL_FILLING,
    )
    .header(SERVER_TIMING, fill_timing("miss", asked.elapsed()));
    let body_of = |range: ByteRange| -> StreamedBody {
        SizedStream::new(range.len(), Box::pin(way.stream(range)))
    };
    Ok(serve::respond_with(request, &head, body_of))
}

pub(super) fn refused(state: &State, why: &str) -> ApiError {
    state.metrics.request(CacheResult::Refused);
    ApiError::new(
        ErrorKind::Overloaded,
        format!("{why}; try again in {RETRY_AFTER_S} s"),
    )
    .retry_after(RETRY_AFTER_S)
}
