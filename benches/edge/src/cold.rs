//! A film that is not there: time to its first byte, to a byte in its middle, and to its last.

use anyhow::{Result, ensure};

use crate::{
    Run,
    client::{self, Get},
    process::client_cpu_s,
    rig::{Rig, Which},
    table::Table,
    world::FILM,
};

/// Where a viewer seeks to, and how much is asked for.
const SEEK_AT: u64 = FILM.size / 5 * 4 + 12_345;
const SEEK_BYTES: u64 = 1 << 20;
/// Seeks per round. Varnish fetches everything before the place, so it is asked once.
const SEEKS: usize = 5;

/// Measures.
pub async fn measure(rig: &mut Rig, run: &Run, table: &mut Table) -> Result<()> {
    for _ in 0..run.rounds {
        for which in rig.measured.clone() {
            whole(rig, which, table).await?;
        }
        for which in rig.measured.clone() {
            let seeks = if which == Which::Varnish { 1 } else { SEEKS };
            for _ in 0..seeks {
                let request = Get {
                    server: rig.address(which),
                    path: rig.cold(which, FILM).await?,
                    range: Some((SEEK_AT, SEEK_AT + SEEK_BYTES - 1)),
                };
                let got = client::get(&request).await?;
                let what = "cold seek, 1 MiB at 80 % of 500 MiB";
                table.add(what, "ms to the first byte", which, got.first_s * 1e3);
                table.add(what, "ms to the last byte", which, got.last_s * 1e3);
            }
        }
    }
    Ok(())
}

async fn whole(rig: &mut Rig, which: Which, table: &mut Table) -> Result<()> {
    let request = Get {
        server: rig.address(which),
        path: rig.cold(which, FILM).await?,
        range: None,
    };
    let origin_before = rig.origin_bytes().await?;
    let server = rig.server(which)?;
    let (server_before, client_before) = (server.cpu_s(), client_cpu_s());
    let got = client::get(&request).await?;
    let used = server.cpu_s() - server_before;
    let total = used + client_cpu_s() - client_before;
    ensure!(got.bytes == FILM.size, "{} bytes came", got.bytes);
    if which == Which::Argus {
        rig.until_filled().await?;
    }
    let origin = rig.origin_bytes().await? - origin_before;
    let what = "cold, 500 MiB";
    table.add(what, "ms to the first byte", which, got.first_s * 1e3);
    table.add(what, "s to the last byte", which, got.last_s);
    table.add(what, "CPU s, server + client", which, total);
    table.add(
        what,
        "origin bytes ÷ size",
        which,
        origin / FILM.size as f64,
    );
    Ok(())
}
