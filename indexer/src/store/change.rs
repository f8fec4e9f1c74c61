//! What a mapping asks for: rows put, fields changed, rows deleted. Plain data, so that mappings can be
//! tested without a database.

use crate::schema::Value;

/// The fields of a row that are set, by path (`size`, `operatorStatus.workerId`).
///
/// Setting a union's variant clears the fields of the variants that are not named together with it;
/// clearing an object clears everything in it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields(pub Vec<(String, Value)>);

impl Fields {
    /// None yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets a field.
    pub fn set(mut self, path: impl Into<String>, value: impl Into<Value>) -> Self {
        self.put(path, value);
        self
    }

    /// Sets a field in place.
    pub fn put(&mut self, path: impl Into<String>, value: impl Into<Value>) {
        self.0.push((path.into(), value.into()));
    }

    /// The value a field is set to.
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.0
            .iter()
            .rev()
            .find(|(known, _)| known == path)
            .map(|(_, value)| value)
    }

    /// Is nothing set?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A change of one row, or of rows that follow from it.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Puts a whole row, replacing one of the same id.
    Put {
        /// The entity.
        entity: &'static str,
        /// The row.
        id: String,
        /// All required fields and any others.
        fields: Fields,
    },
    /// Puts a row unless one of the same id is there.
    Ensure {
        /// The entity.
        entity: &'static str,
        /// The row.
        id: String,
        /// All required fields and any others.
        fields: Fields,
    },
    /// Sets some fields of a row; nothing happens if it is not there.
    Set {
        /// The entity.
        entity: &'static str,
        /// The row.
        id: String,
        /// The fields.
        fields: Fields,
    },
    /// Adds to a whole-number field; nothing happens if the row is not there.
    Add {
        /// The entity.
        entity: &'static str,
        /// The row.
        id: String,
        /// The field, an `Int`.
        field: &'static str,
        /// How much.
        by: i64,
    },
    /// Deletes a row, clears the optional references to it and deletes what cannot be without it.
    Delete {
        /// The entity.
        entity: &'static str,
        /// The row.
        id: String,
    },
    /// Writes a permanent event with the next id.
    Log {
        /// Fields of the event.
        fields: Fields,
    },
}

impl Change {
    /// See [`Change::Put`].
    pub fn put(entity: &'static str, id: impl ToString, fields: Fields) -> Self {
        Self::Put {
            entity,
            id: id.to_string(),
            fields,
        }
    }
    /// See [`Change::Ensure`].
    pub fn ensure(entity: &'static str, id: impl ToString, fields: Fields) -> Self {
        Self::Ensure {
            entity,
            id: id.to_string(),
            fields,
        }
    }
    /// See [`Change::Set`].
    pub fn set(entity: &'static str, id: impl ToString, fields: Fields) -> Self {
        Self::Set {
            entity,
            id: id.to_string(),
            fields,
        }
    }
    /// See [`Change::Delete`].
    pub fn delete(entity: &'static str, id: impl ToString) -> Self {
        Self::Delete {
            entity,
            id: id.to_string(),
        }
    }
}
