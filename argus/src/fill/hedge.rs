//! Groups of one extent from a source that may turn out to be slow: when it takes longer than it
//! usually does, a second source is asked for the rest as well, and whoever is first goes on.

use std::{ops::Range, pin::pin, sync::Arc};

use futures::future::{Either, select};
use shared::{
    api::StorageClient,
    fetch::{ExtentReader, Proof, Sink, SourceError},
    verified::Run,
};
use tokio::time::{Duration, Instant, timeout};

use super::{
    Fetching,
    sources::{Outcome, Share},
};
use crate::catalog::Asset;

/// What is wanted.
pub struct Wanted<'a> {
    /// How it is fetched.
    pub fetching: &'a Fetching,
    /// What proves it.
    pub proof: &'a Proof,
    /// Of which object.
    pub asset: &'a Asset,
    /// Which groups, all of one segment.
    pub groups: Range<u64>,
    /// Where they are kept.
    pub sink: Option<Arc<dyn Sink>>,
}

/// Reads the groups from `first`, and from `second` what the first is slow with. `took` sees them as
/// they come, verified. The error is that of the source that failed last.
pub async fn read(
    wanted: &Wanted<'_>,
    first: StorageClient,
    second: Option<StorageClient>,
    mut took: impl FnMut(&Run),
) -> Result<(), (StorageClient, SourceError)> {
    let mut lane = Lane::new(wanted, first);
    let mut spare = second;
    let mut rest = wanted.groups.clone();
    while !rest.is_empty() {
        let next = match &spare {
            None => lane.next(rest.clone()).await,
            Some(_) => race(&mut lane, &mut spare, rest.clone()).await,
        };
        match next {
            Ok(Some(run)) => {
                rest.start = run.groups().end;
                took(&run);
            }
            Ok(None) => break,
            Err(error) => {
                lane.failed(&error);
                return Err((lane.client.clone(), error));
            }
        }
    }
    lane.good();
    Ok(())
}

/// The next groups: from the lane, or, if that is slow, from whoever is first. The lane is then that
/// of the winner.
async fn race<'a>(
    lane: &mut Lane<'a>,
    spare: &mut Option<StorageClient>,
    rest: Range<u64>,
) -> Result<Option<Run>, SourceError> {
    let (patience, wanted) = (lane.patience(), lane.wanted);
    let mut other;
    let raced = {
        let mut next = pin!(lane.next(rest.clone()));
        if let Ok(result) = timeout(patience, &mut next).await {
            return result;
        }
        let Some(second) = spare.take() else {
            return next.await;
        };
        other = Lane::new(wanted, second);
        let others = pin!(other.next(rest));
        match select(next, others).await {
            Either::Left((Ok(run), _)) => Raced::First(Ok(run), None),
            Either::Left((Err(error), others)) => Raced::Second(others.await, Some(error)),
            Either::Right((Ok(run), _)) => Raced::Second(Ok(run), None),
            Either::Right((Err(error), next)) => Raced::First(next.await, Some(error)),
        }
    };
    let hedges = &wanted.fetching.metrics.hedges;
    match raced {
        Raced::First(result, failure) => {
            hedges.with_label_values(&["first"]).inc();
            if let Some(error) = failure {
                other.failed(&error);
            }
            result
        }
        Raced::Second(result, failure) => {
            hedges.with_label_values(&["second"]).inc();
            match failure {
                Some(error) => lane.failed(&error),
                None => lane.slow(),
            }
            *lane = other;
            result
        }
    }
}

/// Whose groups came, and how the other failed if it did.
enum Raced {
    First(Result<Option<Run>, SourceError>, Option<SourceError>),
    Second(Result<Option<Run>, SourceError>, Option<SourceError>),
}

/// The way of groups from one source. What became of it is noted once; at the latest when it is
/// dropped.
struct Lane<'a> {
    wanted: &'a Wanted<'a>,
    client: StorageClient,
    /// What it may ask of the source, once it is its turn.
    share: Option<Share>,
    reader: Option<ExtentReader>,
    /// When it was its turn.
    started: Instant,
    latency: Option<Duration>,
    bytes: u64,
    is_noted: bool,
}

impl<'a> Lane<'a> {
    fn new(wanted: &'a Wanted<'a>, client: StorageClient) -> Self {
        wanted.fetching.sources.sent(client.root());
        Self {
            wanted,
            client,
            share: None,
            reader: None,
            started: Instant::now(),
            latency: None,
            bytes: 0,
            is_noted: false,
        }
    }

    /// The next groups of `rest`, from where the lane stands.
    async fn next(&mut self, rest: Range<u64>) -> Result<Option<Run>, SourceError> {
        if self.share.is_none() {
            let (shares, groups) = (&self.wanted.fetching.shares, rest.end - rest.start);
            self.share = Some(shares.take(self.client.root(), groups).await);
            self.started = Instant::now();
        }
        let reader = match &mut self.reader {
            Some(reader) => reader,
            None => {
                let Wanted {
                    fetching,
                    proof,
                    asset,
                    sink,
                    ..
                } = self.wanted;
                let read = fetching.read(&self.client, proof, asset, rest, sink.clone());
                self.reader.insert(read.await?)
            }
        };
        let run = reader.next().await?;
        if let Some(run) = &run {
            self.latency.get_or_insert_with(|| self.started.elapsed());
            self.bytes += run.bytes().len() as u64;
        }
        Ok(run)
    }

    /// How long the next groups may take before somebody else is asked.
    fn patience(&self) -> Duration {
        let fetching = self.wanted.fetching;
        let min = fetching.config.hedge_after.0;
        fetching.sources.patience(self.client.root(), min)
    }

    fn good(&mut self) {
        let took = self.started.elapsed();
        self.note(Outcome::Good {
            latency: self.latency.unwrap_or(took),
            bytes: self.bytes,
            took,
        });
    }

    fn slow(&mut self) {
        if self.share.is_none() {
            // It was not the source that was slow: it has not been asked.
            return self.note(Outcome::Abandoned);
        }
        let after = self.latency.unwrap_or_else(|| self.started.elapsed());
        self.note(Outcome::Slow { after });
    }

    fn failed(&mut self, error: &SourceError) {
        if !std::mem::replace(&mut self.is_noted, true) {
            let fetching = self.wanted.fetching;
            fetching.note_failure(self.client.root(), error);
        }
    }

    fn note(&mut self, outcome: Outcome) {
        if !std::mem::replace(&mut self.is_noted, true) {
            self.wanted.fetching.note(self.client.root(), outcome);
        }
    }
}

impl Drop for Lane<'_> {
    fn drop(&mut self) {
        self.note(Outcome::Abandoned);
    }
}
