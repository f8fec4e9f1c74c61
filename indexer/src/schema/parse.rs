//! The schema's text into the [`Model`]; whatever does not fit together is refused with its name.

use std::collections::BTreeMap;

use async_graphql_parser::{
    Positioned, parse_schema,
    types::{
        BaseType, ConstDirective, FieldDefinition, Type, TypeDefinition, TypeKind,
        TypeSystemDefinition,
    },
};
use async_graphql_value::ConstValue;

use super::{Column, ColumnKind, Entity, Field, Kind, Model, Object, OnDelete, Scalar};

/// A schema that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Not GraphQL.
    #[error("the schema cannot be read: {0}")]
    Syntax(#[from] async_graphql_parser::Error),
    /// It does not fit together.
    #[error("{at} in the schema: {reason}")]
    Inconsistent {
        /// Type, or type and field.
        at: String,
        /// What is wrong.
        reason: String,
    },
}

fn refuse(at: impl Into<String>, reason: impl Into<String>) -> SchemaError {
    SchemaError::Inconsistent {
        at: at.into(),
        reason: reason.into(),
    }
}

/// Reads a schema.
pub fn parse(text: &str) -> Result<Model, SchemaError> {
    let definitions: Vec<TypeDefinition> = parse_schema(text)?
        .definitions
        .into_iter()
        .filter_map(|definition| match definition {
            TypeSystemDefinition::Type(definition) => Some(definition.node),
            TypeSystemDefinition::Schema(_) | TypeSystemDefinition::Directive(_) => None,
        })
        .collect();
    let mut model = Model::default();
    for definition in &definitions {
        declare(&mut model, definition)?;
    }
    for definition in &definitions {
        let TypeKind::Object(object) = &definition.kind else {
            continue;
        };
        let name = definition.name.node.as_str();
        let fields = object
            .fields
            .iter()
            .map(|field| parse_field(&model, name, &field.node))
            .collect::<Result<_, _>>()?;
        match model.entity_id(name) {
            Some(id) => model.entities[id.0].fields = fields,
            None => {
                if let Some(object) = model.objects.get_mut(name) {
                    object.fields = fields;
                }
            }
        }
    }
    check(&model)?;
    let columns: Vec<_> = model
        .entities
        .iter()
        .map(|entity| columns_of(&model, entity))
        .collect();
    for (entity, columns) in model.entities.iter_mut().zip(columns) {
        entity.columns = columns;
    }
    Ok(model)
}

/// Notes the type's name, so that fields may speak of types that come later.
fn declare(model: &mut Model, definition: &TypeDefinition) -> Result<(), SchemaError> {
    let name = definition.name.node.to_string();
    let description = definition
        .description
        .as_ref()
        .map(|text| text.node.clone());
    match &definition.kind {
        TypeKind::Object(_) if directive(&definition.directives, "entity").is_some() => {
            model.entities.push(Entity {
                name,
                description,
                fields: Vec::new(),
                columns: Vec::new(),
            });
        }
        TypeKind::Object(_) => {
            model.objects.insert(
                name,
                Object {
                    description,
                    fields: Vec::new(),
                },
            );
        }
        TypeKind::Union(union) => {
            model.unions.insert(
                name,
                union
                    .members
                    .iter()
                    .map(|member| member.node.to_string())
                    .collect(),
            );
        }
        TypeKind::Enum(values) => {
            model.enums.insert(
                name,
                values
                    .values
                    .iter()
                    .map(|value| value.node.value.node.to_string())
                    .collect(),
            );
        }
        TypeKind::Scalar | TypeKind::Interface(_) | TypeKind::InputObject(_) => {
            return Err(refuse(name, "only types, unions and enums are understood"));
        }
    }
    Ok(())
}

fn parse_field(
    model: &Model,
    owner: &str,
    definition: &FieldDefinition,
) -> Result<Field, SchemaError> {
    let name = definition.name.node.to_string();
    let at = format!("{owner}.{name}");
    let kind = match directive(&definition.directives, "derivedFrom") {
        Some(derived) => derived_kind(model, &at, &definition.ty.node, derived)?,
        None => plain_kind(model, &at, &definition.ty.node)?,
    };
    let indexed = directive(&definition.directives, "index").is_some();
    let unique = directive(&definition.directives, "unique").is_some();
    let description = definition
        .description
        .as_ref()
        .map(|text| text.node.clone());
    let required = !definition.ty.node.nullable || matches!(kind, Kind::ReverseMany { .. });
    Ok(Field {
        name,
        description,
        kind,
        required,
        indexed,
        unique,
    })
}

fn derived_kind(
    model: &Model,
    at: &str,
    ty: &Type,
    derived: &ConstDirective,
) -> Result<Kind, SchemaError> {
    let field = match derived.get_argument("field").map(|argument| &argument.node) {
        Some(ConstValue::String(field)) => field.clone(),
        _ => return Err(refuse(at, "@derivedFrom needs a field")),
    };
    let (item, many) = match &ty.base {
        BaseType::Named(name) => (name, false),
        BaseType::List(item) => match &item.base {
            BaseType::Named(name) => (name, true),
            BaseType::List(_) => return Err(refuse(at, "a list of lists cannot be derived")),
        },
    };
    let entity = model
        .entity_id(item)
        .ok_or_else(|| refuse(at, format!("{item} is not an entity")))?;
    Ok(if many {
        Kind::ReverseMany { entity, field }
    } else {
        Kind::ReverseOne { entity, field }
    })
}

fn plain_kind(model: &Model, at: &str, ty: &Type) -> Result<Kind, SchemaError> {
    match &ty.base {
        BaseType::Named(name) => named_kind(model, name)
            .ok_or_else(|| refuse(at, format!("the type {name} is not known"))),
        BaseType::List(item) => match &item.base {
            BaseType::Named(name) if name == "String" => Ok(Kind::Texts {
                items_required: !item.nullable,
            }),
            BaseType::Named(name) if model.unions.contains_key(name.as_str()) => {
                Ok(Kind::Unions(name.to_string()))
            }
            _ => Err(refuse(
                at,
                format!(
                    "lists of {item} are not understood; only of texts and unions, or derived ones"
                ),
            )),
        },
    }
}

fn named_kind(model: &Model, name: &str) -> Option<Kind> {
    if name == "ID" {
        return Some(Kind::Scalar(Scalar::String));
    }
    if let Some(scalar) = Scalar::of_name(name) {
        return Some(Kind::Scalar(scalar));
    }
    if let Some(entity) = model.entity_id(name) {
        return Some(Kind::Reference(entity));
    }
    let owned = || name.to_owned();
    if model.enums.contains_key(name) {
        Some(Kind::Enum(owned()))
    } else if model.objects.contains_key(name) {
        Some(Kind::Object(owned()))
    } else if model.unions.contains_key(name) {
        Some(Kind::Union(owned()))
    } else {
        None
    }
}

/// What can only be judged once all fields are known.
fn check(model: &Model) -> Result<(), SchemaError> {
    for entity in &model.entities {
        if entity
            .fields
            .first()
            .is_none_or(|field| field.name != "id" || !field.required)
        {
            return Err(refuse(
                &entity.name,
                "the first field of an entity is `id: ID!`",
            ));
        }
        for field in &entity.fields {
            if let Kind::ReverseOne {
                entity: from,
                field: by,
            }
            | Kind::ReverseMany {
                entity: from,
                field: by,
            } = &field.kind
            {
                let source = model
                    .entity(*from)
                    .fields
                    .iter()
                    .find(|source| source.name == *by);
                let refers = source.is_some_and(|source| matches!(&source.kind, Kind::Reference(to) if model.entity(*to).name == entity.name));
                if !refers {
                    let reason = format!(
                        "{}.{by} does not refer to {}",
                        model.entity(*from).name,
                        entity.name
                    );
                    return Err(refuse(format!("{}.{}", entity.name, field.name), reason));
                }
            }
        }
    }
    for (union, variants) in &model.unions {
        let mut seen: BTreeMap<&str, &Kind> = BTreeMap::new();
        for variant in variants {
            let object = model
                .objects
                .get(variant)
                .ok_or_else(|| refuse(union, format!("{variant} is not a plain type")))?;
            for field in &object.fields {
                if seen
                    .insert(&field.name, &field.kind)
                    .is_some_and(|kind| *kind != field.kind)
                {
                    return Err(refuse(
                        union,
                        format!("its variants disagree about the type of {}", field.name),
                    ));
                }
            }
        }
    }
    Ok(())
}

/// Lays the fields flat. An optional place around a column (a union, an optional object) means that
/// the column may be null although its field is required there.
fn columns_of(model: &Model, entity: &Entity) -> Vec<Column> {
    let mut columns = Vec::new();
    for field in &entity.fields {
        if field.name == "id" {
            columns.push(Column {
                path: "id".into(),
                kind: ColumnKind::Id,
                required: true,
                indexed: false,
                unique: true,
            });
        } else {
            flatten(model, field, "", None, &mut columns);
        }
    }
    columns
}

/// `around` is the innermost optional object or union that a column is in.
fn flatten(
    model: &Model,
    field: &Field,
    prefix: &str,
    around: Option<&str>,
    columns: &mut Vec<Column>,
) {
    let path = format!("{prefix}{}", field.name);
    let required = field.required && around.is_none();
    let kind = match &field.kind {
        Kind::Scalar(scalar) => ColumnKind::Scalar(*scalar),
        Kind::Enum(_) => ColumnKind::Enum,
        Kind::Texts { .. } | Kind::Unions(_) => ColumnKind::List,
        Kind::Object(_) => ColumnKind::Presence,
        Kind::Union(_) => ColumnKind::Variant,
        Kind::Reference(to) => {
            let on_delete = match (field.required, around) {
                (false, _) => OnDelete::Clear,
                (true, None) => OnDelete::Delete,
                (true, Some(around)) => OnDelete::ClearAround(around.to_owned()),
            };
            ColumnKind::Reference { to: *to, on_delete }
        }
        Kind::ReverseOne { .. } | Kind::ReverseMany { .. } => return,
    };
    let indexed = field.indexed || matches!(kind, ColumnKind::Reference { .. });
    let has_variants = matches!(kind, ColumnKind::Variant);
    columns.push(Column {
        path: path.clone(),
        kind,
        required,
        indexed,
        unique: field.unique,
    });
    // A column inside a union is absent when another variant stands there.
    let around = if has_variants || !field.required {
        Some(path.as_str())
    } else {
        around
    };
    for inner in model.inner_fields(&field.kind) {
        flatten(model, inner, &format!("{path}."), around, columns);
    }
}

fn directive<'a>(
    directives: &'a [Positioned<ConstDirective>],
    name: &str,
) -> Option<&'a ConstDirective> {
    directives
        .iter()
        .map(|directive| &directive.node)
        .find(|directive| directive.name.node == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::SCHEMA;

    #[test]
    fn the_schema_becomes_entities_and_flat_columns() {
        let model = parse(SCHEMA).unwrap();
        let bucket = model.entity(model.entity_id("StorageBucket").unwrap());
        let paths: Vec<_> = bucket
            .columns
            .iter()
            .map(|column| column.path.as_str())
            .collect();
        assert_eq!(
            paths,
            [
                "id",
                "operatorStatus",
                "operatorStatus.phantom",
                "operatorStatus.workerId",
                "operatorStatus.transactorAccountId",
                "acceptingNewBags",
                "dataObjectsSizeLimit",
                "dataObjectCountLimit",
                "dataObjectsCount",
                "dataObjectsSize"
            ]
        );
        let metadata = model.entity(model.entity_id("StorageBucketOperatorMetadata").unwrap());
        assert!(
            metadata
                .column("nodeLocation.coordinates.latitude")
                .is_some()
        );
        let object = model.entity(model.entity_id("StorageDataObject").unwrap());
        let subtitle = object.column("type.subtitle").unwrap();
        assert!(
            matches!(&subtitle.kind, ColumnKind::Reference { on_delete: OnDelete::ClearAround(around), .. } if around == "type")
        );
    }

    #[test]
    fn what_does_not_fit_together_is_refused_by_name() {
        for (schema, part) in [
            ("type A @entity { a: Int }", "id: ID!"),
            ("type A @entity { id: ID! b: B }", "the type B is not known"),
            (
                "type A @entity { id: ID! bs: [B!] @derivedFrom(field: \"x\") } type B @entity { id: ID! }",
                "B.x does not refer to A",
            ),
            (
                "type A @entity { id: ID! b: U } union U = X | Y type X { a: Int } type Y { a: String }",
                "disagree about the type of a",
            ),
            ("type A @entity { id: ID! a: [Int!] }", "lists of Int!"),
            ("input A { a: Int }", "only types"),
        ] {
            let error = parse(schema).unwrap_err().to_string();
            assert!(error.contains(part), "{error}");
        }
    }
}
