//! How much room the node has, and what it stops doing when there is little.
//!
//! | free space | uploads | replication | serving, verifying, deleting |
//! |---|---|---|---|
//! | above the low mark | taken | all | go on |
//! | below it | refused with 507 | only what is not accepted on chain yet | go on |
//! | below the critical mark, or read-only by hand | refused | paused, repairs too | go on |
//!
//! Uploads, fetches and repairs take their room before they begin ([`room`]), so that none begins that
//! would not leave free what the mark says that holds for it: the low one for uploads and for fetches of
//! what is accepted, the critical one for fetches of pending objects and for repairs. A fetch that does
//! not fit waits, and a repair is tried again later.
//!
//! Objects lie in one or more directories. The marks hold for each of them, and the node stands as its
//! roomiest one does. A directory that is read-only, fails or is not mounted takes out only itself
//! ([`shared::blob::Condition`]): what it holds is answered with 503 and counts as held, so nothing of
//! it is fetched again or forgotten, until it is back or `colossus disks forget` gives it up.
//!
//! [`core`] decides, [`actor`] measures and tells the others; [`StandingCell`] is where everybody
//! reads how it stands.

use std::sync::Arc;

use parking_lot::RwLock;

pub mod actor;
pub mod core;
pub mod room;

pub use self::core::{DirectoryStanding, DirectoryState, Level, ReadOnly, Standing};

/// Where the standing is left for readers.
#[derive(Clone, Default)]
pub struct StandingCell(Arc<RwLock<Standing>>);

impl StandingCell {
    /// The standing.
    pub fn get(&self) -> Standing {
        self.0.read().clone()
    }
}
