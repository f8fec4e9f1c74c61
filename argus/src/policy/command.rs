//! `argus cache replay`: reads or makes a trace and prints the table.

use std::{
    fmt,
    fs::File,
    io::{BufReader, Read, stdin},
    path::{Path, PathBuf},
    str::FromStr,
};

use shared::config::ByteSize;

use super::{
    Kind,
    replay::{Summary, Table},
    synthetic::Parameters,
    trace::{Notes, Trace, TraceError},
};

/// Replay requests against every policy and compare what they would have kept.
#[derive(Debug, clap::Args)]
pub struct Replay {
    /// Log to replay, or - for what comes in: common or combined lines of nginx, Apache or Varnish; JSON lines
    /// of nginx, Caddy or this node; or lines of `time id size [first-last]`.
    #[arg(required_unless_present = "synthetic", conflicts_with = "synthetic")]
    trace: Option<PathBuf>,
    /// Take URLs that differ in what follows the question mark for different objects.
    #[arg(long, conflicts_with = "synthetic")]
    keep_query: bool,
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

/// What was read, if it was, and the table.
pub struct Report {
    notes: Option<Notes>,
    table: Table,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(notes) = &self.notes {
            writeln!(f, "{notes}\n")?;
        }
        self.table.fmt(f)
    }
}

impl Replay {
    /// Measures and gives the table.
    pub fn run(&self) -> anyhow::Result<Report> {
        let (trace, notes) = match &self.trace {
            Some(path) => {
                let (trace, notes) = Trace::read(BufReader::new(open(path)?), self.keep_query)?;
                (trace, Some(notes))
            }
            None => (self.parameters.trace(), None),
        };
        let requests = trace.requests(self.extent.map(|extent| extent.0))?;
        let distinct_bytes = Summary::of(&requests).distinct_bytes;
        let sizes = self.sizes.iter().map(|size| size.bytes(distinct_bytes));
        let sizes: Vec<u64> = sizes.collect();
        let table = Table::measure(&requests, &self.policies, &sizes);
        Ok(Report { notes, table })
    }
}

fn open(path: &Path) -> Result<Box<dyn Read>, TraceError> {
    if path == Path::new("-") {
        return Ok(Box::new(stdin()));
    }
    let path = path.to_owned();
    match File::open(&path) {
        Ok(file) => Ok(Box::new(file)),
        Err(cause) => Err(TraceError::Open { path, cause }),
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
    fn an_access_log_gives_what_was_assumed_and_a_table() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let line =
            r#"127.0.0.1 - - [29/Nov/2026:02:47:43 +0000] "GET /film HTTP/1.1" 206 50 "-" "-""#;
        writeln!(file, "{line}\nnonsense\n{line}").unwrap();
        let path = file.path().to_str().unwrap();
        let told = table(&[path, "--size", "100%", "--policy", "lru"]);
        for part in [
            "2 views of 1 objects in 3 lines; 1 cannot be read, first line 2: \"nonsense\"",
            "2 of the views are ranges of which the log does not say where they begin",
            "1 objects were seen in parts only",
            "| lru | 50.00 | 50.00 |",
        ] {
            assert!(told.contains(part), "{part} is missing in:\n{told}");
        }
    }

    #[test]
    fn a_log_that_is_not_there_is_named() {
        let line = Line::try_parse_from(["replay", "/nowhere/access.log"]).unwrap();
        let error = line.replay.run().err().unwrap().to_string();
        assert_eq!(error, "cannot open /nowhere/access.log");
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
