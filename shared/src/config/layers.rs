//! The layers merged into one tree whose leaves remember where they came from, and the serde
//! deserialiser over it that puts key and origin into every error.

use std::{collections::BTreeMap, fmt, path::PathBuf};

use serde::{
    de::{
        self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor,
        value::StringDeserializer,
    },
    forward_to_deserialize_any,
};

use super::ConfigError;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq)]
pub enum Origin {
    File(PathBuf),
    Environment(String),
    CommandLine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, " in {}", path.display()),
            Self::Environment(name) => write!(f, " from the environment variable {name}"),
            Self::CommandLine => f.write_str(" from the command line"),
        }
    }
}

/// A section, or a value with its origin.
#[derive(Debug, Clone)]
pub enum Tree {
    Section(BTreeMap<String, Tree>),
    /// From TOML: typed.
    Value(toml::Value, Origin),
    /// From the environment: becomes what the key wants.
    Text(String, Origin),
}

impl Default for Tree {
    fn default() -> Self {
        Self::Section(BTreeMap::new())
    }
}

impl Tree {
    /// Lays a table over this one: sections are merged, other values replaced.
    pub fn merge_table(&mut self, table: toml::Table, origin: &Origin) {
        for (key, value) in table {
            let child = self.section().entry(key).or_default();
            match value {
                toml::Value::Table(inner) => child.merge_table(inner, origin),
                value => *child = Self::Value(value, origin.clone()),
            }
        }
    }

    /// Sets one value by its path of keys.
    pub fn set_text(&mut self, keys: &[String], text: String, origin: Origin) {
        match keys {
            [] => *self = Self::Text(text, origin),
            [first, rest @ ..] => {
                self.section()
                    .entry(first.clone())
                    .or_default()
                    .set_text(rest, text, origin);
            }
        }
    }

    /// This as a section; a value that stands in the way is replaced.
    fn section(&mut self) -> &mut BTreeMap<String, Self> {
        if !matches!(self, Self::Section(_)) {
            *self = Self::default();
        }
        match self {
            Self::Section(children) => children,
            Self::Value(..) | Self::Text(..) => unreachable!("it has just been made a section"),
        }
    }

    /// The first origin found in it.
    fn origin(&self) -> Option<&Origin> {
        match self {
            Self::Section(children) => children.values().find_map(Self::origin),
            Self::Value(_, origin) | Self::Text(_, origin) => Some(origin),
        }
    }

    /// Adds the origin of each value below, by its key with `above` in front.
    pub fn origins(&self, above: &str, found: &mut BTreeMap<String, Origin>) {
        match self {
            Self::Section(children) => {
                for (key, child) in children {
                    let key = match above {
                        "" => key.clone(),
                        above => format!("{above}.{key}"),
                    };
                    child.origins(&key, found);
                }
            }
            Self::Value(_, origin) | Self::Text(_, origin) => {
                found.insert(above.to_owned(), origin.clone());
            }
        }
    }

    /// Reads the tree as a configuration.
    pub fn read<T: DeserializeOwned>(self) -> Result<T, ConfigError> {
        T::deserialize(self).map_err(|error| ConfigError::BadKey {
            key: error
                .keys
                .iter()
                .rev()
                .cloned()
                .collect::<Vec<_>>()
                .join("."),
            origin: error
                .origin
                .map(|origin| origin.to_string())
                .unwrap_or_default(),
            reason: error.reason,
        })
    }
}

/// Why a key without a default that nobody gave is an error.
pub const IS_MISSING: &str = "is missing";

/// Characters of a value that an error shows.
const SHOWN_CHARS_MAX: usize = 80;

/// An error with the keys above it, innermost first.
#[derive(Debug)]
pub struct Error {
    reason: String,
    keys: Vec<String>,
    origin: Option<Origin>,
}

impl Error {
    /// Says which text it is about. No secret comes here: every text is one.
    fn naming(mut self, text: &str) -> Self {
        if !self.reason.contains(text) {
            self.reason = format!("'{text}': {}", self.reason);
        }
        self
    }

    fn under(mut self, key: &str, origin: Option<&Origin>) -> Self {
        self.keys.push(key.to_owned());
        self.origin = self.origin.or_else(|| origin.cloned());
        self
    }
}
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.reason)
    }
}
impl std::error::Error for Error {}
impl de::Error for Error {
    fn custom<T: fmt::Display>(reason: T) -> Self {
        Self {
            reason: reason.to_string(),
            keys: Vec::new(),
            origin: None,
        }
    }
    fn missing_field(field: &'static str) -> Self {
        Self {
            reason: IS_MISSING.to_owned(),
            keys: vec![field.to_owned()],
            origin: None,
        }
    }
}

/// Reads a toml value and keeps only the first line of its complaint.
fn toml_error(error: toml::de::Error) -> Error {
    de::Error::custom(error.message())
}

macro_rules! parsed {
    ($($method:ident => $visit:ident: $kind:ty),* $(,)?) => {$(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            match self {
                Self::Text(text, _) => match text.trim().parse::<$kind>() {
                    Ok(value) => visitor.$visit(value),
                    Err(_) => Err(de::Error::invalid_value(de::Unexpected::Str(&text), &visitor)),
                },
                other => other.deserialize_any(visitor),
            }
        }
    )*};
}

impl<'de> de::Deserializer<'de> for Tree {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Section(children) => visitor.visit_map(SectionAccess {
                children: children.into_iter(),
                value: None,
            }),
            Self::Value(toml::Value::Array(items), origin) => visit_items(items, origin, visitor),
            Self::Value(toml::Value::Table(table), origin) => {
                let mut section = Self::default();
                section.merge_table(table, &origin);
                section.deserialize_any(visitor)
            }
            Self::Value(toml::Value::String(text), _) | Self::Text(text, _) => {
                let shown: String = text.chars().take(SHOWN_CHARS_MAX).collect();
                let read = visitor.visit_string(text);
                read.map_err(|error: Error| error.naming(&shown))
            }
            Self::Value(value, _) => value.deserialize_any(visitor).map_err(toml_error),
        }
    }

    parsed! {
        deserialize_bool => visit_bool: bool,
        deserialize_i8 => visit_i64: i64,
        deserialize_i16 => visit_i64: i64,
        deserialize_i32 => visit_i64: i64,
        deserialize_i64 => visit_i64: i64,
        deserialize_u8 => visit_u64: u64,
        deserialize_u16 => visit_u64: u64,
        deserialize_u32 => visit_u64: u64,
        deserialize_u64 => visit_u64: u64,
        deserialize_f32 => visit_f64: f64,
        deserialize_f64 => visit_f64: f64,
    }

    /// A whole number where text is wanted is its digits: ids are texts in JSON, but people write
    /// `worker = 1`.
    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Value(toml::Value::Integer(number), _) => {
                visitor.visit_string(number.to_string())
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        match self {
            Self::Text(text, origin) => {
                let items = text_items(&text);
                visitor.visit_seq(ItemAccess {
                    items: items.into_iter().enumerate(),
                    origin,
                    make: Self::Text,
                })
            }
            other => other.deserialize_any(visitor),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        match self {
            Self::Text(text, _) | Self::Value(toml::Value::String(text), _) => {
                let text: StringDeserializer<Error> = text.into_deserializer();
                visitor.visit_enum(text)
            }
            Self::Section(children) => {
                let access = SectionAccess {
                    children: children.into_iter(),
                    value: None,
                };
                visitor.visit_enum(de::value::MapAccessDeserializer::new(access))
            }
            Self::Value(other, _) => Err(de::Error::custom(format!(
                "{} where a word is expected",
                other.type_str()
            ))),
        }
    }

    forward_to_deserialize_any! {
        i128 u128 char bytes byte_buf unit unit_struct tuple tuple_struct map struct identifier ignored_any
    }
}

fn visit_items<'de, V: Visitor<'de>>(
    items: Vec<toml::Value>,
    origin: Origin,
    visitor: V,
) -> Result<V::Value, Error> {
    visitor.visit_seq(ItemAccess {
        items: items.into_iter().enumerate(),
        origin,
        make: Tree::Value,
    })
}

/// A list as text: a TOML array, or elements separated by commas; empty text is an empty list.
fn text_items(text: &str) -> Vec<String> {
    let inner = text.trim();
    let inner = inner
        .strip_prefix('[')
        .and_then(|inner| inner.strip_suffix(']'))
        .unwrap_or(inner);
    let unquoted = |item: &str| item.trim().trim_matches(['"', '\'']).to_owned();
    inner
        .split(',')
        .map(unquoted)
        .filter(|item| !item.is_empty())
        .collect()
}

/// Walks a section.
struct SectionAccess {
    children: std::collections::btree_map::IntoIter<String, Tree>,
    value: Option<(String, Tree)>,
}

impl<'de> de::MapAccess<'de> for SectionAccess {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        let Some((key, child)) = self.children.next() else {
            return Ok(None);
        };
        let name: StringDeserializer<Error> = key.clone().into_deserializer();
        let read = seed
            .deserialize(name)
            .map_err(|error| error.under(&key, child.origin()))?;
        self.value = Some((key, child));
        Ok(Some(read))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let (key, child) = self
            .value
            .take()
            .ok_or_else(|| de::Error::custom("a value without its key"))?;
        let origin = child.origin().cloned();
        seed.deserialize(child)
            .map_err(|error| error.under(&key, origin.as_ref()))
    }
}

/// Walks a list.
struct ItemAccess<T> {
    items: std::iter::Enumerate<std::vec::IntoIter<T>>,
    origin: Origin,
    make: fn(T, Origin) -> Tree,
}

impl<'de, T> de::SeqAccess<'de> for ItemAccess<T> {
    type Error = Error;

    fn next_element_seed<S: DeserializeSeed<'de>>(
        &mut self,
        seed: S,
    ) -> Result<Option<S::Value>, Error> {
        let Some((index, item)) = self.items.next() else {
            return Ok(None);
        };
        let item = (self.make)(item, self.origin.clone());
        seed.deserialize(item)
            .map(Some)
            .map_err(|error| error.under(&index.to_string(), Some(&self.origin)))
    }
}
