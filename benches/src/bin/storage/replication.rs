//! Replication: the time from an upload's 201 to the moment another store lists the object, for many
//! small objects under load and for a large one.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use shared::{api, ids::ObjectId};
use tokio::time::{Instant, sleep};

use crate::{
    client,
    data::{Object, Scene, remove_files},
    uploads::in_threads,
};

const SMALL_BYTES: u64 = 64 << 10;
const MIB: u64 = 1 << 20;
/// Pause between two looks at what a store holds: the error of a measured delay.
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(300);

type Seen = BTreeMap<ObjectId, Instant>;

/// Prints the table.
pub async fn measure(scene: &Scene, small: usize, large_mib: u64) -> Result<()> {
    println!(
        "\nreplication, from 201 to every other holder (looked at every {} ms)",
        LOOK_AGAIN.as_millis()
    );
    println!(
        "  {:<22} {:>8} {:>8} {:>8} {:>12}",
        "", "p50 s", "p99 s", "max s", "uploads/s"
    );
    let objects = scene.declare(small, SMALL_BYTES, 7_000_000_000).await?;
    row(
        scene,
        &format!("{small} x {} KiB", SMALL_BYTES >> 10),
        &objects,
    )
    .await?;
    let objects = scene.declare(1, large_mib * MIB, 8_000_000_000).await?;
    row(scene, &format!("1 x {large_mib} MiB"), &objects).await
}

async fn row(scene: &Scene, name: &str, objects: &[Object]) -> Result<()> {
    let ids: BTreeSet<ObjectId> = objects.iter().map(|object| object.id).collect();
    let over = Arc::new(AtomicBool::new(false));
    let watchers: Vec<_> = scene.stores[1..]
        .iter()
        .map(|store| tokio::spawn(watch(store.endpoint.clone(), ids.clone(), over.clone())))
        .collect();
    let done: Mutex<Seen> = Mutex::default();
    let started = Instant::now();
    tokio::task::block_in_place(|| {
        in_threads(objects, |object| {
            client::upload(&scene.stores[0].endpoint, object)?;
            if let Ok(mut done) = done.lock() {
                done.insert(object.id, Instant::now());
            }
            Ok(())
        })
    })?;
    let per_second = objects.len() as f64 / started.elapsed().as_secs_f64();
    let done = done.into_inner().ok().context("a client panicked")?;
    let mut slowest: BTreeMap<ObjectId, f64> = BTreeMap::new();
    for watcher in watchers {
        for (object, seen) in watcher.await?? {
            let delay = seen.saturating_duration_since(done[&object]).as_secs_f64();
            let known = slowest.entry(object).or_default();
            *known = known.max(delay);
        }
    }
    over.store(true, Ordering::Relaxed);
    let mut delays: Vec<f64> = slowest.into_values().collect();
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share).round() as usize];
    println!(
        "  {name:<22} {:>8.2} {:>8.2} {:>8.2} {per_second:>12.1}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
    remove_files(objects)
}

/// When this store first listed each of the objects.
async fn watch(root: String, ids: BTreeSet<ObjectId>, over: Arc<AtomicBool>) -> Result<Seen> {
    let http = reqwest::Client::new();
    let url = api::url(&root, "/api/v1/state/data-objects");
    let started = Instant::now();
    let mut seen = Seen::new();
    while seen.len() < ids.len() && !over.load(Ordering::Relaxed) {
        ensure!(
            started.elapsed() < PATIENCE,
            "{root} holds {} of {} after {PATIENCE:?}",
            seen.len(),
            ids.len()
        );
        let held: Vec<ObjectId> = http.get(&url).send().await?.json().await?;
        let now = Instant::now();
        for id in held.into_iter().filter(|id| ids.contains(id)) {
            seen.entry(id).or_insert(now);
        }
        sleep(LOOK_AGAIN).await;
    }
    Ok(seen)
}
