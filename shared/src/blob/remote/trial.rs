//! [`try_out`]: does an object store let this node do what it must be able to do there?

use object_store::ObjectStoreExt;

use super::{RemoteOptions, client, prefix_of};

/// What the trial object holds.
const TRIAL: &[u8] = b"written by `colossus doctor`, and removed by it";

/// The step at which an object store refused.
#[derive(Debug, thiserror::Error)]
pub enum TrialError {
    /// The options cannot be used, or nobody answers.
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
}

/// Writes a small object of its own under the prefix, reads it and removes it.
pub async fn try_out(options: &RemoteOptions) -> Result<(), TrialError> {
    let s3 = client(options).map_err(|error| TrialError::Write(error.to_string()))?;
    let name = format!("doctor-{:016x}", rand::random::<u64>());
    let path = prefix_of(options).join(name);
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
