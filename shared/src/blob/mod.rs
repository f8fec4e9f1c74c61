//! The blob store: whole objects as plain files named by their content hash, each with its outboard,
//! safe against a crash at any moment.
//!
//! | module | what it owns |
//! |---|---|
//! | [`store`] | [`BlobStore`]: blobs in one or more directories; finding, placing, listing, removing |
//! | `volume`, `dirs` | one directory: how files get their names, and where they lie |
//! | [`open`] | [`Places`]: which directories a store has, which are new, away, or left out |
//! | [`registry`] | [`Registry`]: the markers in the directories, and the list of them |
//! | [`health`] | [`Condition`]: how one directory is |
//! | [`partial`] | [`Partial`] and [`Verified`]: an object on its way in |
//! | `pipeline`, `block` | its pieces gathered and written, what is large past the page cache |
//! | [`sparse`] | [`Sparse`]: an object on its way in by verified groups, over restarts |
//! | [`resumable`] | [`Resumable`]: an object on its way in that survives a restart |
//! | [`checkpoint`] | what of it is durable, and how that is found after a crash |
//! | [`take`] | files that lie on disk already, linked or copied into the store |
//! | [`take_over`] | [`TakeOver`]: a bucket whose directories are lost, read through and made known |
//! | [`stored`] | [`Stored`]: an object that is there, with its open files |
//! | [`remote`] | [`Remote`]: the bytes of objects in an S3-compatible object store |
//! | [`proved`] | [`Proved`]: any range of an object from there, verified before a byte leaves |
//! | [`mend`] | the files as they are, to be examined and mended; an inventory without opening |
//! | [`error`] | [`BlobError`]: what went wrong, and whose fault it is |
//! | [`space`] | [`Space`]: how much room there is |
//! | [`disk`] | [`Disk`]: the few operations that change the disk, to be replaced in tests |
//! | [`crashing`] | [`CrashingDisk`](crashing::CrashingDisk): a disk for tests whose power is cut |
//!
//! # On disk
//!
//! ```text
//! <dir>/blobs/ab/<hash>      the object; ab = first byte of the digest in hexadecimal
//! <dir>/blobs/ab/<hash>.ob   its outboard (see `verified`), for objects of more than 16 KiB
//! <dir>/blobs/ab/<hash>.s3   instead of the object: it lies in the object store, and has so many bytes
//! <dir>/tmp/                 objects on their way in; emptied when the store is opened
//! <dir>/partial/           objects on their way in by verified groups; kept
//! <dir>/uploads/             those that can be gone on with after a restart
//! <dir>/lock                 held while a process has the store open
//! <dir>/volume.toml          the marker: without it the directory counts as not mounted
//! ```
//!
//! With an object store, an object is complete and verified in a temp file here, then put there and asked
//! for, and only then gets its `.s3` file; outboards stay here. What lies here in whole is served from here.
//!
//! A store has one or more such directories. An object lies in one of them, and whatever is on its way
//! to it too, so that a rename never crosses devices. A directory that fails takes out only itself:
//! what is not found elsewhere is then [`BlobError::Unavailable`], and nothing counts as lost.
//!
//! # The order that makes it safe
//!
//! Write to temp files while hashing → compare with the hash asked for → `fsync` data and outboard →
//! rename the outboard, then the data → `fsync` the directory. A blob exists when its data file has
//! its name. `Partial → Verified → Stored` are types, so nothing unverified can be given a name.
//! Files are the truth; any index over them can be rebuilt by [`BlobStore::list`].

mod block;
pub mod checkpoint;
pub mod crashing;
mod dirs;
pub mod disk;
pub mod error;
mod fetched;
pub mod health;
pub mod mend;
pub mod open;
mod outboard;
pub mod partial;
mod pipeline;
mod puts;
pub mod registry;
pub mod remote;
pub mod resumable;
pub mod space;
pub mod sparse;
pub mod store;
pub mod stored;
pub mod take;
pub mod take_over;
mod temp;
mod volume;

#[cfg(test)]
mod crash_tests;
#[cfg(test)]
mod resumable_tests;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod volume_tests;

pub use disk::{Disk, RealDisk};
pub use error::{BlobError, Fault};
pub use health::{Condition, Trouble};
pub use mend::{Inventory, RawFile, RawFiles};
pub use open::Places;
pub use partial::{Partial, Verified};
pub use registry::Registry;
pub use remote::{
    Listed, Remote, RemoteOptions,
    trial::{TrialError, Whose, try_out, whose},
};
pub use resumable::{Kept, Resumable, ResumableId, TRIAL_BYTES_MAX};
pub use space::{Space, is_on_device};
pub use sparse::Sparse;
pub use store::{BlobStore, Measured, PlaceKind};
pub use stored::{Data, Stored};
pub use take_over::TakeOver;
