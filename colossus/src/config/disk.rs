//! `[disk]`: how full the disks may get, and read-only mode.

use std::{fmt, path::PathBuf, str::FromStr};

use serde::{Deserialize, Serialize};
use shared::config::{ByteSize, TimeSpan};
use tokio::time::Duration;

use super::InvalidConfig;
use crate::disk::core::Marks;

/// `[disk]`
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DiskConfig {
    /// Directories of objects, each on its own disk; empty: `objects` in the data directory. New objects
    /// go where most room is.
    pub dirs: Vec<PathBuf>,
    /// Free space below which no upload is taken and only objects that are not accepted on chain
    /// yet are fetched. Uploads leave so much free.
    pub low: Share,
    /// Free space below which nothing is written any more: the node serves, verifies and deletes.
    pub critical: Share,
    /// So much more than a mark must be free before the node takes up again what it stopped.
    pub margin: Share,
    /// Start in read-only mode; the admin port switches it off and on.
    pub read_only: bool,
    /// How often free space is measured.
    pub check_interval: TimeSpan,
    /// Write what comes after the first MiB of an object past the page cache, where the file system can: a
    /// fifth less processor time for large ones. `false` for disks that are slow unless much is written at once.
    pub direct_writes: bool,
}

impl Default for DiskConfig {
    fn default() -> Self {
        Self {
            dirs: Vec::new(),
            low: Share::Bytes(ByteSize(1 << 30)),
            critical: Share::Bytes(ByteSize(256 << 20)),
            margin: Share::Bytes(ByteSize(128 << 20)),
            read_only: false,
            check_interval: TimeSpan::from_secs(5),
            direct_writes: true,
        }
    }
}

impl DiskConfig {
    /// Refuses what cannot work.
    pub(super) fn check(&self) -> Result<(), InvalidConfig> {
        if self.check_interval.0 < Duration::from_millis(10) {
            return Err(InvalidConfig::Zero("disk.check_interval"));
        }
        // Marks of two kinds are compared on a disk of a terabyte.
        const COMPARED_ON: u64 = 1_000_000_000_000;
        match self.critical.of(COMPARED_ON) > self.low.of(COMPARED_ON) {
            true => Err(InvalidConfig::Marks {
                low: self.low,
                critical: self.critical,
            }),
            false => Ok(()),
        }
    }

    /// As the core wants them.
    pub fn marks(&self) -> Marks {
        Marks {
            low: self.low,
            critical: self.critical,
            margin: self.margin,
        }
    }
}

/// A part of a disk: `10GiB`, or `5%` of all its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "String")]
pub enum Share {
    /// So many bytes.
    Bytes(ByteSize),
    /// So many hundredths, 0 to 100.
    Percent(u8),
}

impl Share {
    /// Bytes of a disk that has so many.
    pub fn of(self, total_bytes: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.0,
            Self::Percent(percent) => total_bytes / 100 * u64::from(percent),
        }
    }
}

/// Text, or a bare number of bytes.
#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Number(u64),
    Text(String),
}

impl TryFrom<Written> for Share {
    type Error = String;
    fn try_from(written: Written) -> Result<Self, String> {
        match written {
            Written::Number(bytes) => Ok(Self::Bytes(ByteSize(bytes))),
            Written::Text(text) => text.parse(),
        }
    }
}

impl FromStr for Share {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let Some(percent) = text.trim().strip_suffix('%') else {
            let bytes = text.parse::<ByteSize>();
            return bytes.map(Self::Bytes).map_err(|error| error.to_string());
        };
        match percent.trim().parse::<u8>() {
            Ok(percent) if percent <= 100 => Ok(Self::Percent(percent)),
            _ => Err(format!(
                "'{text}' is not a part of a disk; examples: 10GiB, 5%"
            )),
        }
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bytes(bytes) => bytes.fmt(f),
            Self::Percent(percent) => write!(f, "{percent}%"),
        }
    }
}

impl From<Share> for String {
    fn from(share: Share) -> Self {
        share.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_bytes_or_hundredths() {
        for (text, share, bytes) in [
            ("10GiB", Share::Bytes(ByteSize(10 << 30)), 10 << 30),
            ("5%", Share::Percent(5), 50_000),
            (" 100 %", Share::Percent(100), 1_000_000),
        ] {
            assert_eq!(text.parse(), Ok(share));
            assert_eq!(share.to_string().parse(), Ok(share));
            assert_eq!(share.of(1_000_000), bytes);
        }
        for text in ["101%", "%", "-1%", "5.5%", "much"] {
            let error = text.parse::<Share>().unwrap_err();
            assert!(error.contains(text), "{error}");
        }
        let read: DiskConfig = toml::from_str("low = 1000\ncritical = '0%'").unwrap();
        assert_eq!(read.low, Share::Bytes(ByteSize(1000)));
        assert!(read.check().is_ok());
    }

    #[test]
    fn marks_in_the_wrong_order_are_named() {
        let config: DiskConfig = toml::from_str("low = '1GiB'\ncritical = '5%'").unwrap();
        let error = config.check().unwrap_err().to_string();
        assert!(error.contains("1GiB") && error.contains("5%"), "{error}");
    }
}
