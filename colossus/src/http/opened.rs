//! An object opened for an answer: its first bytes are proved against the hash on chain before the
//! head goes out, all others before they leave. What turns out to be damaged is noted on disk, mended
//! from other holders at once, and never sent; a client whose answer has not begun waits a moment for
//! that.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use actix_web::{
    body::{BodySize, MessageBody},
    web,
};
use bytes::Bytes;
use shared::{
    api::{ApiError, ErrorKind},
    blob::{BlobError, BlobStore},
    ids::ObjectId,
    range::ByteRange,
    serve::{Proven, ProvenBody, ReadAt, Unproven, proven::Content},
};
use tokio::time::Duration;

use super::errors;
use crate::{
    holdings::{self, Held, Holdings},
    node::{Node, hint, now_ms},
    scrub::{actor::Noted, examine::Damage},
};

/// How long a client waits for a repair before it is told to come again.
const REPAIR_WAIT_MAX: Duration = Duration::from_secs(3);
/// Seconds after which a client may ask for a damaged object again.
const DAMAGED_RETRY_AFTER_S: u32 = 30;

/// An object that is held, on its way to a client.
#[derive(Clone)]
pub struct Reading {
    /// The node.
    pub node: web::Data<Node>,
    /// The object asked for.
    pub object: ObjectId,
    /// What is known of it.
    pub held: Held,
    /// Keeps it from being removed until it is sent or broken off.
    pub pin: Arc<holdings::Pin>,
    /// May the answer wait for a repair? Not that to another storage node: two that mend each other
    /// would wait for each other.
    pub may_wait: bool,
}

/// The files of an object, and the beginning of the answer.
pub struct Opened {
    files: Arc<Proven>,
    content: Content,
    first: Option<ProvenBody>,
    reading: Reading,
}

/// Why an object could not be opened.
enum OpenError {
    Damaged(Unproven),
    Missing,
    Blob(BlobError),
    Stopping,
}

impl Reading {
    /// Opens the files and proves the first bytes of `first`. On damage this waits for the repair if
    /// it may, and tries once more.
    pub async fn open(
        self,
        content: Content,
        first: Option<ByteRange>,
    ) -> Result<Opened, ApiError> {
        let mut damage = match self.open_once(content, first).await {
            Ok(opened) => return Ok(opened),
            Err(error) => self.damage(error)?,
        };
        self.note(damage, "start").await;
        if self.is_mended().await {
            damage = match self.open_once(content, first).await {
                Ok(opened) => return Ok(opened),
                Err(error) => self.damage(error)?,
            };
            self.note(damage, "start").await;
        }
        Err(self.damaged())
    }

    async fn open_once(
        &self,
        content: Content,
        first: Option<ByteRange>,
    ) -> Result<Opened, OpenError> {
        let begun = &self.node.metrics.answers_begun;
        if let Some(opened) = self.open_again(content, first) {
            begun.with_label_values(&["kept"]).inc();
            return Ok(opened);
        }
        begun.with_label_values(&["opened"]).inc();
        self.open_anew(content, first).await
    }

    /// With files that are still open and bytes that are in memory, without waiting for anything.
    /// `None` if that is not so, and for whatever does not prove right: then it is looked at anew.
    fn open_again(&self, content: Content, first: Option<ByteRange>) -> Option<Opened> {
        let holdings = &self.node.holdings;
        if holdings.blobs().is_part_out() {
            // Nobody knows whether these lie there.
            holdings.kept().close_all();
            return None;
        }
        let files = holdings.kept().get(&self.held.hash)?;
        let begun = match first {
            Some(range) => Some(ProvenBody::begun_now(files.clone(), content, range)?),
            None => None,
        };
        Some(self.opened(files, content, begun))
    }

    async fn open_anew(
        &self,
        content: Content,
        first: Option<ByteRange>,
    ) -> Result<Opened, OpenError> {
        let (reading, held) = (self.clone(), self.held);
        let open = move |blobs: &BlobStore| {
            let holdings = &reading.node.holdings;
            let turn = holdings.kept().turn();
            let files = Arc::new(open_files(blobs, &held, holdings)?);
            let fetch = first.and_then(|range| files.fetch(content, range));
            let begun = match &fetch {
                None => begin(&files, content, first)?,
                Some(_) => None,
            };
            // What lies far away is read ahead for one reader.
            if !files.is_far() {
                holdings.kept().keep(turn, &reading.pin, &files);
            }
            Ok((files, begun, fetch))
        };
        let (files, mut begun, fetch) = self.on_pool(open).await?;
        if let Some(fetch) = fetch {
            fetch.await;
            let near = files.clone();
            begun = self.on_pool(move |_| begin(&near, content, first)).await?;
        }
        Ok(self.opened(files, content, begun))
    }

    fn opened(&self, files: Arc<Proven>, content: Content, first: Option<ProvenBody>) -> Opened {
        Opened {
            files,
            content,
            first,
            reading: self.clone(),
        }
    }

    /// Reads on the pool. What looks like damage is none when the place where it lies is out.
    async fn on_pool<T: Send + 'static>(
        &self,
        work: impl FnOnce(&BlobStore) -> Result<T, OpenError> + Send + 'static,
    ) -> Result<T, OpenError> {
        let (blobs, hash) = (self.node.holdings.blobs().clone(), self.held.hash);
        let working = move || {
            let done = work(&blobs);
            if let Err(OpenError::Damaged(_) | OpenError::Missing) = &done {
                blobs.believe_damage(&hash).map_err(OpenError::Blob)?;
            }
            done
        };
        let done = tokio::task::spawn_blocking(working).await;
        done.unwrap_or(Err(OpenError::Stopping))
    }

    fn damage(&self, error: OpenError) -> Result<Damage, ApiError> {
        let (object, hash) = (self.object, self.held.hash);
        match error {
            OpenError::Damaged(unproven) => {
                tracing::error!(%object, %hash, %unproven, "a stored object is damaged and was not served");
                Ok(damage_of(&unproven))
            }
            OpenError::Missing => {
                tracing::error!(%object, %hash, "the file of a stored object is gone");
                Ok(Damage {
                    data_missing: true,
                    ..Damage::default()
                })
            }
            OpenError::Blob(error) => Err(errors::from_blob(error)),
            OpenError::Stopping => {
                let message = "the node is stopping: ask another node of the bag";
                Err(ApiError::new(ErrorKind::Unavailable, message))
            }
        }
    }

    /// Notes damage, durably, and has it mended.
    async fn note(&self, damage: Damage, at: &'static str) {
        let metrics = &self.node.metrics;
        let Held { hash, size, .. } = self.held;
        self.node.holdings.kept().close(&hash);
        let (book, blobs) = (self.node.damage.clone(), self.node.holdings.blobs().clone());
        let noting = move || {
            // Where it lies is out, or broke off the answer: nothing is known of the object.
            blobs.believe_damage(&hash).ok()?;
            Some(book.add(hash, size, &damage, now_ms()))
        };
        let is_fresh = match tokio::task::spawn_blocking(noting).await {
            Ok(Some(Ok(is_fresh))) => is_fresh,
            Ok(Some(Err(error))) => {
                tracing::error!(%hash, %error, "damage cannot be noted; it is not served from now on until a restart");
                true
            }
            Ok(None) | Err(_) => return,
        };
        metrics.served_damage.with_label_values(&[at]).inc();
        // When it is lost, the scrub looks into the book by itself.
        hint(&self.node.scrub, Noted { hash, is_fresh }, "scrub", metrics);
    }

    /// Waits for the repair of what is noted, if it may; says whether all is well.
    pub async fn is_mended(&self) -> bool {
        let mended = self.node.damage.mended(self.held.hash);
        self.may_wait
            && tokio::time::timeout(REPAIR_WAIT_MAX, mended)
                .await
                .unwrap_or(false)
    }

    /// The answer when it is not.
    pub fn damaged(&self) -> ApiError {
        let message = format!(
            "object {} is damaged on this node and being repaired: take it from another node, or ask again later",
            self.object
        );
        ApiError::new(ErrorKind::Unavailable, message).retry_after(DAMAGED_RETRY_AFTER_S)
    }
}

fn open_files(blobs: &BlobStore, held: &Held, holdings: &Holdings) -> Result<Proven, OpenError> {
    let files = blobs.files_to_prove(&held.hash).map_err(OpenError::Blob)?;
    let data = files.data.ok_or(OpenError::Missing)?;
    let outboard = files.outboard.map(|file| Box::new(file) as Box<dyn ReadAt>);
    let proven = Proven::open(held.hash, held.size, Box::new(data), outboard);
    let proven = proven.map_err(OpenError::Damaged)?;
    Ok(proven.keeping(holdings.kept().segments()))
}

/// The answer's first bytes. Blocks.
fn begin(
    files: &Arc<Proven>,
    content: Content,
    first: Option<ByteRange>,
) -> Result<Option<ProvenBody>, OpenError> {
    let begin = |range| ProvenBody::begun(files.clone(), content, range);
    first.map(begin).transpose().map_err(OpenError::Damaged)
}

fn damage_of(unproven: &Unproven) -> Damage {
    let mut damage = Damage::default();
    match unproven {
        Unproven::Length { .. } => damage.wrong_length = true,
        Unproven::Outboard(_) => damage.outboard = true,
        Unproven::Group { group, .. } => {
            damage.groups = std::iter::once(*group..*group + 1).collect()
        }
    }
    damage
}

impl Opened {
    /// The body of one range. That of the range which was opened begins with the bytes proved then.
    pub fn body(&mut self, range: ByteRange) -> ObjectBody {
        let files = &self.files;
        let first = self.first.take();
        let fresh = || ProvenBody::new(files.clone(), self.content, range);
        ObjectBody {
            body: first.unwrap_or_else(fresh),
            reading: self.reading.clone(),
        }
    }
}

/// Proved bytes of an object that is pinned until they are sent. What is found damaged on the way ends
/// the body, is noted and mended.
pub struct ObjectBody {
    body: ProvenBody,
    reading: Reading,
}

impl MessageBody for ObjectBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        let polled = Pin::new(&mut self.body).poll_next(cx);
        if let Poll::Ready(Some(Err(error))) = &polled
            && let Some(unproven) = Unproven::of(error)
        {
            let (object, hash) = (self.reading.object, self.reading.held.hash);
            tracing::error!(%object, %hash, %unproven, "a stored object is damaged: the answer was broken off before that");
            let (reading, damage) = (self.reading.clone(), damage_of(unproven));
            actix_web::rt::spawn(async move { reading.note(damage, "body").await });
        }
        polled
    }
}
