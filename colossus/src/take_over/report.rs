//! What became of each object in the bucket: counted, and listed where the operator has to look.

use std::fmt;

use serde::Serialize;
use shared::{blob::Listed, config::ByteSize, hash::ContentHash};

/// Lines shown of each kind of trouble; `--json` has all.
const SHOWN_MAX: usize = 10;

/// What became of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "camelCase")]
pub enum Outcome {
    /// Read, verified, and known here from now on.
    Taken,
    /// It has its card here, or lies here in whole; it was not read.
    AlreadyKnown,
    /// It is not named as an object is.
    Ignored,
    /// No object on chain has this hash: deleted, or never acknowledged.
    Unknown,
    /// Another length than the object.
    WrongSize {
        /// Bytes of the object.
        expected: u64,
    },
    /// It ended while it was read.
    CutShort {
        /// Bytes that came.
        got: u64,
    },
    /// The right length, other bytes.
    WrongHash {
        /// Hash of the bytes.
        found: ContentHash,
    },
}

impl Outcome {
    /// Is it not what its name says?
    pub fn is_bad(&self) -> bool {
        matches!(
            self,
            Self::WrongSize { .. } | Self::CutShort { .. } | Self::WrongHash { .. }
        )
    }

    /// Is it named as an object is, and nothing that this node can use?
    pub fn is_unusable(&self) -> bool {
        self.is_bad() || matches!(self, Self::Unknown)
    }
}

/// An object that was not taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Its name in the bucket.
    pub name: String,
    /// Its bytes there.
    pub size: u64,
    /// Why.
    #[serde(flatten)]
    pub why: Outcome,
}

/// The whole run.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    /// Objects taken.
    pub taken: u64,
    /// Their bytes.
    pub taken_bytes: u64,
    /// Objects that were known here.
    pub already_known: u64,
    /// Names that are no object's.
    pub ignored: u64,
    /// Was what is no use removed from the bucket?
    pub removed: bool,
    /// What was not taken: left in the bucket, or removed from it.
    pub left: Vec<Left>,
}

impl Report {
    /// Counts what became of an object.
    pub fn add(&mut self, object: Listed, outcome: Outcome) {
        match outcome {
            Outcome::Taken => {
                self.taken += 1;
                self.taken_bytes += object.size;
            }
            Outcome::AlreadyKnown => self.already_known += 1,
            Outcome::Ignored => self.ignored += 1,
            why => self.left.push(Left {
                name: object.name,
                size: object.size,
                why,
            }),
        }
    }

    /// Are there objects that should have been good and are not?
    pub fn has_bad(&self) -> bool {
        self.left.iter().any(|left| left.why.is_bad())
    }

    fn write_left(
        &self,
        f: &mut fmt::Formatter<'_>,
        heading: &str,
        is_of: impl Fn(&Outcome) -> bool,
    ) -> fmt::Result {
        let of = || self.left.iter().filter(|left| is_of(&left.why));
        let count = of().count();
        let fate = match (count, self.removed) {
            (0, _) => "",
            (_, true) => ", removed from the bucket",
            (_, false) => ", left in the bucket",
        };
        writeln!(f, "{count:>8}  {heading}{fate}")?;
        for left in of().take(SHOWN_MAX) {
            writeln!(f, "            {}{}", left.name, Details(left))?;
        }
        if count > SHOWN_MAX {
            let more = count - SHOWN_MAX;
            writeln!(f, "            and {more} more (--json lists all)")?;
        }
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = ByteSize(self.taken_bytes);
        writeln!(
            f,
            "{:>8}  read, verified and taken over ({bytes})",
            self.taken
        )?;
        writeln!(f, "{:>8}  known here already", self.already_known)?;
        self.write_left(f, "of no object on chain", |why| *why == Outcome::Unknown)?;
        self.write_left(f, "not what their name says", Outcome::is_bad)?;
        write!(f, "{:>8}  other names, left in the bucket", self.ignored)
    }
}

struct Details<'a>(&'a Left);

impl fmt::Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = self.0.size;
        match &self.0.why {
            Outcome::WrongSize { expected } => write!(f, ": {size} bytes, not {expected}"),
            Outcome::CutShort { got } => write!(f, ": ends after {got} of {size} bytes"),
            Outcome::WrongHash { found } => write!(f, ": its bytes hash to {found}"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn people_see_counts_and_a_few_and_programs_see_all() {
        let listed = |name: &str, size| Listed {
            name: format!("node-1/blobs/{name}"),
            hash: None,
            size,
        };
        let mut report = Report::default();
        report.add(listed("a", 1 << 20), Outcome::Taken);
        report.add(listed("b", 5), Outcome::AlreadyKnown);
        report.add(listed("c", 5), Outcome::Ignored);
        for n in 0..12 {
            report.add(listed(&format!("u{n}"), 5), Outcome::Unknown);
        }
        assert!(!report.has_bad());
        let found = ContentHash::of(b"x");
        report.add(listed("w", 5), Outcome::WrongSize { expected: 6 });
        report.add(listed("h", 5), Outcome::WrongHash { found });
        assert!(report.has_bad());
        let text = report.to_string();
        for line in [
            "       1  read, verified and taken over (1MiB)",
            "       1  known here already",
            "      12  of no object on chain, left in the bucket",
            "and 2 more",
            "       2  not what their name says, left in the bucket",
            "node-1/blobs/w: 5 bytes, not 6",
            &format!("node-1/blobs/h: its bytes hash to {found}"),
            "       1  other names",
        ] {
            assert!(text.contains(line), "{line} is missing in:\n{text}");
        }
        report.removed = true;
        assert!(report.to_string().contains("removed from the bucket"));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!(json["left"].as_array().unwrap().len(), 14);
        assert_eq!(json["left"][12]["outcome"], "wrongSize");
    }
}
