//! How much room the node has, and what it stops doing when there is little.
//!
//! | free space | uploads | replication | serving, verifying, deleting |
//! |---|---|---|---|
//! | above the low mark | taken | all | go on |
//! | below it | refused with 507 | only what is not accepted on chain yet | go on |
//! | below the critical mark, or read-only by hand | refused | paused, repairs too | go on |
//!
//! [`core`] decides, [`actor`] measures and tells the others; [`StandingCell`] is where everybody
//! reads how it stands.

use std::sync::Arc;

use parking_lot::RwLock;

pub mod actor;
pub mod core;

pub use self::core::{Level, ReadOnly, Standing};

/// Where the standing is left for readers.
#[derive(Clone, Default)]
pub struct StandingCell(Arc<RwLock<Standing>>);

impl StandingCell {
    /// The standing.
    pub fn get(&self) -> Standing {
        self.0.read().clone()
    }
}
