//! Beginnings of newly accepted objects, fetched before anybody asks for them, if `cache.prefetch` says how
//! much of each. The first viewer then starts at once, and the rest comes while it plays.
//!
//! - [`core`]: which one next, and when; pure
//!
//! What is fetched so takes free room only: the keeper makes none for it.

pub mod core;

use actix::Addr;
use futures::{StreamExt, stream::FuturesUnordered};
use tokio::{
    sync::mpsc,
    time::{Duration, Instant, sleep_until},
};

use self::core::{Core, Effect, Event, Limits};
use crate::{
    cache::keeper::{Ahead, FetchedAhead, Keeper, core::Declined},
    catalog::Asset,
    config::CacheConfig,
    metrics::{Metrics, PrefetchResult},
};

/// Newly accepted objects on their way here; more are counted and forgotten.
const QUEUE_MAX: usize = 1024;
/// Objects that wait to be fetched; more are counted and forgotten.
const WAITING_MAX: usize = 4096;

/// Where the follower of the chain says what is new. Cheap to clone.
#[derive(Clone)]
pub struct NewAssets {
    queue: mpsc::Sender<Asset>,
    metrics: Metrics,
}

impl NewAssets {
    /// This one may be served from now on.
    pub fn accepted(&self, asset: Asset) {
        if self.queue.try_send(asset).is_err() {
            self.metrics.prefetch(PrefetchResult::Forgotten);
        }
    }
}

/// Starts it, if it is configured: it runs until the last [`NewAssets`] is dropped.
pub fn start(config: &CacheConfig, keeper: Addr<Keeper>, metrics: Metrics) -> Option<NewAssets> {
    let extents = config.prefetch_extents();
    if extents == 0 {
        return None;
    }
    let limits = Limits {
        at_once_max: config.prefetch_at_once,
        every: config.prefetch_every.0,
        waiting_max: WAITING_MAX,
    };
    let (queue, new) = mpsc::channel(QUEUE_MAX);
    tokio::spawn(run(limits, extents, new, keeper, metrics.clone()));
    Some(NewAssets { queue, metrics })
}

async fn run(
    limits: Limits,
    extents: u64,
    mut new: mpsc::Receiver<Asset>,
    keeper: Addr<Keeper>,
    metrics: Metrics,
) {
    let mut core = Core::new(limits);
    let mut under_way = FuturesUnordered::new();
    let mut wake_at = None;
    loop {
        let event = tokio::select! {
            asset = new.recv() => match asset {
                Some(asset) => Event::Accepted(asset),
                None => return,
            },
            Some(()) = under_way.next() => Event::Ended,
            () = sleep_until(wake_at.unwrap_or_else(far_off)), if wake_at.is_some() => {
                wake_at = None;
                Event::TimerFired
            }
        };
        for effect in core.handle(Instant::now(), event) {
            match effect {
                Effect::Fetch(asset) => {
                    under_way.push(fetch(&keeper, asset, extents, &metrics));
                }
                Effect::Forget(_) => metrics.prefetch(PrefetchResult::Forgotten),
                Effect::WakeAt(at) => wake_at = Some(at),
            }
        }
    }
}

fn far_off() -> Instant {
    Instant::now() + Duration::from_secs(3600)
}

async fn fetch(keeper: &Addr<Keeper>, asset: Asset, extents: u64, metrics: &Metrics) {
    // Fills have time-outs of their own.
    let result = match keeper.send(Ahead { asset, extents }).await {
        Ok(FetchedAhead::Here) => PrefetchResult::Fetched,
        Ok(FetchedAhead::Declined(Declined::Here)) => PrefetchResult::Here,
        Ok(FetchedAhead::Declined(Declined::TooLarge)) => PrefetchResult::TooLarge,
        Ok(FetchedAhead::Declined(Declined::Busy)) => PrefetchResult::Busy,
        Ok(FetchedAhead::Declined(Declined::NoRoom)) => PrefetchResult::NoRoom,
        Ok(FetchedAhead::Failed) | Err(_) => PrefetchResult::Failed,
    };
    tracing::debug!(object = %asset.id, ?result, "a beginning, before anybody asks");
    metrics.prefetch(result);
}
