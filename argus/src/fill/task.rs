//! One fill: keeps extents in flight until the object is complete or failed, prefers what viewers wait
//! for, changes the source when one fails, and makes durable what was verified.

use std::{
    collections::{HashMap, HashSet},
    ops::Range,
    sync::Arc,
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use shared::{
    api::StorageClient,
    fetch::{Proof, Sink, SourceError, verify_on_disk},
    serve::{self, SNIFF_BYTES},
    verified::{Layout, Present},
};
use tokio::{
    task::spawn_blocking,
    time::{Duration, Instant, sleep},
};
use tokio_util::sync::CancellationToken;

use super::{
    Fetching, FillError,
    plan::{EXTENT_GROUPS, Extent, Plan},
    sources::Outcome,
    whole,
};
use crate::{
    cache::{Object, Shelf},
    catalog::{Asset, Catalog},
};

/// Pause before an extent is tried again after all sources failed; doubles each round.
const ROUND_PAUSE: Duration = Duration::from_millis(200);

/// A fill that has not started.
pub struct Fill {
    /// What is filled.
    pub object: Arc<Object>,
    /// The asset for which it is filled.
    pub asset: Asset,
    /// The file of its outboard.
    pub outboard: Arc<std::fs::File>,
    /// Groups that are said to be in the file.
    pub claimed: Present,
    /// Who has it.
    pub catalog: Catalog,
    /// What every fetch needs.
    pub fetching: Arc<Fetching>,
    /// Where it is kept.
    pub shelf: Arc<Shelf>,
}

/// A fetch that ended: the extent, and who failed how, if somebody did.
type Ended = (Extent, Result<(), (String, SourceError)>);

/// The state of a running fill.
struct Running {
    fill: Fill,
    claims: Claims,
    proof: Proof,
    plan: Plan,
    flying: FuturesUnordered<BoxFuture<'static, Ended>>,
    /// Sources that failed with an extent in this round.
    failed: HashMap<Extent, HashSet<String>>,
    rounds: HashMap<Extent, u32>,
    /// Sources that do not hold the object, or no outboard of it.
    without_object: HashSet<String>,
    without_outboard: HashSet<String>,
    /// Set when there is nobody left but these, of whom the object is fetched whole.
    only_without_outboard: Option<Vec<StorageClient>>,
}

impl Fill {
    /// Runs until the object is complete or failed. A complete object ends at once.
    pub async fn run(self, stop: CancellationToken) {
        let (object, metrics) = (self.object.clone(), self.fetching.metrics.clone());
        if !object.is_complete() {
            let mut running = Running::new(self);
            let outcome = tokio::select! {
                outcome = running.run() => outcome,
                () = stop.cancelled() => Err(FillError::Stopped),
            };
            let word = match &outcome {
                Ok(()) => "complete",
                Err(FillError::Stopped) => "stopped",
                Err(_) => "failed",
            };
            metrics.fills.with_label_values(&[word]).inc();
            if let Err(error) = outcome {
                tracing::info!(content = %object.content(), %error, "a fill ended early");
                object.fail(&error.to_string());
            }
            running.save().await;
        }
        say_media_type(&object).await;
    }
}

impl Running {
    fn new(fill: Fill) -> Self {
        let config = &fill.fetching.config;
        let proof = fill
            .fetching
            .proof(&fill.asset, Some(fill.outboard.clone()));
        Self {
            claims: Claims {
                claimed: fill.claimed.clone(),
                looked_at: HashSet::new(),
            },
            plan: Plan::new(
                fill.object.layout(),
                config.extents_in_flight_max,
                config.read_ahead_extents,
            ),
            proof,
            flying: FuturesUnordered::new(),
            failed: HashMap::new(),
            rounds: HashMap::new(),
            without_object: HashSet::new(),
            without_outboard: HashSet::new(),
            only_without_outboard: None,
            fill,
        }
    }

    async fn run(&mut self) -> Result<(), FillError> {
        let mut flush = tokio::time::interval(
            self.fill
                .fetching
                .flush_every
                .max(Duration::from_millis(100)),
        );
        flush.reset();
        loop {
            match self.only_without_outboard.take() {
                Some(clients) if self.plan.is_idle() => return self.fetch_whole(clients).await,
                // What is in flight lands first: it may not write where the whole is written.
                Some(clients) => self.only_without_outboard = Some(clients),
                None => self.launch()?,
            }
            if self.fill.object.is_complete() {
                return Ok(());
            }
            let object = self.fill.object.clone();
            tokio::select! {
                Some(ended) = self.flying.next() => self.landed(ended)?,
                () = object.cursor_moved() => {}
                _ = flush.tick() => self.save().await,
            }
        }
    }

    /// Starts fetches as long as there is something to fetch and a place for it.
    fn launch(&mut self) -> Result<(), FillError> {
        let object = self.fill.object.clone();
        let cursors = object.cursors();
        while let Some((extent, groups)) =
            object.with_present(|present| self.plan.next(present, &cursors))
        {
            let fetch = self.fetch(extent, groups)?;
            self.flying.push(fetch);
        }
        Ok(())
    }

    /// One fetch: what the disk is said to hold is tried first, without a source.
    fn fetch(
        &mut self,
        extent: Extent,
        groups: Range<u64>,
    ) -> Result<BoxFuture<'static, Ended>, FillError> {
        let claimed = self.claims.take(extent, groups.clone());
        if !claimed.is_empty() {
            let (proof, object) = (self.proof.clone(), self.fill.object.clone());
            let metrics = self.fill.fetching.metrics.clone();
            return Ok(async move {
                let bad = recheck(&proof, &object, claimed).await;
                metrics.bad_groups.with_label_values(&["disk"]).inc_by(bad);
                (extent, Ok(()))
            }
            .boxed());
        }
        let clients = self
            .fill
            .fetching
            .clients(&self.fill.catalog, &self.fill.asset);
        if clients.is_empty() {
            return Err(FillError::NoSource {
                bag: self.fill.asset.bag,
            });
        }
        let roots = clients
            .iter()
            .filter(|client| self.is_usable(extent, client))
            .map(StorageClient::root);
        let best = self.fill.fetching.sources.best(roots);
        let client = clients
            .iter()
            .find(|client| Some(client.root()) == best)
            .cloned();
        let pause = match (&client, self.rounds.get(&extent)) {
            (_, None | Some(0)) => Duration::ZERO,
            (_, Some(round)) => ROUND_PAUSE * 2u32.saturating_pow(round - 1),
        };
        let client = client.or_else(|| clients.into_iter().next());
        let Some(client) = client else {
            return Err(FillError::NoSource {
                bag: self.fill.asset.bag,
            });
        };
        let job = Job {
            client,
            proof: self.proof.clone(),
            asset: self.fill.asset,
            object: self.fill.object.clone(),
            fetching: self.fill.fetching.clone(),
        };
        Ok(async move {
            sleep(pause).await;
            let root = job.client.root().to_owned();
            let result = job.fetch(groups).await;
            (extent, result.map_err(|error| (root, error)))
        }
        .boxed())
    }

    /// A fetch ended. After a failure the plan will ask for the rest of the extent again.
    fn landed(&mut self, (extent, result): Ended) -> Result<(), FillError> {
        self.plan.ended(extent);
        let Err((root, error)) = result else {
            self.failed.remove(&extent);
            self.rounds.remove(&extent);
            return Ok(());
        };
        tracing::debug!(source = root, %error, object = %self.fill.asset.id, "a source failed");
        match &error {
            SourceError::Disk(error) => {
                return Err(FillError::Disk(std::io::Error::other(error.to_string())));
            }
            SourceError::NoOutboard { .. } => _ = self.without_outboard.insert(root),
            SourceError::Fetch(fetch) if fetch.is_not_found() => {
                _ = self.without_object.insert(root)
            }
            _ => _ = self.failed.entry(extent).or_default().insert(root),
        }
        self.next_round(extent, error)
    }

    /// When every source has failed with an extent: those without outboards are taken whole if they
    /// are all there is, else all are tried again, until there have been enough rounds.
    fn next_round(&mut self, extent: Extent, error: SourceError) -> Result<(), FillError> {
        let clients = self
            .fill
            .fetching
            .clients(&self.fill.catalog, &self.fill.asset);
        if clients.iter().any(|client| self.is_usable(extent, client)) {
            return Ok(());
        }
        let round = self.rounds.entry(extent).or_default();
        *round += 1;
        let rounds_over = *round >= self.fill.fetching.config.rounds_max;
        let without_outboard =
            |client: &StorageClient| self.without_outboard.contains(client.root());
        let whole: Vec<StorageClient> = clients
            .iter()
            .filter(|client| without_outboard(client))
            .cloned()
            .collect();
        if !whole.is_empty() && (rounds_over || whole.len() == clients.len()) {
            self.only_without_outboard = Some(whole);
            return Ok(());
        }
        if rounds_over {
            let (object, last) = (self.fill.asset.id, Arc::new(error));
            return Err(FillError::SourcesFailed { object, last });
        }
        self.failed.remove(&extent);
        self.without_object.clear();
        Ok(())
    }

    /// Is there no reason yet not to ask this source for this extent?
    fn is_usable(&self, extent: Extent, client: &StorageClient) -> bool {
        let root = client.root();
        let failed = self
            .failed
            .get(&extent)
            .is_some_and(|failed| failed.contains(root));
        !failed && !self.without_object.contains(root) && !self.without_outboard.contains(root)
    }

    async fn fetch_whole(&mut self, clients: Vec<StorageClient>) -> Result<(), FillError> {
        let fill = &self.fill;
        let (object, fetching) = (fill.object.clone(), fill.fetching.clone());
        whole::fetch(
            &object,
            &fill.asset.clone(),
            &fill.outboard.clone(),
            &fetching,
            clients,
        )
        .await
    }

    /// Makes durable what is there, and keeps the claims that have not been looked at.
    async fn save(&mut self) {
        let fill = &self.fill;
        let (object, outboard, shelf) = (
            fill.object.clone(),
            fill.outboard.clone(),
            fill.shelf.clone(),
        );
        let mut map = object.present();
        let mut proven = true;
        for group in self.claims.left() {
            map.set(group);
            proven = false;
        }
        if map.count() == 0 {
            return;
        }
        let save = move || shelf.save(&object.content(), (object.file(), &outboard), &map, proven);
        match spawn_blocking(save).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "what was fetched is not durable yet"),
            Err(error) => tracing::warn!(%error, "what was fetched is not durable yet"),
        }
    }
}

/// What the map said after a stop that was not orderly. Each extent of it is looked at once: what is
/// right is published, the rest is fetched.
struct Claims {
    claimed: Present,
    looked_at: HashSet<Extent>,
}

impl Claims {
    /// The claimed groups among these, unless the extent has been looked at before.
    fn take(&mut self, extent: Extent, groups: Range<u64>) -> Vec<u64> {
        if self.claimed.count() == 0 || !self.looked_at.insert(extent) {
            return Vec::new();
        }
        groups.filter(|group| self.claimed.get(*group)).collect()
    }

    /// Claimed groups that nobody has looked at.
    fn left(&self) -> impl Iterator<Item = u64> + '_ {
        let groups = if self.claimed.count() == 0 {
            0
        } else {
            self.claimed.groups()
        };
        let open = |group: &u64| {
            self.claimed.get(*group) && !self.looked_at.contains(&Extent(group / EXTENT_GROUPS))
        };
        (0..groups).filter(open)
    }
}

/// What one fetch needs.
struct Job {
    client: StorageClient,
    proof: Proof,
    asset: Asset,
    object: Arc<Object>,
    fetching: Arc<Fetching>,
}

impl Job {
    async fn fetch(&self, groups: Range<u64>) -> Result<(), SourceError> {
        let sources = &self.fetching.sources;
        sources.sent(self.client.root());
        let started = Instant::now();
        let mut latency = None;
        let result = async {
            let file: Arc<dyn Sink> = self.object.file().clone();
            let (client, fetching) = (&self.client, &self.fetching);
            let reading = fetching.read(client, &self.proof, &self.asset, groups, Some(file));
            let mut reader = reading.await?;
            while let Some(verified) = reader.next().await? {
                latency.get_or_insert_with(|| started.elapsed());
                let bytes = verified.bytes();
                if verified.groups().start == 0 {
                    let first = &bytes[..bytes.len().min(SNIFF_BYTES)];
                    self.object.set_media_type(serve::sniff(first));
                }
                self.object.publish(verified.groups());
            }
            Ok(())
        }
        .await;
        let outcome = match &result {
            Ok(()) => Outcome::Good {
                latency: latency.unwrap_or_else(|| started.elapsed()),
            },
            Err(error) => Outcome::of(error),
        };
        sources.ended(self.client.root(), outcome);
        if let Err(error) = &result {
            self.fetching.count_failure(error);
        }
        result
    }
}

/// Verifies groups that are said to be on disk and publishes those that are. Returns how many are not.
async fn recheck(proof: &Proof, object: &Arc<Object>, claimed: Vec<u64>) -> u64 {
    let (Some(first), count) = (claimed.first().copied(), claimed.len() as u64) else {
        return 0;
    };
    // An extent lies within one segment. Without a proof on disk the groups are fetched.
    let Some(segment) = proof.known(Layout::segment_of(first)).await else {
        return 0;
    };
    let file = object.file().clone();
    let check = move || {
        claimed
            .into_iter()
            .flat_map(|group| verify_on_disk(&file, &segment, group..group + 1))
            .collect()
    };
    let good: Vec<u64> = spawn_blocking(check).await.unwrap_or_default();
    if good.first() == Some(&0) {
        say_media_type(object).await;
    }
    let bad = count - good.len() as u64;
    for group in good {
        object.publish(group..group + 1);
    }
    bad
}

/// Reads the media type from the file of an object whose first group is there.
pub async fn say_media_type(object: &Arc<Object>) {
    if object.media_type().is_some() {
        return;
    }
    let file = object.file().clone();
    let read = spawn_blocking(move || serve::body::read(&file, 0, SNIFF_BYTES)).await;
    if let Ok(bytes) = read.unwrap_or_else(|_| Ok(Default::default())) {
        object.set_media_type(serve::sniff(&bytes));
    }
}
