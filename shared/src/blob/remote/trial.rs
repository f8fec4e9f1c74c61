//! [`try_out`] and [`whose`]: does an object store let this node do what it must be able to do there, and
//! is it this node's?

use std::io;

use object_store::ObjectStoreExt;

use super::{RemoteOptions, UnusableRemote, bucket::Bucket};
use crate::blob::{
    BlobError, Places, Registry,
    dirs::Dirs,
    puts::Puts,
    registry::{Marker, Name},
};

/// What the trial object holds.
const TRIAL: &[u8] = b"written by `colossus doctor`, and removed by it";

/// The step at which an object store refused.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The options cannot be used.
    #[error(transparent)]
    Unusable(#[from] UnusableRemote),
    /// Nobody answers, or nothing may be written.
    #[error("it cannot be written to: {0}")]
    Write(String),
    /// What was written does not come back.
    #[error("what was written cannot be read: {0}")]
    Read(String),
    /// It comes back, but not as it was written.
    #[error("what was written comes back as something else")]
    Other,
    /// What was written cannot be removed.
    #[error("what was written cannot be removed: {0}")]
    Delete(String),
    /// The marker cannot be read.
    #[error("its marker cannot be read: {0}")]
    Marker(String),
    /// The names cannot be listed.
    #[error("what it holds cannot be listed: {0}")]
    List(String),
    /// What is known here cannot be read.
    #[error(transparent)]
    Here(#[from] BlobError),
}

/// Writes a small object of its own under the prefix, reads it and removes it.
pub async fn try_out(options: &RemoteOptions) -> Result<(), TrialError> {
    let Bucket { s3, prefix } = Bucket::new(options)?;
    let name = format!("doctor-{:016x}", rand::random::<u64>());
    let path = prefix.join(name);
    let put = s3.put(&path, TRIAL.into()).await;
    put.map_err(|error| TrialError::Write(error.to_string()))?;
    let read = async { s3.get(&path).await?.bytes().await };
    let read = read.await;
    let removed = s3.delete(&path).await;
    match read {
        Ok(bytes) if bytes == TRIAL => {}
        Ok(_) => return Err(TrialError::Other),
        Err(error) => return Err(TrialError::Read(error.to_string())),
    }
    removed.map_err(|error| TrialError::Delete(error.to_string()))
}

/// Whose an object store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Whose {
    /// This node's, and nothing is missing here that tells of it.
    Ours,
    /// Nobody's: the next start takes it.
    Nobodys,
    /// Another data directory's marker is there.
    Foreign,
    /// The marker is gone, and this node has objects there.
    Vanished,
    /// It holds objects, and there is nothing here that tells of any.
    Unlisted,
    /// A take-over was begun and not finished.
    Unfinished,
}

/// Looks whose the object store of these places is, and changes nothing, here or there. `None` if they have
/// none.
pub async fn whose(places: &Places) -> Result<Option<Whose>, TrialError> {
    let Some(options) = &places.remote else {
        return Ok(None);
    };
    let registry = Registry::read(&places.registry)?;
    if registry
        .as_ref()
        .is_some_and(|known| known.taking_over.is_some())
    {
        return Ok(Some(Whose::Unfinished));
    }
    let ours = registry.and_then(|known| {
        let volume: Name = known.entry_at(&options.name())?.volume.clone();
        let store = known.store;
        Some(Marker { store, volume })
    });
    let bucket = Bucket::new(options)?;
    let found = bucket.marker().await;
    let found = found.map_err(|error| TrialError::Marker(error.to_string()))?;
    let is_ours = found
        .as_deref()
        .map(|text| ours.is_some() && Marker::from_text(text) == ours);
    let has_cards = places
        .dirs
        .iter()
        .any(|dir| match Dirs::new(dir).have_cards() {
            Ok(has) => has,
            // One that is new is made by the first start; what cannot be seen may have some.
            Err(BlobError::Io { source, .. }) => source.kind() != io::ErrorKind::NotFound,
            Err(_) => true,
        });
    Ok(Some(match is_ours {
        Some(false) => Whose::Foreign,
        None if has_cards => Whose::Vanished,
        Some(true) if has_cards => Whose::Ours,
        found => {
            let noted = Puts::noted_in(&places.registry.with_file_name("putting"))?;
            let unknown = bucket.has_unknown(|hash| noted.contains(hash)).await;
            let has_unknown = unknown.map_err(|error| TrialError::List(error.to_string()))?;
            match (has_unknown, found) {
                (true, _) => Whose::Unlisted,
                (false, Some(_)) => Whose::Ours,
                (false, None) => Whose::Nobodys,
            }
        }
    }))
}
