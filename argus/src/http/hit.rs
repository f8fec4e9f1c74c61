//! Answers from complete objects: from memory as far as it goes, then from the file. No actor is asked,
//! no lock is waited for, nothing is looked up twice.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    HttpRequest, HttpResponse,
    body::{BodySize, MessageBody},
    web,
};
use bytes::Bytes;
use shared::{
    range::ByteRange,
    serve::{
        self, FileBody,
        body::WARM_SLICE_BYTES,
        hold::{self, Hold},
        pages::Pages,
    },
};

use super::{State, asset};
use crate::{
    cache::{
        Lease,
        keeper::{Purge, Touched},
        ram::{Load, Warm},
    },
    catalog::Asset,
    metrics::CacheResult,
};

/// Answers a request for a complete object.
pub(super) fn answer(
    request: &HttpRequest,
    state: &web::Data<State>,
    asset: &Asset,
    lease: Lease,
) -> HttpResponse {
    state.metrics.request(CacheResult::Hit);
    if touch(state, asset, &lease) {
        warm_up(state, asset, &lease);
    }
    let head = lease.hit(|| {
        let (media_type, control) = (lease.media_type(), asset::CACHE_CONTROL_COMPLETE);
        asset::head(&lease, media_type, "hit", "local", control)
    });
    let warm = lease.ram().get();
    serve::respond_with(request, head, |range| {
        let is_in_memory = warm.as_ref().is_some_and(|warm| range.end <= warm.len());
        let by_lane = serve::goes_by_lane(request, range.len());
        let from_pages = by_lane && !is_in_memory;
        let pages = from_pages.then(|| state.pages.pages(lease.pages(), lease.file()));
        let mut body = HitBody::new(lease.clone(), warm.as_ref(), range);
        body.pages = pages.flatten();
        if by_lane {
            body.piece_bytes_max = u64::MAX;
        }
        body
    })
}

/// At most once a second for each object: tells the keeper, and who fetches ahead, that it is used. True if
/// it did.
pub(super) fn touch(state: &State, asset: &Asset, lease: &Lease) -> bool {
    let is_first = lease.touch(state.started.elapsed().as_secs() + 1);
    if !is_first {
        return false;
    }
    let content = lease.content();
    if state.keeper.try_send(Touched { content }).is_err() {
        let dropped = &state.metrics.messages_dropped;
        dropped.with_label_values(&["touched"]).inc();
    }
    if let Some(prefetch) = &state.prefetch {
        prefetch.asked(asset.bag);
    }
    true
}

/// Brings the beginning of the object into memory if it is not there.
fn warm_up(state: &web::Data<State>, asset: &Asset, lease: &Lease) {
    let content = lease.content();
    if !state.ram.lacks(lease) {
        return;
    }
    let (state, asset, lease) = (state.clone(), *asset, lease.clone());
    actix_web::rt::spawn(async move {
        let outboard = lease.outboard().clone();
        let proof = state.fetching.proof(&asset, Some(outboard));
        if state.ram.load(lease, proof).await == Load::Rotten {
            tracing::error!(object = %asset.id, %content, "what is kept is damaged; it will be fetched again");
            let bad = &state.metrics.bad_groups;
            bad.with_label_values(&["disk"]).inc();
            let purged = state.keeper.try_send(Purge { content });
            if purged.is_err() {
                let dropped = &state.metrics.messages_dropped;
                dropped.with_label_values(&["purge"]).inc();
            }
        }
    });
}

/// A range of a complete object. Holds a lease, so that the object is not evicted while it is read.
struct HitBody {
    lease: Lease,
    warm: Option<Arc<Warm>>,
    /// The part that is not in memory, once it is reached.
    file: Option<FileBody>,
    total: u64,
    position: u64,
    end: u64,
    /// Most bytes of a piece from memory: what does not go by the lane is copied for each client.
    piece_bytes_max: u64,
    pages: Option<Pages>,
}

impl HitBody {
    fn new(lease: Lease, warm: Option<&Arc<Warm>>, range: ByteRange) -> Self {
        Self {
            lease,
            warm: warm.filter(|warm| range.start < warm.len()).cloned(),
            file: None,
            total: range.len(),
            position: range.start,
            end: range.end,
            piece_bytes_max: WARM_SLICE_BYTES,
            pages: None,
        }
    }

    fn next_in_memory(&mut self) -> Option<Bytes> {
        let end = self
            .end
            .min(self.position.saturating_add(self.piece_bytes_max));
        let piece = self.warm.as_ref()?.slice(self.position, end);
        match &piece {
            Some(piece) => self.position += piece.len() as u64,
            None => self.warm = None,
        }
        // The tier counts what it is of for as long as this body is there.
        piece.map(|piece| hold::mark(piece, Hold::InPlace))
    }

    fn rest(&mut self) -> FileBody {
        let rest = ByteRange {
            start: self.position,
            end: self.end,
        };
        FileBody::new(self.lease.file().clone(), rest).from_pages(self.pages.take())
    }
}

impl MessageBody for HitBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.total)
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let this = self.get_mut();
        if this.file.is_none() && this.position == this.end {
            return Poll::Ready(None);
        }
        if let Some(piece) = this.next_in_memory() {
            return Poll::Ready(Some(Ok(piece)));
        }
        let file = match &mut this.file {
            Some(file) => file,
            None => {
                let rest = this.rest();
                this.file.insert(rest)
            }
        };
        Pin::new(file).poll_next(cx)
    }
}
