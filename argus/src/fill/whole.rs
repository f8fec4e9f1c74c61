//! Sources that have no outboard: the whole object is fetched in order and hashed; only when its hash
//! is that of the chain does anyone see a byte. The outboard comes out of it as well.

use std::{fs::File, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use futures::StreamExt;
use shared::{api::StorageClient, fetch::SourceError, serve, verified::Builder};
use tokio::task::spawn_blocking;

use super::{Candidates, Fetching, FillError, sources::Outcome};
use crate::{
    cache::{Object, extents::EXTENT_GROUPS},
    catalog::Asset,
};

/// Bytes hashed and written at once.
const BATCH_BYTES: usize = 1 << 20;

/// Tries these sources, best first, until one gives the object.
pub async fn fetch(
    object: &Arc<Object>,
    asset: &Asset,
    outboard: &Arc<File>,
    fetching: &Fetching,
    mut candidates: Candidates,
) -> Result<(), FillError> {
    let mut last = None;
    while let Some(client) = candidates.take_best(&fetching.sources) {
        // It comes no faster than it is kept, so no more than about an extent is on its way.
        let _share = fetching.shares.take(client.root(), EXTENT_GROUPS).await;
        fetching.sources.sent(client.root());
        let started = tokio::time::Instant::now();
        let error = match fetch_from(&client, object, asset, outboard, fetching).await {
            Ok(()) => {
                let took = started.elapsed();
                let outcome = Outcome::Good {
                    latency: took,
                    bytes: asset.content.size,
                    took,
                };
                fetching.note(client.root(), outcome);
                object.publish(0..object.layout().groups());
                return Ok(());
            }
            Err(error) => error,
        };
        fetching.note_failure(client.root(), &error);
        if let SourceError::Disk(error) = error {
            return Err(FillError::Disk(error));
        }
        tracing::debug!(source = client.root(), %error, object = %asset.id, "a source failed");
        last = Some(error);
    }
    match last {
        Some(last) => Err(FillError::SourcesFailed {
            object: asset.id,
            last: Arc::new(last),
        }),
        None => Err(FillError::NoSource { bag: asset.bag }),
    }
}

async fn fetch_from(
    client: &StorageClient,
    object: &Arc<Object>,
    asset: &Asset,
    outboard: &Arc<File>,
    fetching: &Fetching,
) -> Result<(), SourceError> {
    let mut download = client.download(asset.id, None).await?;
    let mut builder = Builder::new(asset.content.size);
    let mut batch = Vec::new();
    let mut position = 0;
    let mut ended = false;
    while !ended {
        match download.next().await {
            Some(piece) => {
                let piece = piece?;
                fetching
                    .metrics
                    .origin_bytes
                    .with_label_values(&["data"])
                    .inc_by(piece.len() as u64);
                batch.extend_from_slice(&piece);
            }
            None => ended = true,
        }
        if ended || batch.len() >= BATCH_BYTES {
            let bytes = Bytes::from(std::mem::take(&mut batch));
            let (len, file) = (bytes.len() as u64, object.file().clone());
            let took = spawn_blocking(move || take(builder, bytes, &file, position)).await;
            builder = took
                .map_err(std::io::Error::other)
                .map_err(SourceError::Disk)?
                .map_err(|refused| match refused {
                    Refused::TooLong => bad(client, position),
                    Refused::Disk(error) => SourceError::Disk(error),
                })?;
            position += len;
        }
    }
    let built = builder.finish().map_err(|_| bad(client, position))?;
    if built.hash != asset.content.hash {
        return Err(bad(client, 0));
    }
    let (file, outboard) = (object.file().clone(), outboard.clone());
    let keep = spawn_blocking(move || {
        outboard.write_all_at(&built.into_outboard(), 0)?;
        serve::body::read(&file, 0, serve::SNIFF_BYTES).or_else(|_| Ok(Bytes::new()))
    });
    let first = keep
        .await
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(SourceError::Disk)?;
    object.set_media_type(serve::sniff(&first));
    Ok(())
}

enum Refused {
    TooLong,
    Disk(std::io::Error),
}

fn take(
    mut builder: Builder,
    bytes: Bytes,
    file: &File,
    position: u64,
) -> Result<Builder, Refused> {
    builder.update(&bytes).map_err(|_| Refused::TooLong)?;
    file.write_all_at(&bytes, position).map_err(Refused::Disk)?;
    Ok(builder)
}

fn bad(client: &StorageClient, position: u64) -> SourceError {
    SourceError::BadBytes {
        source_root: client.root().to_owned(),
        group: position / shared::verified::GROUP_LEN as u64,
    }
}
