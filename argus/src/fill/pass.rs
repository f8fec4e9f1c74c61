//! Objects that are not kept: verified extents streamed to one viewer. Memory per viewer is one batch
//! of groups and the socket's buffers.

use std::{collections::HashSet, io, ops::Range, sync::Arc};

use bytes::Bytes;
use futures::{Stream, stream};
use shared::{
    api::StorageClient,
    fetch::{ExtentReader, Proof, SourceError},
    range::ByteRange,
    serve,
    verified::{Run, SEGMENT},
};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Duration, Instant};

use super::{Fetching, FillError, sources::Outcome};
use crate::catalog::{Asset, Catalog};

/// The way past the cache for one request.
#[derive(Clone)]
pub struct PassThrough {
    asset: Asset,
    proof: Proof,
    catalog: Catalog,
    fetching: Arc<Fetching>,
    /// Counts as one answer under way while it lives.
    _permit: Arc<OwnedSemaphorePermit>,
}

impl PassThrough {
    /// A way past the cache.
    pub fn new(
        asset: Asset,
        catalog: Catalog,
        fetching: Arc<Fetching>,
        permit: OwnedSemaphorePermit,
    ) -> Self {
        let proof = fetching.proof(&asset, None);
        Self {
            asset,
            proof,
            catalog,
            fetching,
            _permit: Arc::new(permit),
        }
    }

    /// The media type, from the first bytes of the object.
    pub async fn media_type(&self) -> Result<&'static str, FillError> {
        let mut groups = Groups::new(self.clone(), 0..1);
        let first = groups.next().await?;
        Ok(serve::sniff(
            first.as_ref().map_or(&[], |verified| &verified.bytes()[..]),
        ))
    }

    /// The bytes of a range, each of them verified. Ends with an error if no source gives them.
    pub fn stream(
        &self,
        range: ByteRange,
    ) -> impl Stream<Item = io::Result<Bytes>> + Send + 'static {
        let groups = self.asset.content.layout().groups_of(range.into());
        let state = Some((Groups::new(self.clone(), groups), range));
        stream::unfold(state, |state| async {
            let (mut groups, range) = state?;
            match groups.next().await {
                Ok(None) => None,
                Ok(Some(verified)) => Some((Ok(cut(verified, range)), Some((groups, range)))),
                Err(error) => Some((Err(io::Error::other(error.to_string())), None)),
            }
        })
    }
}

/// The part of these groups that was asked for.
fn cut(verified: Run, range: ByteRange) -> Bytes {
    let start = verified.offset();
    let end = start + verified.bytes().len() as u64;
    let (from, to) = (range.start.max(start), range.end.min(end));
    verified
        .bytes()
        .slice((from - start) as usize..(to - start) as usize)
}

/// Verified groups in order; goes on with another source where one failed.
struct Groups {
    way: PassThrough,
    left: Range<u64>,
    reader: Option<Reading>,
    failed: HashSet<String>,
    rounds: u32,
}

/// A run being read from a source.
struct Reading {
    reader: ExtentReader,
    client: StorageClient,
    started: Instant,
    /// Time to the first bytes; the rest of the time is the viewer's.
    latency: Option<Duration>,
}

impl Groups {
    fn new(way: PassThrough, groups: Range<u64>) -> Self {
        Self {
            way,
            left: groups,
            reader: None,
            failed: HashSet::new(),
            rounds: 0,
        }
    }

    async fn next(&mut self) -> Result<Option<Run>, FillError> {
        while !self.left.is_empty() {
            let result = match &mut self.reader {
                Some(reading) => reading.next().await,
                None => match self.open().await? {
                    Ok(()) => continue,
                    Err((client, error)) => {
                        self.blame(&client, error)?;
                        continue;
                    }
                },
            };
            match result {
                Ok(Some(verified)) => {
                    self.left.start = verified.groups().end;
                    self.failed.clear();
                    self.rounds = 0;
                    return Ok(Some(verified));
                }
                Ok(None) => self.close(),
                Err(error) => {
                    if let Some(reading) = self.reader.take() {
                        self.blame(&reading.client, error)?;
                    }
                }
            }
        }
        self.close();
        Ok(None)
    }

    /// Opens the next run, up to the end of its segment, at the best source.
    async fn open(&mut self) -> Result<Result<(), (StorageClient, SourceError)>, FillError> {
        let fetching = &self.way.fetching;
        let candidates = fetching.candidates(&self.way.catalog, &self.way.asset);
        let untried = candidates
            .roots()
            .filter(|root| !self.failed.contains(*root));
        let best = candidates
            .best(&fetching.sources, untried)
            .or(candidates.roots().next());
        let Some(client) = best.and_then(|root| candidates.client(root)).cloned() else {
            return Err(FillError::NoSource {
                bag: self.way.asset.bag,
            });
        };
        let segment_end = (self.left.start / SEGMENT + 1) * SEGMENT;
        let groups = self.left.start..self.left.end.min(segment_end);
        fetching.sources.sent(client.root());
        let started = Instant::now();
        let (proof, asset) = (&self.way.proof, &self.way.asset);
        let opened = fetching.read(&client, proof, asset, groups, None).await;
        match opened {
            Ok(reader) => {
                self.reader = Some(Reading {
                    reader,
                    client,
                    started,
                    latency: None,
                });
                Ok(Ok(()))
            }
            Err(error) => Ok(Err((client, error))),
        }
    }

    fn close(&mut self) {
        if let Some(reading) = self.reader.take() {
            let outcome = match reading.latency {
                // How fast it sent was up to the viewer.
                Some(latency) => Outcome::Good {
                    latency,
                    bytes: 0,
                    took: Duration::ZERO,
                },
                None => Outcome::Abandoned,
            };
            self.way.fetching.note(reading.client.root(), outcome);
        }
    }

    /// Notes a failure; an error when every source has failed often enough.
    fn blame(&mut self, client: &StorageClient, error: SourceError) -> Result<(), FillError> {
        let fetching = self.way.fetching.clone();
        fetching.note_failure(client.root(), &error);
        self.failed.insert(client.root().to_owned());
        let candidates = fetching.candidates(&self.way.catalog, &self.way.asset);
        if error.is_not_found() {
            fetching.note_denial(&candidates, &self.way.asset, client.root());
        }
        if candidates.roots().all(|root| self.failed.contains(root)) {
            self.rounds += 1;
            self.failed.clear();
            if self.rounds >= fetching.config.rounds_max {
                return Err(FillError::SourcesFailed {
                    object: self.way.asset.id,
                    last: Arc::new(error),
                });
            }
        }
        Ok(())
    }
}

impl Reading {
    async fn next(&mut self) -> Result<Option<Run>, SourceError> {
        let next = self.reader.next().await;
        self.latency.get_or_insert_with(|| self.started.elapsed());
        next
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        // The viewer may leave at any moment; the source is not to blame.
        self.close();
    }
}
