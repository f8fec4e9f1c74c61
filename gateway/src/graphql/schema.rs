//! [`Schema`]: the indexer's schema, learned by introspection, with the gateway's additions.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::additions::{self, GatewayField, MUTATION_TYPE};

/// What the indexer is asked for its schema.
pub const INTROSPECTION_QUERY: &str = include_str!("introspection.graphql");

/// An introspection answer that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    /// Not the answer to the introspection query.
    #[error("the indexer's introspection has no {0}; is it a GraphQL server?")]
    Missing(&'static str),
}

/// The stitched schema.
#[derive(Debug, Clone)]
pub struct Schema {
    /// The value of `__schema`.
    introspection: Value,
    query_type: String,
    types: HashMap<String, TypeInfo>,
    /// Where each type stands in the list of the introspection.
    positions: HashMap<String, usize>,
}

#[derive(Debug, Clone, Default)]
struct TypeInfo {
    /// The innermost type of each field.
    fields: HashMap<String, String>,
    is_abstract: bool,
    possible: HashSet<String>,
}

/// Fields of the introspection types that lead to another of them.
const INTROSPECTION_FIELDS: [(&str, &str, &str); 17] = [
    ("__Schema", "types", "__Type"),
    ("__Schema", "queryType", "__Type"),
    ("__Schema", "mutationType", "__Type"),
    ("__Schema", "subscriptionType", "__Type"),
    ("__Schema", "directives", "__Directive"),
    ("__Type", "fields", "__Field"),
    ("__Type", "interfaces", "__Type"),
    ("__Type", "possibleTypes", "__Type"),
    ("__Type", "enumValues", "__EnumValue"),
    ("__Type", "inputFields", "__InputValue"),
    ("__Type", "ofType", "__Type"),
    ("__Field", "args", "__InputValue"),
    ("__Field", "type", "__Type"),
    ("__InputValue", "type", "__Type"),
    ("__Directive", "args", "__InputValue"),
    ("Query", "__schema", "__Schema"),
    ("Query", "__type", "__Type"),
];

impl Schema {
    /// Stitch the additions to an indexer's schema: the `data` of its answer to
    /// [`INTROSPECTION_QUERY`]. Fields are added to the types that are there and have an `id`.
    pub fn stitch(mut data: Value) -> Result<Self, SchemaError> {
        let mut introspection = data
            .get_mut("__schema")
            .ok_or(SchemaError::Missing("__schema"))?
            .take();
        let query_type = introspection
            .pointer("/queryType/name")
            .and_then(Value::as_str);
        let query_type = query_type
            .ok_or(SchemaError::Missing("queryType"))?
            .to_owned();
        introspection["mutationType"] = json!({ "name": MUTATION_TYPE });
        introspection["subscriptionType"] = Value::Null;
        let types = introspection.get_mut("types").and_then(Value::as_array_mut);
        let types = types.ok_or(SchemaError::Missing("types"))?;
        for one in types.iter_mut() {
            add_fields(one);
        }
        let own = additions::own_types();
        let names = own
            .iter()
            .map(|one| name_of(one).to_owned())
            .collect::<HashSet<_>>();
        let is_scalar = |one: &Value| one["kind"] == "SCALAR";
        types.retain(|one| is_scalar(one) || !names.contains(name_of(one)));
        let there: HashSet<String> = types.iter().map(|one| name_of(one).to_owned()).collect();
        types.extend(own.into_iter().filter(|one| !there.contains(name_of(one))));
        let positions = types
            .iter()
            .enumerate()
            .map(|(at, one)| (name_of(one).to_owned(), at))
            .collect();
        let mut index: HashMap<String, TypeInfo> = types
            .iter()
            .map(|one| (name_of(one).to_owned(), type_info(one)))
            .collect();
        for (on, field, to) in INTROSPECTION_FIELDS {
            let on = if on == "Query" { &query_type } else { on };
            index
                .entry(on.to_owned())
                .or_default()
                .fields
                .insert(field.into(), to.into());
        }
        Ok(Self {
            introspection,
            query_type,
            types: index,
            positions,
        })
    }

    /// Name of the type with the queries.
    pub fn query_type(&self) -> &str {
        &self.query_type
    }

    /// The value of `__schema`.
    pub fn introspection(&self) -> &Value {
        &self.introspection
    }

    /// A type as introspection writes it in full.
    pub fn introspected(&self, type_name: &str) -> Option<&Value> {
        self.introspection
            .get("types")?
            .get(*self.positions.get(type_name)?)
    }

    /// The innermost type of a field. `None` if there is no such field.
    pub fn field_type(&self, type_name: &str, field: &str) -> Option<&str> {
        self.types
            .get(type_name)?
            .fields
            .get(field)
            .map(String::as_str)
    }

    /// Whether it is an interface or a union.
    pub fn is_abstract(&self, type_name: &str) -> bool {
        self.types
            .get(type_name)
            .is_some_and(|info| info.is_abstract)
    }

    /// Whether an object of type `actual` is what `... on condition` asks for.
    pub fn applies(&self, condition: &str, actual: &str) -> bool {
        condition == actual
            || self
                .types
                .get(condition)
                .is_some_and(|info| info.possible.contains(actual))
    }
}

fn name_of(introspected: &Value) -> &str {
    introspected["name"].as_str().unwrap_or_default()
}

fn add_fields(introspected: &mut Value) {
    let type_name = name_of(introspected).to_owned();
    let Some(fields) = introspected.get_mut("fields").and_then(Value::as_array_mut) else {
        return;
    };
    let has = |fields: &[Value], name: &str| fields.iter().any(|field| field["name"] == name);
    for (added, on, name, description) in GatewayField::ALL {
        let keys: &[&str] = if added == GatewayField::ResolvedUrls {
            &["id", "storageBag"]
        } else {
            &["id"]
        };
        if on == type_name && keys.iter().all(|key| has(fields, key)) {
            fields.retain(|field| field["name"] != name);
            fields.push(additions::field(
                name,
                description,
                json!([]),
                added.introspected_type(),
            ));
        }
    }
}

fn type_info(introspected: &Value) -> TypeInfo {
    let list = |key: &str| {
        introspected[key]
            .as_array()
            .map(Vec::as_slice)
            .unwrap_or_default()
    };
    let fields = list("fields").iter().map(|field| {
        (
            name_of(field).to_owned(),
            innermost(&field["type"]).to_owned(),
        )
    });
    let possible = list("possibleTypes")
        .iter()
        .map(|one| name_of(one).to_owned());
    TypeInfo {
        fields: fields.collect(),
        is_abstract: matches!(introspected["kind"].as_str(), Some("INTERFACE" | "UNION")),
        possible: possible.collect(),
    }
}

/// The name inside all lists and non-nulls.
fn innermost(mut of: &Value) -> &str {
    while let Some(inner) = of.get("ofType").filter(|inner| !inner.is_null()) {
        of = inner;
    }
    name_of(of)
}
