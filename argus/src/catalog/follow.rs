//! Applies the follower's updates to the assets, tells the cache what is no longer to be kept, and says what
//! is new.

use actix::Recipient;
use shared::chain::follower::{Follower, Update};

use super::Catalog;
use crate::{
    cache::keeper::{Purge, PurgeUnwanted},
    metrics::Metrics,
    prefetch::Prefetch,
};

/// Runs until the follower ends, which is an error: a node that no longer follows the chain serves
/// what it should not.
pub async fn follow(
    catalog: Catalog,
    mut follower: Follower,
    purge: Recipient<Purge>,
    purge_unwanted: Recipient<PurgeUnwanted>,
    prefetch: Option<Prefetch>,
    metrics: Metrics,
) {
    while let Some(update) = follower.next().await {
        match update {
            Update::Reloaded { .. } => {
                catalog.renew(|_| {});
                // Awaited: what is not purged now would be kept until the next restart.
                if purge_unwanted.send(PurgeUnwanted).await.is_err() {
                    return;
                }
            }
            Update::Applied { changes, .. } => {
                let released = {
                    let mut assets = catalog.assets.write();
                    assets.update(&catalog.scope.read(), &catalog.directory(), &changes)
                };
                if let Some(prefetch) = &prefetch {
                    let accepted = changes.objects_accepted.iter();
                    let here = accepted.filter_map(|id| catalog.asset(*id));
                    here.for_each(|asset| prefetch.accepted(asset));
                }
                for content in released {
                    if purge.send(Purge { content }).await.is_err() {
                        return;
                    }
                }
            }
            Update::EndpointsFound { .. } => {}
        }
        metrics.assets.set(catalog.len() as i64);
    }
    tracing::error!("the chain is no longer followed");
}
