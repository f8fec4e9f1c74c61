//! `where` and `orderBy` of the squid dialect: their types, and their values as filters and orders.
//!
//! What is particular to the dialect: fields next to `OR` are one more alternative; `x_eq: null` selects
//! nothing; an empty nested object asks for nothing; a single value stands for a list of one.

use std::{collections::BTreeMap, sync::Arc};

use async_graphql::{
    Error, Name, Value as Input,
    dynamic::{Enum, InputObject, InputValue, TypeRef},
    indexmap::IndexMap,
};

use super::{errors::bad_input, operators::test, orders::orders_of, scalar_type};
use crate::{
    schema::{EntityId, Field, Kind, Model, Scalar},
    store::filter::{Filter, Order, Quantifier},
};

/// The operators of a field, as the end of its name says.
const NULL: [&str; 1] = ["isNull"];
const EQUAL: [&str; 2] = ["eq", "not_eq"];
const ORDERED: [&str; 4] = ["gt", "gte", "lt", "lte"];
const SET: [&str; 2] = ["in", "not_in"];
const TEXT: [&str; 8] = [
    "contains",
    "not_contains",
    "containsInsensitive",
    "not_containsInsensitive",
    "startsWith",
    "not_startsWith",
    "endsWith",
    "not_endsWith",
];
const LIST: [&str; 3] = ["containsAll", "containsAny", "containsNone"];
const MANY: [(&str, Quantifier); 3] = [
    ("some", Quantifier::Some),
    ("none", Quantifier::None),
    ("every", Quantifier::Every),
];

/// Filters and orders of all entities.
pub struct Inputs {
    model: Arc<Model>,
    orders: Vec<BTreeMap<String, Order>>,
}

/// What a list is asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ListArguments {
    /// `where`
    pub filter: Option<Filter>,
    /// `orderBy`
    pub order: Vec<Order>,
    /// `limit`
    pub limit: Option<u64>,
    /// `offset`
    pub offset: u64,
}

impl Inputs {
    /// Derives everything from the model.
    pub fn new(model: Arc<Model>) -> Self {
        let orders = model
            .entities
            .iter()
            .map(|entity| orders_of(&model, entity))
            .collect();
        Self { model, orders }
    }

    /// The model.
    pub fn model(&self) -> &Arc<Model> {
        &self.model
    }

    /// The `orderBy` enums.
    pub fn enums(&self) -> impl Iterator<Item = Enum> {
        self.model
            .entities
            .iter()
            .zip(&self.orders)
            .map(|(entity, orders)| {
                Enum::new(format!("{}OrderByInput", entity.name))
                    .items(orders.keys().map(String::as_str))
            })
    }

    /// The `where` types of entities, unions and plain objects, and the type of unique keys.
    pub fn input_objects(&self) -> Vec<InputObject> {
        let mut objects = vec![
            InputObject::new("WhereIdInput")
                .field(InputValue::new("id", TypeRef::named_nn(TypeRef::STRING))),
        ];
        for entity in &self.model.entities {
            let name = format!("{}WhereInput", entity.name);
            let list = || TypeRef::named_nn_list(&name);
            let object = InputObject::new(&name)
                .field(InputValue::new("AND", list()))
                .field(InputValue::new("OR", list()));
            objects.push(self.add_fields(object, &entity.fields.iter().collect::<Vec<_>>()));
        }
        for union in self.model.unions.keys() {
            let mut object = InputObject::new(format!("{union}WhereInput"));
            for operator in NULL
                .iter()
                .chain(&EQUAL)
                .chain(&ORDERED)
                .chain(&SET)
                .chain(&TEXT)
            {
                object = object.field(operator_input("isTypeOf", operator, TypeRef::STRING));
            }
            objects.push(self.add_fields(object, &self.model.union_fields(union)));
        }
        let variants: Vec<&String> = self.model.unions.values().flatten().collect();
        for (name, plain) in self
            .model
            .objects
            .iter()
            .filter(|(name, _)| !variants.contains(name))
        {
            let object = InputObject::new(format!("{name}WhereInput"));
            objects.push(self.add_fields(object, &plain.fields.iter().collect::<Vec<_>>()));
        }
        objects
    }

    fn add_fields(&self, mut object: InputObject, fields: &[&Field]) -> InputObject {
        for field in fields {
            if let Some((ty, operators)) = operators_of(&field.kind) {
                for operator in operators {
                    object = object.field(operator_input(&field.name, operator, ty));
                }
            }
            let nested = |entity: EntityId| {
                TypeRef::named(format!("{}WhereInput", self.model.entity(entity).name))
            };
            match &field.kind {
                Kind::Object(name) | Kind::Union(name) => {
                    object = object
                        .field(operator_input(&field.name, "isNull", TypeRef::BOOLEAN))
                        .field(InputValue::new(
                            &field.name,
                            TypeRef::named(format!("{name}WhereInput")),
                        ));
                }
                Kind::Reference(entity) | Kind::ReverseOne { entity, .. } => {
                    object = object
                        .field(operator_input(&field.name, "isNull", TypeRef::BOOLEAN))
                        .field(InputValue::new(&field.name, nested(*entity)));
                }
                Kind::ReverseMany { entity, .. } => {
                    for (name, _) in MANY {
                        object = object.field(InputValue::new(
                            format!("{}_{name}", field.name),
                            nested(*entity),
                        ));
                    }
                }
                Kind::Unions(_) => {
                    object = object.field(operator_input(&field.name, "isNull", TypeRef::BOOLEAN))
                }
                Kind::Scalar(_) | Kind::Enum(_) | Kind::Texts { .. } => {}
            }
        }
        object
    }

    /// The arguments of a list.
    pub fn list_arguments<'a>(
        &self,
        entity: EntityId,
        arguments: impl Iterator<Item = (&'a str, &'a Input)>,
    ) -> Result<ListArguments, Error> {
        let mut parsed = ListArguments::default();
        for (name, value) in arguments {
            match name {
                "where" => parsed.filter = self.filter(entity, value)?,
                "orderBy" => parsed.order = self.order(entity, value)?,
                "limit" => parsed.limit = count("limit", value)?,
                "offset" => parsed.offset = count("offset", value)?.unwrap_or_default(),
                _ => {}
            }
        }
        Ok(parsed)
    }

    /// An `orderBy`.
    pub fn order(&self, entity: EntityId, value: &Input) -> Result<Vec<Order>, Error> {
        items(value)
            .iter()
            .map(|item| {
                let name = text_of(item).unwrap_or_default();
                let known = self.orders[entity.0].get(name).cloned();
                known.ok_or_else(|| {
                    bad_input(format!(
                        "'{name}' is not an order of {}",
                        self.model.entity(entity).name
                    ))
                })
            })
            .collect()
    }

    /// A `where`; `None` asks for nothing.
    pub fn filter(&self, entity: EntityId, value: &Input) -> Result<Option<Filter>, Error> {
        let Input::Object(fields) = value else {
            return Ok(None);
        };
        let own = &self.model.entity(entity).fields;
        let mut all = self.fields_filter(entity, "", &own.iter().collect::<Vec<_>>(), fields)?;
        for item in fields.get("AND").map(items).unwrap_or_default() {
            all.extend(self.filter(entity, item)?);
        }
        let Some(alternatives) = fields.get("OR") else {
            return Ok(conjunction(all));
        };
        let mut any: Vec<Filter> = conjunction(all).into_iter().collect();
        for item in items(alternatives) {
            any.extend(self.filter(entity, item)?);
        }
        Ok(match any.len() {
            0 | 1 => any.pop(),
            _ => Some(Filter::Any(any)),
        })
    }

    /// The conditions on fields at one level: of an entity, or of an object or union in it.
    fn fields_filter(
        &self,
        entity: EntityId,
        prefix: &str,
        fields: &[&Field],
        input: &IndexMap<Name, Input>,
    ) -> Result<Vec<Filter>, Error> {
        let mut all = Vec::new();
        for (key, value) in input {
            if prefix.is_empty() && (key == "AND" || key == "OR") {
                continue;
            }
            if !prefix.is_empty()
                && let Some(operator) = key.strip_prefix("isTypeOf_")
            {
                // The name of the variant stands in the union's own column.
                let path = prefix.trim_end_matches('.').to_owned();
                all.extend(
                    test(&Kind::Scalar(Scalar::String), operator, value)?
                        .map(|test| Filter::Column { path, test }),
                );
                continue;
            }
            let named = fields.iter().find(|field| key.as_str() == field.name);
            let filter = match named {
                Some(field) => self.nested(entity, prefix, field, value)?,
                None => self.operated(prefix, fields, key, value)?,
            };
            all.extend(filter);
        }
        Ok(all)
    }

    /// `field: {...}`
    fn nested(
        &self,
        entity: EntityId,
        prefix: &str,
        field: &Field,
        value: &Input,
    ) -> Result<Option<Filter>, Error> {
        let path = format!("{prefix}{}", field.name);
        let Input::Object(input) = value else {
            return Ok(None);
        };
        Ok(match &field.kind {
            Kind::Object(_) | Kind::Union(_) => {
                let inner = self.model.inner_fields(&field.kind);
                conjunction(self.fields_filter(entity, &format!("{path}."), &inner, input)?)
            }
            Kind::Reference(target) => {
                let filter = self.filter(*target, value)?;
                filter.map(|filter| Filter::Target {
                    path,
                    entity: *target,
                    filter: Box::new(filter),
                })
            }
            Kind::ReverseOne { entity, field: by } => {
                let filter = self.filter(*entity, value)?;
                filter.map(|filter| referrers(Quantifier::Some, *entity, by, Some(filter)))
            }
            _ => None,
        })
    }

    /// `field_operator: value`
    fn operated(
        &self,
        prefix: &str,
        fields: &[&Field],
        key: &str,
        value: &Input,
    ) -> Result<Option<Filter>, Error> {
        let split = fields.iter().find_map(|field| {
            let operator = key.strip_prefix(&field.name)?.strip_prefix('_')?;
            Some((field, operator))
        });
        let Some((field, operator)) = split else {
            return Err(bad_input(format!("'{key}' is not a condition here")));
        };
        let path = format!("{prefix}{}", field.name);
        Ok(match &field.kind {
            Kind::ReverseMany { entity, field: by } => {
                let quantifier = MANY
                    .iter()
                    .find(|(name, _)| *name == operator)
                    .map(|(_, quantifier)| *quantifier);
                match (quantifier, value) {
                    (Some(quantifier), Input::Object(_)) => Some(referrers(
                        quantifier,
                        *entity,
                        by,
                        self.filter(*entity, value)?,
                    )),
                    _ => None,
                }
            }
            Kind::ReverseOne { entity, field: by } => match value {
                Input::Boolean(true) => Some(referrers(Quantifier::None, *entity, by, None)),
                Input::Boolean(false) => Some(referrers(Quantifier::Some, *entity, by, None)),
                _ => None,
            },
            kind => test(kind, operator, value)?.map(|test| Filter::Column { path, test }),
        })
    }
}

fn referrers(
    quantifier: Quantifier,
    entity: EntityId,
    path: &str,
    filter: Option<Filter>,
) -> Filter {
    Filter::Referrers {
        quantifier,
        entity,
        path: path.to_owned(),
        filter: filter.map(Box::new),
    }
}

fn conjunction(mut all: Vec<Filter>) -> Option<Filter> {
    match all.len() {
        0 | 1 => all.pop(),
        _ => Some(Filter::All(all)),
    }
}

/// The type of a field's operand and its operators.
fn operators_of(kind: &Kind) -> Option<(&str, Vec<&'static str>)> {
    let join = |lists: &[&[&'static str]]| lists.concat();
    Some(match kind {
        Kind::Scalar(Scalar::String) => (
            TypeRef::STRING,
            join(&[&NULL, &EQUAL, &ORDERED, &SET, &TEXT]),
        ),
        Kind::Scalar(Scalar::Boolean) => (TypeRef::BOOLEAN, join(&[&NULL, &EQUAL])),
        Kind::Scalar(scalar) => (scalar_type(*scalar), join(&[&NULL, &EQUAL, &ORDERED, &SET])),
        Kind::Enum(name) => (name, join(&[&NULL, &EQUAL, &SET])),
        Kind::Texts { .. } => (TypeRef::STRING, join(&[&NULL, &LIST])),
        _ => return None,
    })
}

fn operator_input(field: &str, operator: &str, ty: &str) -> InputValue {
    let ty = match operator {
        "isNull" => TypeRef::named(TypeRef::BOOLEAN),
        "in" | "not_in" | "containsAll" | "containsAny" | "containsNone" => {
            TypeRef::named_nn_list(ty)
        }
        _ => TypeRef::named(ty),
    };
    InputValue::new(format!("{field}_{operator}"), ty)
}

/// A list, or the list of one that a single value stands for.
pub fn items(value: &Input) -> &[Input] {
    match value {
        Input::List(items) => items,
        Input::Null => &[],
        one => std::slice::from_ref(one),
    }
}

/// The text of a string or an enum's value.
pub fn text_of(value: &Input) -> Option<&str> {
    match value {
        Input::String(text) => Some(text),
        Input::Enum(name) => Some(name),
        _ => None,
    }
}

/// A number of rows.
pub fn count(name: &str, value: &Input) -> Result<Option<u64>, Error> {
    match value {
        Input::Null => Ok(None),
        Input::Number(number) if number.as_u64().is_some() => Ok(number.as_u64()),
        _ => Err(bad_input(format!(
            "{name} is {value}; it must be a whole number that is not negative"
        ))),
    }
}
