//! Many viewers who want one object at once that is not there: what it costs the origin, and how long
//! the last of them waits.

use anyhow::Result;
use tokio::time::Instant;

use crate::{
    Run,
    client::{self, Get},
    process::client_cpu_s,
    rig::{Rig, Which},
    table::Table,
    world::{FOR_FIFTY, FOR_THOUSAND, Thing},
};

/// Measures fifty and a thousand.
pub async fn measure(rig: &mut Rig, run: &Run, table: &mut Table) -> Result<()> {
    for _ in 0..run.rounds {
        for which in rig.measured.clone() {
            let what = "50 at once, cold 64 MiB";
            crowd(rig, which, (50, FOR_FIFTY), what, table).await?;
        }
        for which in rig.measured.clone() {
            let what = "1,000 at once, cold 8 MiB";
            crowd(rig, which, (1000, FOR_THOUSAND), what, table).await?;
        }
    }
    Ok(())
}

async fn crowd(
    rig: &mut Rig,
    which: Which,
    (viewers, thing): (usize, Thing),
    what: &str,
    table: &mut Table,
) -> Result<()> {
    let request = Get {
        server: rig.address(which),
        path: rig.cold(which, thing).await?,
        range: None,
    };
    let origin_before = rig.origin_bytes().await?;
    let (server_before, client_before) = (rig.server(which)?.cpu_s(), client_cpu_s());
    let started = Instant::now();
    let watched = (0..viewers).map(|_| client::get(&request));
    let results = futures::future::join_all(watched).await;
    let seconds = started.elapsed().as_secs_f64();
    let cpu = rig.server(which)?.cpu_s() - server_before;
    let total = cpu + client_cpu_s() - client_before;
    let served = results.iter().flatten();
    let whole = served.filter(|got| got.bytes == thing.size).count();
    if let Some(error) = results.iter().find_map(|result| result.as_ref().err()) {
        eprintln!("{which:?}, {what}: {error:#}");
    }
    let origin = rig.origin_bytes().await? - origin_before;
    table.add(what, "s until all have it", which, seconds);
    table.add(what, "CPU s, server", which, cpu);
    table.add(what, "CPU s, server + client", which, total);
    table.add(
        what,
        "origin bytes ÷ size",
        which,
        origin / thing.size as f64,
    );
    table.add(what, "not served", which, (viewers - whole) as f64);
    Ok(())
}
