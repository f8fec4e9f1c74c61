//! What a selection needs to be read: the columns of each row, and the related rows level by level.

use std::sync::Arc;

use async_graphql::{Error, SelectionField, indexmap::IndexMap};

use super::{
    errors::{Fault, field_error},
    inputs::{Inputs, ListArguments},
};
use crate::schema::{EntityId, Field, Kind};

/// What is read of the rows of one entity at one place of a query.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The entity.
    pub entity: EntityId,
    /// Columns, `id` first.
    pub columns: Vec<String>,
    /// Related rows.
    pub children: Vec<Child>,
}

/// Related rows at one place of a query.
#[derive(Debug, Clone)]
pub struct Child {
    /// Where the answer has them: response names from the row down, as in `type.subtitle`.
    pub key: String,
    /// How they are related.
    pub link: Link,
    /// Which of them, for lists.
    pub list: ListArguments,
    /// What is read of them.
    pub plan: Arc<Plan>,
}

/// How rows are related.
#[derive(Debug, Clone)]
pub enum Link {
    /// The row has the other's id in this column.
    Target(String),
    /// At most one other row has this one's id in this column.
    ReferrerOne(String),
    /// Others have this one's id in this column.
    ReferrerMany(String),
}

/// Plans the selection `fields` on an entity.
pub fn plan<'a>(
    inputs: &Inputs,
    entity: EntityId,
    fields: impl Iterator<Item = SelectionField<'a>>,
) -> Result<Plan, Error> {
    let mut plan = Plan {
        entity,
        columns: vec!["id".to_owned()],
        children: Vec::new(),
    };
    let own: Vec<&Field> = inputs.model().entity(entity).fields.iter().collect();
    add(inputs, &mut plan, &own, "", "", fields)?;
    Ok(plan)
}

/// Adds the fields at one level of the row: `path` leads there by columns, `key` by response names.
fn add<'a>(
    inputs: &Inputs,
    plan: &mut Plan,
    known: &[&Field],
    path: &str,
    key: &str,
    fields: impl Iterator<Item = SelectionField<'a>>,
) -> Result<(), Error> {
    for (response, selected) in merged(fields) {
        let Some(first) = selected.first() else {
            continue;
        };
        let Some(field) = known.iter().find(|field| field.name == first.name()) else {
            continue;
        };
        let (path, key) = (format!("{path}{}", field.name), format!("{key}{response}"));
        let inner = || selected.iter().flat_map(SelectionField::selection_set);
        let child = |link, entity, list| -> Result<Child, Error> {
            Ok(Child {
                key: key.clone(),
                link,
                list,
                plan: Arc::new(self::plan(inputs, entity, inner())?),
            })
        };
        match &field.kind {
            Kind::Scalar(_) | Kind::Enum(_) | Kind::Texts { .. } | Kind::Unions(_) => {
                need(plan, path)
            }
            Kind::Object(_) | Kind::Union(_) => {
                need(plan, path.clone());
                let below = inputs.model().inner_fields(&field.kind);
                add(
                    inputs,
                    plan,
                    &below,
                    &format!("{path}."),
                    &format!("{key}."),
                    inner(),
                )?;
            }
            Kind::Reference(entity) => {
                let child = child(
                    Link::Target(path.clone()),
                    *entity,
                    ListArguments::default(),
                )?;
                need(plan, path);
                plan.children.push(child);
            }
            Kind::ReverseOne { entity, field: by } => {
                plan.children.push(child(
                    Link::ReferrerOne(by.clone()),
                    *entity,
                    ListArguments::default(),
                )?);
            }
            Kind::ReverseMany { entity, field: by } => {
                let arguments = first
                    .arguments()
                    .map_err(|error| field_error(Fault::Query, error.message))?;
                let list = inputs.list_arguments(
                    *entity,
                    arguments.iter().map(|(name, value)| (name.as_str(), value)),
                )?;
                plan.children
                    .push(child(Link::ReferrerMany(by.clone()), *entity, list)?);
            }
        }
    }
    Ok(())
}

fn need(plan: &mut Plan, column: String) {
    if !plan.columns.contains(&column) {
        plan.columns.push(column);
    }
}

/// Fields of the same response name are one: their selections add up.
pub fn merged<'a>(
    fields: impl Iterator<Item = SelectionField<'a>>,
) -> IndexMap<&'a str, Vec<SelectionField<'a>>> {
    let mut merged: IndexMap<&str, Vec<SelectionField<'a>>> = IndexMap::new();
    for field in fields {
        merged
            .entry(field.alias().unwrap_or(field.name()))
            .or_default()
            .push(field);
    }
    merged
}
