//! The whole system, end to end, as a network of real processes on this machine: what a creator
//! publishes is on every store, behind every edge and in every index, byte for byte, whatever is
//! killed on the way.

mod bad_input;

use std::{fs, path::Path};

use anyhow::{Context, Result, ensure};
use benches::network::{
    Network, PATIENCE, Published, eventually, make_media, published, random_file,
};

use serde_json::json;
use shared::{api, hash::ContentHash};

/// The devnet under test.
const PROGRAM: &str = env!("CARGO_BIN_EXE_network-under-test");
const MIB: u64 = 1 << 20;
const STORES: [&str; 3] = ["colossus-1", "colossus-2", "colossus-3"];

/// A video, a picture, one byte and 300 MiB; then restarts and kills; then the query side off.
#[tokio::test(flavor = "multi_thread")]
async fn from_creator_to_viewer() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let files = dir.path().join("files");
    fs::create_dir_all(&files)?;
    let (video, picture) = (files.join("film.mp4"), files.join("picture.png"));
    make_media(&video, &picture)?;
    fs::write(files.join("one-byte"), b"!")?;
    random_file(&files.join("large.bin"), 300 * MIB, 0)?;

    let home = dir.path().join("net");
    let network = Network::start(Path::new(PROGRAM), &home).await?;
    let film = network
        .publish(
            &video,
            &[
                "--title",
                "First light",
                "--thumbnail",
                &picture.to_string_lossy(),
            ],
        )
        .await?;
    let mut all = vec![film.clone()];
    for name in ["picture.png", "one-byte", "large.bin"] {
        all.push(network.publish(&files.join(name), &[]).await?);
    }
    for object in &all {
        every_store_holds(&network, object).await?;
        every_edge_serves(&network, object).await?;
        let printed = network
            .command(&["watch", &object.object.to_string()])
            .await?;
        ensure!(printed.contains("verified"), "{printed}");
    }
    every_edge_is_among_the_stores(&network).await?;
    index_and_gateway_show(&network, &film).await?;
    bad_input::is_refused(&network, &film).await?;

    let after_kill = killed_during_upload(&network, &files).await?;
    let replicated = killed_during_replication(&network, &files).await?;
    edge_keeps_its_cache(&network, &all[3]).await?;
    all.extend([after_kill, replicated]);

    network.command(&["stop", "gateway"]).await?;
    network.command(&["stop", "indexer"]).await?;
    random_file(&files.join("unindexed.bin"), 3 * MIB + 1, 0)?;
    let unindexed = network.publish(&files.join("unindexed.bin"), &[]).await?;
    every_store_holds(&network, &unindexed).await?;
    every_edge_serves(&network, &unindexed).await?;
    network.command(&["start", "indexer"]).await?;
    network.command(&["start", "gateway"]).await?;
    eventually("the indexer has caught up", async || {
        let query = format!(
            "{{ storageDataObjectById(id: \"{}\") {{ isAccepted }} }}",
            unindexed.object
        );
        Ok(network
            .graphql("indexer", &query)
            .await
            .is_ok_and(|data| data["storageDataObjectById"]["isAccepted"] == json!(true)))
    })
    .await?;
    all.push(unindexed);

    network.stop().await?;
    let resumed = Network::start(Path::new(PROGRAM), &home).await?;
    for object in &all {
        every_store_holds(&resumed, object).await?;
        every_edge_serves(&resumed, object).await?;
    }
    index_and_gateway_show(&resumed, &film).await?;
    resumed.stop().await
}

/// Every store answers with the object, byte for byte, whole and by ranges.
async fn every_store_holds(network: &Network, object: &Published) -> Result<()> {
    for store in network.urls("colossus")? {
        let url = api::url(&store, &api::file_path(object.object));
        serves(network, &url, object).await?;
    }
    Ok(())
}

async fn every_edge_serves(network: &Network, object: &Published) -> Result<()> {
    for edge in network.urls("argus")? {
        let url = api::url(&edge, &api::asset_path(object.object));
        // The edge follows the chain by itself: it may learn of the acceptance a moment later.
        eventually(&format!("{url} knows the object"), async || {
            Ok(network.http.head(&url).send().await?.status().is_success())
        })
        .await?;
        serves(network, &url, object).await?;
    }
    Ok(())
}

/// Edges hear what stores announce.
async fn every_edge_is_among_the_stores(network: &Network) -> Result<()> {
    for edge in network.urls("argus")? {
        let url = api::url(&edge, api::STATUS_ROUTE);
        eventually(&format!("{url} names peers"), async || {
            let status = network.http.get(&url).send().await?.bytes().await?;
            let status: serde_json::Value = serde_json::from_slice(&status)?;
            Ok(status["p2p"]["connectedPeers"].as_u64() == Some(STORES.len() as u64))
        })
        .await?;
    }
    Ok(())
}

async fn serves(network: &Network, url: &str, object: &Published) -> Result<()> {
    let expected = fs::read(&object.bytes)?;
    let last = expected.len() - 1;
    let middle = expected.len() / 2;
    for (range, from, to) in [
        ("bytes=0-0".to_owned(), 0, 0),
        ("bytes=0-1".to_owned(), 0, last.min(1)),
        ("bytes=-1".to_owned(), last, last),
        (format!("bytes={middle}-"), middle, last),
    ] {
        let answer = network.http.get(url).header("range", &range).send().await?;
        ensure!(
            answer.status().as_u16() == 206,
            "{url} {range}: {}",
            answer.status()
        );
        let content_range = answer
            .headers()
            .get("content-range")
            .context("content-range")?
            .to_str()?
            .to_owned();
        ensure!(
            content_range == format!("bytes {from}-{to}/{}", expected.len()),
            "{url} {range}: {content_range}"
        );
        let body = answer.bytes().await?;
        ensure!(
            body[..] == expected[from..=to],
            "{url} {range}: other bytes"
        );
    }
    let answer = network.http.get(url).send().await?;
    ensure!(
        answer.status().as_u16() == 200,
        "{url}: {}",
        answer.status()
    );
    let etag = answer
        .headers()
        .get("etag")
        .context("etag")?
        .to_str()?
        .to_owned();
    ensure!(
        etag.contains(&object.hash.to_string()),
        "{url}: etag {etag}, hash {}",
        object.hash
    );
    let body = answer.bytes().await?;
    ensure!(ContentHash::of(&body) == object.hash, "{url}: other bytes");
    let beyond = network
        .http
        .get(url)
        .header("range", format!("bytes={}-", object.size))
        .send()
        .await?;
    ensure!(
        beyond.status().as_u16() == 416,
        "{url} beyond the end: {}",
        beyond.status()
    );
    Ok(())
}

async fn index_and_gateway_show(network: &Network, film: &Published) -> Result<()> {
    let fields = "id title channel { id } media { id isAccepted size ipfsHash storageBag { id } } thumbnailPhoto { id isAccepted }";
    let query = format!("{{ videos(where: {{ title_eq: \"First light\" }}) {{ {fields} }} }}");
    let mut video = json!(null);
    eventually("the indexer shows the film as accepted", async || {
        let data = network.graphql("indexer", &query).await?;
        video = data["videos"][0].clone();
        Ok(video["media"]["isAccepted"] == json!(true)
            && video["thumbnailPhoto"]["isAccepted"] == json!(true))
    })
    .await?;
    ensure!(
        video["media"]["id"] == json!(film.object.to_string()),
        "{video}"
    );
    ensure!(
        video["media"]["size"] == json!(film.size.to_string()),
        "{video}"
    );
    ensure!(
        video["media"]["ipfsHash"] == json!(film.hash.to_string()),
        "{video}"
    );

    let id = video["id"].as_str().context("an id")?;
    let channel = video["channel"]["id"].as_str().context("an id")?;
    let enriched = format!(
        "{{ videoById(id: \"{id}\") {{ title viewsNum channel {{ followsNum }} media {{ id resolvedUrls storageBag {{ id }} }} }} }}"
    );
    let before = network.graphql("gateway", &enriched).await?["videoById"].clone();
    ensure!(before["title"] == json!("First light"), "{before}");
    let urls: Vec<&str> = before["media"]["resolvedUrls"]
        .as_array()
        .context("a list")?
        .iter()
        .filter_map(|url| url.as_str())
        .collect();
    ensure!(urls.len() == network.urls("argus")?.len(), "{before}");
    for url in urls {
        serves(network, url, film).await?;
    }
    let viewed = network
        .graphql(
            "gateway",
            &format!("mutation {{ addVideoView(videoId: \"{id}\") {{ viewsNum added }} }}"),
        )
        .await?;
    let expected = before["viewsNum"].as_i64().context("a number")?
        + i64::from(viewed["addVideoView"]["added"] == json!(true));
    ensure!(
        viewed["addVideoView"]["viewsNum"] == json!(expected),
        "{before} then {viewed}"
    );
    network
        .graphql(
            "gateway",
            &format!("mutation {{ followChannel(channelId: \"{channel}\") {{ follows }} }}"),
        )
        .await?;
    let after = network.graphql("gateway", &enriched).await?["videoById"].clone();
    ensure!(after["viewsNum"] == json!(expected), "{after}");
    ensure!(after["channel"]["followsNum"] == json!(1), "{after}");
    network
        .graphql(
            "gateway",
            &format!("mutation {{ unfollowChannel(channelId: \"{channel}\") {{ follows }} }}"),
        )
        .await?;
    Ok(())
}

/// The store that takes an upload is killed half-way: nothing stays, and the next try succeeds.
async fn killed_during_upload(network: &Network, files: &Path) -> Result<Published> {
    let file = files.join("cut.bin");
    random_file(&file, 200 * MIB, 0)?;
    let pid = network.pid("colossus-1").await?;
    let publish = network.spawn(&["publish", &file.to_string_lossy()])?;
    eventually("the first store is taking the upload", async || {
        Ok(network.unfinished_bytes("colossus-1")? > 8 * MIB)
    })
    .await?;
    network.kill("colossus-1", pid).await?;
    let output = tokio::time::timeout(PATIENCE, publish.wait_with_output()).await??;
    let printed = String::from_utf8_lossy(&output.stdout);
    println!("{printed}");
    ensure!(
        output.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    ensure!(
        printed.contains("refused"),
        "the first store was to fail:\n{printed}"
    );
    let object = published(&file, &printed)?;
    every_store_holds(network, &object).await?;
    eventually("no half upload is left behind", async || {
        Ok(network.unfinished_bytes("colossus-1")? == 0)
    })
    .await?;
    Ok(object)
}

/// A store that replicates is killed while it fetches: it is whole after its restart.
async fn killed_during_replication(network: &Network, files: &Path) -> Result<Published> {
    let file = files.join("replicated.bin");
    random_file(&file, 120 * MIB, 0)?;
    let stores = network.urls("colossus")?;
    let pid = network.pid("colossus-3").await?;
    let publish = network.spawn(&["publish", &file.to_string_lossy(), "--via", &stores[0]])?;
    eventually("the third store is fetching", async || {
        Ok(network.unfinished_bytes("colossus-3")? > 0)
    })
    .await?;
    network.kill("colossus-3", pid).await?;
    let output = tokio::time::timeout(PATIENCE, publish.wait_with_output()).await??;
    let printed = String::from_utf8_lossy(&output.stdout);
    ensure!(
        output.status.success(),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let object = published(&file, &printed)?;
    every_store_holds(network, &object).await?;
    Ok(object)
}

/// What an edge has kept is served after an orderly restart and after `kill -9`, with every store
/// stopped: nothing has to be fetched again.
async fn edge_keeps_its_cache(network: &Network, object: &Published) -> Result<()> {
    let edge = network.urls("argus")?.first().context("an edge")?.clone();
    let url = api::url(&edge, &api::asset_path(object.object));
    let kept_whole = async || -> Result<bool> {
        let answer = network.http.head(&url).send().await?;
        Ok(answer.headers().get("x-cache").context("x-cache")? == "hit")
    };
    eventually("the object is kept whole", kept_whole).await?;
    network.command(&["stop", "argus-1"]).await?;
    network.command(&["start", "argus-1"]).await?;
    ensure!(
        kept_whole().await?,
        "the edge lost object {} in an orderly restart",
        object.object
    );

    network
        .kill("argus-1", network.pid("argus-1").await?)
        .await?;
    for store in STORES {
        network.command(&["stop", store]).await?;
    }
    serves(network, &url, object).await?;
    for store in STORES {
        network.command(&["start", store]).await?;
    }
    Ok(())
}
