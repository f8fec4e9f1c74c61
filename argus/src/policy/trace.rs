//! Requests from a file, one line each. What lines may look like:
//!
//! - `time id size [first-last]`, separated by blanks: seconds since any moment, with decimals if you
//!   like; any word that names the object; its size in bytes; and the range that was asked for, both
//!   ends included. Lines that start with `#` are comments.
//! - access logs: text in the common or the combined format (`access`), and one JSON object a line, as nginx,
//!   Caddy and this node write them (`json`). What of an answer counts is decided in `line`.
//!
//! Forms may be mixed. Lines that cannot be read are counted and the first is named, see [`Notes`]. Views are
//! put in the order of their times, because servers log a request when it ends. An object has one size, the
//! largest that is said of it.

mod access;
mod json;
mod line;
mod notes;

use std::{
    collections::HashMap,
    io::{self, BufRead, Read},
    path::PathBuf,
};

use self::line::{Line, Part, Seen};
use super::Request;

pub use self::notes::Notes;

/// Most requests of a trace: what fits in memory with some room.
pub const REQUESTS_MAX: usize = 20_000_000;
/// Longest line that is looked at; web servers take requests of 8 KiB.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// A trace that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// There is no such file, or it may not be read.
    #[error("cannot open {}", path.display())]
    Open {
        /// Its path.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The file cannot be read.
    #[error("the trace cannot be read")]
    Io(#[from] io::Error),
    /// No line is a view of an object.
    #[error(
        "there is nothing to replay: {0}. Understood are lines of `time id size [first-last]`; access logs in \
         the common and the combined format of nginx, Apache and Varnish; and JSON lines of nginx (fields named \
         as its variables: time_iso8601, request_method, request_uri, status, body_bytes_sent), of Caddy and of \
         this node. For compressed logs: zcat access.log.*.gz | argus cache replay -"
    )]
    Nothing(Notes),
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

    /// Reads lines, and says what became of them. `keep_query`: URLs that differ in what follows `?` name
    /// different objects.
    pub fn read(mut lines: impl BufRead, keep_query: bool) -> Result<(Self, Notes), TraceError> {
        let mut reader = Reader::default();
        let mut bytes = Vec::new();
        loop {
            bytes.clear();
            let mut some = lines.by_ref().take(LINE_BYTES_MAX);
            if some.read_until(b'\n', &mut bytes)? == 0 {
                break;
            }
            let cut = bytes.len() as u64 == LINE_BYTES_MAX && bytes.last() != Some(&b'\n');
            if cut {
                lines.skip_until(b'\n')?;
            }
            let text = String::from_utf8_lossy(&bytes);
            let line = match cut {
                true => Line::Unreadable,
                false => line::read(text.trim(), keep_query),
            };
            reader.take(line, &text)?;
        }
        reader.finish()
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

/// What was read so far.
#[derive(Default)]
struct Reader {
    trace: Trace,
    numbers: HashMap<String, usize>,
    /// By object: was it said, or seen, how large the whole is?
    sized: Vec<bool>,
    notes: Notes,
}

impl Reader {
    fn take(&mut self, line: Line, text: &str) -> Result<(), TraceError> {
        self.notes.lines += 1;
        match line {
            Line::Comment => {}
            Line::LeftOut => self.notes.left_out += 1,
            Line::Unreadable => self.notes.cannot_read(text),
            Line::View(_) if self.trace.views.len() == REQUESTS_MAX => {
                return Err(TraceError::TooLong);
            }
            Line::View(seen) => self.view(seen),
        }
        Ok(())
    }

    fn view(&mut self, seen: Seen) {
        let sizes = &mut self.trace.sizes;
        let object = *self.numbers.entry(seen.id).or_insert_with(|| {
            sizes.push(1);
            self.sized.push(false);
            sizes.len() - 1
        });
        sizes[object] = sizes[object].max(seen.size);
        self.sized[object] |= seen.is_whole_size;
        let range = match seen.part {
            Part::Whole => None,
            Part::Range(first, last) => Some((first, last)),
            Part::Somewhere(bytes) => {
                self.notes.somewhere += 1;
                Some((0, bytes - 1))
            }
        };
        self.trace.views.push(View {
            at_ms: seen.at_ms,
            object,
            range,
        });
    }

    fn finish(self) -> Result<(Trace, Notes), TraceError> {
        let (mut trace, mut notes) = (self.trace, self.notes);
        notes.views = trace.views.len();
        notes.objects = trace.sizes.len();
        notes.in_parts = self.sized.iter().filter(|sized| !**sized).count();
        if trace.views.is_empty() {
            return Err(TraceError::Nothing(notes));
        }
        trace.views.sort_by_key(|view| view.at_ms);
        let start_ms = trace.views[0].at_ms;
        trace
            .views
            .iter_mut()
            .for_each(|view| view.at_ms -= start_ms);
        Ok((trace, notes))
    }
}

#[cfg(test)]
mod tests;
