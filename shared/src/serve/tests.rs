//! The answers of [`respond`], as a client sees them, against a byte-slice model.

use std::io::Write;

use actix_web::{
    body::to_bytes,
    http::header::{HeaderMap, HeaderName},
    test::TestRequest,
};
use bytes::Bytes;
use proptest::prelude::*;

use super::*;

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 31 % 251) as u8).collect()
}

fn entry(bytes: &[u8]) -> Entry {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    let head = Head::new(bytes.len() as u64, ContentHash::of(bytes), "video/mp4").header(
        HeaderName::from_static("x-cache"),
        HeaderValue::from_static("hit"),
    );
    Entry {
        file: Arc::new(file),
        head,
    }
}

struct Got {
    status: u16,
    headers: HeaderMap,
    /// What `Content-Length` will say.
    announced: u64,
    body: Bytes,
}

impl Got {
    fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .map_or("", |value| value.to_str().unwrap())
    }
}

async fn ask(entry: &Entry, method: Method, headers: &[(&str, &str)]) -> Got {
    let is_get = method == Method::GET;
    let mut request = TestRequest::default().method(method);
    for (name, value) in headers {
        request = request.append_header((*name, *value));
    }
    let response = respond(&request.to_http_request(), entry);
    let announced = match response.body().size() {
        BodySize::None => 0,
        BodySize::Sized(len) => len,
        BodySize::Stream => panic!("a body without length"),
    };
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = to_bytes(response.into_body()).await.unwrap();
    assert_eq!(body.len() as u64, if is_get { announced } else { 0 });
    Got {
        status,
        headers,
        announced,
        body,
    }
}

async fn get(entry: &Entry, headers: &[(&str, &str)]) -> Got {
    ask(entry, Method::GET, headers).await
}

#[actix_web::test]
async fn the_whole_file_comes_with_everything_said_about_it() {
    // Longer than a cold slice, so that several pieces are needed.
    let bytes = content(600_001);
    let entry = entry(&bytes);
    let got = get(&entry, &[]).await;
    assert_eq!(got.status, 200);
    assert_eq!(got.body, bytes);
    assert_eq!(
        got.header("etag"),
        format!("\"{}\"", ContentHash::of(&bytes))
    );
    assert_eq!(got.header("content-type"), "video/mp4");
    assert_eq!(got.header("accept-ranges"), "bytes");
    assert_eq!(got.header("content-disposition"), "inline");
    assert_eq!(got.header("x-content-type-options"), "nosniff");
    assert_eq!(
        got.header("cache-control"),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(got.header("x-cache"), "hit");
}

#[actix_web::test]
async fn ranges_get_their_bytes_and_head_gets_their_length() {
    let bytes = content(1000);
    let entry = entry(&bytes);
    let table: [(&str, u16, &str, &[u8]); 8] = [
        ("bytes=0-1", 206, "bytes 0-1/1000", &bytes[..2]),
        ("bytes=990-", 206, "bytes 990-999/1000", &bytes[990..]),
        ("bytes=-1", 206, "bytes 999-999/1000", &bytes[999..]),
        ("bytes=-5000", 206, "bytes 0-999/1000", &bytes),
        ("bytes=10-19,2000-", 206, "bytes 10-19/1000", &bytes[10..20]),
        ("bytes=1000-", 416, "bytes */1000", b""),
        ("bytes=5-4", 200, "", &bytes),
        ("items=0-1", 200, "", &bytes),
    ];
    for (range, status, content_range, expected) in table {
        let got = get(&entry, &[("range", range)]).await;
        assert_eq!(
            (got.status, got.header("content-range")),
            (status, content_range),
            "{range}"
        );
        assert_eq!(got.body, expected, "{range}");
        let is_kept = got.header("cache-control") != "no-store";
        assert_eq!(is_kept, status != 416, "{range}");
        let head = ask(&entry, Method::HEAD, &[("range", range)]).await;
        assert_eq!(
            (head.status, head.header("content-range")),
            (status, content_range),
            "{range}"
        );
        assert_eq!(head.announced, expected.len() as u64, "{range}");
    }
}

#[actix_web::test]
async fn several_ranges_come_as_multipart_of_the_announced_length() {
    let bytes = content(1000);
    let entry = entry(&bytes);
    let asked = [("range", "bytes=0-9, 500-599, -3")];
    let got = get(&entry, &asked).await;
    assert_eq!(got.status, 206);
    let boundary = got
        .header("content-type")
        .strip_prefix("multipart/byteranges; boundary=")
        .unwrap();
    let mut expected = Vec::new();
    for (start, end) in [(0, 10), (500, 600), (997, 1000)] {
        expected.extend_from_slice(
            format!("\r\n--{boundary}\r\nContent-Type: video/mp4\r\n").as_bytes(),
        );
        expected.extend_from_slice(
            format!("Content-Range: bytes {start}-{}/1000\r\n\r\n", end - 1).as_bytes(),
        );
        expected.extend_from_slice(&bytes[start..end]);
    }
    expected.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
    assert_eq!(got.body, expected);
    assert_eq!(
        ask(&entry, Method::HEAD, &asked).await.announced,
        expected.len() as u64
    );
}

#[actix_web::test]
async fn conditions_decide_before_ranges() {
    let bytes = content(100);
    let entry = entry(&bytes);
    let etag = format!("\"{}\"", ContentHash::of(&bytes));
    let weak = format!("W/{etag}");
    let list = format!("\"other\", {etag}");
    let date = "Sat, 29 Oct 1994 19:43:31 GMT";
    let range = ("range", "bytes=0-9");
    let table: [(&[(&str, &str)], u16); 13] = [
        (&[("if-none-match", &etag)], 304),
        (&[("if-none-match", &weak), range], 304),
        (&[("if-none-match", &list)], 304),
        (&[("if-none-match", "*")], 304),
        (&[("if-none-match", "\"other\"")], 200),
        (&[("if-match", &etag), range], 206),
        (&[("if-match", "\"other\""), range], 412),
        (&[("if-match", &weak)], 412),
        (&[("if-range", &etag), range], 206),
        (&[("if-range", &weak), range], 200),
        (&[("if-range", date), range], 200),
        (&[("if-unmodified-since", date)], 200),
        (&[("if-modified-since", date)], 200),
    ];
    for (headers, status) in table {
        for method in [Method::GET, Method::HEAD] {
            let got = ask(&entry, method, headers).await;
            assert_eq!(got.status, status, "{headers:?}");
            assert_eq!(got.header("etag"), etag, "{headers:?}");
            let is_kept = got.header("cache-control") != "no-store";
            assert_eq!(is_kept, status != 412, "{headers:?}");
        }
    }
}

#[actix_web::test]
async fn an_empty_file_is_served_and_has_no_ranges() {
    let entry = entry(b"");
    assert_eq!(get(&entry, &[]).await.status, 200);
    let got = get(&entry, &[("range", "bytes=0-0")]).await;
    assert_eq!(
        (got.status, got.header("content-range")),
        (416, "bytes */0")
    );
}

#[actix_web::test]
async fn a_file_that_became_shorter_is_an_error_and_never_a_short_success() {
    let bytes = content(300_000);
    let entry = entry(&bytes);
    entry.file.set_len(200_000).unwrap();
    let response = respond(&TestRequest::get().to_http_request(), &entry);
    assert_eq!(response.body().size(), BodySize::Sized(300_000));
    assert!(to_bytes(response.into_body()).await.is_err());
}

#[actix_web::test]
async fn pieces_are_small() {
    let entry = entry(&content(1_000_000));
    let body = FileBody::new(
        entry.file.clone(),
        ByteRange {
            start: 0,
            end: 1_000_000,
        },
    );
    let mut body = std::pin::pin!(body);
    let mut total = 0;
    while let Some(piece) = std::future::poll_fn(|cx| body.as_mut().poll_next(cx)).await {
        let piece = piece.unwrap();
        assert!(piece.len() as u64 <= body::COLD_SLICE_BYTES);
        total += piece.len();
    }
    assert_eq!(total, 1_000_000);
}

#[test]
fn a_drawing_may_not_run_scripts() {
    let head = Head::new(1, ContentHash::of(b"x"), "image/svg+xml");
    assert!(
        head.extra
            .iter()
            .any(|(name, _)| name == header::CONTENT_SECURITY_POLICY)
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_single_range_gives_what_the_slice_gives(len in 1usize..200_000, at in 0.0f64..1.2, want in 0u64..150_000) {
        let bytes = content(len);
        let start = (len as f64 * at) as u64;
        let range = format!("bytes={start}-{}", start + want);
        let got = actix_web::rt::System::new().block_on(async { get(&entry(&bytes), &[("range", &range)]).await });
        if start >= len as u64 {
            prop_assert_eq!(got.status, 416);
        } else {
            let end = (start + want + 1).min(len as u64);
            prop_assert_eq!(got.status, 206);
            prop_assert_eq!(&got.body[..], &bytes[start as usize..end as usize]);
        }
    }
}
