//! Uploads: 1 GiB, and 50 × 10 MiB four at a time, each beside a plain write of the same bytes with
//! sync, in turn. One store runs, so that replication does not share the machine.

use std::{
    fs::File,
    io::{Read, Write},
    path::{Path, PathBuf},
    sync::Mutex,
};

use anyhow::{Context, Result};
use tokio::time::Instant;

use crate::{
    client,
    data::{Object, Scene, median, remove_files},
    process::Usage,
};

const MIB: u64 = 1 << 20;
const SMALLER: (usize, u64) = (50, 10 * MIB);
const AT_ONCE: usize = 4;
/// Piece of a plain write.
const PIECE_LEN: usize = 1 << 20;

/// One measurement of a node.
struct Uploaded {
    seconds: f64,
    used: Usage,
}

/// Prints the table.
pub async fn measure(scene: &Scene, large_mib: u64, rounds: usize) -> Result<()> {
    for store in &scene.stores[1..] {
        let part = scene.part_of(store)?;
        scene.network.command(&["stop", &part]).await?;
    }
    println!(
        "\nuploads (median of {rounds}; the same bytes written to a plain file with sync, in turn)"
    );
    println!(
        "  {:<16} {:>9} {:>9} {:>7} {:>10} {:>10} {:>10} {:>10}",
        "", "node MB/s", "file MB/s", "ratio", "CPU s/GB", "hash s/GB", "written", "read back"
    );
    let large = format!("1 x {large_mib} MiB");
    row(scene, &large, 1, large_mib * MIB, rounds).await?;
    let smaller = format!("{} x {} MiB", SMALLER.0, SMALLER.1 / MIB);
    row(scene, &smaller, SMALLER.0, SMALLER.1, rounds).await?;
    for store in &scene.stores[1..] {
        let part = scene.part_of(store)?;
        scene.network.command(&["start", &part]).await?;
    }
    Ok(())
}

async fn row(scene: &Scene, name: &str, count: usize, size: u64, rounds: usize) -> Result<()> {
    let total = count as u64 * size;
    let (mut node, mut plain) = (Vec::new(), Vec::new());
    let mut hash = Vec::new();
    for round in 0..rounds {
        let seed = 1_000_000 * (round as u64 + 1) + size;
        let objects = scene.declare(count, size, seed).await?;
        hash.push(hash_s(&objects)?);
        plain.push(plain_write_s(scene.scratch(), &objects)?);
        node.push(upload(scene, &objects).await?);
        remove_files(&objects)?;
    }
    let gb = total as f64 / 1e9;
    let node_s = median(node.iter().map(|each| each.seconds).collect());
    let plain_s = median(plain);
    let each = |of: fn(&Usage) -> f64| median(node.iter().map(|each| of(&each.used)).collect());
    println!(
        "  {name:<16} {:>9.0} {:>9.0} {:>7.2} {:>10.2} {:>10.2} {:>10.3} {:>10.3}",
        gb * 1e3 / node_s,
        gb * 1e3 / plain_s,
        plain_s / node_s,
        each(|used| used.cpu_s) / gb,
        median(hash) / gb,
        each(|used| used.written as f64) / total as f64,
        each(|used| used.read as f64) / total as f64,
    );
    Ok(())
}

/// Seconds of processor time to hash the files, which are in the page cache.
fn hash_s(objects: &[Object]) -> Result<f64> {
    let before = Usage::of(std::process::id() as i32)?;
    for object in objects {
        benches::network::hash_file(&object.file)?;
    }
    Ok((Usage::of(std::process::id() as i32)? - before).cpu_s)
}

/// Seconds to write the same bytes to plain files, each synced, as many at once as are uploaded.
fn plain_write_s(scratch: &Path, objects: &[Object]) -> Result<f64> {
    let started = Instant::now();
    in_threads(objects, |object| {
        let copy = copy_of(scratch, object);
        let mut from = File::open(&object.file)?;
        let mut to = File::create(&copy)?;
        let mut piece = vec![0; PIECE_LEN];
        loop {
            match from.read(&mut piece)? {
                0 => break,
                read => to.write_all(&piece[..read])?,
            }
        }
        Ok(to.sync_all()?)
    })?;
    let took = started.elapsed().as_secs_f64();
    for object in objects {
        std::fs::remove_file(copy_of(scratch, object))?;
    }
    Ok(took)
}

fn copy_of(scratch: &Path, object: &Object) -> PathBuf {
    scratch.join(format!("plain-{}", object.id))
}

async fn upload(scene: &Scene, objects: &[Object]) -> Result<Uploaded> {
    let store = &scene.stores[0];
    let pid = scene.network.pid(&scene.part_of(store)?).await?;
    let before = Usage::of(pid)?;
    let started = Instant::now();
    tokio::task::block_in_place(|| {
        in_threads(objects, |object| client::upload(&store.endpoint, object))
    })?;
    Ok(Uploaded {
        seconds: started.elapsed().as_secs_f64(),
        used: Usage::of(pid)? - before,
    })
}

/// Does this for all objects, [`AT_ONCE`] at a time.
pub fn in_threads(objects: &[Object], work: impl Fn(&Object) -> Result<()> + Sync) -> Result<()> {
    let rest = Mutex::new(objects.iter());
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..AT_ONCE.min(objects.len()))
            .map(|_| {
                scope.spawn(|| -> Result<()> {
                    loop {
                        let next = rest.lock().ok().and_then(|mut rest| rest.next());
                        match next {
                            Some(object) => work(object)?,
                            None => return Ok(()),
                        }
                    }
                })
            })
            .collect();
        for thread in threads {
            thread.join().ok().context("a client panicked")??;
        }
        Ok(())
    })
}
