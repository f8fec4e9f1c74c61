//! `argus cache replay`: reads or makes a trace and prints the table.

use std::{fs::File, io::BufReader, path::PathBuf, str::FromStr};

use shared::config::ByteSize;

use super::{
    Kind,
    replay::{Summary, Table},
    synthetic::Parameters,
    trace::Trace,
};

/// Replay requests against every policy and compare what they would have kept.
#[derive(Debug, clap::Args)]
pub struct Replay {
    /// Trace to replay: lines of `time id size [first-last]`, or of a node's log in JSON.
    #[arg(required_unless_present = "synthetic", conflicts_with = "synthetic")]
    trace: Option<PathBuf>,
    /// Make the trace up instead.
    #[arg(long)]
    synthetic: bool,
    #[command(flatten)]
    parameters: Parameters,
    /// Sizes of the cache: bytes as in 10GiB, or a share of all different bytes as in 5%.
    #[arg(long = "size", value_delimiter = ',', default_value = "1%,5%,20%")]
    sizes: Vec<CacheSize>,
    /// Policies to replay.
    #[arg(
        long = "policy",
        value_delimiter = ',',
        default_value = "lru,lru-sp,s3-fifo,sieve,w-tinylfu,gdsf,lfu-da"
    )]
    policies: Vec<Kind>,
    /// Keep extents of this size instead of whole objects.
    #[arg(long)]
    extent: Option<ByteSize>,
}

/// How large a cache is.
#[derive(Debug, Clone, Copy, PartialEq)]
enum CacheSize {
    Bytes(u64),
    Percent(f64),
}

impl FromStr for CacheSize {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let Some(share) = text.strip_suffix('%') else {
            let size: ByteSize = text.parse().map_err(|error| format!("{error}"))?;
            return Ok(Self::Bytes(size.0));
        };
        match share.trim().parse() {
            Ok(percent) if percent > 0.0 && percent <= 100.0 => Ok(Self::Percent(percent)),
            _ => Err(format!("{text} is no share: write one from 0% to 100%")),
        }
    }
}

impl CacheSize {
    fn bytes(self, distinct_bytes: u64) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Percent(percent) => (distinct_bytes as f64 * percent / 100.0) as u64,
        }
    }
}

impl Replay {
    /// Measures and gives the table.
    pub fn run(&self) -> anyhow::Result<Table> {
        let trace = match &self.trace {
            Some(path) => Trace::read(BufReader::new(File::open(path)?))?,
            None => self.parameters.trace(),
        };
        let requests = trace.requests(self.extent.map(|extent| extent.0))?;
        let distinct_bytes = Summary::of(&requests).distinct_bytes;
        let sizes = self.sizes.iter().map(|size| size.bytes(distinct_bytes));
        let sizes: Vec<u64> = sizes.collect();
        Ok(Table::measure(&requests, &self.policies, &sizes))
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        replay: Replay,
    }

    fn table(words: &[&str]) -> String {
        let line = Line::try_parse_from([&["replay"], words].concat()).unwrap();
        line.replay.run().unwrap().to_string()
    }

    #[test]
    fn a_file_or_a_synthetic_trace_gives_a_table() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "0 a 100\n1 b 100\n2 a 100").unwrap();
        let path = file.path().to_str().unwrap();
        let told = table(&[path, "--size", "200,50%", "--policy", "lru,sieve"]);
        assert!(
            told.contains("(100.0 %) | sieve | 33.33 | 33.33 |"),
            "{told}"
        );
        assert!(told.contains("(50.0 %) | lru | 0.00 | 0.00 |"), "{told}");
        let small = [
            "--synthetic",
            "--requests",
            "500",
            "--objects",
            "50",
            "--extent",
            "4MiB",
        ];
        let told = table(&small);
        for kind in Kind::ALL {
            assert_eq!(told.matches(&format!("| {kind} |")).count(), 3, "{told}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for words in [
            &[][..],
            &["x", "--synthetic"],
            &["x", "--size", "0%"],
            &["x", "--size", "101%"],
            &["x", "--policy", "best"],
        ] {
            let line = Line::try_parse_from([&["replay"], words].concat());
            assert!(line.is_err(), "{words:?}");
        }
    }
}
