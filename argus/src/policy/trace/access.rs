//! Lines of text in the common log format and its kin: anything, the time in brackets, the request in quotes,
//! status, bytes, anything. So are nginx's `combined`, Apache's `common`, `combined` and `vhost_combined`, and
//! what varnishncsa writes. Of the quoted words behind, those that look like a `Range` or a `Content-Range` count.

use super::line::{Answer, unix_ms};

/// What a line says; nothing if it is of another form.
pub(super) fn read(text: &str) -> Option<Answer<'_>> {
    // A bracket may stand before the time: a host `[::1]:80`.
    let timed = |(at, _): (usize, &str)| {
        let (time, rest) = text[at + 1..].split_once(']')?;
        Some((unix_ms(time)?, rest))
    };
    let (at_ms, rest) = text.match_indices('[').find_map(timed)?;
    let (request, rest) = quoted(rest)?;
    let mut words = rest.split_ascii_whitespace();
    let status = words.next()?.parse().ok()?;
    let bytes = match words.next()? {
        "-" => 0,
        bytes => bytes.parse().ok()?,
    };
    let (method, target) = request_line(request);
    let mut answer = Answer {
        at_ms,
        method,
        target,
        status,
        bytes,
        range: None,
        content_range: None,
    };
    let mut rest = rest;
    while let Some((word, behind)) = quoted(rest) {
        rest = behind;
        if word.starts_with("bytes=") {
            answer.range = Some(word);
        } else if word.starts_with("bytes ") {
            answer.content_range = Some(word);
        }
    }
    Some(answer)
}

/// Method and target of `GET /film HTTP/1.1`; of what is no request, empty words.
pub(super) fn request_line(request: &str) -> (&str, &str) {
    let (method, rest) = request.split_once(' ').unwrap_or_default();
    let target = match rest.rsplit_once(' ') {
        Some((target, version)) if version.starts_with("HTTP/") => target,
        _ => rest,
    };
    (method, target)
}

/// The next words in quotes, and what follows. A quote after a backslash is one of the words'.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let (_, words) = text.split_once('"')?;
    let mut escaped = false;
    let end = words.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })?;
    Some((&words[..end], &words[end + 1..]))
}
