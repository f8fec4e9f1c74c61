//! The model: what `schema.graphql` says, as entities with fields and the columns they take.
//!
//! - [`parse`]: the text into the model, with every inconsistency refused
//! - [`value`]: the values a column holds
//! - [`names`]: the names of the API that follow from an entity's name

pub mod names;
pub mod parse;
pub mod value;

use std::collections::BTreeMap;

pub use parse::{SchemaError, parse};
pub use value::{Scalar, Value};

/// The schema the indexer is built with.
pub const SCHEMA: &str = include_str!("../../schema.graphql");

/// Index of an entity within [`Model::entities`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntityId(pub usize);

/// Everything the schema says.
#[derive(Debug, Clone, Default)]
pub struct Model {
    /// The entities in the order of the schema.
    pub entities: Vec<Entity>,
    /// Plain objects, among them the variants of unions.
    pub objects: BTreeMap<String, Object>,
    /// Unions and their variants.
    pub unions: BTreeMap<String, Vec<String>>,
    /// Enums and their values.
    pub enums: BTreeMap<String, Vec<String>>,
}

/// An entity: a table, and the types and root fields of the API.
#[derive(Debug, Clone)]
pub struct Entity {
    /// Its name.
    pub name: String,
    /// What the schema says about it.
    pub description: Option<String>,
    /// Fields in the order of the schema, `id` among them.
    pub fields: Vec<Field>,
    /// Columns of its table: those of plain objects and unions are laid flat.
    pub columns: Vec<Column>,
}

/// A plain object.
#[derive(Debug, Clone)]
pub struct Object {
    /// What the schema says about it.
    pub description: Option<String>,
    /// Its fields.
    pub fields: Vec<Field>,
}

/// A field of an entity or of a plain object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Its name.
    pub name: String,
    /// What the schema says about it.
    pub description: Option<String>,
    /// What it holds.
    pub kind: Kind,
    /// Never null.
    pub required: bool,
    /// Has an index of its own.
    pub indexed: bool,
    /// No two rows hold the same.
    pub unique: bool,
}

/// What a field holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// One value.
    Scalar(Scalar),
    /// One of an enum's values.
    Enum(String),
    /// A list of texts; whether items are never null.
    Texts {
        /// Items are never null.
        items_required: bool,
    },
    /// A plain object.
    Object(String),
    /// One of a union's objects.
    Union(String),
    /// A list of a union's objects, none of which has a reference.
    Unions(String),
    /// Another entity, by its id.
    Reference(EntityId),
    /// The one entity whose `field` refers to this one.
    ReverseOne {
        /// The referring entity.
        entity: EntityId,
        /// Its field.
        field: String,
    },
    /// The entities whose `field` refers to this one.
    ReverseMany {
        /// The referring entity.
        entity: EntityId,
        /// Their field.
        field: String,
    },
}

/// A column of an entity's table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// The path of the field: `size`, `operatorStatus.workerId`.
    pub path: String,
    /// What it holds.
    pub kind: ColumnKind,
    /// Never null, and not part of a union or optional object.
    pub required: bool,
    /// Has an index.
    pub indexed: bool,
    /// No two rows hold the same.
    pub unique: bool,
}

/// What a column holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ColumnKind {
    /// The id of the row itself.
    Id,
    /// A value.
    Scalar(Scalar),
    /// The name of an enum's value.
    Enum,
    /// A list, as JSON.
    List,
    /// Is the plain object there?
    Presence,
    /// Name of the union's variant.
    Variant,
    /// Id of another entity's row.
    Reference {
        /// Whose.
        to: EntityId,
        /// What becomes of this row when that one is deleted.
        on_delete: OnDelete,
    },
}

/// What becomes of a reference when its target is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OnDelete {
    /// It becomes null.
    Clear,
    /// The optional union or object around it becomes null: this column says which.
    ClearAround(String),
    /// The row that refers is deleted as well.
    Delete,
}

impl Model {
    /// The entity of this name.
    pub fn entity_id(&self, name: &str) -> Option<EntityId> {
        self.entities
            .iter()
            .position(|entity| entity.name == name)
            .map(EntityId)
    }

    /// An entity.
    pub fn entity(&self, id: EntityId) -> &Entity {
        &self.entities[id.0]
    }

    /// The fields of a union's variants together, each once; variants agree on the fields they share.
    pub fn union_fields(&self, union: &str) -> Vec<&Field> {
        let mut fields: Vec<&Field> = Vec::new();
        let variants = self.unions.get(union).into_iter().flatten();
        for field in variants
            .filter_map(|name| self.objects.get(name))
            .flat_map(|object| &object.fields)
        {
            if !fields.iter().any(|known| known.name == field.name) {
                fields.push(field);
            }
        }
        fields
    }

    /// The fields below an object or union field; empty for other kinds.
    pub fn inner_fields(&self, kind: &Kind) -> Vec<&Field> {
        match kind {
            Kind::Object(name) => self
                .objects
                .get(name)
                .map(|object| object.fields.iter().collect())
                .unwrap_or_default(),
            Kind::Union(name) => self.union_fields(name),
            _ => Vec::new(),
        }
    }

    /// Every column that refers to an entity, with the entity it is in.
    pub fn references_to(
        &self,
        target: EntityId,
    ) -> impl Iterator<Item = (EntityId, &Column, &OnDelete)> {
        self.entities
            .iter()
            .enumerate()
            .flat_map(move |(index, entity)| {
                entity
                    .columns
                    .iter()
                    .filter_map(move |column| match &column.kind {
                        ColumnKind::Reference { to, on_delete } if *to == target => {
                            Some((EntityId(index), column, on_delete))
                        }
                        _ => None,
                    })
            })
    }
}

impl Entity {
    /// The column of this path.
    pub fn column(&self, path: &str) -> Option<&Column> {
        self.columns.iter().find(|column| column.path == path)
    }

    /// The columns below an object or union column.
    pub fn columns_below<'a>(&'a self, path: &'a str) -> impl Iterator<Item = &'a Column> {
        self.columns.iter().filter(move |column| {
            column
                .path
                .strip_prefix(path)
                .is_some_and(|rest| rest.starts_with('.'))
        })
    }
}
