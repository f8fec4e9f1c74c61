//! Requests from a file. One line is one request, in one of two forms, which may be mixed:
//!
//! - `time id size [first-last]`, separated by blanks: seconds since any moment, with decimals if you
//!   like; any word that names the object; its size in bytes; and the range that was asked for, both
//!   ends included. Lines that start with `#` are comments.
//! - a line of a node's own log in the `json` format (level debug): answered `GET`s of assets count. The
//!   log says how many bytes were sent, so the size of an object is taken to be the most that was ever
//!   sent of it at once.
//!
//! An object has one size, the largest that is said of it.

use std::{collections::HashMap, io::BufRead};

use serde::Deserialize;

use super::Request;

/// Most requests of a trace: what fits in memory with some room.
pub const REQUESTS_MAX: usize = 20_000_000;
/// Where assets are, before their id.
const ASSETS: &str = "/api/v1/assets/";

/// A trace that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The file cannot be read.
    #[error("the trace cannot be read")]
    Io(#[from] std::io::Error),
    /// A line is not a request.
    #[error("line {line} is no request: {text:?}; write `time id size [first-last]`")]
    Line {
        /// Its number, from 1 on.
        line: usize,
        /// Its beginning.
        text: String,
    },
    /// Too many requests.
    #[error("the trace has more than {REQUESTS_MAX} requests; cut it, or use larger extents")]
    TooLong,
    /// No requests.
    #[error("the trace has no requests")]
    Empty,
}

/// A view of an object: what a line says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    /// Milliseconds since the first request.
    pub at_ms: u64,
    /// The object, numbered from 0 in order of appearance.
    pub object: usize,
    /// First and last byte asked for; all if absent.
    pub range: Option<(u64, u64)>,
}

/// Views of objects, before they are cut into what a cache keeps.
#[derive(Debug, Default)]
pub struct Trace {
    views: Vec<View>,
    /// Bytes by object.
    sizes: Vec<u64>,
}

impl Trace {
    /// A trace of these views of objects with these sizes.
    pub fn new(views: Vec<View>, sizes: Vec<u64>) -> Self {
        Self { views, sizes }
    }

    /// Reads lines.
    pub fn read(lines: impl BufRead) -> Result<Self, TraceError> {
        let mut trace = Self::default();
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut start_ms = None;
        for (index, line) in lines.lines().enumerate() {
            let line = line?;
            let text = line.trim();
            let parsed = match text.as_bytes().first() {
                None | Some(b'#') => continue,
                Some(b'{') => match json_line(text) {
                    Some(parsed) => Some(parsed),
                    // The log has other lines as well.
                    None => continue,
                },
                Some(_) => plain_line(text),
            };
            let Some(parsed) = parsed else {
                let text = text.chars().take(80).collect();
                let line = index + 1;
                return Err(TraceError::Line { line, text });
            };
            if trace.views.len() == REQUESTS_MAX {
                return Err(TraceError::TooLong);
            }
            let start_ms = *start_ms.get_or_insert(parsed.at_ms);
            let object = *numbers.entry(parsed.id).or_insert_with(|| {
                trace.sizes.push(1);
                trace.sizes.len() - 1
            });
            let size = &mut trace.sizes[object];
            *size = (*size).max(parsed.size);
            trace.views.push(View {
                at_ms: parsed.at_ms.saturating_sub(start_ms),
                object,
                range: parsed.range,
            });
        }
        Ok(trace)
    }

    /// Requests to a cache that keeps whole objects, or extents of this many bytes, of which a view
    /// asks for those its range touches.
    pub fn requests(&self, extent_bytes: Option<u64>) -> Result<Vec<Request>, TraceError> {
        let mut requests = Vec::with_capacity(self.views.len());
        let mut keys: HashMap<(usize, u64), u64> = HashMap::new();
        for view in &self.views {
            let size = self.sizes[view.object];
            let extent = extent_bytes.unwrap_or(size).max(1);
            let (first, last) = match (extent_bytes, view.range) {
                (Some(_), Some((first, last))) => (first.min(size - 1), last.min(size - 1)),
                _ => (0, size - 1),
            };
            for index in first / extent..=last / extent {
                if requests.len() == REQUESTS_MAX {
                    return Err(TraceError::TooLong);
                }
                let key_next = keys.len() as u64;
                requests.push(Request {
                    at_ms: view.at_ms,
                    key: *keys.entry((view.object, index)).or_insert(key_next),
                    size: extent.min(size - index * extent),
                });
            }
        }
        if requests.is_empty() {
            return Err(TraceError::Empty);
        }
        Ok(requests)
    }
}

struct Parsed {
    at_ms: u64,
    id: String,
    size: u64,
    range: Option<(u64, u64)>,
}

fn plain_line(text: &str) -> Option<Parsed> {
    let mut words = text.split_ascii_whitespace();
    let seconds: f64 = words.next()?.parse().ok()?;
    let id = words.next()?.to_owned();
    let size: u64 = words.next()?.parse().ok()?;
    let range = match words.next() {
        None => None,
        Some(range) => {
            let (first, last) = range.split_once('-')?;
            let range: (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
            (range.0 <= range.1).then_some(range)?;
            Some(range)
        }
    };
    if words.next().is_some() || !seconds.is_finite() || seconds < 0.0 {
        return None;
    }
    Some(Parsed {
        at_ms: (seconds * 1000.0) as u64,
        id,
        size,
        range,
    })
}

#[derive(Deserialize)]
struct LogLine<'a> {
    timestamp: &'a str,
    method: &'a str,
    path: &'a str,
    status: u16,
    bytes: u64,
}

fn json_line(text: &str) -> Option<Parsed> {
    let line: LogLine = serde_json::from_str(text).ok()?;
    let id = line.path.strip_prefix(ASSETS)?;
    if line.method != "GET" || !matches!(line.status, 200 | 206) || line.bytes == 0 {
        return None;
    }
    Some(Parsed {
        at_ms: unix_ms(line.timestamp)?,
        id: id.to_owned(),
        size: line.bytes,
        range: None,
    })
}

/// Milliseconds since 1970 of `2024-02-29T12:00:00.5Z`.
fn unix_ms(timestamp: &str) -> Option<u64> {
    let (date, time) = timestamp.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<i64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let mut time = time.splitn(3, ':');
    let (hour, minute): (u64, u64) = (time.next()?.parse().ok()?, time.next()?.parse().ok()?);
    let second: f64 = time.next()?.parse().ok()?;
    // Years start in March here, so that the leap day is the last one.
    let year = if month <= 2 { year - 1 } else { year };
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let days = year * 365 + year / 4 - year / 100 + year / 400 + day_of_year - 719_468;
    let seconds = u64::try_from(days).ok()? * 86_400 + hour * 3600 + minute * 60;
    Some(seconds * 1000 + (second * 1000.0) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Trace, TraceError> {
        Trace::read(text.as_bytes())
    }

    fn request(at_ms: u64, key: u64, size: u64) -> Request {
        Request { at_ms, key, size }
    }

    #[test]
    fn lines_become_requests_for_objects_or_extents() {
        let trace =
            read("# a comment\n10 film 250\n10.5 cover 30\n\n12 film 250 90-120\n").unwrap();
        let whole = [
            request(0, 0, 250),
            request(500, 1, 30),
            request(2000, 0, 250),
        ];
        assert_eq!(trace.requests(None).unwrap(), whole);
        let extents = [
            request(0, 0, 100),
            request(0, 1, 100),
            request(0, 2, 50),
            request(500, 3, 30),
            request(2000, 0, 100),
            request(2000, 1, 100),
        ];
        assert_eq!(trace.requests(Some(100)).unwrap(), extents);
    }

    #[test]
    fn the_largest_size_counts_and_ranges_end_with_the_object() {
        let trace = read("1 a 10\n2 a 25\n3 a 5 20-99").unwrap();
        let whole = [0, 1000, 2000].map(|at_ms| request(at_ms, 0, 25));
        assert_eq!(trace.requests(None).unwrap(), whole);
        assert_eq!(
            trace.requests(Some(10)).unwrap().last(),
            Some(&request(2000, 2, 5))
        );
    }

    #[test]
    fn what_is_no_request_is_told_with_its_line() {
        for bad in [
            "1 a",
            "x a 1",
            "1 a 1 5",
            "1 a 1 5-2",
            "1 a 1 1-2 more",
            "-1 a 1",
        ] {
            let error = read(&format!("1 a 1\n{bad}")).unwrap_err().to_string();
            assert!(error.contains("line 2") && error.contains(bad), "{error}");
        }
        assert!(matches!(
            read("# no\n").unwrap().requests(None),
            Err(TraceError::Empty)
        ));
    }

    #[test]
    fn own_log_lines_are_read() {
        let line = |time: &str, method: &str, path: &str, status: u16, bytes: u64| {
            format!(
                r#"{{"timestamp":"{time}","level":"DEBUG","message":"request","id":"1","method":"{method}","path":"{path}","status":{status},"bytes":{bytes},"seconds":0.1,"peer":"None","target":"http"}}"#
            )
        };
        let log = [
            line("2024-02-29T23:59:59.500000Z", "GET", "/api/v1/assets/7", 200, 90),
            line("2024-02-29T23:59:59.600000Z", "HEAD", "/api/v1/assets/7", 200, 0),
            line("2024-02-29T23:59:59.700000Z", "GET", "/api/v1/status", 200, 10),
            r#"{"timestamp":"2024-02-29T23:59:59.8Z","level":"INFO","message":"serving","target":"argus"}"#
                .to_owned(),
            line("2024-03-01T00:00:01.250000Z", "GET", "/api/v1/assets/7", 206, 20),
        ];
        let requests = read(&log.join("\n")).unwrap().requests(None).unwrap();
        assert_eq!(requests, [request(0, 0, 90), request(1750, 0, 90)]);
        assert_eq!(unix_ms("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(unix_ms("2000-03-01T00:00:00.25Z"), Some(951_868_800_250));
    }
}
