//! What became of each file: counted, and listed where the operator has to look.

use std::fmt;

use serde::Serialize;
use shared::{config::ByteSize, hash::ContentHash, ids::ObjectId};

/// Lines shown of each kind of trouble; `--json` has all.
const SHOWN_MAX: usize = 10;

/// What became of one file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum Outcome {
    /// Verified and taken; `pending`: this node will accept it on chain.
    Adopted {
        /// Is it still to be accepted?
        pending: bool,
    },
    /// Would be read and taken if it has the right hash.
    WouldAdopt {
        /// Is it still to be accepted?
        pending: bool,
    },
    /// The store has the object.
    AlreadyHeld,
    /// The chain has no such object: deleted, or of another chain.
    Unknown,
    /// No bucket of this node is assigned to the object's bag.
    NotOwed,
    /// Another length than the object.
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
    /// The chain's content id is no BLAKE3 hash.
    Unverifiable {
        /// As on chain.
        content_id: String,
    },
    /// The file cannot be read.
    Unreadable {
        /// What the system said.
        reason: String,
    },
}

/// A file that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
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
    /// Of those, objects that are still to be accepted on chain.
    pub pending: u64,
    /// Objects the store had.
    pub already_held: u64,
    /// Files that are not named by an object.
    pub ignored: usize,
    /// Files that were left where they are, by object.
    pub left: Vec<Left>,
}

impl Report {
    /// Counts what became of a file of so many bytes.
    pub fn add(&mut self, object: ObjectId, len: u64, outcome: Outcome) {
        match outcome {
            Outcome::Adopted { pending } | Outcome::WouldAdopt { pending } => {
                self.adopted += 1;
                self.adopted_bytes += len;
                self.pending += u64::from(pending);
            }
            Outcome::AlreadyHeld => self.already_held += 1,
            why => self.left.push(Left { object, why }),
        }
    }

    /// Are there files that should have been good and are not?
    pub fn has_bad(&self) -> bool {
        self.left.iter().any(|left| left.why.is_bad())
    }

    /// Files left for a reason, by the reason's heading.
    fn left_by(&self, heading: &'static str) -> impl Iterator<Item = &Left> {
        self.left
            .iter()
            .filter(move |left| left.why.heading() == heading)
    }
}

impl Outcome {
    /// Is the file not what its name says?
    fn is_bad(&self) -> bool {
        matches!(
            self,
            Self::WrongSize { .. } | Self::WrongHash { .. } | Self::Unreadable { .. }
        )
    }

    fn heading(&self) -> &'static str {
        match self {
            Self::Adopted { .. } | Self::WouldAdopt { .. } => "adopted",
            Self::AlreadyHeld => "already held",
            Self::Unknown => "unknown to the chain",
            Self::NotOwed => "not owed by this node's buckets",
            Self::WrongSize { .. } => "of the wrong size",
            Self::WrongHash { .. } => "with the wrong hash",
            Self::Unverifiable { .. } => "of objects whose content id is no BLAKE3 hash",
            Self::Unreadable { .. } => "unreadable",
        }
    }
}

/// The headings of files that are left, worst last.
const HEADINGS: [&str; 6] = [
    "unknown to the chain",
    "not owed by this node's buckets",
    "of objects whose content id is no BLAKE3 hash",
    "of the wrong size",
    "with the wrong hash",
    "unreadable",
];

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = ByteSize(self.adopted_bytes).rounded();
        let adopted = match self.dry_run {
            true => "to be read, and adopted if their hash is right",
            false => "adopted",
        };
        writeln!(f, "{:>8}  {adopted} ({bytes})", self.adopted)?;
        writeln!(f, "{:>8}  of them to be accepted on chain", self.pending)?;
        writeln!(f, "{:>8}  already held", self.already_held)?;
        for heading in HEADINGS {
            let count = self.left_by(heading).count();
            writeln!(f, "{count:>8}  {heading}")?;
            for left in self.left_by(heading).take(SHOWN_MAX) {
                writeln!(f, "            {}{}", left.object, Details(&left.why))?;
            }
            if count > SHOWN_MAX {
                writeln!(
                    f,
                    "            and {} more (--json lists all)",
                    count - SHOWN_MAX
                )?;
            }
        }
        write!(f, "{:>8}  other files", self.ignored)
    }
}

struct Details<'a>(&'a Outcome);

impl fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Outcome::WrongSize { expected, found } => write!(f, ": {found} bytes, not {expected}"),
            Outcome::WrongHash { expected, found } => write!(f, ": {found}, not {expected}"),
            Outcome::Unverifiable { content_id } => write!(f, ": {content_id}"),
            Outcome::Unreadable { reason } => write!(f, ": {reason}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_counts_and_a_few_and_programs_see_all() {
        let mut report = Report::default();
        report.add(ObjectId(1), 1 << 20, Outcome::Adopted { pending: true });
        report.add(ObjectId(2), 5, Outcome::AlreadyHeld);
        for id in 10..22 {
            report.add(ObjectId(id), 5, Outcome::Unknown);
        }
        assert!(!report.has_bad());
        let (expected, found) = (6, 5);
        report.add(ObjectId(3), 5, Outcome::WrongSize { expected, found });
        assert!(report.has_bad());
        let text = report.to_string();
        for line in [
            "       1  adopted (1.0 MiB)",
            "       1  of them to be accepted",
            "      12  unknown to the chain",
            "and 2 more",
            "3: 5 bytes, not 6",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["left"].as_array().unwrap().len(), 13);
        let last = &json["left"][12];
        assert_eq!(
            (&last["object"], &last["outcome"]),
            (&"3".into(), &"wrongSize".into())
        );
    }
}
