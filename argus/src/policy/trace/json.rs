//! Lines of one JSON object: of this node, of Caddy, and of nginx, where the operator chooses the names; those of
//! nginx's variables are looked for.

use serde_json::{Map, Value};

use super::{
    access::request_line,
    line::{Answer, Line, milliseconds, unix_ms},
};

const TIME: [&str; 7] = [
    "time_iso8601",
    "timestamp",
    "@timestamp",
    "time",
    "time_local",
    "ts",
    "msec",
];
const METHOD: [&str; 2] = ["request_method", "method"];
const TARGET: [&str; 4] = ["request_uri", "uri", "path", "url"];
const BYTES: [&str; 4] = ["body_bytes_sent", "bytes_sent", "bytes", "size"];
const RANGE: [&str; 2] = ["http_range", "range"];
const CONTENT_RANGE: [&str; 3] = [
    "sent_http_content_range",
    "upstream_http_content_range",
    "content_range",
];
/// Where assets are; other paths of this node are no objects.
const ASSETS: &str = "/api/v1/assets/";

/// What a line says.
pub(super) fn read(text: &str, keep_query: bool) -> Line {
    let Ok(Value::Object(fields)) = serde_json::from_str(text) else {
        return Line::Unreadable;
    };
    match answer(&fields) {
        // This node's own requests that are not for assets.
        Some(answer) if is_own(&fields) && !answer.target.starts_with(ASSETS) => Line::LeftOut,
        Some(answer) => answer.line(keep_query),
        // A program's log has other lines as well.
        None if fields.contains_key("level") && !fields.contains_key("status") => Line::LeftOut,
        None => Line::Unreadable,
    }
}

fn is_own(fields: &Map<String, Value>) -> bool {
    text(fields, &["target"]) == Some("http") && text(fields, &["message"]) == Some("request")
}

fn answer(fields: &Map<String, Value>) -> Option<Answer<'_>> {
    // Caddy's requests are objects of their own.
    let request = fields.get("request").and_then(Value::as_object);
    let whole = text(fields, &["request"]).map(request_line);
    let of_request = |names: &[&str]| {
        let by_caddy = request.and_then(|request| text(request, names));
        by_caddy.or_else(|| text(fields, names))
    };
    let method = of_request(&METHOD).or(whole.map(|(method, _)| method))?;
    let target = of_request(&TARGET).or(whole.map(|(_, target)| target))?;
    let range = request.and_then(|request| header(request, "headers", "Range"));
    let content_range = header(fields, "resp_headers", "Content-Range");
    Some(Answer {
        at_ms: TIME.iter().find_map(|name| time(fields.get(*name)?))?,
        method,
        target,
        status: u16::try_from(number(fields, &["status"])?).ok()?,
        bytes: number(fields, &BYTES)?,
        range: range.or_else(|| text(fields, &RANGE)),
        content_range: content_range.or_else(|| text(fields, &CONTENT_RANGE)),
    })
}

/// The first of these fields that is there and a text.
fn text<'a>(fields: &'a Map<String, Value>, names: &[&str]) -> Option<&'a str> {
    names.iter().find_map(|name| fields.get(*name)?.as_str())
}

/// The first of these fields that is there and a number, or a text of one; an empty text, or `-`, is none at all.
fn number(fields: &Map<String, Value>, names: &[&str]) -> Option<u64> {
    names.iter().find_map(|name| match fields.get(*name)? {
        Value::String(text) if matches!(text.as_str(), "" | "-") => Some(0),
        Value::String(text) => text.parse().ok(),
        value => value.as_u64(),
    })
}

fn time(value: &Value) -> Option<u64> {
    match value {
        Value::String(text) => unix_ms(text),
        value => milliseconds(value.as_f64()?),
    }
}

/// The first value of a header, as Caddy logs them.
fn header<'a>(fields: &'a Map<String, Value>, of: &str, name: &str) -> Option<&'a str> {
    let headers = fields.get(of)?.as_object()?;
    headers.get(name)?.get(0)?.as_str()
}
