//! `colossus adopt`: takes over the uploads directory of a reference storage node: files named by
//! object id, those waiting for acceptance in `pending/`, unfinished ones in `temp/`.
//!
//! | module | what it owns |
//! |---|---|
//! | [`listing`] (of `shared`) | the files of such a directory |
//! | [`judge`] | what the chain says of one file, before it is read; pure |
//! | [`dry_run`] | what a run would do; changes nothing |
//! | [`run`] | the way of all files: judged, verified, taken, recorded |
//! | [`report`] | what became of each file |
//!
//! Nothing is taken that does not have the size and the hash of its object. Each object is durable
//! and recorded before the next step, so a run that was killed is continued by starting it again:
//! what is held is not read a second time. Files of bad, unknown or foreign objects stay as they are.

mod dry_run;
pub mod judge;
pub mod report;
pub mod run;

pub use shared::adopt as listing;

pub use report::{Outcome, Report};
pub use run::{AdoptError, Mode, Options, Progress, adopt};
