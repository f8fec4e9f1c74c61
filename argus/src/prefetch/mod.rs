//! Beginnings of objects, fetched before anybody asks for them, if `cache.prefetch` says how much of each: of what
//! is newly accepted on chain, and of the newest objects of bags that viewers ask for here. The first viewer
//! then starts at once, and the rest comes while it plays.
//!
//! - [`core`]: which one next, and when; pure
//! - [`demand`]: which bags viewers ask for; pure
//!
//! What is fetched so takes free room, or a small share of the cache: see `cache::keeper::core`.

pub mod core;
pub mod demand;

use actix::Addr;
use futures::{StreamExt, stream::FuturesUnordered};
use shared::ids::{BagId, ObjectId};
use tokio::{
    sync::mpsc,
    time::{Duration, Instant, sleep_until},
};

use self::core::{Core, Effect, Event, Limits};
use crate::{
    cache::keeper::{Ahead, FetchedAhead, Keeper, core::Declined},
    catalog::{Asset, Catalog},
    config::CacheConfig,
    metrics::{Metrics, PrefetchResult},
};

/// News on their way here; more are counted and forgotten.
const QUEUE_MAX: usize = 1024;
/// Objects that wait to be fetched; more are counted and forgotten.
const WAITING_MAX: usize = 4096;

/// Where it is said what is new and what is used. Cheap to clone.
#[derive(Clone)]
pub struct Prefetch {
    queue: mpsc::Sender<Event>,
    metrics: Metrics,
}

impl Prefetch {
    /// This one may be served from now on.
    pub fn accepted(&self, asset: Asset) {
        if self.queue.try_send(Event::Accepted(asset)).is_err() {
            self.metrics.prefetch(PrefetchResult::Forgotten);
        }
    }

    /// An object of this bag is used: to be said at most once a second of each object that is open, and by each
    /// request for one that is not.
    pub fn asked(&self, bag: BagId) {
        if self.queue.try_send(Event::Asked(bag)).is_err() {
            let dropped = &self.metrics.messages_dropped;
            dropped.with_label_values(&["asked"]).inc();
        }
    }
}

/// Starts it, if it is configured: it runs until the last [`Prefetch`] is dropped.
pub fn start(
    config: &CacheConfig,
    catalog: Catalog,
    keeper: Addr<Keeper>,
    metrics: Metrics,
) -> Option<Prefetch> {
    let extents = config.prefetch_extents();
    if extents == 0 {
        return None;
    }
    let limits = Limits {
        at_once_max: config.prefetch_at_once,
        every: config.prefetch_every.0,
        waiting_max: WAITING_MAX,
        of_bag: config.prefetch_of_bag,
    };
    let (queue, news) = mpsc::channel(QUEUE_MAX);
    let shell = Shell {
        extents,
        catalog,
        keeper,
        metrics: metrics.clone(),
    };
    tokio::spawn(shell.run(limits, news));
    Some(Prefetch { queue, metrics })
}

/// Does what the core decides.
struct Shell {
    extents: u64,
    catalog: Catalog,
    keeper: Addr<Keeper>,
    metrics: Metrics,
}

impl Shell {
    async fn run(self, limits: Limits, mut news: mpsc::Receiver<Event>) {
        let mut core = Core::new(limits);
        let mut under_way = FuturesUnordered::new();
        let mut wake_at = None;
        loop {
            let event = tokio::select! {
                event = news.recv() => match event {
                    Some(event) => event,
                    None => return,
                },
                Some(id) = under_way.next() => Event::Ended(id),
                () = sleep_until(wake_at.unwrap_or_else(far_off)), if wake_at.is_some() => {
                    wake_at = None;
                    Event::TimerFired
                }
            };
            let mut next = Some(event);
            while let Some(event) = next.take() {
                for effect in core.handle(Instant::now(), event) {
                    match effect {
                        Effect::Fetch(asset) => under_way.push(self.fetch(asset)),
                        Effect::Forget(_) => self.metrics.prefetch(PrefetchResult::Forgotten),
                        Effect::TellNewest { bag, count } => {
                            next = Some(Event::Newest(self.catalog.newest_of(bag, count)));
                        }
                        Effect::WakeAt(at) => wake_at = Some(at),
                    }
                }
            }
        }
    }

    async fn fetch(&self, asset: Asset) -> ObjectId {
        let extents = self.extents;
        // Fills have time-outs of their own.
        let result = match self.keeper.send(Ahead { asset, extents }).await {
            Ok(FetchedAhead::Here) => PrefetchResult::Fetched,
            Ok(FetchedAhead::Declined(Declined::Here)) => PrefetchResult::Here,
            Ok(FetchedAhead::Declined(Declined::TooLarge)) => PrefetchResult::TooLarge,
            Ok(FetchedAhead::Declined(Declined::Busy)) => PrefetchResult::Busy,
            Ok(FetchedAhead::Declined(Declined::NoRoom)) => PrefetchResult::NoRoom,
            Ok(FetchedAhead::Failed) | Err(_) => PrefetchResult::Failed,
        };
        tracing::debug!(object = %asset.id, ?result, "a beginning, before anybody asks");
        self.metrics.prefetch(result);
        asset.id
    }
}

fn far_off() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}
