//! Values as people write them: `10GiB`, `5s`; and secrets, which are never written.

use std::{fmt, str::FromStr, time::Duration};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number of bytes: `1500`, `64KiB`, `10 GiB`, `2GB`. `KB`, `MB`… are powers of 1000, `KiB`,
/// `MiB`… of 1024.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct ByteSize(pub u64);

/// A length of time: `250ms`, `5s`, `10m`, `2h`, `7d`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct TimeSpan(pub Duration);

/// A text that must not be shown: logs and printed configurations say `<redacted>`.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

/// A text that is not a size or a time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a {what}; examples: {examples}")]
pub struct UnitError {
    text: String,
    what: &'static str,
    examples: &'static str,
}

/// Sizes by suffix, the largest first, so that printing finds the largest that fits.
const SIZES: [(&str, u64); 9] = [
    ("TiB", 1 << 40),
    ("TB", 1_000_000_000_000),
    ("GiB", 1 << 30),
    ("GB", 1_000_000_000),
    ("MiB", 1 << 20),
    ("MB", 1_000_000),
    ("KiB", 1 << 10),
    ("KB", 1_000),
    ("B", 1),
];

/// Milliseconds by suffix, the largest first.
const TIMES_MS: [(&str, u64); 5] = [
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// Splits `10 GiB` into number and factor; a bare number has the factor of `bare`.
fn amount(text: &str, units: &[(&str, u64)], bare: Option<u64>) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let suffix = suffix.trim_start();
    let factor = match suffix {
        "" => bare?,
        _ => {
            units
                .iter()
                .find(|(unit, _)| unit.eq_ignore_ascii_case(suffix))?
                .1
        }
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

fn written(value: u64, units: &[(&str, u64)]) -> String {
    let fits = |factor: u64| value != 0 && value.is_multiple_of(factor);
    let (unit, factor) = units
        .iter()
        .find(|(_, factor)| fits(*factor))
        .unwrap_or(&units[units.len() - 1]);
    format!("{}{unit}", value / factor)
}

impl FromStr for ByteSize {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        amount(text, &SIZES, Some(1))
            .map(Self)
            .ok_or_else(|| UnitError {
                text: text.chars().take(80).collect(),
                what: "size",
                examples: "64KiB, 10GiB, 2GB",
            })
    }
}
impl ByteSize {
    /// For people: one digit behind the point in the unit that fits, as in `53.8 GiB`. What
    /// [`Display`](fmt::Display) writes is exact and can be read again.
    pub fn rounded(self) -> String {
        let binary = SIZES.iter().filter(|(unit, _)| unit.ends_with("iB"));
        match binary.copied().find(|(_, factor)| self.0 >= *factor) {
            Some((unit, factor)) => format!("{:.1} {unit}", self.0 as f64 / factor as f64),
            None => format!("{} B", self.0),
        }
    }
}
impl fmt::Display for ByteSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(self.0, &SIZES))
    }
}

impl TimeSpan {
    /// This many seconds.
    pub const fn from_secs(seconds: u64) -> Self {
        Self(Duration::from_secs(seconds))
    }
}
impl From<TimeSpan> for Duration {
    fn from(span: TimeSpan) -> Self {
        span.0
    }
}
impl FromStr for TimeSpan {
    type Err = UnitError;
    fn from_str(text: &str) -> Result<Self, UnitError> {
        let bare = (text.trim() == "0").then_some(1);
        amount(text, &TIMES_MS, bare)
            .map(|ms| Self(Duration::from_millis(ms)))
            .ok_or_else(|| UnitError {
                text: text.chars().take(80).collect(),
                what: "length of time",
                examples: "250ms, 5s, 10m, 2h",
            })
    }
}
impl fmt::Display for TimeSpan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        f.write_str(&written(ms, &TIMES_MS))
    }
}

impl Serialize for ByteSize {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for ByteSize {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl de::Visitor<'_> for Visitor {
            type Value = ByteSize;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as 10GiB, or a number of bytes")
            }
            fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<ByteSize, E> {
                Ok(ByteSize(bytes))
            }
            fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<ByteSize, E> {
                u64::try_from(bytes)
                    .map(ByteSize)
                    .map_err(|_| E::invalid_value(de::Unexpected::Signed(bytes), &self))
            }
            fn visit_str<E: de::Error>(self, text: &str) -> Result<ByteSize, E> {
                text.parse().map_err(E::custom)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}
impl Serialize for TimeSpan {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
impl<'de> Deserialize<'de> for TimeSpan {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(de::Error::custom)
    }
}

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the moment it is used.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("<redacted>")
    }
}
impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("<redacted>")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_rounded_for_people() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (11_461_517, "10.9 MiB"),
            (270_553_174_016, "252.0 GiB"),
            (u64::MAX, "16777216.0 TiB"),
        ] {
            assert_eq!(ByteSize(bytes).rounded(), text);
        }
    }

    #[test]
    fn sizes_are_read_and_written() {
        for (text, bytes) in [
            ("0", 0),
            ("1500", 1500),
            ("1B", 1),
            ("64KiB", 65_536),
            ("64 kib", 65_536),
            ("10GiB", 10 << 30),
            ("2GB", 2_000_000_000),
            ("3TiB", 3 << 40),
        ] {
            let size: ByteSize = text.parse().unwrap();
            assert_eq!(size, ByteSize(bytes), "{text}");
            assert_eq!(size.to_string().parse(), Ok(size), "{text}");
        }
        for text in [
            "",
            "GiB",
            "1.5GiB",
            "-1",
            "10 apples",
            "99999999999TiB",
            "1 0",
        ] {
            assert!(
                text.parse::<ByteSize>()
                    .unwrap_err()
                    .to_string()
                    .contains(text),
                "{text}"
            );
        }
        assert_eq!(ByteSize(3 << 20).to_string(), "3MiB");
    }

    #[test]
    fn times_are_read_and_written() {
        for (text, ms) in [
            ("0", 0),
            ("250ms", 250),
            ("5s", 5_000),
            ("10m", 600_000),
            ("2h", 7_200_000),
            ("7d", 604_800_000),
        ] {
            let span: TimeSpan = text.parse().unwrap();
            assert_eq!(span.0, Duration::from_millis(ms), "{text}");
            assert_eq!(span.to_string().parse(), Ok(span), "{text}");
        }
        for text in ["", "5", "s", "5 weeks", "-1s"] {
            assert!(text.parse::<TimeSpan>().is_err(), "{text}");
        }
        assert_eq!(TimeSpan::from_secs(90).to_string(), "90s");
    }
}
