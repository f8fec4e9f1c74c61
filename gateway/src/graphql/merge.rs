//! The merge: walks the client's selections over the indexer's answer and writes the answer in the
//! client's shape and order, with the gateway's fields in their places.

use std::collections::{BTreeSet, HashMap};

use async_graphql_parser::types::SelectionSet;
use serde_json::{Map, Value};
use shared::ids::{BagId, ChannelId, ObjectId, VideoId};

use super::{
    Schema,
    additions::GatewayField,
    collect::{Collected, collect},
    document::Document,
    own,
    split::{BAG_ALIAS, ID_ALIAS, TYPE_ALIAS},
};

/// Of which entities the gateway's values are needed for an answer.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Videos whose views are asked for.
    pub videos: BTreeSet<VideoId>,
    /// Channels whose follows or views are asked for.
    pub channels: BTreeSet<ChannelId>,
    /// Data objects whose URLs are asked for, and their bags.
    pub objects: BTreeSet<(ObjectId, BagId)>,
}

/// The gateway's values for an answer. What is absent counts as zero, or has no URL.
#[derive(Debug, Default)]
pub struct Values {
    /// Views of videos.
    pub video_views: HashMap<VideoId, u64>,
    /// Follows and views of channels.
    pub channels: HashMap<ChannelId, ChannelTotals>,
    /// URLs of data objects.
    pub urls: HashMap<ObjectId, Vec<String>>,
}

/// What is counted of a channel.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChannelTotals {
    /// How many follow it.
    pub follows: u64,
    /// How often its videos were viewed.
    pub views: u64,
}

/// A client's query and what is needed to read and write its answer.
pub struct Merge<'a> {
    /// The stitched schema.
    pub schema: &'a Schema,
    /// The client's document.
    pub document: &'a Document,
}

impl Merge<'_> {
    /// What the gateway must look up for this answer of the indexer (the value of `data`).
    pub fn needs(&self, data: &Value) -> Needs {
        let mut needs = Needs::default();
        self.gather(data, &[self.root()], self.schema.query_type(), &mut needs);
        needs
    }

    /// The client's answer (the value of `data`), written behind `out`.
    pub fn write(&self, data: &Value, values: &Values, out: &mut String) {
        self.write_value(data, &[self.root()], self.schema.query_type(), values, out);
    }

    fn root(&self) -> &SelectionSet {
        &self.document.operation.selection_set.node
    }

    fn fields<'d>(
        &'d self,
        object: &Map<String, Value>,
        sets: &[&'d SelectionSet],
        on: &'d str,
    ) -> (Vec<Collected<'d>>, String) {
        let actual = object
            .get(TYPE_ALIAS)
            .and_then(Value::as_str)
            .unwrap_or(on)
            .to_owned();
        let fields = collect(self.document, sets, &|condition| {
            self.schema.applies(condition, &actual)
        });
        (fields, actual)
    }

    fn gather(&self, value: &Value, sets: &[&SelectionSet], on: &str, needs: &mut Needs) {
        match value {
            Value::Array(items) => items
                .iter()
                .for_each(|item| self.gather(item, sets, on, needs)),
            Value::Object(object) => {
                let (fields, actual) = self.fields(object, sets, on);
                for field in fields {
                    if let Some(added) = self.added(&actual, field.name()) {
                        needs.add(added, object);
                    } else if let Some(of) = self.schema.field_type(&actual, field.name())
                        && let Some(inner) = object.get(field.key)
                        && field.has_selections()
                    {
                        self.gather(inner, &field.selections(), of, needs);
                    }
                }
            }
            _ => {}
        }
    }

    fn added(&self, on: &str, field: &str) -> Option<GatewayField> {
        GatewayField::of(on, field).filter(|_| self.schema.field_type(on, field).is_some())
    }

    fn write_value(
        &self,
        value: &Value,
        sets: &[&SelectionSet],
        on: &str,
        values: &Values,
        out: &mut String,
    ) {
        match value {
            Value::Array(items) => write_list(items, out, |item, out| {
                self.write_value(item, sets, on, values, out)
            }),
            Value::Object(object) => self.write_object(object, sets, on, values, out),
            other => out.push_str(&other.to_string()),
        }
    }

    fn write_object(
        &self,
        object: &Map<String, Value>,
        sets: &[&SelectionSet],
        on: &str,
        values: &Values,
        out: &mut String,
    ) {
        let (fields, actual) = self.fields(object, sets, on);
        write_entries(&fields, out, |field, out| {
            let name = field.name();
            if actual == self.schema.query_type() && matches!(name, "__schema" | "__type") {
                own::write_introspection(self.schema, self.document, field, out);
            } else if let Some(added) = self.added(&actual, name) {
                out.push_str(&values.of(added, object).to_string());
            } else {
                let inner = object.get(field.key).unwrap_or(&Value::Null);
                match self
                    .schema
                    .field_type(&actual, name)
                    .filter(|_| field.has_selections())
                {
                    Some(of) => self.write_value(inner, &field.selections(), of, values, out),
                    None if name == "__typename" && inner.is_null() => {
                        out.push_str(&quoted(&actual))
                    }
                    None => out.push_str(&inner.to_string()),
                }
            }
        });
    }
}

impl Needs {
    fn add(&mut self, field: GatewayField, object: &Map<String, Value>) {
        match field {
            GatewayField::VideoViews => self.videos.extend(key::<VideoId>(object)),
            GatewayField::ChannelFollows | GatewayField::ChannelViews => {
                self.channels.extend(key::<ChannelId>(object));
            }
            GatewayField::ResolvedUrls => self
                .objects
                .extend(key::<ObjectId>(object).zip(bag(object))),
        }
    }

    /// Whether nothing is needed.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Values {
    fn of(&self, field: GatewayField, object: &Map<String, Value>) -> Value {
        let channel = || {
            key(object)
                .and_then(|id| self.channels.get(&id))
                .copied()
                .unwrap_or_default()
        };
        match field {
            GatewayField::VideoViews => key(object)
                .and_then(|id| self.video_views.get(&id))
                .copied()
                .unwrap_or_default()
                .into(),
            GatewayField::ChannelFollows => channel().follows.into(),
            GatewayField::ChannelViews => channel().views.into(),
            GatewayField::ResolvedUrls => key(object)
                .and_then(|id| self.urls.get(&id))
                .cloned()
                .unwrap_or_default()
                .into(),
        }
    }
}

fn key<T: std::str::FromStr>(object: &Map<String, Value>) -> Option<T> {
    object.get(ID_ALIAS)?.as_str()?.parse().ok()
}

fn bag(object: &Map<String, Value>) -> Option<BagId> {
    key(object.get(BAG_ALIAS)?.as_object()?)
}

/// A JSON string.
pub(super) fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A JSON object with one entry for each field.
pub(super) fn write_entries<'a>(
    fields: &[Collected<'a>],
    out: &mut String,
    mut write: impl FnMut(&Collected<'a>, &mut String),
) {
    out.push('{');
    for (position, field) in fields.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        out.push_str(&quoted(field.key));
        out.push(':');
        write(field, out);
    }
    out.push('}');
}

/// A JSON list.
pub(super) fn write_list(
    items: &[Value],
    out: &mut String,
    mut write: impl FnMut(&Value, &mut String),
) {
    out.push('[');
    for (position, item) in items.iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        write(item, out);
    }
    out.push(']');
}
