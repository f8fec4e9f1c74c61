//! Which objects a cache should keep: eviction and admission policies, pure, and the measurement that
//! compares them (`argus cache replay`).
//!
//! | module | what it owns |
//! |---|---|
//! | [`lru`], [`lru_sp`], [`s3_fifo`], [`sieve`], [`tiny_lfu`], [`gdsf`] | one policy each |
//! | [`offline`] | what no policy can beat: Belady's choice and an upper bound for objects of all sizes |
//! | [`trace`], [`synthetic`] | requests from a file, and made up |
//! | [`replay`] | every policy at every cache size, and the table |
//! | [`command`] | `argus cache replay` |
//! | [`live`] | a policy at work in the running cache |
//!
//! Reading order: this file, [`lru`], [`s3_fifo`], [`offline`], [`replay`]. What the measurement says
//! stands in `docs/cache-policies.md`.

pub mod command;
pub mod gdsf;
pub mod live;
pub mod lru;
pub mod lru_sp;
pub mod offline;
mod queue;
pub mod replay;
pub mod s3_fifo;
pub mod sieve;
pub mod synthetic;
#[cfg(test)]
mod tests;
pub mod tiny_lfu;
pub mod trace;

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// A number for an object, or for an extent of one.
pub type Key = u64;

/// One request of a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    /// Milliseconds since the start of the trace.
    pub at_ms: u64,
    /// What is wanted. Dense: below the number of different keys in the trace.
    pub key: Key,
    /// Bytes it takes in the cache; the same in every request for the key, and at least 1.
    pub size: u64,
}

/// A policy over a cache of bounded bytes. The same requests give the same answers.
pub trait Policy {
    /// A request: true if it is a hit. After a miss the key is in the cache unless it stands in
    /// `evicted`, to which all that leaves the cache is added: a key that is not admitted is evicted
    /// at once.
    fn request(&mut self, request: &Request, evicted: &mut Vec<Key>) -> bool;

    /// Bytes in the cache; never more than it may take.
    fn bytes(&self) -> u64;

    /// Bytes of memory the policy's records take now, by their number and sizes: an estimate.
    fn memory_bytes(&self) -> usize;
}

/// The policies there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Least recently used.
    Lru,
    /// Groups by size and popularity, as the reference node has them.
    LruSp,
    /// Three queues: a small one on trial, the main one, and a memory of what left the small one.
    #[serde(rename = "s3-fifo")]
    S3Fifo,
    /// A queue with a hand that spares what was visited.
    Sieve,
    /// A window, a segmented main part, and admission by estimated frequency.
    #[serde(rename = "w-tinylfu")]
    TinyLfu,
    /// Frequency over size, aged: counts objects.
    Gdsf,
    /// Frequency, aged: counts bytes.
    LfuDa,
}

impl Kind {
    /// All, in the order of tables.
    pub const ALL: [Self; 7] = [
        Self::Lru,
        Self::LruSp,
        Self::S3Fifo,
        Self::Sieve,
        Self::TinyLfu,
        Self::Gdsf,
        Self::LfuDa,
    ];

    /// Those that the running cache can work with: all that need no clock.
    pub const LIVE: [Self; 6] = [
        Self::Lru,
        Self::S3Fifo,
        Self::Sieve,
        Self::TinyLfu,
        Self::Gdsf,
        Self::LfuDa,
    ];

    /// The name on the command line and in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Lru => "lru",
            Self::LruSp => "lru-sp",
            Self::S3Fifo => "s3-fifo",
            Self::Sieve => "sieve",
            Self::TinyLfu => "w-tinylfu",
            Self::Gdsf => "gdsf",
            Self::LfuDa => "lfu-da",
        }
    }

    /// An empty cache of this many bytes under this policy.
    pub fn build(self, capacity_bytes: u64) -> Box<dyn Policy> {
        match self {
            Self::Lru => Box::new(lru::Lru::new(capacity_bytes)),
            Self::LruSp => Box::new(lru_sp::LruSp::new(capacity_bytes)),
            Self::S3Fifo => Box::new(s3_fifo::S3Fifo::new(capacity_bytes)),
            Self::Sieve => Box::new(sieve::Sieve::new(capacity_bytes)),
            Self::TinyLfu => Box::new(tiny_lfu::TinyLfu::new(capacity_bytes)),
            Self::Gdsf => Box::new(gdsf::Gdsf::new(capacity_bytes, gdsf::Worth::Object)),
            Self::LfuDa => Box::new(gdsf::Gdsf::new(capacity_bytes, gdsf::Worth::Byte)),
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No policy has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no policy {0:?}; choose among lru, lru-sp, s3-fifo, sieve, w-tinylfu, gdsf and lfu-da"
)]
pub struct UnknownPolicy(String);

impl FromStr for Kind {
    type Err = UnknownPolicy;
    fn from_str(name: &str) -> Result<Self, UnknownPolicy> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        found.ok_or_else(|| UnknownPolicy(name.to_owned()))
    }
}
