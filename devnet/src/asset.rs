//! A local file as a data object to be: its size and hash, read once; and its bytes on their way to
//! a storage node.

use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use futures::TryStreamExt;
use shared::{
    api,
    hash::{ContentHash, ContentHasher},
    ids::{BagId, ObjectId},
};
use tokio_util::io::ReaderStream;

use crate::{
    chain::Operator,
    creator::Declared,
    steps::{Step, rate},
};

/// Pieces in which a file is read and sent.
const PIECE_LEN: usize = 256 << 10;

/// A local file as an object to be.
#[derive(Debug)]
pub struct Asset {
    /// Where it is.
    pub path: PathBuf,
    /// Size in bytes.
    pub size: u64,
    /// BLAKE3 of its bytes.
    pub hash: ContentHash,
}

impl Asset {
    /// Size and hash of a file, with a line of progress.
    pub async fn read(path: &Path) -> Result<Self> {
        read_asset(path).await
    }

    /// As the chain has to know it.
    pub fn declared(&self) -> Declared {
        Declared {
            size: self.size,
            hash: self.hash,
        }
    }

    /// The media type by the file's first bytes.
    pub fn media_type(&self) -> Option<&'static str> {
        media_type(&self.path)
    }
}

/// Sends a file to a storage node as a browser does, and waits for its 201.
pub async fn upload(
    operator: &Operator,
    asset: &Asset,
    id: ObjectId,
    bag: BagId,
    bar: indicatif::ProgressBar,
) -> Result<()> {
    let file = tokio::fs::File::open(&asset.path).await?;
    let pieces = ReaderStream::with_capacity(file, PIECE_LEN)
        .inspect_ok(move |piece| bar.inc(piece.len() as u64));
    let body = reqwest::Body::wrap_stream(pieces);
    let part = reqwest::multipart::Part::stream_with_length(body, asset.size)
        .file_name(file_name(&asset.path));
    let answer = reqwest::Client::new()
        .post(format!(
            "{}?dataObjectId={id}&storageBucketId={}&bagId={bag}",
            api::url(&operator.endpoint, api::UPLOAD_ROUTE),
            operator.bucket
        ))
        .multipart(reqwest::multipart::Form::new().part("file", part))
        .send()
        .await?;
    let status = answer.status();
    let text = answer.text().await.unwrap_or_default();
    ensure!(status.is_success(), "{status} {text}");
    Ok(())
}

/// Size and hash of a file, read once.
async fn read_asset(path: &Path) -> Result<Asset> {
    let size = std::fs::metadata(path)
        .with_context(|| format!("cannot read {}", path.display()))?
        .len();
    ensure!(
        size > 0,
        "{} is empty: the chain admits no objects of 0 bytes",
        path.display()
    );
    let step = Step::begin_bytes("hash", size);
    let bar = step.bar().clone();
    let owned = path.to_owned();
    let hash = tokio::task::spawn_blocking(move || hash_file(&owned, &bar))
        .await?
        .with_context(|| format!("cannot read {}", path.display()))?;
    let took = step.bar().elapsed();
    step.done(&format!(
        "{hash} ({}, {})",
        indicatif::HumanBytes(size),
        rate(size, took)
    ));
    Ok(Asset {
        path: path.to_owned(),
        size,
        hash,
    })
}

fn hash_file(path: &Path, bar: &indicatif::ProgressBar) -> std::io::Result<ContentHash> {
    let mut file = File::open(path)?;
    let mut hasher = ContentHasher::default();
    let mut piece = vec![0; PIECE_LEN];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(hasher.finish()),
            read => {
                hasher.update(&piece[..read]);
                bar.inc(read as u64);
            }
        }
    }
}

/// The media type by the file's first bytes.
fn media_type(path: &Path) -> Option<&'static str> {
    let mut head = [0; 512];
    let read = File::open(path)
        .and_then(|mut file| file.read(&mut head))
        .ok()?;
    Some(shared::serve::sniff(&head[..read]))
}

/// The last part of a path, for people.
pub fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}
