//! A request's document: parsed, its operation chosen, checked against the limits.

use std::collections::HashMap;

use async_graphql_parser::{
    Positioned, parse_query,
    types::{
        DocumentOperations, ExecutableDocument, Field, FragmentDefinition, OperationDefinition,
        Selection, SelectionSet,
    },
};
use async_graphql_value::{Name, Value as Literal};
use serde_json::{Map, Value};

/// Fields a document may ask for, fragments counted where they are used.
pub const FIELDS_MAX: usize = 2000;

/// Levels of selections in selections: introspection as GraphiQL asks for it has 15.
pub const DEPTH_MAX: usize = 24;

/// A document that is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Not GraphQL.
    #[error("the document is not valid GraphQL: {0}")]
    Syntax(String),
    /// Several operations and no name, or a name that none has.
    #[error("{0}")]
    Operation(String),
    /// A fragment that is not there.
    #[error("there is no fragment '{0}'")]
    NoFragment(String),
    /// Too deep; also what a fragment that contains itself is.
    #[error("the document is deeper than {DEPTH_MAX} levels: ask for less, or in several requests")]
    TooDeep,
    /// Too many fields.
    #[error(
        "the document asks for more than {FIELDS_MAX} fields: ask for less, or in several requests"
    )]
    TooLarge,
    /// A field of the gateway is used wrongly.
    #[error("{0}")]
    Misused(String),
}

/// One operation of a document with what belongs to it.
#[derive(Debug)]
pub struct Document {
    /// The operation to be executed.
    pub operation: OperationDefinition,
    /// Its name, if it has one.
    pub operation_name: Option<Name>,
    /// All fragments of the document.
    pub fragments: HashMap<Name, Positioned<FragmentDefinition>>,
    /// Variables as they came.
    pub variables: Map<String, Value>,
}

impl Document {
    /// Parse a document and choose the operation.
    pub fn parse(
        text: &str,
        operation_name: Option<&str>,
        variables: Map<String, Value>,
    ) -> Result<Self, DocumentError> {
        let ExecutableDocument {
            operations,
            fragments,
        } = parse_query(text).map_err(|error| DocumentError::Syntax(error.to_string()))?;
        let (name, operation) = choose(operations, operation_name.filter(|name| !name.is_empty()))?;
        let document = Self {
            operation: operation.node,
            operation_name: name,
            fragments,
            variables,
        };
        let mut fields = 0;
        document.measure(&document.operation.selection_set.node, 0, &mut fields)?;
        Ok(document)
    }

    /// A fragment by its name.
    pub fn fragment(&self, name: &str) -> Option<&FragmentDefinition> {
        self.fragments.get(name).map(|fragment| &fragment.node)
    }

    /// Whether `@skip` and `@include` let a selection be.
    pub fn is_included(&self, selection: &Selection) -> bool {
        selection.directives().iter().all(|directive| {
            let condition = || {
                directive
                    .node
                    .get_argument("if")
                    .and_then(|value| self.boolean(&value.node))
            };
            match directive.node.name.node.as_str() {
                "skip" => condition() != Some(true),
                "include" => condition() != Some(false),
                _ => true,
            }
        })
    }

    /// The value of an argument as JSON, variables replaced.
    pub fn argument(&self, field: &Field, name: &str) -> Option<Value> {
        let literal = field.get_argument(name)?.node.clone();
        let value = literal.into_const_with(|variable| Ok::<_, ()>(self.variable(&variable)));
        value.ok()?.into_json().ok()
    }

    fn boolean(&self, literal: &Literal) -> Option<bool> {
        match literal {
            Literal::Boolean(value) => Some(*value),
            Literal::Variable(name) => match self.variable(name) {
                async_graphql_value::ConstValue::Boolean(value) => Some(value),
                _ => None,
            },
            _ => None,
        }
    }

    /// A variable's value, or its default.
    fn variable(&self, name: &Name) -> async_graphql_value::ConstValue {
        let given = self.variables.get(name.as_str()).cloned();
        let given = given.and_then(|value| async_graphql_value::ConstValue::from_json(value).ok());
        given.unwrap_or_else(|| {
            let definitions = self.operation.variable_definitions.iter();
            let definition = definitions
                .map(|one| &one.node)
                .find(|one| one.name.node == *name);
            definition
                .and_then(|one| one.default_value().cloned())
                .unwrap_or_default()
        })
    }

    fn measure(
        &self,
        set: &SelectionSet,
        depth: usize,
        fields: &mut usize,
    ) -> Result<(), DocumentError> {
        if depth > DEPTH_MAX {
            return Err(DocumentError::TooDeep);
        }
        for item in &set.items {
            *fields += 1;
            if *fields > FIELDS_MAX {
                return Err(DocumentError::TooLarge);
            }
            let inner = match &item.node {
                Selection::Field(field) => &field.node.selection_set.node,
                Selection::InlineFragment(fragment) => &fragment.node.selection_set.node,
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    let fragment = self.fragment(name);
                    &fragment
                        .ok_or_else(|| DocumentError::NoFragment(name.to_string()))?
                        .selection_set
                        .node
                }
            };
            self.measure(inner, depth + 1, fields)?;
        }
        Ok(())
    }
}

type Chosen = (Option<Name>, Positioned<OperationDefinition>);

fn choose(operations: DocumentOperations, wanted: Option<&str>) -> Result<Chosen, DocumentError> {
    match (operations, wanted) {
        (DocumentOperations::Single(operation), None) => Ok((None, operation)),
        (DocumentOperations::Multiple(mut operations), Some(wanted)) => {
            let found = operations
                .remove_entry(wanted)
                .map(|(name, operation)| (Some(name), operation));
            found.ok_or_else(|| {
                DocumentError::Operation(format!("the document has no operation '{wanted}'"))
            })
        }
        (DocumentOperations::Multiple(operations), None) if operations.len() == 1 => {
            let only = operations.into_iter().next();
            only.map(|(name, operation)| (Some(name), operation))
                .ok_or_else(|| DocumentError::Operation("the document has no operation".into()))
        }
        (DocumentOperations::Multiple(_), None) => Err(DocumentError::Operation(
            "the document has several operations: name one as operationName".into(),
        )),
        (DocumentOperations::Single(_), Some(wanted)) => Err(DocumentError::Operation(format!(
            "the document's only operation has no name, '{wanted}' was asked for"
        ))),
    }
}
