//! What each event changes in the index. Pure: [`reads`] says which rows an event needs to know,
//! [`changes`] makes changes of the event, its block and those rows. Nothing here touches a database.
//!
//! - [`storage`][]: storage buckets, bags and data objects
//! - [`distribution`][]: families, distribution buckets and their operators
//! - [`operator`][]: what operators and leads say about nodes and regions
//! - [`members`][]: memberships
//! - [`content`][]: channels and videos
//! - [`language`][]: their languages
//!
//! Metadata follows the rules every client expects: an absent field keeps what was, an empty text
//! clears it, and bytes that cannot be decoded change nothing.

pub mod content;
pub mod distribution;
pub mod language;
pub mod members;
pub mod operator;
pub mod storage;

use std::collections::BTreeMap;

use shared::{
    chain::event::{ChainEvent, StorageEvent},
    metadata::MetadataError,
};

use crate::{
    schema::Value,
    store::change::{Change, Fields},
};

/// The place of an event on the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Height of the block.
    pub block: u32,
    /// Time of the block.
    pub timestamp_ms: u64,
    /// Index among the events of the block.
    pub index: u32,
    /// Index of the extrinsic, if one caused it.
    pub extrinsic: Option<u32>,
}

impl Place {
    /// The time as a value.
    pub fn time(self) -> Value {
        Value::Time(i64::try_from(self.timestamp_ms).unwrap_or(i64::MAX))
    }
}

/// Rows that an event needs to know before it can be mapped: those of `entity` whose column `path` is
/// one of `texts`. Every entity is read at most once per event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Read {
    /// The entity.
    pub entity: &'static str,
    /// The column.
    pub path: &'static str,
    /// What it holds.
    pub texts: Vec<String>,
}

impl Read {
    fn new(entity: &'static str, path: &'static str, text: impl ToString) -> Self {
        Self {
            entity,
            path,
            texts: vec![text.to_string()],
        }
    }
}

/// The rows that were read, by entity.
#[derive(Debug, Clone, Default)]
pub struct Known(pub BTreeMap<&'static str, Vec<BTreeMap<String, Value>>>);

impl Known {
    /// The rows of an entity.
    pub fn rows(&self, entity: &str) -> &[BTreeMap<String, Value>] {
        self.0.get(entity).map(Vec::as_slice).unwrap_or_default()
    }

    /// A text of the first row of an entity.
    pub fn text(&self, entity: &str, path: &str) -> Option<&str> {
        self.rows(entity).first()?.get(path)?.as_text()
    }
}

/// Which rows the event needs to know.
pub fn reads(event: &ChainEvent) -> Vec<Read> {
    match event {
        ChainEvent::Storage(StorageEvent::DynamicBagDeleted { bag }) => {
            vec![Read::new(storage::OBJECT, "storageBag", bag)]
        }
        ChainEvent::Storage(_) | ChainEvent::Members(_) => Vec::new(),
        ChainEvent::Content(event) => content::reads(event),
    }
}

/// What the event changes.
pub fn changes(event: &ChainEvent, place: Place, known: &Known) -> Vec<Change> {
    match event {
        ChainEvent::Storage(event) => storage::changes(event, place, known)
            .or_else(|| distribution::changes(event))
            .unwrap_or_default(),
        ChainEvent::Members(event) => members::changes(event, place),
        ChainEvent::Content(event) => content::changes(event, place, known),
    }
}

/// A text without the NUL characters that databases refuse.
fn clean(text: &str) -> String {
    text.replace('\0', "")
}

/// A text of metadata: absent keeps what was, empty becomes null.
fn put_text(fields: &mut Fields, path: &str, text: Option<&String>) {
    if let Some(text) = text {
        let text = clean(text);
        fields.put(path, (!text.is_empty()).then_some(text));
    }
}

/// A value of metadata: absent keeps what was.
fn put<T: Into<Value>>(fields: &mut Fields, path: &str, value: Option<T>) {
    if let Some(value) = value {
        fields.put(path, value);
    }
}

/// The decoded message, or nothing and a log line: what a creator got wrong stops nobody else.
fn decoded<T>(message: Result<T, MetadataError>, of: &dyn std::fmt::Display) -> Option<T> {
    message
        .inspect_err(|error| tracing::warn!(%of, %error, "metadata is ignored"))
        .ok()
}
