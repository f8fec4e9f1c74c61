//! Ranges as viewers ask for them, right and wrong ones, of a hit, of an object being filled and of a
//! miss: all three give what a model over the object's bytes gives.

use std::collections::BTreeMap;

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config as RunnerConfig, RngAlgorithm, TestRng, TestRunner},
};
use reqwest::header::HeaderValue;
use tokio::sync::watch;

use crate::support::{Edge, Manner, Origin, Setup, content, edge::Got};

const MIB: usize = 1 << 20;
/// Most ranges that are answered as such.
const RANGES_MAX: usize = 16;

/// What a `Range` header is to give of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wanted {
    /// 200 with all of it.
    Whole,
    /// 206 with these parts, as first and last position.
    Parts(Vec<(usize, usize)>),
    /// 416.
    Nothing,
}

use Wanted::{Nothing, Parts, Whole};

fn part(first: usize, last: usize) -> Wanted {
    Parts(vec![(first, last)])
}

/// RFC 9110 over positions, in numbers that cannot overflow here.
fn model(header: &[u8], len: usize) -> Wanted {
    let Ok(text) = std::str::from_utf8(header) else {
        return Whole;
    };
    let Some((unit, set)) = text.split_once('=') else {
        return Whole;
    };
    let blank = [' ', '\t'];
    if unit.trim_matches(blank).to_lowercase() != "bytes" {
        return Whole;
    }
    let elements: Vec<&str> = set.split(',').map(|one| one.trim_matches(blank)).collect();
    if elements.len() > RANGES_MAX {
        return Whole;
    }
    let mut parts = Vec::new();
    let mut any = false;
    for element in elements.into_iter().filter(|one| !one.is_empty()) {
        any = true;
        let Some((first, last)) = element.split_once('-') else {
            return Whole;
        };
        let (Some(first), Some(last)) = (number(first), number(last)) else {
            return Whole;
        };
        let selected = match (first, last) {
            (None, None) => return Whole,
            (Some(first), Some(last)) if last < first => return Whole,
            (first, last) => (0..len).filter(move |at| match (first, last) {
                (Some(first), Some(last)) => (first..=last).contains(&(*at as f64)),
                (Some(first), None) => first <= *at as f64,
                (_, Some(suffix)) => (*at as f64) + suffix >= len as f64,
                (None, None) => false,
            }),
        };
        let selected: Vec<usize> = selected.collect();
        if let (Some(first), Some(last)) = (selected.first(), selected.last()) {
            parts.push((*first, *last));
        }
    }
    let total: usize = parts.iter().map(|(first, last)| last - first + 1).sum();
    match (any, parts.len()) {
        (false, _) => Whole,
        (true, 0) => Nothing,
        (true, 1) => Parts(parts),
        (true, _) if total > len => Whole,
        (true, _) => Parts(parts),
    }
}

/// No digits are no number, other signs are an error; however many digits, as positions here are small.
fn number(text: &str) -> Option<Option<f64>> {
    match text {
        "" => Some(None),
        digits if digits.bytes().all(|it| it.is_ascii_digit()) => Some(digits.parse().ok()),
        _ => None,
    }
}

/// Headers with what they give of an object of `len` bytes, more than 100: most of them malformed.
fn table(len: usize) -> Vec<(String, Wanted)> {
    let last = len - 1;
    let repeated = |part: &str, times: usize| format!("bytes={}", vec![part; times].join(","));
    let parts = |list: &[(usize, usize)]| Parts(list.to_vec());
    let mut table = vec![
        // One part.
        ("bytes=0-0".into(), part(0, 0)),
        ("bytes=0-1".into(), part(0, 1)),
        ("bytes=16383-16384".into(), part(16_383, 16_384)),
        ("bytes=1048575-1048576".into(), part(1_048_575, 1_048_576)),
        (format!("bytes=0-{last}"), part(0, last)),
        (format!("bytes={last}-{last}"), part(last, last)),
        (format!("bytes=5-{}", len * 3), part(5, last)),
        ("bytes=007-0009".into(), part(7, 9)),
        ("bytes=0-18446744073709551615".into(), part(0, last)),
        ("bytes=9-99999999999999999999999".into(), part(9, last)),
        ("bytes=0-".into(), part(0, last)),
        ("bytes=77-".into(), part(77, last)),
        ("bytes=-1".into(), part(last, last)),
        ("bytes=-16385".into(), part(len - 16_385, last)),
        (format!("bytes=-{len}"), part(0, last)),
        (format!("bytes=-{}", len + 1), part(0, last)),
        ("bytes=-18446744073709551616".into(), part(0, last)),
        ("BYTES=3-4".into(), part(3, 4)),
        ("bytes = 3-4".into(), part(3, 4)),
        ("bytes=\t3-4 ".into(), part(3, 4)),
        ("bytes=,3-4,".into(), part(3, 4)),
        // Several.
        ("bytes=0-1,3-4".into(), parts(&[(0, 1), (3, 4)])),
        (
            "bytes=9-9, 3-4 ,0-0".into(),
            parts(&[(9, 9), (3, 4), (0, 0)]),
        ),
        ("bytes=0-9,5-14".into(), parts(&[(0, 9), (5, 14)])),
        ("bytes=0-0,-1".into(), parts(&[(0, 0), (last, last)])),
        ("bytes=,,1-1,,2-2,,".into(), parts(&[(1, 1), (2, 2)])),
        ("bytes=1-1,99999999-".into(), part(1, 1)),
        ("bytes=99999999-,1-1,2-2".into(), parts(&[(1, 1), (2, 2)])),
        (repeated("8-8", RANGES_MAX), Parts(vec![(8, 8); RANGES_MAX])),
        (repeated("8-8", RANGES_MAX + 1), Whole),
        ("bytes=0-,0-".into(), Whole),
        (format!("bytes=0-{last},7-7"), Whole),
        // None of it lies within the object.
        (format!("bytes={len}-"), Nothing),
        (format!("bytes={len}-{len}"), Nothing),
        (format!("bytes={}-{}", len + 5, len + 9), Nothing),
        ("bytes=-0".into(), Nothing),
        ("bytes=-00".into(), Nothing),
        ("bytes=99999999999999999999-".into(), Nothing),
        (format!("bytes={len}-,-0"), Nothing),
    ];
    let malformed = [
        "",
        " ",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=, ,",
        "bytes=-",
        "bytes=--",
        "bytes=--1",
        "bytes=-1-",
        "bytes=1",
        "bytes=1,2",
        "bytes=1-0",
        "bytes=50-40",
        "bytes=a-b",
        "bytes=0-b",
        "bytes=a-",
        "bytes=-a",
        "bytes=0x0-0x1",
        "bytes=+0-1",
        "bytes=0-+1",
        "bytes=-+1",
        "bytes=0 - 1",
        "bytes=0- 1",
        "bytes=0 -1",
        "bytes=0-1 2-3",
        "bytes=0-1;2-3",
        "bytes=0-1-2",
        "bytes=0-1,1-0",
        "bytes=0-1,x",
        "bytes=x,0-1",
        "bytes=0-1,-",
        "bytes:0-1",
        "bytes 0-1",
        "=0-1",
        "0-1",
        "bytes==0-1",
        "bytes=0=1",
        "bytes=0.0-1.0",
        "bytes=1e1-",
        "bytes=0-1e1",
        "bytes=1_0-2_0",
        "bytes=\"0-1\"",
        "bytes=0-1/9",
        "bytes=*",
        "bytes=0-*",
        "bytes=*/9",
        "bytes=\u{661}-\u{662}",
        "bytes=0\u{2010}1",
        "items=0-1",
        "byte=0-1",
        "bytess=0-1",
        "none",
        "seconds=1-2",
        "octets=0-1",
        "bytes=NaN-",
        "bytes=inf-",
        "bytes=-inf",
        "bytes=%30-%31",
        "bytes=0-1\u{a0}",
        "bytes=0\t-1",
    ];
    table.extend(malformed.map(|header| (header.to_owned(), Whole)));
    assert!(table.len() >= 60);
    table
}

async fn ask(edge: &Edge, id: u64, header: &[u8]) -> Got {
    let request = edge.client.get(edge.url(id));
    let value = HeaderValue::from_bytes(header).unwrap();
    let response = request.header("range", value).send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let body = response.bytes().await.unwrap().to_vec();
    Got {
        status,
        headers,
        body,
    }
}

/// Waits until the edge has so many requests to answer.
async fn until_active(edge: &Edge, count: usize) {
    let url = format!("http://{}/metrics", edge.node.admin_address());
    let wanted = format!("http_server_active_requests {count}\n");
    loop {
        let metrics = edge.client.get(&url).send().await.unwrap();
        if metrics.text().await.unwrap().contains(&wanted) {
            return;
        }
    }
}

/// Is this the answer? `told` names it in complaints.
fn check(got: &Got, wanted: &Wanted, bytes: &[u8], told: &str) {
    let length: usize = got.header("content-length").parse().unwrap();
    assert_eq!(length, got.body.len(), "{told}: announced and sent");
    match wanted {
        Whole => {
            assert_eq!(got.status, 200, "{told}");
            assert!(got.body == bytes, "{told}: wrong bytes");
        }
        Nothing => {
            assert_eq!(got.status, 416, "{told}");
            let range = format!("bytes */{}", bytes.len());
            assert_eq!(got.header("content-range"), range, "{told}");
        }
        Parts(parts) if parts.len() == 1 => {
            let (first, last) = parts[0];
            assert_eq!(got.status, 206, "{told}");
            let range = format!("bytes {first}-{last}/{}", bytes.len());
            assert_eq!(got.header("content-range"), range, "{told}");
            assert!(got.body == bytes[first..=last], "{told}: wrong bytes");
        }
        Parts(parts) => {
            assert_eq!(got.status, 206, "{told}");
            let found = multipart(got, told);
            assert_eq!(found.len(), parts.len(), "{told}: parts");
            for ((first, last), (range, body)) in parts.iter().zip(found) {
                assert_eq!(
                    range,
                    format!("bytes {first}-{last}/{}", bytes.len()),
                    "{told}"
                );
                assert!(
                    body == bytes[*first..=*last],
                    "{told}: wrong bytes in a part"
                );
            }
        }
    }
}

/// The parts of a `multipart/byteranges` body: `Content-Range` and bytes.
fn multipart(got: &Got, told: &str) -> Vec<(String, Vec<u8>)> {
    let boundary = got.header("content-type");
    let boundary = boundary.strip_prefix("multipart/byteranges; boundary=");
    let boundary = format!("\r\n--{}", boundary.unwrap_or_else(|| panic!("{told}")));
    let find = |within: &[u8], what: &[u8]| within.windows(what.len()).position(|at| at == what);
    let mut parts = Vec::new();
    // The line break before the first boundary may be left out.
    let with_break = [b"\r\n", &got.body[..]].concat();
    let mut rest = match got.body.starts_with(b"\r\n") {
        true => &got.body[..],
        false => &with_break[..],
    };
    loop {
        let at = find(rest, boundary.as_bytes()).unwrap_or_else(|| panic!("{told}: no boundary"));
        assert_eq!(at, 0, "{told}: bytes that belong to no part");
        rest = &rest[boundary.len()..];
        if rest.starts_with(b"--") {
            return parts;
        }
        let head_end = find(rest, b"\r\n\r\n").unwrap();
        let head = std::str::from_utf8(&rest[..head_end]).unwrap();
        let fields: BTreeMap<String, &str> = head
            .lines()
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value))
            .collect();
        rest = &rest[head_end + 4..];
        let body = find(rest, boundary.as_bytes()).unwrap();
        parts.push((fields["content-range"].to_owned(), rest[..body].to_vec()));
        rest = &rest[body..];
    }
}

/// Objects of one length, different each.
fn objects(count: u64, len: usize) -> Vec<(u64, Vec<u8>)> {
    (0..count).map(|id| (id, content(id, len))).collect()
}

#[test]
fn the_table_is_the_models() {
    let len = 2 * MIB + 100;
    for (header, wanted) in table(len) {
        assert_eq!(model(header.as_bytes(), len), wanted, "{header:?}");
    }
}

#[actix_web::test]
async fn the_table_holds_for_misses_and_hits() {
    let len = MIB + 30_000;
    let table = table(len);
    // One object per header, so that each is a miss.
    let objects = objects(table.len() as u64, len);
    let origin = Origin::start(Manner::Honest, &objects);
    let edge = Setup::new(&[&origin], &objects).start().await;
    for ((header, wanted), (id, bytes)) in table.iter().zip(&objects) {
        let got = ask(&edge, *id, header.as_bytes()).await;
        check(&got, wanted, bytes, &format!("miss {header:?}"));
        if *wanted != Nothing {
            assert_eq!(got.header("x-cache"), "miss", "{header:?}");
        }
    }
    let (id, bytes) = &objects[1];
    edge.get(id).await;
    edge.until_hit(*id).await;
    for (header, wanted) in &table {
        let got = ask(&edge, *id, header.as_bytes()).await;
        check(&got, wanted, bytes, &format!("hit {header:?}"));
        if *wanted != Nothing {
            assert_eq!(got.header("x-cache"), "hit", "{header:?}");
        }
    }
    edge.node.stop().await;
}

#[actix_web::test]
async fn the_table_holds_while_the_object_is_filled() {
    let len = 2 * MIB + 100;
    let objects = objects(1, len);
    let bytes = &objects[0].1;
    let (open_gate, gate) = watch::channel(false);
    // Everything but the last bytes may come.
    let origin = Origin::start(Manner::Gated(2 * MIB as u64 + 64, gate), &objects);
    let mut setup = Setup::new(&[&origin], &objects);
    setup.stall_timeout = std::time::Duration::from_secs(60);
    let edge = setup.start().await;
    let got = ask(&edge, 0, b"bytes=0-1").await;
    assert_eq!((got.status, got.header("x-cache")), (206, "miss"));
    assert!(got.header("content-length") == "2" && got.body == bytes[..2]);

    let (mut before, mut after) = (Vec::new(), Vec::new());
    for (header, wanted) in table(len) {
        let there = 2 * MIB;
        match &wanted {
            Nothing => before.push((header, wanted)),
            Parts(parts) if parts.iter().all(|(_, last)| *last < there) => {
                before.push((header, wanted));
            }
            _ => after.push((header, wanted)),
        }
    }
    assert!(before.len() > 15 && after.len() > 60);
    for (header, wanted) in &before {
        let got = ask(&edge, 0, header.as_bytes()).await;
        check(&got, wanted, bytes, &format!("filling {header:?}"));
        if *wanted != Nothing {
            assert_eq!(got.header("x-cache"), "pending", "{header:?}");
        }
    }
    let asked = after
        .iter()
        .map(|(header, _)| ask(&edge, 0, header.as_bytes()));
    let opening = async {
        until_active(&edge, after.len()).await;
        open_gate.send(true).unwrap();
    };
    let (got, ()) = futures::join!(futures::future::join_all(asked), opening);
    for (got, (header, wanted)) in got.iter().zip(&after) {
        check(got, wanted, bytes, &format!("filling {header:?}"));
    }
    edge.node.stop().await;
}

/// Headers that are right, nearly right, and anything that a header may hold.
fn some_header() -> impl Strategy<Value = Vec<u8>> {
    let text = |part: Option<u64>| part.map(|part| part.to_string()).unwrap_or_default();
    let number = prop_oneof![0u64..20, 0u64..50_000, any::<u64>()];
    let any_spec = (
        proptest::option::of(number.clone()),
        proptest::option::of(number),
    )
        .prop_map(move |(first, last)| format!("{}-{}", text(first), text(last)));
    let within = (0u64..40_000, 0u64..4_000)
        .prop_map(|(first, more)| format!("{first}-{}", first.saturating_add(more)));
    let beyond = (40_000u64..50_000).prop_map(|first| format!("{first}-"));
    let spec = prop_oneof![1 => any_spec, 4 => within, 2 => beyond];
    let well = proptest::collection::vec(spec, 1..4)
        .prop_map(|specs| format!("bytes={}", specs.join(",")).into_bytes());
    let near = (well.clone(), any::<prop::sample::Index>(), 0x20u8..0x7f).prop_map(
        |(mut header, at, byte)| {
            let at = at.index(header.len());
            header[at] = byte;
            header
        },
    );
    let wild =
        proptest::collection::vec(prop_oneof![Just(b'\t'), 0x20u8..0x7f, 0x80u8..=0xff], 0..40)
            .prop_map(|mut tail| {
                let mut header = b"bytes=".to_vec();
                header.append(&mut tail);
                header
            });
    prop_oneof![4 => well, 3 => near, 1 => wild]
}

#[actix_web::test]
async fn any_header_gives_what_the_model_gives() {
    const CASES: u64 = 150;
    let len = 40_000;
    let objects = objects(CASES, len);
    let origin = Origin::start(Manner::Honest, &objects);
    let (open_gate, gate) = watch::channel(false);
    let gated = Origin::start(Manner::Gated(0, gate), &objects);
    let cold = Setup::new(&[&origin], &objects).start().await;
    let mut slow = Setup::new(&[&gated], &objects);
    slow.stall_timeout = std::time::Duration::from_secs(60);
    let slow = slow.start().await;

    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &[7; 32]);
    let mut runner = TestRunner::new_with_rng(RunnerConfig::default(), rng);
    let mut headers = Vec::new();
    for _ in 0..CASES {
        headers.push(some_header().new_tree(&mut runner).unwrap().current());
    }
    // All of them are there while not a byte has come.
    let asked = headers.iter().map(|header| ask(&slow, 0, header));
    let waiting = headers
        .iter()
        .filter(|header| model(header, len) != Nothing);
    let opening = async {
        until_active(&slow, waiting.count()).await;
        open_gate.send(true).unwrap();
    };
    let (filled, ()) = futures::join!(futures::future::join_all(asked), opening);
    let mut seen = [0; 3];
    for ((header, got), (id, bytes)) in headers.iter().zip(filled).zip(&objects) {
        let wanted = model(header, len);
        seen[match wanted {
            Whole => 0,
            Parts(_) => 1,
            Nothing => 2,
        }] += 1;
        let told = String::from_utf8_lossy(header);
        check(&got, &wanted, &objects[0].1, &format!("filling {told:?}"));
        let miss = ask(&cold, *id, header).await;
        check(&miss, &wanted, bytes, &format!("miss {told:?}"));
        if wanted == Nothing {
            continue;
        }
        cold.until_hit(*id).await;
        let hit = ask(&cold, *id, header).await;
        assert_eq!(hit.header("x-cache"), "hit", "{told:?}");
        check(&hit, &wanted, bytes, &format!("hit {told:?}"));
    }
    assert!(seen.iter().all(|count| *count > 5), "{seen:?}");
    cold.node.stop().await;
    slow.node.stop().await;
}

#[actix_web::test]
async fn a_range_holds_only_for_the_object_it_was_meant_for() {
    let len = 40_000;
    let objects = objects(8, len);
    let origin = Origin::start(Manner::Honest, &objects);
    let edge = Setup::new(&[&origin], &objects).start().await;
    let etag = |id: u64| {
        format!(
            "\"{}\"",
            shared::hash::ContentHash::of(&objects[id as usize].1)
        )
    };
    let conditions = |id: u64| {
        [
            (etag(id), 206),
            (etag(id + 1), 200),
            (format!("W/{}", etag(id)), 200),
            ("Wed, 21 Oct 2015 07:28:00 GMT".to_owned(), 200),
            ("*".to_owned(), 200),
        ]
    };
    // Each condition meets a miss, then all of them a hit.
    for id in 0..5 {
        let (condition, status) = &conditions(id)[id as usize];
        let headers = [("range", "bytes=1-2"), ("if-range", condition)];
        let got = edge.ask("GET", id, &headers).await.unwrap();
        assert_eq!(
            (got.status, got.header("x-cache")),
            (*status, "miss"),
            "{condition}"
        );
    }
    edge.until_hit(0).await;
    for (condition, status) in conditions(0) {
        let headers = [("range", "bytes=1-2"), ("if-range", &condition)];
        let got = edge.ask("GET", 0, &headers).await.unwrap();
        assert_eq!(
            (got.status, got.header("x-cache")),
            (status, "hit"),
            "{condition}"
        );
        let bytes = &objects[0].1;
        let wanted = if status == 206 { &bytes[1..=2] } else { bytes };
        assert!(got.body == wanted, "{condition}");
    }
    edge.node.stop().await;
}
