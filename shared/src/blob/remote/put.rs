//! Puts objects into the store: small ones in one request, larger ones in parts, a few of them at once.
//!
//! Every request has a slot of its own, and a part is read from its file only when it has one: so no
//! more than `requests_max` times `part_bytes` are in memory, however many objects are on their way.

use std::{fs::File, io, ops::Range, os::unix::fs::FileExt, sync::Arc};

use bytes::Bytes;
use object_store::{MultipartUpload, ObjectStoreExt, path::Path};
use tokio::task::{JoinError, JoinSet};

use super::{InFlight, Operation, Remote, TEMP_FILE};
use crate::{blob::BlobError, hash::ContentHash};

impl Remote {
    /// Puts a file there, and asks whether the whole of it is there.
    pub(in crate::blob) async fn put(
        &self,
        hash: &ContentHash,
        file: File,
        size: u64,
    ) -> Result<(), BlobError> {
        self.check()?;
        let (path, file) = (self.bucket.path(hash), Arc::new(file));
        let done = match size <= self.part_bytes {
            true => self.put_whole(&path, &file, size).await,
            false => self.put_parts(&path, &file, size).await,
        };
        self.metrics.ended(Operation::Put, &done);
        done.map_err(|error| self.failed(error))?;
        self.metrics.bytes.with_label_values(&["out"]).inc_by(size);
        match self.size(hash).await? {
            Some(there) if there == size => Ok(()),
            there => {
                let error = format!("it has {there:?} bytes of it and not {size}");
                let error = io::Error::other(error);
                Err(BlobError::io("put into", &self.name, error))
            }
        }
    }

    async fn put_whole(
        &self,
        path: &Path,
        file: &Arc<File>,
        size: u64,
    ) -> Result<(), object_store::Error> {
        let put = async {
            let bytes = read_part(file, 0..size).await?;
            self.bucket.s3.put(path, bytes.into()).await.map(drop)
        };
        self.in_slot(put).await
    }

    async fn put_parts(
        &self,
        path: &Path,
        file: &Arc<File>,
        size: u64,
    ) -> Result<(), object_store::Error> {
        let mut upload = self.in_slot(self.bucket.s3.put_multipart(path)).await?;
        let mut sending = JoinSet::new();
        let sent = self.send_parts(&mut *upload, &mut sending, file, size);
        if let Err(error) = sent.await {
            // None of them comes after the parts were given up.
            sending.shutdown().await;
            if let Err(error) = upload.abort().await {
                tracing::warn!(%error, "parts of an object may stay in the object store");
            }
            return Err(error);
        }
        Ok(())
    }

    async fn send_parts(
        &self,
        upload: &mut dyn MultipartUpload,
        sending: &mut JoinSet<Result<(), object_store::Error>>,
        file: &Arc<File>,
        size: u64,
    ) -> Result<(), object_store::Error> {
        let mut at = 0;
        while at < size {
            while sending.len() >= self.parts_at_once
                && let Some(sent) = sending.join_next().await
            {
                joined(sent)?;
            }
            let slot = self.slots.clone().acquire_owned().await;
            let in_flight = InFlight::new(&self.metrics.in_flight);
            let end = size.min(at + self.part_bytes);
            let part = upload.put_part(read_part(file, at..end).await?.into());
            // In tasks of their own: those that have a slot must go on while others wait for one.
            sending.spawn(async move {
                let _held = (slot, in_flight);
                part.await
            });
            at = end;
        }
        while let Some(sent) = sending.join_next().await {
            joined(sent)?;
        }
        self.in_slot(upload.complete()).await.map(drop)
    }
}

fn joined(
    sent: Result<Result<(), object_store::Error>, JoinError>,
) -> Result<(), object_store::Error> {
    sent.unwrap_or_else(|source| Err(object_store::Error::JoinError { source }))
}

/// Reads a part of a file on the blocking pool.
async fn read_part(file: &Arc<File>, range: Range<u64>) -> Result<Bytes, object_store::Error> {
    let file = file.clone();
    let read = move || {
        let mut part = vec![0; (range.end - range.start) as usize];
        file.read_exact_at(&mut part, range.start)?;
        Ok(Bytes::from(part))
    };
    let read = tokio::task::spawn_blocking(read).await;
    let read: io::Result<Bytes> = read.unwrap_or_else(|error| Err(io::Error::other(error)));
    read.map_err(|error| object_store::Error::Generic {
        store: TEMP_FILE,
        source: Box::new(error),
    })
}
