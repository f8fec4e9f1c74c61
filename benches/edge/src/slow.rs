//! A thousand viewers who ask for a film and do not read: what the server's process needs for each.

use anyhow::Result;
use tokio::time::{Duration, sleep};

use crate::{
    client::{self, Get},
    rig::{Rig, Which},
    table::Table,
    world::FILM,
};

const VIEWERS: usize = 1000;
/// Until every buffer on the way is full.
const SETTLE: Duration = Duration::from_secs(3);

/// Measures each server once.
pub async fn measure(rig: &mut Rig, table: &mut Table) -> Result<()> {
    for which in rig.measured.clone() {
        rig.warm(which, FILM).await?;
        if which == Which::Argus {
            // Memory that a fill gave back would be lent to the viewers.
            rig.restart_argus().await?;
            rig.warm(which, FILM).await?;
        }
        let before = rig.server(which)?.anonymous_bytes();
        let request = Get {
            server: rig.address(which),
            path: rig.hot(which, FILM),
            range: None,
        };
        let mut held = Vec::new();
        for _ in 0..VIEWERS {
            held.push(client::hold(&request).await?);
        }
        sleep(SETTLE).await;
        let grown = rig.server(which)?.anonymous_bytes().saturating_sub(before);
        let each = grown as f64 / VIEWERS as f64 / 1024.0;
        table.add(
            "1,000 viewers who do not read",
            "KiB of heap each",
            which,
            each,
        );
        drop(held);
        sleep(SETTLE).await;
    }
    Ok(())
}
