//! Conditional requests (RFC 9110, section 13) for objects that have a strong entity tag and no
//! modification date: dates in conditions are ignored, because there is nothing to compare.

use actix_web::http::header::{self, HeaderMap, HeaderName};

/// What the conditions of a GET or HEAD come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Answer as if there were none.
    Proceed,
    /// 304: the client has it.
    NotModified,
    /// 412: the client wants another version than there is.
    Failed,
}

/// Evaluates `If-Match` and `If-None-Match`, in the order of the RFC.
pub fn evaluate(headers: &HeaderMap, etag: &[u8]) -> Verdict {
    if names_tag(headers, header::IF_MATCH, etag, Comparison::Strong) == Some(false) {
        return Verdict::Failed;
    }
    if names_tag(headers, header::IF_NONE_MATCH, etag, Comparison::Weak) == Some(true) {
        return Verdict::NotModified;
    }
    Verdict::Proceed
}

/// Does a `Range` header count? Not if there is an `If-Range` with another tag, or with a date.
pub fn range_applies(headers: &HeaderMap, etag: &[u8]) -> bool {
    headers
        .get(header::IF_RANGE)
        .is_none_or(|value| value.as_bytes().trim_ascii() == etag)
}

#[derive(Clone, Copy, PartialEq)]
enum Comparison {
    /// `W/` tags never match.
    Strong,
    /// `W/` is looked through.
    Weak,
}

/// Does one of the header's lines name this tag, or `*`? `None` without the header.
fn names_tag(
    headers: &HeaderMap,
    name: HeaderName,
    etag: &[u8],
    comparison: Comparison,
) -> Option<bool> {
    let mut lines = headers.get_all(name).peekable();
    lines.peek()?;
    Some(lines.any(|line| list_names_tag(line.as_bytes(), etag, comparison)))
}

/// Walks a list of tags. Commas may stand within quotes, so the list cannot simply be split.
fn list_names_tag(list: &[u8], etag: &[u8], comparison: Comparison) -> bool {
    let mut rest = list.trim_ascii();
    if rest == b"*" {
        return true;
    }
    while !rest.is_empty() {
        let (weak, quoted) = match rest.strip_prefix(b"W/") {
            Some(tag) => (true, tag),
            None => (false, rest),
        };
        let closing = quoted
            .strip_prefix(b"\"")
            .and_then(|tag| tag.iter().position(|&byte| byte == b'"'));
        let Some(closing) = closing else { return false };
        let (tag, after) = quoted.split_at(closing + 2);
        if tag == etag && (comparison == Comparison::Weak || !weak) {
            return true;
        }
        let after = after.trim_ascii_start();
        rest = after.strip_prefix(b",").unwrap_or(after).trim_ascii_start();
    }
    false
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::HeaderValue;

    use super::*;

    fn headers(pairs: &[(&HeaderName, &str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append((*name).clone(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    #[test]
    fn if_none_match_compares_weakly_and_reads_lists() {
        for (value, verdict) in [
            ("\"a\"", Verdict::NotModified),
            ("W/\"a\"", Verdict::NotModified),
            ("*", Verdict::NotModified),
            (" * ", Verdict::NotModified),
            ("\"b\", \"a\"", Verdict::NotModified),
            ("\"b\",W/\"a\",\"c\"", Verdict::NotModified),
            ("\"x,\", \"a\"", Verdict::NotModified),
            ("\"b\"", Verdict::Proceed),
            ("a", Verdict::Proceed),
            ("\"a", Verdict::Proceed),
            ("", Verdict::Proceed),
            (",", Verdict::Proceed),
            ("\"A\"", Verdict::Proceed),
            ("\"aa\", \"\"", Verdict::Proceed),
        ] {
            assert_eq!(
                evaluate(&headers(&[(&header::IF_NONE_MATCH, value)]), b"\"a\""),
                verdict,
                "{value}"
            );
        }
        let two = headers(&[
            (&header::IF_NONE_MATCH, "\"b\""),
            (&header::IF_NONE_MATCH, "\"a\""),
        ]);
        assert_eq!(evaluate(&two, b"\"a\""), Verdict::NotModified);
    }

    #[test]
    fn if_match_compares_strongly_and_comes_first() {
        for (value, verdict) in [
            ("\"a\"", Verdict::Proceed),
            ("*", Verdict::Proceed),
            ("\"b\", \"a\"", Verdict::Proceed),
            ("W/\"a\"", Verdict::Failed),
            ("\"b\"", Verdict::Failed),
            ("", Verdict::Failed),
        ] {
            assert_eq!(
                evaluate(&headers(&[(&header::IF_MATCH, value)]), b"\"a\""),
                verdict,
                "{value}"
            );
        }
        let both = headers(&[
            (&header::IF_MATCH, "\"b\""),
            (&header::IF_NONE_MATCH, "\"a\""),
        ]);
        assert_eq!(evaluate(&both, b"\"a\""), Verdict::Failed);
        let dates = headers(&[(
            &header::IF_UNMODIFIED_SINCE,
            "Sat, 29 Oct 1994 19:43:31 GMT",
        )]);
        assert_eq!(evaluate(&dates, b"\"a\""), Verdict::Proceed);
    }

    #[test]
    fn a_range_counts_only_for_the_very_same_tag() {
        assert!(range_applies(&headers(&[]), b"\"a\""));
        for (value, applies) in [
            ("\"a\"", true),
            ("W/\"a\"", false),
            ("\"b\"", false),
            ("Sat, 29 Oct 1994 19:43:31 GMT", false),
            ("*", false),
        ] {
            assert_eq!(
                range_applies(&headers(&[(&header::IF_RANGE, value)]), b"\"a\""),
                applies,
                "{value}"
            );
        }
    }
}
