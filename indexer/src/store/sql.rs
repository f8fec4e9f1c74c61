//! Filters and orders as SQL. Lists are passed as one JSON parameter, so that the length of a list is
//! not limited by the number of parameters.

use sea_query::{
    Alias, Cond, Condition, Expr, ExprTrait, Func, JoinType, NullOrdering, Order as Direction,
    Query, SelectStatement, SqliteQueryBuilder, Value as SqlValue, Values,
};
use sqlx::{AssertSqlSafe, Sqlite, query::Query as SqlxQuery, sqlite::SqliteArguments};

use super::filter::{Comparison, Filter, Order, OrderBy, Place, Quantifier, Test};
use crate::schema::{Column, ColumnKind, EntityId, Model, Scalar, Value, value::stored_big};

/// A value as the database keeps it.
pub fn stored(value: &Value) -> SqlValue {
    match value {
        Value::Null => SqlValue::String(None),
        Value::Text(text) => SqlValue::String(Some(text.clone())),
        Value::Int(number) | Value::Time(number) => SqlValue::BigInt(Some(*number)),
        Value::Big(number) => SqlValue::String(Some(stored_big(*number))),
        Value::Float(number) => SqlValue::Double(Some(*number)),
        Value::Bool(value) => SqlValue::BigInt(Some(i64::from(*value))),
        Value::Json(json) => SqlValue::String(Some(json.to_string())),
    }
}

fn stored_json(value: &Value) -> serde_json::Value {
    match value {
        Value::Null => serde_json::Value::Null,
        Value::Text(text) => text.as_str().into(),
        Value::Int(number) | Value::Time(number) => (*number).into(),
        Value::Big(number) => stored_big(*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Bool(value) => i64::from(*value).into(),
        Value::Json(json) => json.clone(),
    }
}

/// A statement with its parameters, free of the builder that made it.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    sql: String,
    parameters: Vec<Parameter>,
}

#[derive(Debug, Clone, PartialEq)]
enum Parameter {
    Text(Option<String>),
    Integer(Option<i64>),
    Real(Option<f64>),
}

impl Statement {
    /// From what the builder made.
    pub fn new((sql, values): (String, Values)) -> Self {
        let parameters = values.into_iter().map(|value| match value {
            SqlValue::String(text) => Parameter::Text(text),
            SqlValue::BigInt(number) => Parameter::Integer(number),
            SqlValue::Int(number) => Parameter::Integer(number.map(i64::from)),
            // The builder's own limits and offsets.
            SqlValue::BigUnsigned(number) => {
                Parameter::Integer(number.map(|number| i64::try_from(number).unwrap_or(i64::MAX)))
            }
            SqlValue::Double(number) => Parameter::Real(number),
            other => unreachable!("no statement has a parameter like {other:?}"),
        });
        Self {
            parameters: parameters.collect(),
            sql,
        }
    }

    /// Ready to run. Names in it are the schema's, everything else is a parameter.
    pub fn query<'q>(self) -> SqlxQuery<'q, Sqlite, SqliteArguments> {
        self.parameters.into_iter().fold(
            sqlx::query(AssertSqlSafe(self.sql)),
            |query, parameter| match parameter {
                Parameter::Text(text) => query.bind(text),
                Parameter::Integer(number) => query.bind(number),
                Parameter::Real(number) => query.bind(number),
            },
        )
    }
}

/// Rows to be read.
#[derive(Debug, Clone)]
pub struct Select {
    /// Of which entity.
    pub entity: EntityId,
    /// These columns, in this order.
    pub columns: Vec<String>,
    /// Those that pass.
    pub filter: Option<Filter>,
    /// Those that refer by this column to one of these rows; limit and offset are then for each.
    pub referring: Option<(String, Vec<String>)>,
    /// In this order; by id among equals.
    pub order: Vec<Order>,
    /// At most so many.
    pub limit: Option<u64>,
    /// Without so many at the start.
    pub offset: u64,
}

impl Select {
    /// All rows of an entity.
    pub fn all(entity: EntityId, columns: Vec<String>) -> Self {
        Self {
            entity,
            columns,
            filter: None,
            referring: None,
            order: Vec::new(),
            limit: None,
            offset: 0,
        }
    }

    /// Rows by id.
    pub fn by_ids(entity: EntityId, columns: Vec<String>, ids: Vec<String>) -> Self {
        Self {
            filter: Some(one_of("id", ids)),
            ..Self::all(entity, columns)
        }
    }

    /// The statement and its parameters.
    pub fn build(&self, model: &Model) -> Statement {
        let mut compiler = Compiler { model, aliases: 0 };
        let cut = self.limit.is_some() || self.offset > 0;
        let statement = match &self.referring {
            Some((path, _)) if cut => compiler.select_cut_per_parent(self, path),
            _ => compiler.select(self),
        };
        Statement::new(statement.build(SqliteQueryBuilder))
    }
}

/// How many rows pass.
pub fn build_count(model: &Model, entity: EntityId, filter: Option<&Filter>) -> Statement {
    let mut compiler = Compiler { model, aliases: 0 };
    let mut query = Query::select();
    let alias = compiler.from(&mut query, entity);
    query.expr(Func::count(Expr::cust("*")));
    if let Some(filter) = filter {
        let condition = compiler.condition(entity, &alias, filter);
        query.cond_where(condition);
    }
    Statement::new(query.build(SqliteQueryBuilder))
}

fn one_of(path: &str, ids: Vec<String>) -> Filter {
    Filter::Column {
        path: path.to_owned(),
        test: Test::In(ids.into_iter().map(Value::Text).collect()),
    }
}

struct Compiler<'m> {
    model: &'m Model,
    aliases: usize,
}

impl Compiler<'_> {
    fn alias(&mut self) -> String {
        self.aliases += 1;
        format!("t{}", self.aliases)
    }

    fn from(&mut self, query: &mut SelectStatement, entity: EntityId) -> String {
        let alias = self.alias();
        query.from_as(
            Alias::new(&self.model.entity(entity).name),
            Alias::new(&alias),
        );
        alias
    }

    fn base(&mut self, select: &Select) -> (SelectStatement, String) {
        let mut query = Query::select();
        let alias = self.from(&mut query, select.entity);
        for path in &select.columns {
            query.expr_as(column(&alias, path), Alias::new(path));
        }
        if let Some((path, ids)) = &select.referring {
            let condition = self.condition(select.entity, &alias, &one_of(path, ids.clone()));
            query.cond_where(condition);
        }
        if let Some(filter) = &select.filter {
            let condition = self.condition(select.entity, &alias, filter);
            query.cond_where(condition);
        }
        (query, alias)
    }

    fn select(&mut self, select: &Select) -> SelectStatement {
        let (mut query, alias) = self.base(select);
        for (key, direction, nulls) in self.order(&mut query, select, &alias) {
            match nulls {
                Some(nulls) => query.order_by_expr_with_nulls(key, direction, nulls),
                None => query.order_by_expr(key, direction),
            };
        }
        if select.limit.is_some() || select.offset > 0 {
            // SQLite knows no offset without a limit.
            query
                .limit(select.limit.unwrap_or(i64::MAX as u64))
                .offset(select.offset);
        }
        query
    }

    /// Numbers the rows of each parent and keeps those within the limits.
    fn select_cut_per_parent(&mut self, select: &Select, path: &str) -> SelectStatement {
        const NUMBER: &str = "_number";
        let (mut inner, alias) = self.base(select);
        let mut window =
            sea_query::WindowStatement::partition_by((Alias::new(&alias), Alias::new(path)));
        for (key, direction, nulls) in self.order(&mut inner, select, &alias) {
            match nulls {
                Some(nulls) => window.order_by_expr_with_nulls(key, direction, nulls),
                None => window.order_by_expr(key, direction),
            };
        }
        inner.expr_window_as(Expr::cust("ROW_NUMBER()"), window, Alias::new(NUMBER));
        let mut outer = Query::select();
        let alias = self.alias();
        outer.from_subquery(inner, Alias::new(&alias));
        for path in &select.columns {
            outer.expr_as(column(&alias, path), Alias::new(path));
        }
        let number = || column(&alias, NUMBER);
        let last = select
            .offset
            .saturating_add(select.limit.unwrap_or(i64::MAX as u64));
        let bound = |value: u64| i64::try_from(value).unwrap_or(i64::MAX);
        outer
            .and_where(number().gt(bound(select.offset)))
            .and_where(number().lte(bound(last)));
        outer.order_by_expr(number(), Direction::Asc);
        outer
    }

    /// The keys to order by; joins what they need.
    fn order(
        &mut self,
        query: &mut SelectStatement,
        select: &Select,
        alias: &str,
    ) -> Vec<(Expr, Direction, Option<NullOrdering>)> {
        let mut keys = Vec::new();
        for order in &select.order {
            let (key, required) = match &order.by {
                OrderBy::Column(path) => (
                    column(alias, path),
                    self.model
                        .entity(select.entity)
                        .column(path)
                        .is_some_and(|column| column.required),
                ),
                OrderBy::Target {
                    path,
                    entity,
                    column: inner,
                } => {
                    let joined = self.join(query, *entity, |joined| {
                        column(joined, "id").equals((Alias::new(alias), Alias::new(path)))
                    });
                    (column(&joined, inner), false)
                }
                OrderBy::Referrer {
                    entity,
                    path,
                    column: inner,
                } => {
                    let joined = self.join(query, *entity, |joined| {
                        column(joined, path).equals((Alias::new(alias), Alias::new("id")))
                    });
                    (column(&joined, inner), false)
                }
            };
            let direction = if order.descending {
                Direction::Desc
            } else {
                Direction::Asc
            };
            let nulls = if order.nulls_first {
                NullOrdering::First
            } else {
                NullOrdering::Last
            };
            // Without nulls their place does not matter, and an index can be used.
            keys.push((key, direction, (!required).then_some(nulls)));
        }
        keys.push((column(alias, "id"), Direction::Asc, None));
        keys
    }

    fn join(
        &mut self,
        query: &mut SelectStatement,
        entity: EntityId,
        on: impl Fn(&str) -> Expr,
    ) -> String {
        let joined = self.alias();
        let table = Alias::new(&self.model.entity(entity).name);
        query.join_as(JoinType::LeftJoin, table, Alias::new(&joined), on(&joined));
        joined
    }

    fn condition(&mut self, entity: EntityId, alias: &str, filter: &Filter) -> Condition {
        match filter {
            Filter::All(parts) => parts
                .iter()
                .fold(Cond::all().add(Expr::cust("TRUE")), |all, part| {
                    all.add(self.condition(entity, alias, part))
                }),
            Filter::Any(parts) => parts
                .iter()
                .fold(Cond::any().add(Expr::cust("FALSE")), |any, part| {
                    any.add(self.condition(entity, alias, part))
                }),
            Filter::Constant(value) => Cond::all().add(Expr::cust(match value {
                Some(true) => "TRUE",
                Some(false) => "FALSE",
                None => "NULL",
            })),
            Filter::Column { path, test } => {
                let kind = self
                    .model
                    .entity(entity)
                    .column(path)
                    .map(|column: &Column| &column.kind);
                Cond::all().add(test_column(column(alias, path), kind, test))
            }
            Filter::Target {
                path,
                entity: target,
                filter,
            } => self.target(alias, path, *target, filter),
            Filter::Referrers {
                quantifier,
                entity: from,
                path,
                filter,
            } => self.referrers(alias, *quantifier, *from, path, filter.as_deref()),
        }
    }

    /// A condition on the target's id is one on the reference itself; others look the target up.
    fn target(&mut self, alias: &str, path: &str, target: EntityId, filter: &Filter) -> Condition {
        if let Filter::Column { path: inner, test } = filter
            && inner == "id"
        {
            return Cond::all().add(test_column(
                column(alias, path),
                Some(&ColumnKind::Id),
                test,
            ));
        }
        let mut query = Query::select();
        let inner = self.from(&mut query, target);
        query.expr(Expr::cust("1"));
        query.and_where(column(&inner, "id").equals((Alias::new(alias), Alias::new(path))));
        let condition = self.condition(target, &inner, filter);
        query.cond_where(condition);
        Cond::all().add(Expr::exists(query))
    }

    fn referrers(
        &mut self,
        alias: &str,
        quantifier: Quantifier,
        from: EntityId,
        path: &str,
        filter: Option<&Filter>,
    ) -> Condition {
        let mut query = Query::select();
        let inner = self.from(&mut query, from);
        query.expr(column(&inner, path));
        query.and_where(column(&inner, path).is_not_null());
        if let Some(filter) = filter {
            let condition = self.condition(from, &inner, filter);
            query.cond_where(if quantifier == Quantifier::Every {
                condition.not()
            } else {
                condition
            });
        } else if quantifier == Quantifier::Every {
            return Cond::all().add(Expr::cust("TRUE"));
        }
        let id = column(alias, "id");
        Cond::all().add(match quantifier {
            Quantifier::Some => id.in_subquery(query),
            Quantifier::None | Quantifier::Every => id.not_in_subquery(query),
        })
    }
}

fn column(alias: &str, path: &str) -> Expr {
    Expr::col((Alias::new(alias), Alias::new(path)))
}

fn test_column(column: Expr, kind: Option<&ColumnKind>, test: &Test) -> Expr {
    match test {
        Test::IsNull(true) => column.is_null(),
        Test::IsNull(false) => column.is_not_null(),
        Test::Compare(_, Value::Null) => Expr::cust("NULL"),
        Test::Compare(comparison, value) => {
            let value = Expr::val(stored(value));
            match comparison {
                Comparison::Equal => column.eq(value),
                Comparison::NotEqual => column.ne(value),
                Comparison::Less => column.lt(value),
                Comparison::LessOrEqual => column.lte(value),
                Comparison::Greater => column.gt(value),
                Comparison::GreaterOrEqual => column.gte(value),
            }
        }
        Test::In(values) => column.in_subquery(members(values, kind)),
        Test::NotIn(values) => column.not_in_subquery(members(values, kind)),
        Test::Text {
            place,
            ignore_case,
            negated,
            text,
        } => {
            let found = look_into(column, *place, *ignore_case, text);
            if *negated { found.not() } else { found }
        }
        Test::List { quantifier, texts } => {
            let list: serde_json::Value = texts.as_slice().into();
            let list = Expr::val(list.to_string());
            let count = "(SELECT count(DISTINCT w.value) FROM json_each(?) w WHERE w.value IN (SELECT value FROM json_each(?)))";
            let found = Expr::cust_with_exprs(count, [list, column.clone()]);
            let wanted = texts
                .iter()
                .collect::<std::collections::BTreeSet<_>>()
                .len() as i64;
            let outcome = match quantifier {
                Quantifier::Every => found.eq(wanted),
                Quantifier::Some => found.gt(0),
                Quantifier::None => found.eq(0),
            };
            column.is_not_null().and(outcome)
        }
    }
}

/// A list of values as a table of one column.
fn members(values: &[Value], kind: Option<&ColumnKind>) -> SelectStatement {
    let list: serde_json::Value = values.iter().map(stored_json).collect();
    let mut query = Query::select();
    // JSON keeps no difference between 1 and 1.0; a column of floats compares them as numbers anyway.
    let item = match kind {
        Some(ColumnKind::Scalar(Scalar::Float)) => "CAST(value AS REAL)",
        _ => "value",
    };
    query.expr(Expr::cust(item));
    query.from_function(
        Func::cust(Alias::new("json_each")).arg(Expr::val(list.to_string())),
        Alias::new("list"),
    );
    query
}

fn look_into(column: Expr, place: Place, ignore_case: bool, text: &str) -> Expr {
    let (column, wanted) = if ignore_case {
        (Expr::from(Func::lower(column)), text.to_ascii_lowercase())
    } else {
        (column, text.to_owned())
    };
    let length = wanted.chars().count() as i64;
    let value = Expr::val(wanted);
    match place {
        Place::Anywhere => Expr::cust_with_exprs("instr(?, ?)", [column, value]).gt(0),
        Place::Start => {
            Expr::cust_with_exprs("substr(?, 1, ?)", [column, Expr::val(length)]).eq(value)
        }
        // With length 0 the last characters are none, which `substr` cannot say.
        Place::End if length == 0 => column.is_not_null().or(column_unknown()),
        Place::End => Expr::cust_with_exprs("substr(?, ?)", [column, Expr::val(-length)]).eq(value),
    }
}

fn column_unknown() -> Expr {
    Expr::cust("NULL")
}
