//! HTTP byte ranges (RFC 9110, section 14): a header and the object's length go in, what to answer
//! comes out. Pure; what cannot be understood is ignored, as the RFC asks, so the whole is sent.

/// Most ranges one request may name. A request with more gets the whole object: many small ranges
/// are an attack rather than a wish.
pub const RANGES_MAX: usize = 16;

/// Bytes `start..end` of an object; never empty, `end` is not included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ByteRange {
    /// Position of the first byte.
    pub start: u64,
    /// Position after the last byte.
    pub end: u64,
}

/// How many bytes a range holds. There is no `is_empty`, because a range never is.
#[allow(clippy::len_without_is_empty)]
impl ByteRange {
    /// The number of bytes.
    pub fn len(self) -> u64 {
        self.end - self.start
    }

    /// The value of `Content-Range` for this part of an object of `total` bytes.
    pub fn content_range(self, total: u64) -> String {
        format!("bytes {}-{}/{total}", self.start, self.end - 1)
    }

    /// The value of a `Range` request header that asks for just this.
    pub fn header_value(self) -> String {
        format!("bytes={}-{}", self.start, self.end - 1)
    }
}

impl From<ByteRange> for std::ops::Range<u64> {
    fn from(range: ByteRange) -> Self {
        range.start..range.end
    }
}

/// What a `Range` header asks of an object of known length.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wanted {
    /// No header, another unit, malformed, or too many ranges: answer 200 with all of it.
    Whole,
    /// Answer 206 with this part.
    One(ByteRange),
    /// Answer 206 with these parts, in the order asked: at least two, at most [`RANGES_MAX`].
    Several(Vec<ByteRange>),
    /// Well-formed, but no part of it lies within the object: answer 416.
    Unsatisfiable,
}

/// One element of the list, before it meets a length.
enum Spec {
    FromTo(u64, u64),
    From(u64),
    Last(u64),
}

/// Reads the value of a `Range` header for an object of `len` bytes.
///
/// Ranges that overlap so much that the parts add up to more than the object are answered with the
/// whole: the client gets every byte it asked for and nobody sends a byte twice.
pub fn parse(header: Option<&[u8]>, len: u64) -> Wanted {
    let Some(specs) = header.and_then(parse_specs) else {
        return Wanted::Whole;
    };
    let mut ranges: Vec<ByteRange> = specs.iter().filter_map(|spec| resolve(spec, len)).collect();
    match ranges.as_slice() {
        [] => Wanted::Unsatisfiable,
        [_] => Wanted::One(ranges.remove(0)),
        _ if ranges.iter().map(|range| range.len()).sum::<u64>() > len => Wanted::Whole,
        _ => Wanted::Several(ranges),
    }
}

/// The list of a `bytes` range set, or `None` if the header is to be ignored.
fn parse_specs(header: &[u8]) -> Option<Vec<Spec>> {
    let text = std::str::from_utf8(header).ok()?;
    let (unit, list) = text.split_once('=')?;
    if !unit.trim_matches([' ', '\t']).eq_ignore_ascii_case("bytes") {
        return None;
    }
    let mut specs = Vec::new();
    // Empty elements of a list are allowed (RFC 9110, section 5.6.1) and count towards the limit.
    for (index, element) in list.split(',').enumerate() {
        if index >= RANGES_MAX {
            return None;
        }
        let element = element.trim_matches([' ', '\t']);
        if !element.is_empty() {
            specs.push(parse_spec(element)?);
        }
    }
    (!specs.is_empty()).then_some(specs)
}

fn parse_spec(element: &str) -> Option<Spec> {
    let (first, last) = element.split_once('-')?;
    match (first, last) {
        ("", "") => None,
        ("", suffix) => Some(Spec::Last(position(suffix)?)),
        (first, "") => Some(Spec::From(position(first)?)),
        (first, last) => {
            let (first, last) = (position(first)?, position(last)?);
            (first <= last).then_some(Spec::FromTo(first, last))
        }
    }
}

/// Digits only. A number too large for 64 bits lies beyond any object and is held at the largest.
fn position(digits: &str) -> Option<u64> {
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX))
}

fn resolve(spec: &Spec, len: u64) -> Option<ByteRange> {
    let (start, end) = match *spec {
        Spec::FromTo(first, last) => (first, last.saturating_add(1).min(len)),
        Spec::From(first) => (first, len),
        Spec::Last(suffix) => (len.saturating_sub(suffix), len),
    };
    (start < end).then_some(ByteRange { start, end })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn one(start: u64, end: u64) -> Wanted {
        Wanted::One(ByteRange { start, end })
    }
    fn several(ranges: &[(u64, u64)]) -> Wanted {
        Wanted::Several(
            ranges
                .iter()
                .map(|&(start, end)| ByteRange { start, end })
                .collect(),
        )
    }

    #[test]
    fn headers_of_an_object_of_100_bytes() {
        use Wanted::{Unsatisfiable, Whole};
        let many = format!("bytes={}", vec!["0-0"; RANGES_MAX].join(","));
        let too_many = format!("bytes={}", vec!["0-0"; RANGES_MAX + 1].join(","));
        let long = format!("bytes=0-{}", "9".repeat(5_000));
        let table: Vec<(&str, Wanted)> = vec![
            // single
            ("bytes=0-0", one(0, 1)),
            ("bytes=0-1", one(0, 2)),
            ("bytes=0-99", one(0, 100)),
            ("bytes=99-99", one(99, 100)),
            ("bytes=10-19", one(10, 20)),
            ("bytes=00-09", one(0, 10)),
            ("bytes=0-100", one(0, 100)),
            ("bytes=0-18446744073709551615", one(0, 100)),
            ("bytes=0-99999999999999999999999", one(0, 100)),
            (&long, one(0, 100)),
            // open
            ("bytes=0-", one(0, 100)),
            ("bytes=1-", one(1, 100)),
            ("bytes=99-", one(99, 100)),
            // suffix
            ("bytes=-1", one(99, 100)),
            ("bytes=-100", one(0, 100)),
            ("bytes=-101", one(0, 100)),
            ("bytes=-18446744073709551616", one(0, 100)),
            // unit and blanks
            ("BYTES=0-1", one(0, 2)),
            ("Bytes=0-1", one(0, 2)),
            ("bytes= 0-1", one(0, 2)),
            ("bytes=0-1 ", one(0, 2)),
            ("bytes =0-1", one(0, 2)),
            ("bytes=\t0-1\t", one(0, 2)),
            // several
            ("bytes=0-1,3-4", several(&[(0, 2), (3, 5)])),
            ("bytes=0-1, 3-4", several(&[(0, 2), (3, 5)])),
            ("bytes=3-4,0-1", several(&[(3, 5), (0, 2)])),
            ("bytes=0-0,-1", several(&[(0, 1), (99, 100)])),
            ("bytes=0-9,5-14", several(&[(0, 10), (5, 15)])),
            ("bytes=,0-1,,3-4,", several(&[(0, 2), (3, 5)])),
            ("bytes=,0-1,", one(0, 2)),
            ("bytes=0-1,200-300", one(0, 2)),
            ("bytes=200-300,0-1", one(0, 2)),
            ("bytes=0-1,200-300,5-5", several(&[(0, 2), (5, 6)])),
            ("bytes=0-1,-0", one(0, 2)),
            (&many, several(&[(0, 1); RANGES_MAX])),
            (&too_many, Whole),
            ("bytes=0-,0-", Whole),
            ("bytes=0-99,0-99,0-99", Whole),
            ("bytes=0-49,50-99", several(&[(0, 50), (50, 100)])),
            // beyond the object
            ("bytes=100-", Unsatisfiable),
            ("bytes=100-100", Unsatisfiable),
            ("bytes=100-200,300-400", Unsatisfiable),
            ("bytes=-0", Unsatisfiable),
            ("bytes=18446744073709551615-", Unsatisfiable),
            (
                "bytes=18446744073709551616-18446744073709551617",
                Unsatisfiable,
            ),
            // malformed: ignored
            ("", Whole),
            ("bytes", Whole),
            ("bytes=", Whole),
            ("bytes=,", Whole),
            ("bytes=,,,,,,,,,,,,,,,,,,", Whole),
            ("bytes=-", Whole),
            ("bytes=--1", Whole),
            ("bytes=1", Whole),
            ("bytes=1-0", Whole),
            ("bytes=50-40", Whole),
            ("bytes=a-b", Whole),
            ("bytes=0-b", Whole),
            ("bytes=0x0-0x1", Whole),
            ("bytes=+0-1", Whole),
            ("bytes=0-+1", Whole),
            ("bytes=-+1", Whole),
            ("bytes=0 - 1", Whole),
            ("bytes=0-1;2-3", Whole),
            ("bytes=0-1-2", Whole),
            ("bytes=0-1,1-0", Whole),
            ("bytes=0-1,x", Whole),
            ("bytes:0-1", Whole),
            ("=0-1", Whole),
            ("0-1", Whole),
            ("bytes=\u{661}-\u{662}", Whole),
            ("bytes=0.0-1.0", Whole),
            ("bytes=1e1-", Whole),
            ("bytes==0-1", Whole),
            ("bytes=0-1\0", Whole),
            // other units
            ("items=0-1", Whole),
            ("byte=0-1", Whole),
            ("none", Whole),
            ("seconds=1-2", Whole),
        ];
        assert!(table.len() >= 60);
        for (header, expected) in table {
            let shown: String = header.chars().take(60).collect();
            assert_eq!(parse(Some(header.as_bytes()), 100), expected, "{shown:?}");
        }
        assert_eq!(parse(None, 100), Whole);
        assert_eq!(parse(Some(b"bytes=\xff-1"), 100), Whole);
    }

    #[test]
    fn nothing_lies_within_an_empty_object() {
        for header in [
            "bytes=0-0",
            "bytes=0-",
            "bytes=-1",
            "bytes=-0",
            "bytes=0-0,1-1",
        ] {
            assert_eq!(
                parse(Some(header.as_bytes()), 0),
                Wanted::Unsatisfiable,
                "{header}"
            );
        }
        assert_eq!(parse(Some(b"bytes=x"), 0), Wanted::Whole);
    }

    /// The RFC in terms of a slice: which indexes a well-formed single range selects.
    fn model(data: &[u8], first: Option<u64>, last: Option<u64>) -> Vec<u8> {
        let len = data.len() as u64;
        let selected = |index: u64| match (first, last) {
            (Some(first), Some(last)) => first <= index && index <= last,
            (Some(first), None) => first <= index,
            (None, Some(suffix)) => index + suffix >= len,
            (None, None) => true,
        };
        (0..len)
            .filter(|&index| selected(index))
            .map(|index| data[index as usize])
            .collect()
    }

    proptest! {
        #[test]
        fn a_single_range_selects_what_the_slice_model_selects(
            len in 0u64..300,
            first in proptest::option::of(0u64..400),
            last in proptest::option::of(0u64..400),
        ) {
            prop_assume!(first.is_some() || last.is_some());
            prop_assume!(!matches!((first, last), (Some(first), Some(last)) if first > last));
            let data: Vec<u8> = (0..len).map(|index| index as u8).collect();
            let text = |part: Option<u64>| part.map(|part| part.to_string()).unwrap_or_default();
            let header = format!("bytes={}-{}", text(first), text(last));
            let expected = model(&data, first, last);
            match parse(Some(header.as_bytes()), len) {
                Wanted::One(range) => {
                    prop_assert_eq!(&data[range.start as usize..range.end as usize], &expected[..]);
                }
                Wanted::Unsatisfiable => prop_assert!(expected.is_empty()),
                other => prop_assert!(false, "{} gave {:?}", header, other),
            }
        }

        #[test]
        fn whatever_comes_the_parts_lie_within_the_object(header in ".{0,80}", len in any::<u64>()) {
            check_within(&header, len)?;
        }

        #[test]
        fn whatever_looks_like_a_range_the_parts_lie_within_the_object(
            header in "bytes=[0-9,\\- ]{0,60}", len in 0u64..100,
        ) {
            check_within(&header, len)?;
        }
    }

    fn check_within(header: &str, len: u64) -> Result<(), TestCaseError> {
        let ranges = match parse(Some(header.as_bytes()), len) {
            Wanted::One(range) => vec![range],
            Wanted::Several(ranges) => ranges,
            Wanted::Whole | Wanted::Unsatisfiable => return Ok(()),
        };
        prop_assert!(ranges.len() <= RANGES_MAX);
        for range in ranges {
            prop_assert!(
                range.start < range.end && range.end <= len,
                "{:?} of {}",
                range,
                len
            );
        }
        Ok(())
    }
}
