//! What one line of a trace says, in whatever form it is written, and what of an answer in an access log counts
//! as a view: bytes of an object that were sent for a `GET`.

use chrono::DateTime;
use shared::range::{self, Wanted};

use super::{access, json};

/// Positions from here on are nobody's: no object is as large as that.
const START_MAX: u64 = 1 << 60;

/// What a line is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A view of an object.
    View(Seen),
    /// Readable, but no view.
    LeftOut,
    /// Nothing, or a comment.
    Comment,
    /// In no form that is known.
    Unreadable,
}

/// A view, before objects are numbered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Seen {
    /// Milliseconds since any moment, the same for all lines.
    pub at_ms: u64,
    /// The object's name.
    pub id: String,
    /// Bytes the object has, or has at least. Not 0.
    pub size: u64,
    /// Is that the whole object, as far as one line can tell?
    pub is_whole_size: bool,
    /// What was seen of it.
    pub part: Part,
}

/// What was seen of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All.
    Whole,
    /// First and last byte.
    Range(u64, u64),
    /// So many bytes, nobody says where.
    Somewhere(u64),
}

/// A line of an access log.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Answer<'a> {
    /// Milliseconds since 1970.
    pub at_ms: u64,
    /// The request's method.
    pub method: &'a str,
    /// What was asked for: a path, or a whole URL.
    pub target: &'a str,
    /// The status code.
    pub status: u16,
    /// Bytes of the body that were sent.
    pub bytes: u64,
    /// The request's `Range`, if it is logged.
    pub range: Option<&'a str>,
    /// The answer's `Content-Range`, if it is logged.
    pub content_range: Option<&'a str>,
}

/// Reads a line without blanks around it.
pub(super) fn read(text: &str, keep_query: bool) -> Line {
    match text.as_bytes().first() {
        None | Some(b'#') => Line::Comment,
        Some(b'{') => json::read(text, keep_query),
        Some(_) => plain(text)
            .map(Line::View)
            .or_else(|| access::read(text).map(|answer| answer.line(keep_query)))
            .unwrap_or(Line::Unreadable),
    }
}

/// `time id size [first-last]`
fn plain(text: &str) -> Option<Seen> {
    let mut words = text.split_ascii_whitespace();
    let at_ms = milliseconds(words.next()?.parse().ok()?)?;
    let id = words.next()?.to_owned();
    let size: u64 = words.next()?.parse().ok()?;
    let part = match words.next() {
        None => Part::Whole,
        Some(range) => {
            let (first, last) = range.split_once('-')?;
            let (first, last) = (first.parse().ok()?, last.parse().ok()?);
            (first <= last).then_some(Part::Range(first, last))?
        }
    };
    words.next().is_none().then_some(Seen {
        at_ms,
        id,
        size: size.max(1),
        is_whole_size: true,
        part,
    })
}

impl Answer<'_> {
    /// What it is to a cache.
    pub(super) fn line(&self, keep_query: bool) -> Line {
        let (bytes, id) = (self.bytes, self.target);
        if self.method != "GET" || !matches!(self.status, 200 | 206) || bytes == 0 || id.is_empty()
        {
            return Line::LeftOut;
        }
        let ends = if keep_query { &['#'][..] } else { &['?', '#'] };
        let id = id.split(ends).next().unwrap_or(id).to_owned();
        let (size, is_whole_size, part) = match self.status {
            200 => (bytes, true, Part::Whole),
            _ => self.part(),
        };
        Line::View(Seen {
            at_ms: self.at_ms,
            id,
            size,
            is_whole_size,
            part,
        })
    }

    /// What a 206 says: size, whether that is the whole object's, and which part. What the viewer did not take
    /// was not sent, so bytes count more than what was asked for.
    fn part(&self) -> (u64, bool, Part) {
        let bytes = self.bytes;
        if let Some((first, last, size)) = self.content_range.and_then(content_range) {
            let last = last.min(first.saturating_add(bytes - 1));
            let part = Part::Range(first, last);
            return match size {
                Some(size) => (size.max(last + 1), true, part),
                None => (last + 1, false, part),
            };
        }
        // An object of this length has whatever was asked for; only the last bytes are not known by it.
        match range::parse(self.range.map(str::as_bytes), u64::MAX) {
            Wanted::One(range) if range.start < START_MAX && !self.range.is_some_and(is_suffix) => {
                let last = (range.end - 1).min(range.start.saturating_add(bytes - 1));
                (last + 1, false, Part::Range(range.start, last))
            }
            _ => (bytes, false, Part::Somewhere(bytes)),
        }
    }
}

/// The last so many bytes.
fn is_suffix(range: &str) -> bool {
    let spec = range.split_once('=').map_or("", |(_, spec)| spec);
    spec.trim_start().starts_with('-')
}

/// First, last and size of `bytes 0-99/250`, or of `bytes 0-99/*`.
fn content_range(value: &str) -> Option<(u64, u64, Option<u64>)> {
    let (range, size) = value.strip_prefix("bytes ")?.trim().split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last): (u64, u64) = (first.parse().ok()?, last.parse().ok()?);
    // A size that is no number is not known.
    (first <= last && last < START_MAX).then(|| (first, last, size.parse().ok()))
}

/// Milliseconds of a number of seconds.
pub(super) fn milliseconds(seconds: f64) -> Option<u64> {
    (seconds.is_finite() && seconds >= 0.0).then_some((seconds * 1000.0) as u64)
}

/// Milliseconds since 1970 of `10/Oct/2000:13:55:36 -0700`, of `2000-10-10T20:55:36.5Z` and the like, or of
/// seconds since 1970.
pub(super) fn unix_ms(time: &str) -> Option<u64> {
    let forms = ["%d/%b/%Y:%H:%M:%S %z", "%Y-%m-%dT%H:%M:%S%.f%z"];
    let by_form = |form: &&str| DateTime::parse_from_str(time, form).ok();
    let date = DateTime::parse_from_rfc3339(time).ok();
    match date.or_else(|| forms.iter().find_map(by_form)) {
        Some(date) => u64::try_from(date.timestamp_millis()).ok(),
        None => milliseconds(time.parse().ok()?),
    }
}
