//! Variables that were not given. `isAccepted_eq: $isAccepted` without a value for the variable means
//! that the field is absent, while an explicit null means null; the executor knows no difference, so
//! absent variables are taken out of the document before it is executed.

use std::collections::HashSet;

use async_graphql::{
    Name, Request, ServerError,
    parser::types::{
        DocumentOperations, ExecutableDocument, Field, OperationDefinition, Selection, SelectionSet,
    },
};
use async_graphql_value::Value;

/// The request without the variables that were not given, may be null and have no default.
pub fn without_absent_variables(mut request: Request) -> Result<Request, Vec<ServerError>> {
    let mut document = request.parsed_query().map_err(|error| vec![error])?.clone();
    let name = request.operation_name.clone();
    let Some(operation) = selected(&mut document, name.as_deref()) else {
        return Ok(request);
    };
    let absent: HashSet<Name> = operation
        .variable_definitions
        .iter()
        .map(|definition| &definition.node)
        .filter(|definition| {
            definition.var_type.node.nullable && definition.default_value.is_none()
        })
        .map(|definition| definition.name.node.clone())
        .filter(|name| !request.variables.contains_key(name))
        .collect();
    if absent.is_empty() {
        return Ok(request);
    }
    operation
        .variable_definitions
        .retain(|definition| !absent.contains(&definition.node.name.node));
    clean_selection(&mut operation.selection_set.node, &absent);
    for fragment in document.fragments.values_mut() {
        clean_selection(&mut fragment.node.selection_set.node, &absent);
    }
    request.set_parsed_query(document);
    Ok(request)
}

fn selected<'a>(
    document: &'a mut ExecutableDocument,
    name: Option<&str>,
) -> Option<&'a mut OperationDefinition> {
    match (&mut document.operations, name) {
        (DocumentOperations::Single(operation), _) => Some(&mut operation.node),
        (DocumentOperations::Multiple(operations), Some(name)) => operations
            .get_mut(name)
            .map(|operation| &mut operation.node),
        // A single operation needs no name in the request, though it has one itself.
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => operations
            .values_mut()
            .next()
            .map(|operation| &mut operation.node),
        (DocumentOperations::Multiple(_), None) => None,
    }
}

fn clean_selection(selection: &mut SelectionSet, absent: &HashSet<Name>) {
    for item in &mut selection.items {
        match &mut item.node {
            Selection::Field(field) => clean_field(&mut field.node, absent),
            Selection::InlineFragment(fragment) => {
                clean_selection(&mut fragment.node.selection_set.node, absent)
            }
            Selection::FragmentSpread(_) => {}
        }
    }
}

fn clean_field(field: &mut Field, absent: &HashSet<Name>) {
    field
        .arguments
        .retain(|(_, value)| !is_absent(&value.node, absent));
    for (_, value) in &mut field.arguments {
        clean_value(&mut value.node, absent);
    }
    clean_selection(&mut field.selection_set.node, absent);
}

fn is_absent(value: &Value, absent: &HashSet<Name>) -> bool {
    matches!(value, Value::Variable(name) if absent.contains(name))
}

fn clean_value(value: &mut Value, absent: &HashSet<Name>) {
    match value {
        Value::Object(fields) => {
            fields.retain(|_, value| !is_absent(value, absent));
            fields
                .values_mut()
                .for_each(|value| clean_value(value, absent));
        }
        // In a list an absent variable is null: its place cannot vanish.
        Value::List(items) => items.iter_mut().for_each(|item| {
            if is_absent(item, absent) {
                *item = Value::Null;
            } else {
                clean_value(item, absent);
            }
        }),
        _ => {}
    }
}
