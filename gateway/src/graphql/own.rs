//! Answers that the gateway has itself: introspection of the stitched schema, and what its mutations
//! give. Values are found by the fields' names, not by the client's aliases.

use async_graphql_parser::types::SelectionSet;
use serde_json::{Map, Value};

use super::{
    Schema,
    collect::{Collected, collect},
    document::Document,
    merge::{quoted, write_entries, write_list},
};

/// The value of `__schema` or `__type(name:)`.
pub fn write_introspection(
    schema: &Schema,
    document: &Document,
    field: &Collected<'_>,
    out: &mut String,
) {
    let (value, on) = match field.name() {
        "__schema" => (Some(schema.introspection()), "__Schema"),
        _ => {
            let name = document.argument(field.fields[0], "name");
            (
                name.and_then(|name| schema.introspected(name.as_str()?)),
                "__Type",
            )
        }
    };
    write_own(
        schema,
        document,
        value.unwrap_or(&Value::Null),
        &field.selections(),
        on,
        out,
    );
}

/// A value of the gateway's own in the shape of the client's selections.
pub fn write_own(
    schema: &Schema,
    document: &Document,
    value: &Value,
    sets: &[&SelectionSet],
    on: &str,
    out: &mut String,
) {
    match value {
        Value::Array(items) => write_list(items, out, |item, out| {
            write_own(schema, document, item, sets, on, out)
        }),
        Value::Object(object) => {
            let object = full_type(schema, object, on);
            let fields = collect(document, sets, &|condition| schema.applies(condition, on));
            write_entries(&fields, out, |field, out| {
                let name = field.name();
                let inner = object.get(name).unwrap_or(&Value::Null);
                match schema
                    .field_type(on, name)
                    .filter(|_| field.has_selections())
                {
                    Some(of) => {
                        let shown = shown(document, field, inner);
                        write_own(schema, document, &shown, &field.selections(), of, out);
                    }
                    None if name == "__typename" => out.push_str(&quoted(on)),
                    None => out.push_str(&inner.to_string()),
                }
            });
        }
        other => out.push_str(&other.to_string()),
    }
}

/// A type that is only named in place of another's field, in full, as clients may ask for its fields.
fn full_type<'a>(
    schema: &'a Schema,
    object: &'a Map<String, Value>,
    on: &str,
) -> &'a Map<String, Value> {
    let name = object
        .get("name")
        .and_then(Value::as_str)
        .filter(|_| on == "__Type");
    let full = name
        .and_then(|name| schema.introspected(name))
        .and_then(Value::as_object);
    full.unwrap_or(object)
}

/// Deprecated fields and values are shown only to those who ask for them.
fn shown<'a>(
    document: &Document,
    field: &Collected<'_>,
    value: &'a Value,
) -> std::borrow::Cow<'a, Value> {
    let asked_for =
        document.argument(field.fields[0], "includeDeprecated") == Some(Value::Bool(true));
    match value {
        Value::Array(items) if matches!(field.name(), "fields" | "enumValues") && !asked_for => {
            let current = items.iter().filter(|item| item["isDeprecated"] != true);
            std::borrow::Cow::Owned(current.cloned().collect())
        }
        _ => std::borrow::Cow::Borrowed(value),
    }
}
