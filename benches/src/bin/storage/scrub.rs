//! Scrubbing: a full pass over what the first store holds, as fast as it may.

use std::{fs, time::Duration};

use anyhow::{Context, Result, ensure};
use serde_json::Value;
use shared::api;
use tokio::time::{Instant, sleep};

use crate::{
    client,
    data::{Scene, remove_files},
    process::Usage,
};

const MIB: u64 = 1 << 20;
const LOOK_AGAIN: Duration = Duration::from_millis(20);
const PATIENCE: Duration = Duration::from_secs(300);

/// Prints a line.
pub async fn measure(scene: &Scene, large_mib: u64) -> Result<()> {
    let objects = scene.declare(1, large_mib * MIB, 9_000_000_000).await?;
    let store = &scene.stores[0];
    for object in &objects {
        tokio::task::block_in_place(|| client::upload(&store.endpoint, object))?;
    }
    remove_files(&objects)?;
    let part = scene.part_of(store)?;
    let pid = scene.network.pid(&part).await?;
    let http = &scene.network.http;
    let status = async || -> Result<Value> {
        let url = api::url(&store.endpoint, api::STATUS_ROUTE);
        Ok(http.get(url).send().await?.json::<Value>().await?["scrub"].clone())
    };
    let held: Value = http
        .get(api::url(&store.endpoint, api::STATE_DATA_ROUTE))
        .send()
        .await?
        .json()
        .await?;
    let held = held["totalSize"].as_u64().context("totalSize")?;
    let before = status().await?["lastPassMs"].clone();
    let used = Usage::of(pid)?;
    let started = Instant::now();
    let begin = format!("{}scrub/begin", admin_root(scene, &part)?);
    let answer = http.post(&begin).send().await?;
    ensure!(answer.status().is_success(), "{begin}: {}", answer.status());
    while status().await?["lastPassMs"] == before {
        ensure!(
            started.elapsed() < PATIENCE,
            "the pass does not end: {}",
            status().await?
        );
        sleep(LOOK_AGAIN).await;
    }
    let (seconds, used) = (started.elapsed().as_secs_f64(), Usage::of(pid)? - used);
    let gb = held as f64 / 1e9;
    println!("\nscrub at full speed (pages cached)");
    println!(
        "  {gb:.2} GB in {seconds:.2} s: {:.0} MB/s, {:.2} CPU s/GB",
        gb * 1e3 / seconds,
        used.cpu_s / gb
    );
    Ok(())
}

/// The admin port of a part, by its configuration file.
fn admin_root(scene: &Scene, part: &str) -> Result<String> {
    let file = scene
        .network
        .dir()
        .join("config")
        .join(format!("{part}.toml"));
    let config: toml::Value = toml::from_str(&fs::read_to_string(file)?)?;
    let listen = config["admin"]["listen"].as_str().context("admin.listen")?;
    Ok(format!("http://{listen}/"))
}
