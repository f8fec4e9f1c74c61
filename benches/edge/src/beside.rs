//! A hot object of 1 KiB while a film is read that the page cache does not hold. Not for Varnish, whose
//! objects are in its memory.

use std::fs::File;

use anyhow::Result;
use rustix::fs::{Advice, fadvise};
use tokio::time::Instant;

use crate::{
    Run,
    client::{self, Get},
    rig::{Rig, Which},
    table::Table,
    world::{FILM, SMALL},
    wrk::{self, Load},
};

/// Bytes read at once.
const PIECE: u64 = 4 << 20;
/// Who read at once.
const READERS: u64 = 4;
/// A step through the pieces that meets each of them once, since their number is no multiple of it.
const STRIDE: u64 = 37;

/// Measures nginx and Argus.
pub async fn measure(rig: &mut Rig, run: &Run, table: &mut Table) -> Result<()> {
    let what = "1 KiB while a film is read from disk";
    let measured = rig.measured.clone().into_iter();
    let measured: Vec<Which> = measured.filter(|which| *which != Which::Varnish).collect();
    for _ in 0..run.rounds {
        for which in measured.clone() {
            rig.warm(which, SMALL).await?;
            rig.warm(which, FILM).await?;
            let load = Load {
                url: format!("http://{}{}", rig.address(which), rig.hot(which, SMALL)),
                connections: 1,
                seconds: run.seconds,
                ranges: None,
            };
            let probe = wrk::run(rig.dir(), &load);
            let (seen, read) = tokio::join!(probe, read_cold(rig, which, run.seconds));
            let (seen, mb_per_s) = (seen?, read?);
            table.add(what, "p50 ms", which, seen.p50_ms);
            table.add(what, "p99 ms", which, seen.p99_ms);
            table.add(what, "MB/s from disk", which, mb_per_s);
        }
    }
    Ok(())
}

/// Reads pieces of the film in no order for so long, and lets the page cache forget it again and again.
async fn read_cold(rig: &Rig, which: Which, seconds: u64) -> Result<f64> {
    let file = File::open(rig.file(which, FILM)?)?;
    let pieces = FILM.size / PIECE;
    let started = Instant::now();
    let (mut bytes, mut at) = (0, 0);
    while started.elapsed().as_secs() < seconds {
        file.sync_data()?;
        fadvise(&file, 0, None, Advice::DontNeed)?;
        for _ in 0..pieces / READERS {
            let reads = (0..READERS).map(|_| {
                at = (at + STRIDE) % pieces;
                let request = Get {
                    server: rig.address(which),
                    path: rig.hot(which, FILM),
                    range: Some((at * PIECE, (at + 1) * PIECE - 1)),
                };
                async move { client::get(&request).await }
            });
            for got in futures::future::join_all(reads).await {
                bytes += got?.bytes;
            }
            if started.elapsed().as_secs() >= seconds {
                break;
            }
        }
    }
    Ok(bytes as f64 / started.elapsed().as_secs_f64() / 1e6)
}
