//! `[keys]`: the keys the node signs with.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use shared::config::Secret;

/// `[keys]`
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KeysConfig {
    /// Secret URI of the transactor account of the buckets: accepts objects and vouches for the
    /// node among its peers. Without it the node stores and serves, and accepts nothing.
    pub transactor_uri: Option<Secret>,
    /// File with the secret URI, instead of `transactor_uri`.
    pub transactor_uri_file: Option<PathBuf>,
}
