//! The values a column holds, how they are written down, and how people see them.

use std::fmt::Write;

/// Types of single values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scalar {
    /// Text.
    String,
    /// 32-bit whole number.
    Int,
    /// Whole number of any size the chain knows (up to 128 bits, never negative); a string in JSON.
    BigInt,
    /// 64-bit floating point number.
    Float,
    /// True or false.
    Boolean,
    /// A moment, kept as milliseconds since the Unix epoch.
    DateTime,
}

impl Scalar {
    /// Name in the schema and in the API.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "String",
            Self::Int => "Int",
            Self::BigInt => "BigInt",
            Self::Float => "Float",
            Self::Boolean => "Boolean",
            Self::DateTime => "DateTime",
        }
    }

    /// The scalar of this name.
    pub fn of_name(name: &str) -> Option<Self> {
        [
            Self::String,
            Self::Int,
            Self::BigInt,
            Self::Float,
            Self::Boolean,
            Self::DateTime,
        ]
        .into_iter()
        .find(|scalar| scalar.name() == name)
    }
}

/// A value of a column.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// None.
    Null,
    /// Text, an id, an enum's value, a variant's name.
    Text(String),
    /// A whole number.
    Int(i64),
    /// A large whole number.
    Big(u128),
    /// A floating point number.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Milliseconds since the Unix epoch.
    Time(i64),
    /// A list.
    Json(serde_json::Value),
}

impl Value {
    /// Is it null?
    pub fn is_null(&self) -> bool {
        matches!(self, Self::Null)
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}
impl From<u32> for Value {
    fn from(value: u32) -> Self {
        Self::Int(value.into())
    }
}
impl From<i64> for Value {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}
impl From<u64> for Value {
    fn from(value: u64) -> Self {
        Self::Big(value.into())
    }
}
impl From<u128> for Value {
    fn from(value: u128) -> Self {
        Self::Big(value)
    }
}
impl From<f64> for Value {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}
impl From<serde_json::Value> for Value {
    fn from(value: serde_json::Value) -> Self {
        Self::Json(value)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// Digits of the largest 128-bit number: large numbers are stored padded to this, so that the order
/// of the texts is the order of the numbers.
pub const BIG_DIGITS: usize = 39;

/// A large number as it is stored.
pub fn stored_big(value: u128) -> String {
    format!("{value:0width$}", width = BIG_DIGITS)
}

const DAY_MS: i64 = 86_400_000;

/// A moment as the API writes it: UTC with six digits, `2022-01-01T00:00:00.000000Z`.
pub fn time_text(ms: i64) -> String {
    let (day, in_day) = (ms.div_euclid(DAY_MS), ms.rem_euclid(DAY_MS));
    let (year, month, date) = civil(day);
    let (hour, minute) = (in_day / 3_600_000, in_day / 60_000 % 60);
    let (second, milli) = (in_day / 1000 % 60, in_day % 1000);
    let mut text = String::with_capacity(27);
    let written = write!(
        text,
        "{year:04}-{month:02}-{date:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}000Z"
    );
    debug_assert!(written.is_ok());
    text
}

/// Reads `YYYY-MM-DD`, with an optional time (`THH:MM[:SS[.fraction]]`) and zone (`Z` or `±HH:MM`;
/// UTC if absent). Digits below the millisecond are dropped.
pub fn parse_time(text: &str) -> Option<i64> {
    let (date, time) = match text.split_once(['T', ' ']) {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let mut parts = date.splitn(3, '-').map(number);
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if !(1..=9999).contains(&year) || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_from_civil(year, month, day);
    if civil(days) != (year, month, day) {
        return None;
    }
    Some(days * DAY_MS + time.map_or(Some(0), time_of_day)?)
}

/// Milliseconds since midnight UTC.
fn time_of_day(text: &str) -> Option<i64> {
    let (clock, offset_minutes) = match text.strip_suffix('Z') {
        Some(clock) => (clock, 0),
        None => match text.rfind(['+', '-']) {
            Some(at) => {
                let (hours, minutes) = text[at + 1..].split_once(':')?;
                let minutes = number(hours)? * 60 + number(minutes)?;
                (
                    &text[..at],
                    if text[at..].starts_with('-') {
                        -minutes
                    } else {
                        minutes
                    },
                )
            }
            None => (text, 0),
        },
    };
    let mut parts = clock.splitn(3, ':');
    let (hour, minute) = (number(parts.next()?)?, number(parts.next()?)?);
    let (second, milli) = match parts.next() {
        None => (0, 0),
        Some(seconds) => match seconds.split_once('.') {
            None => (number(seconds)?, 0),
            Some((seconds, fraction)) => {
                number(fraction)?;
                (number(seconds)?, number(&format!("{fraction:0<3}")[..3])?)
            }
        },
    };
    let valid = hour < 24 && minute < 60 && second < 60;
    valid.then_some(((hour * 60 + minute - offset_minutes) * 60 + second) * 1000 + milli)
}

fn number(digits: &str) -> Option<i64> {
    let plain =
        !digits.is_empty() && digits.len() <= 9 && digits.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| digits.parse().ok()).flatten()
}

/// Year, month, day of a day counted from 1970-01-01, in the proleptic Gregorian calendar.
fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let date = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    (year_of_era + era * 400 + i64::from(month <= 2), month, date)
}

fn days_from_civil(year: i64, month: i64, date: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let month_from_march = if month > 2 { month - 3 } else { month + 9 };
    let of_year = (153 * month_from_march + 2) / 5 + date - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_have_six_digits_and_are_read_back() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00.000000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000000Z"),
            (1_640_995_200_123, "2022-01-01T00:00:00.123000Z"),
            (-1, "1969-12-31T23:59:59.999000Z"),
        ] {
            assert_eq!(time_text(ms), text);
            assert_eq!(parse_time(text), Some(ms));
        }
        assert_eq!(parse_time("2022-01-01"), Some(1_640_995_200_000));
        assert_eq!(
            parse_time("2022-01-01T01:00:00+01:00"),
            Some(1_640_995_200_000)
        );
        assert_eq!(
            parse_time("2022-01-01T00:00:00.1Z"),
            Some(1_640_995_200_100)
        );
        for text in [
            "",
            "x",
            "2022",
            "2022-13-01",
            "2022-02-30",
            "2022-01-01T25:00",
            "2022-01-01T",
            "2022-01-01T00:00:00.-1Z",
        ] {
            assert_eq!(parse_time(text), None, "{text}");
        }
    }

    #[test]
    fn stored_large_numbers_sort_as_numbers() {
        let numbers = [0, 1, 9, 10, 99, 100, u64::MAX.into(), u128::MAX];
        assert!(
            numbers
                .windows(2)
                .all(|pair| stored_big(pair[0]) < stored_big(pair[1]))
        );
        assert!(
            numbers
                .iter()
                .all(|number| stored_big(*number).len() == BIG_DIGITS)
        );
    }
}
