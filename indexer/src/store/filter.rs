//! Conditions on the rows of an entity, independent of any query language. They follow SQL's logic of
//! three values: a test on null is neither true nor false, and only true selects a row.

use crate::schema::{EntityId, Value};

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Filter {
    /// All of them.
    All(Vec<Filter>),
    /// At least one of them.
    Any(Vec<Filter>),
    /// The same for every row; `None` is neither true nor false.
    Constant(Option<bool>),
    /// A test of one column.
    Column {
        /// The column.
        path: String,
        /// The test.
        test: Test,
    },
    /// The row that a reference points to passes the filter.
    Target {
        /// The column with the reference.
        path: String,
        /// Where it points.
        entity: EntityId,
        /// What holds there.
        filter: Box<Filter>,
    },
    /// Of the rows that refer to this one, as many pass the filter as the quantifier says.
    Referrers {
        /// How many.
        quantifier: Quantifier,
        /// The referring entity.
        entity: EntityId,
        /// Its column.
        path: String,
        /// What holds there; `None` holds for all.
        filter: Option<Box<Filter>>,
    },
}

/// How many of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quantifier {
    /// At least one.
    Some,
    /// Not one.
    None,
    /// All, which is so when there are none.
    Every,
}

/// A test of one value.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// Is it null, or is it not?
    IsNull(bool),
    /// Compares; with null the outcome is neither true nor false.
    Compare(Comparison, Value),
    /// Is it one of these?
    In(Vec<Value>),
    /// Is it none of these?
    NotIn(Vec<Value>),
    /// Looks into a text.
    Text {
        /// Where.
        place: Place,
        /// Upper and lower case are the same.
        ignore_case: bool,
        /// The opposite.
        negated: bool,
        /// What to look for.
        text: String,
    },
    /// Looks into a list of texts.
    List {
        /// All of these, any of these, none of these.
        quantifier: Quantifier,
        /// What to look for.
        texts: Vec<String>,
    },
}

/// A comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Comparison {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

/// Where in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Anywhere.
    Anywhere,
    /// At the start.
    Start,
    /// At the end.
    End,
}

/// What to order by, first key first.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The key.
    pub by: OrderBy,
    /// From large to small.
    pub descending: bool,
    /// Nulls come first; otherwise last.
    pub nulls_first: bool,
}

/// A key to order by.
#[derive(Debug, Clone, PartialEq)]
pub enum OrderBy {
    /// A column of the row.
    Column(String),
    /// A column of the row that a reference points to.
    Target {
        /// The column with the reference.
        path: String,
        /// Where it points.
        entity: EntityId,
        /// The column there.
        column: String,
    },
    /// A column of the one row that refers to this one.
    Referrer {
        /// The referring entity.
        entity: EntityId,
        /// Its column with the reference.
        path: String,
        /// The column to order by.
        column: String,
    },
}
