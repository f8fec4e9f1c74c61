//! `colossus rebuild-index`: makes the index again from the files and the chain. The old one is moved
//! aside, nothing is deleted, and debts to the chain are found again by the chain's own state.

use std::{path::PathBuf, sync::Arc};

use serde::Serialize;
use shared::{
    blob::BlobStore,
    chain::{
        Chain,
        follower::{DirectoryView, Follower, FollowerOptions},
    },
    ids::ObjectId,
    table::{Database, TableError},
};

use crate::{
    app::{StartError, check_genesis, open_holdings},
    config::Config,
    history::Way,
    holdings::{Holdings, OutboxEntry},
    node::{now_ms, our_buckets},
};

/// What came of it.
#[derive(Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rebuilt {
    /// Where the old index is now, if there was one.
    pub moved_to: Option<PathBuf>,
    /// Objects found.
    pub objects: usize,
    /// Of those, objects that this node has to accept on chain.
    pub owed: usize,
    /// Files that no object on chain refers to: the next start removes them.
    pub unmatched: usize,
}

/// Why the index was not made again.
#[derive(Debug, thiserror::Error)]
pub enum RebuildError {
    /// As when the node is started.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The old index cannot be moved, or moved back.
    #[error("{} cannot be moved: {cause}", path.display())]
    Move {
        /// The old index.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// A directory is out: its objects would be missing in the index.
    #[error("{} is out, and what it holds would be missing in the index: mount it, or give it up with `colossus disks forget`", dir.display())]
    Out {
        /// The directory.
        dir: PathBuf,
    },
    /// The chain knows none of the files.
    #[error(
        "the chain knows none of the {files} files: it is another chain than theirs; give the right endpoint"
    )]
    OtherChain {
        /// Files in the store.
        files: usize,
    },
}

/// Makes the index again. Refuses while a node has the directory open.
pub async fn rebuild_index(
    config: &Config,
    chain: Arc<dyn Chain>,
) -> Result<Rebuilt, RebuildError> {
    let start = |error: StartError| RebuildError::Start(error);
    let (places, index) = (config.places(), config.data_dir.join("index"));
    let blobs = blocking(move || Ok(BlobStore::open_all(&places)?)).await?;
    let measured = blobs.measure().await;
    if let Some(error) = blobs.not_taken_over() {
        return Err(start(error.into()));
    }
    let out = measured
        .into_iter()
        .find(|dir| !dir.condition.is_readable());
    if let Some(out) = out {
        return Err(RebuildError::Out { dir: out.dir });
    }
    let genesis = chain.genesis_hash().await.map_err(StartError::from)?;
    let moved_to = match index.exists() {
        true => {
            let path = index.clone();
            match blocking(move || Ok(Database::open(&path))).await? {
                Ok(old) => check_genesis(config, &old, genesis).await?,
                Err(error @ TableError::InUse { .. }) => return Err(start(error.into())),
                Err(error) => tracing::warn!(%error, "the old index cannot be read"),
            }
            Some(config.data_dir.join(format!("index.old-{}", now_ms())))
        }
        false => None,
    };
    if let Some(to) = &moved_to {
        move_dir(&index, to)?;
    }
    let follower = Follower::start(chain, FollowerOptions::default()).await;
    let follower = follower.map_err(StartError::from)?;
    let path = index.clone();
    let database = blocking(move || Ok(Database::open(&path)?)).await?;
    let holdings = open_holdings(blobs, database.clone()).await?;
    let recovered = holdings
        .recover(&follower.directory())
        .await
        .map_err(StartError::from)?;
    let files = recovered.unmatched.len();
    if recovered.objects.is_empty() && files > 0 {
        drop((holdings, database));
        let aside = config.data_dir.join(format!("index.wrong-{}", now_ms()));
        move_dir(&index, &aside)?;
        if let Some(from) = &moved_to {
            move_dir(from, &index)?;
        }
        return Err(RebuildError::OtherChain { files });
    }
    let mut owed = 0;
    for object in &recovered.objects {
        owed += usize::from(owe(config, &follower.directory(), &holdings, *object).await?);
    }
    check_genesis(config, &database, genesis).await?;
    let flushed = database.flush().await;
    flushed.map_err(StartError::from)?;
    Ok(Rebuilt {
        moved_to,
        objects: recovered.objects.len(),
        owed,
        unmatched: files,
    })
}

fn move_dir(from: &std::path::Path, to: &std::path::Path) -> Result<(), RebuildError> {
    std::fs::rename(from, to).map_err(|cause| RebuildError::Move {
        path: from.into(),
        cause,
    })
}

/// An object that nobody has accepted, in one of this node's buckets, is accepted by this node.
async fn owe(
    config: &Config,
    view: &DirectoryView,
    holdings: &Holdings,
    object: ObjectId,
) -> Result<bool, StartError> {
    let found = {
        let directory = view.read();
        let known = directory.object(object).filter(|known| !known.accepted);
        let Some(known) = known else {
            return Ok(false);
        };
        let ours = our_buckets(config, &directory);
        let stored_by = directory.bags.get(&known.bag).map(|bag| &bag.stored_by);
        let bucket = stored_by.and_then(|buckets| buckets.intersection(&ours).next().copied());
        bucket
            .zip(known.content_id.hash().ok())
            .map(|(bucket, hash)| (bucket, hash, known.bag))
    };
    let Some((bucket, hash, bag)) = found else {
        return Ok(false);
    };
    let entry = OutboxEntry {
        bucket,
        bag,
        stored_ms: now_ms(),
    };
    Ok(holdings
        .store_copy(object, hash, Some(entry), Way::Adopted)
        .await?
        .is_some())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, StartError> + Send + 'static,
) -> Result<T, StartError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(StartError::Stopping))
}
