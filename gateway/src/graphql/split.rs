//! The split: takes the gateway's fields out of a query at any depth and adds the keys they need, so
//! that what is left can be answered by the indexer.
//!
//! Keys are added under aliases of the gateway's own, so that they never meet a field of the client:
//! `gw_id: id`, `gw_bag: storageBag { gw_id: id }`, and `gw_type: __typename`, which also stands in
//! for selections of which nothing was left.

use std::collections::{HashMap, HashSet};

use async_graphql_parser::{
    Pos, Positioned,
    types::{Field, FragmentDefinition, Selection, SelectionSet},
};
use async_graphql_value::Name;
use serde_json::{Map, Value};

use super::{
    Schema,
    additions::GatewayField,
    document::{Document, DocumentError},
    print::print_query,
};

/// What the names of the gateway's own aliases begin with.
const ALIAS_PREFIX: &str = "gw_";
/// The key of an entity.
pub const ID_ALIAS: &str = "gw_id";
/// The bag of a data object.
pub const BAG_ALIAS: &str = "gw_bag";
/// The name of an object's type.
pub const TYPE_ALIAS: &str = "gw_type";

/// What is to be done for a query.
#[derive(Debug)]
pub enum Split {
    /// There is nothing of the gateway in it: it can be passed on as it came.
    Untouched,
    /// The indexer is asked something else, and its answer is to be merged.
    Changed(Upstream),
    /// The indexer need not be asked.
    Own,
}

/// What the indexer is asked.
#[derive(Debug)]
pub struct Upstream {
    /// The query.
    pub query: String,
    /// The variables it uses.
    pub variables: Map<String, Value>,
}

/// Split a query.
pub fn split(schema: &Schema, document: &Document) -> Result<Split, DocumentError> {
    let mut splitter = Splitter {
        schema,
        is_touched: false,
        spreads: HashSet::new(),
    };
    let root =
        splitter.selection_set(&document.operation.selection_set.node, schema.query_type())?;
    let fragments = splitter.fragments(document)?;
    if !splitter.is_touched {
        return Ok(Split::Untouched);
    }
    if root.items.iter().all(|item| is_type_alias(&item.node)) {
        return Ok(Split::Own);
    }
    let name = document.operation_name.as_ref();
    let printed = print_query(&document.operation, name, &root, &fragments);
    let is_used = |name: &str| printed.variables.contains(name);
    let variables = document.variables.iter().filter(|(name, _)| is_used(name));
    let variables = variables
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    Ok(Split::Changed(Upstream {
        query: printed.text,
        variables,
    }))
}

struct Splitter<'a> {
    schema: &'a Schema,
    /// Whether a field of the gateway was found.
    is_touched: bool,
    /// Fragments used so far in what is left.
    spreads: HashSet<Name>,
}

impl Splitter<'_> {
    /// What is left of all fragments that are used by what is left.
    fn fragments(
        &mut self,
        document: &Document,
    ) -> Result<Vec<(Name, FragmentDefinition)>, DocumentError> {
        let mut done: HashMap<Name, FragmentDefinition> = HashMap::new();
        while let Some(name) = self
            .spreads
            .iter()
            .find(|name| !done.contains_key(*name))
            .cloned()
        {
            let no_fragment = || DocumentError::NoFragment(name.to_string());
            let mut fragment = document.fragment(&name).ok_or_else(no_fragment)?.clone();
            let on = fragment.type_condition.node.on.node.clone();
            fragment.selection_set.node = self.selection_set(&fragment.selection_set.node, &on)?;
            done.insert(name, fragment);
        }
        let mut fragments: Vec<_> = done.into_iter().collect();
        fragments.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(fragments)
    }

    fn selection_set(
        &mut self,
        set: &SelectionSet,
        on: &str,
    ) -> Result<SelectionSet, DocumentError> {
        let mut items = Vec::with_capacity(set.items.len() + 1);
        let mut keys = Keys::default();
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    if let Some(left) = self.field(&field.node, on, &mut keys)? {
                        items.push(at(item.pos, Selection::Field(at(field.pos, left))));
                    }
                }
                Selection::FragmentSpread(spread) => {
                    self.spreads.insert(spread.node.fragment_name.node.clone());
                    items.push(item.clone());
                }
                Selection::InlineFragment(fragment) => {
                    let mut left = fragment.clone();
                    let condition = fragment.node.type_condition.as_ref();
                    let on = condition.map_or(on, |condition| condition.node.on.node.as_str());
                    left.node.selection_set.node =
                        self.selection_set(&fragment.node.selection_set.node, on)?;
                    items.push(at(item.pos, Selection::InlineFragment(left)));
                }
            }
        }
        if keys.id {
            items.push(alias(ID_ALIAS, "id", vec![]));
        }
        if keys.bag {
            items.push(alias(
                BAG_ALIAS,
                "storageBag",
                vec![alias(ID_ALIAS, "id", vec![])],
            ));
        }
        if items.is_empty() || self.schema.is_abstract(on) {
            items.push(alias(TYPE_ALIAS, "__typename", vec![]));
        }
        Ok(SelectionSet { items })
    }

    /// What is left of a field; `None` if it is the gateway's.
    fn field(
        &mut self,
        field: &Field,
        on: &str,
        keys: &mut Keys,
    ) -> Result<Option<Field>, DocumentError> {
        let name = field.name.node.as_str();
        let key = &field.response_key().node;
        if key.starts_with(ALIAS_PREFIX) {
            let message = format!(
                "'{key}' cannot be a name in the answer: {ALIAS_PREFIX}… is the gateway's, use another alias"
            );
            return Err(DocumentError::Misused(message));
        }
        if on == self.schema.query_type() && matches!(name, "__schema" | "__type") {
            self.is_touched = true;
            return Ok(None);
        }
        if let Some(added) =
            GatewayField::of(on, name).filter(|_| self.schema.field_type(on, name).is_some())
        {
            if !field.arguments.is_empty() || !field.selection_set.node.items.is_empty() {
                return Err(DocumentError::Misused(format!(
                    "{on}.{name} takes no arguments and has no fields"
                )));
            }
            self.is_touched = true;
            keys.id = true;
            keys.bag |= added == GatewayField::ResolvedUrls;
            return Ok(None);
        }
        let mut left = field.clone();
        if !field.selection_set.node.items.is_empty()
            && let Some(of) = self.schema.field_type(on, name)
        {
            left.selection_set.node = self.selection_set(&field.selection_set.node, of)?;
        }
        Ok(Some(left))
    }
}

/// Keys that the gateway's fields of one selection need.
#[derive(Default)]
struct Keys {
    id: bool,
    bag: bool,
}

fn at<T>(pos: Pos, node: T) -> Positioned<T> {
    Positioned::new(node, pos)
}

fn alias(alias: &str, name: &str, items: Vec<Positioned<Selection>>) -> Positioned<Selection> {
    let pos = Pos::default();
    let field = Field {
        alias: Some(at(pos, Name::new(alias))),
        name: at(pos, Name::new(name)),
        arguments: vec![],
        directives: vec![],
        selection_set: at(pos, SelectionSet { items }),
    };
    at(pos, Selection::Field(at(pos, field)))
}

fn is_type_alias(selection: &Selection) -> bool {
    matches!(selection, Selection::Field(field) if field.node.response_key().node == TYPE_ALIAS)
}
