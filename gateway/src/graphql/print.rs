//! A document as text, for the indexer.

use std::{collections::HashSet, fmt::Write};

use async_graphql_parser::{
    Positioned,
    types::{Directive, FragmentDefinition, OperationDefinition, Selection, SelectionSet},
};
use async_graphql_value::{Name, Value};

/// A query and the variables it uses.
#[derive(Debug)]
pub struct Printed {
    /// The text.
    pub text: String,
    /// Names of the variables.
    pub variables: HashSet<Name>,
}

/// Print a query with these fragments. Only variables that are used are declared.
pub fn print_query(
    operation: &OperationDefinition,
    name: Option<&Name>,
    selection_set: &SelectionSet,
    fragments: &[(Name, FragmentDefinition)],
) -> Printed {
    let mut printer = Printer {
        text: String::new(),
        variables: HashSet::new(),
    };
    printer.directives(&operation.directives);
    printer.selection_set(selection_set);
    for (name, fragment) in fragments {
        printer.push(&format!(
            "fragment {name} on {}",
            fragment.type_condition.node.on.node
        ));
        printer.directives(&fragment.directives);
        printer.selection_set(&fragment.selection_set.node);
    }
    let body = std::mem::take(&mut printer.text);
    let variables = printer.variables.clone();
    printer.push("query");
    if let Some(name) = name {
        printer.push(&format!(" {name}"));
    }
    let definitions = operation
        .variable_definitions
        .iter()
        .map(|definition| &definition.node);
    let used: Vec<_> = definitions
        .filter(|definition| variables.contains(&definition.name.node))
        .collect();
    if !used.is_empty() {
        printer.push("(");
        for definition in used {
            printer.push(&format!(
                "${}: {}",
                definition.name.node, definition.var_type.node
            ));
            if let Some(default) = &definition.default_value {
                printer.push(" = ");
                printer.value(&default.node.clone().into_value());
            }
            printer.push(" ");
        }
        printer.push(")");
    }
    printer.push(&body);
    Printed {
        text: printer.text,
        variables,
    }
}

struct Printer {
    text: String,
    variables: HashSet<Name>,
}

impl Printer {
    fn push(&mut self, text: &str) {
        self.text.push_str(text);
    }

    fn selection_set(&mut self, set: &SelectionSet) {
        if set.items.is_empty() {
            return;
        }
        self.push("{");
        for item in &set.items {
            match &item.node {
                Selection::Field(field) => {
                    let field = &field.node;
                    if let Some(alias) = &field.alias {
                        self.push(&format!("{}: ", alias.node));
                    }
                    self.push(&field.name.node);
                    self.arguments(&field.arguments);
                    self.directives(&field.directives);
                    self.selection_set(&field.selection_set.node);
                }
                Selection::FragmentSpread(spread) => {
                    self.push(&format!("...{}", spread.node.fragment_name.node));
                    self.directives(&spread.node.directives);
                }
                Selection::InlineFragment(fragment) => {
                    self.push("...");
                    if let Some(condition) = &fragment.node.type_condition {
                        self.push(&format!(" on {}", condition.node.on.node));
                    }
                    self.directives(&fragment.node.directives);
                    self.selection_set(&fragment.node.selection_set.node);
                }
            }
            self.push(" ");
        }
        self.push("}");
    }

    fn arguments(&mut self, arguments: &[(Positioned<Name>, Positioned<Value>)]) {
        if arguments.is_empty() {
            return;
        }
        self.push("(");
        for (name, value) in arguments {
            self.push(&format!("{}: ", name.node));
            self.value(&value.node);
            self.push(" ");
        }
        self.push(")");
    }

    fn directives(&mut self, directives: &[Positioned<Directive>]) {
        for directive in directives {
            self.push(&format!(" @{}", directive.node.name.node));
            self.arguments(&directive.node.arguments);
        }
    }

    fn value(&mut self, value: &Value) {
        match value {
            Value::Variable(name) => {
                self.push(&format!("${name}"));
                self.variables.insert(name.clone());
            }
            // The escapes of JSON strings are those of GraphQL.
            Value::String(text) => self.push(&serde_json::Value::from(text.as_str()).to_string()),
            Value::List(items) => {
                self.push("[");
                for item in items {
                    self.value(item);
                    self.push(" ");
                }
                self.push("]");
            }
            Value::Object(entries) => {
                self.push("{");
                for (name, value) in entries {
                    self.push(&format!("{name}: "));
                    self.value(value);
                    self.push(" ");
                }
                self.push("}");
            }
            Value::Null
            | Value::Number(_)
            | Value::Boolean(_)
            | Value::Binary(_)
            | Value::Enum(_) => {
                // Writing to a string cannot fail.
                let _ = write!(self.text, "{value}");
            }
        }
    }
}
