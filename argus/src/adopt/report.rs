//! What became of each file: counted, and listed where the operator has to look.

use std::fmt;

use serde::Serialize;
use shared::{config::ByteSize, hash::ContentHash, ids::ObjectId};

/// Files listed of each kind; `--json` has all.
const LISTED_MAX: usize = 10;

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum Outcome {
    /// Verified and taken.
    Adopted,
    /// Would be read, and taken if it has the right hash.
    WouldAdopt,
    /// The cache has all of the object.
    AlreadyHere,
    /// It does not fit under the limit of the cache.
    NoRoom,
    /// Larger than what is kept of one object.
    TooLarge,
    /// The chain has no such object.
    Unknown,
    /// Not distributed by this node's buckets, or not accepted by a storage node.
    NotServed,
    /// The chain's content id is no BLAKE3 hash.
    Unverifiable {
        /// As on chain.
        content_id: String,
    },
    /// Another length than the object: unfinished, most likely.
    WrongSize {
        /// Bytes of the object.
        expected: u64,
        /// Bytes of the file.
        found: u64,
    },
    /// The right length, other bytes.
    WrongHash {
        /// Hash of the object.
        expected: ContentHash,
        /// Hash of the file.
        found: ContentHash,
    },
    /// The file cannot be read.
    Unreadable {
        /// What the system said.
        reason: String,
    },
}

impl Outcome {
    /// Headings of files that stay, worst last.
    const STAY: [&str; 8] = [
        "without room under the limit (cache.limit)",
        "larger than what is kept (cache.object_max)",
        "unknown to the chain",
        "not served by this node's buckets",
        "of objects whose content id is no BLAKE3 hash",
        "of the wrong size",
        "with the wrong hash",
        "unreadable",
    ];

    /// Under which heading it is listed; `None` if it does not stay.
    fn heading(&self) -> Option<&'static str> {
        let at = match self {
            Self::Adopted | Self::WouldAdopt | Self::AlreadyHere => return None,
            Self::NoRoom => 0,
            Self::TooLarge => 1,
            Self::Unknown => 2,
            Self::NotServed => 3,
            Self::Unverifiable { .. } => 4,
            Self::WrongSize { .. } => 5,
            Self::WrongHash { .. } => 6,
            Self::Unreadable { .. } => 7,
        };
        Some(Self::STAY[at])
    }

    fn details(&self) -> String {
        match self {
            Self::WrongSize { expected, found } => format!(": {found} bytes, not {expected}"),
            Self::WrongHash { expected, found } => format!(": {found}, not {expected}"),
            Self::Unverifiable { content_id } => format!(": {content_id}"),
            Self::Unreadable { reason } => format!(": {reason}"),
            _ => String::new(),
        }
    }
}

/// A file that stays where it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Stays {
    /// Its object.
    pub object: ObjectId,
    /// Why.
    #[serde(flatten)]
    pub why: Outcome,
}

/// The whole run.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Was nothing changed?
    pub dry_run: bool,
    /// Objects taken, or that would be.
    pub adopted: u64,
    /// Their bytes.
    pub adopted_bytes: u64,
    /// Objects the cache had.
    pub already_here: u64,
    /// Files that are not named by an object.
    pub ignored: usize,
    /// Files that stay where they are.
    pub stays: Vec<Stays>,
}

impl Report {
    /// Counts what became of a file of so many bytes.
    pub fn add(&mut self, object: ObjectId, len: u64, outcome: Outcome) {
        match outcome {
            Outcome::Adopted | Outcome::WouldAdopt => {
                self.adopted += 1;
                self.adopted_bytes += len;
            }
            Outcome::AlreadyHere => self.already_here += 1,
            why => self.stays.push(Stays { object, why }),
        }
    }

    /// Are there files that have the right size and are not what their names say, or cannot be read?
    pub fn has_bad(&self) -> bool {
        let is_bad =
            |why: &Outcome| matches!(why, Outcome::WrongHash { .. } | Outcome::Unreadable { .. });
        self.stays.iter().any(|stays| is_bad(&stays.why))
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let adopted = match self.dry_run {
            true => "to be read, and adopted if their hash is right",
            false => "adopted",
        };
        let bytes = ByteSize(self.adopted_bytes).rounded();
        writeln!(f, "{:>8}  {adopted} ({bytes})", self.adopted)?;
        writeln!(f, "{:>8}  in the cache already", self.already_here)?;
        for heading in Outcome::STAY {
            let such = |stays: &&Stays| stays.why.heading() == Some(heading);
            let all: Vec<&Stays> = self.stays.iter().filter(such).collect();
            writeln!(f, "{:>8}  {heading}", all.len())?;
            for Stays { object, why } in all.iter().take(LISTED_MAX) {
                writeln!(f, "            {object}{}", why.details())?;
            }
            if let Some(more) = all.len().checked_sub(LISTED_MAX).filter(|more| *more > 0) {
                writeln!(f, "            and {more} more (--json lists all)")?;
            }
        }
        write!(f, "{:>8}  other files", self.ignored)
    }
}
