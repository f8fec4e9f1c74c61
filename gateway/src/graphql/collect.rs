//! The fields that selections ask for of one object: fragments opened, `@skip` and `@include`
//! obeyed, selections of the same name brought together, in the order of the document.

use async_graphql_parser::types::{Field, Selection, SelectionSet};

use super::document::Document;

/// What the answer has under one name.
#[derive(Debug)]
pub struct Collected<'a> {
    /// The name in the answer.
    pub key: &'a str,
    /// All fields of this name; they are the same but for their selections.
    pub fields: Vec<&'a Field>,
}

impl<'a> Collected<'a> {
    /// The field's name in the schema.
    pub fn name(&self) -> &'a str {
        &self.fields[0].name.node
    }

    /// All selections in the field.
    pub fn selections(&self) -> Vec<&'a SelectionSet> {
        self.fields
            .iter()
            .map(|field| &field.selection_set.node)
            .collect()
    }

    /// Whether anything is selected in the field.
    pub fn has_selections(&self) -> bool {
        self.fields
            .iter()
            .any(|field| !field.selection_set.node.items.is_empty())
    }
}

/// The fields of some selections. `applies` says whether an object is what a fragment is on.
pub fn collect<'a>(
    document: &'a Document,
    sets: &[&'a SelectionSet],
    applies: &dyn Fn(&str) -> bool,
) -> Vec<Collected<'a>> {
    let mut collected = Vec::new();
    for set in sets {
        collect_into(document, set, applies, &mut collected);
    }
    collected
}

fn collect_into<'a>(
    document: &'a Document,
    set: &'a SelectionSet,
    applies: &dyn Fn(&str) -> bool,
    collected: &mut Vec<Collected<'a>>,
) {
    for item in set
        .items
        .iter()
        .map(|item| &item.node)
        .filter(|item| document.is_included(item))
    {
        match item {
            Selection::Field(field) => {
                let key = field.node.response_key().node.as_str();
                match collected.iter_mut().find(|one| one.key == key) {
                    Some(one) => one.fields.push(&field.node),
                    None => collected.push(Collected {
                        key,
                        fields: vec![&field.node],
                    }),
                }
            }
            Selection::InlineFragment(fragment) => {
                let condition = fragment.node.type_condition.as_ref();
                if condition.is_none_or(|condition| applies(&condition.node.on.node)) {
                    collect_into(
                        document,
                        &fragment.node.selection_set.node,
                        applies,
                        collected,
                    );
                }
            }
            Selection::FragmentSpread(spread) => {
                if let Some(fragment) = document.fragment(&spread.node.fragment_name.node)
                    && applies(&fragment.type_condition.node.on.node)
                {
                    collect_into(document, &fragment.selection_set.node, applies, collected);
                }
            }
        }
    }
}
