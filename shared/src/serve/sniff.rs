//! The media type of an object, from its first bytes. What browsers would run as a page is called
//! plain text: a node shows everybody's files from its own origin.

/// What is not recognised.
const UNKNOWN: &str = "application/octet-stream";
const PLAIN_TEXT: &str = "text/plain; charset=utf-8";

/// The media type of a file that starts with these bytes (the first [`super::SNIFF_BYTES`] are enough).
pub fn sniff(first_bytes: &[u8]) -> &'static str {
    if let Some(text_type) = sniff_text(first_bytes) {
        return text_type;
    }
    match infer::get(first_bytes).map(|kind| kind.mime_type()) {
        None => UNKNOWN,
        Some("text/html" | "text/xml" | "text/x-shellscript") => PLAIN_TEXT,
        Some(media_type) => media_type,
    }
}

/// Text formats that players and browsers treat apart, and other text.
fn sniff_text(first_bytes: &[u8]) -> Option<&'static str> {
    let text = leading_text(first_bytes)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text
        .strip_prefix("WEBVTT")
        .is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '\t', '\n', '\r']))
    {
        return Some("text/vtt; charset=utf-8");
    }
    if is_svg(text) {
        return Some("image/svg+xml");
    }
    let printable = |c: char| !c.is_control() || ['\n', '\r', '\t', '\u{c}'].contains(&c);
    (!text.is_empty() && text.chars().all(printable) && infer::get(first_bytes).is_none())
        .then_some(PLAIN_TEXT)
}

/// The bytes as text; a character cut off at the end does not count.
fn leading_text(bytes: &[u8]) -> Option<&str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Some(text),
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()
        }
        Err(_) => None,
    }
}

/// Is the first element, after a prologue of declaration, comments and document type, `<svg`?
fn is_svg(text: &str) -> bool {
    let mut rest = text.trim_start();
    loop {
        let closing = if rest.starts_with("<?") {
            "?>"
        } else if rest.starts_with("<!--") {
            "-->"
        } else if rest
            .get(..9)
            .is_some_and(|start| start.eq_ignore_ascii_case("<!doctype"))
        {
            ">"
        } else {
            break;
        };
        match rest.split_once(closing) {
            Some((_, after)) => rest = after.trim_start(),
            None => return false,
        }
    }
    rest.strip_prefix("<svg")
        .is_some_and(|after| after.starts_with([' ', '\t', '\r', '\n', '>', '/']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_first_bytes() {
        let mp4 = b"\0\0\0\x20ftypisom\0\0\x02\0isomiso2avc1mp41";
        let table: [(&[u8], &str); 16] = [
            (b"", UNKNOWN),
            (b"\0\x01\x02\x03", UNKNOWN),
            (mp4, "video/mp4"),
            (b"\x1a\x45\xdf\xa3\x9fB\x86\x81\x01B\xf7\x81\x01B\xf2\x81\x04B\xf3\x81\x08B\x82\x84webm", "video/webm"),
            (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "image/png"),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
            (b"RIFF\x24\0\0\0WEBPVP8 ", "image/webp"),
            (b"WEBVTT\n\n00:00.000 --> 00:01.000\nhi", "text/vtt; charset=utf-8"),
            (b"\xef\xbb\xbfWEBVTT - title", "text/vtt; charset=utf-8"),
            (b"WEBVTTX", PLAIN_TEXT),
            (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "image/svg+xml"),
            (b"<?xml version='1.0'?>\n<!-- a -->\n<!DOCTYPE svg>\n<svg>", "image/svg+xml"),
            (b"<html><script>alert(1)</script></html>", PLAIN_TEXT),
            (b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>", PLAIN_TEXT),
            (b"#!/bin/sh\necho", PLAIN_TEXT),
            ("grüße".as_bytes(), PLAIN_TEXT),
        ];
        for (bytes, expected) in table {
            assert_eq!(
                sniff(bytes),
                expected,
                "{:?}",
                String::from_utf8_lossy(bytes)
            );
        }
        let cut_character = &"ü".as_bytes()[..1];
        assert_eq!(sniff(&[b"text ", cut_character].concat()), PLAIN_TEXT);
    }
}
