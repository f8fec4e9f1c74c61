//! Tables and indexes from the model. Column names are the fields' paths (`"operatorStatus.workerId"`).

use sqlx::{AssertSqlSafe, Connection, Row, SqlitePool};

use super::StoreError;
use crate::schema::{Column, ColumnKind, Entity, Model, Scalar};

/// The tables that belong to the engine, whatever the schema says.
const OWN_TABLES: [&str; 2] = [
    "CREATE TABLE IF NOT EXISTS _meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID, STRICT",
    "CREATE TABLE IF NOT EXISTS _head (only INTEGER PRIMARY KEY CHECK (only = 0), number INTEGER NOT NULL, hash TEXT NOT NULL, timestamp_ms INTEGER NOT NULL, events INTEGER NOT NULL) STRICT",
];

/// Makes the tables if they are not there, and makes them anew if the schema has changed.
pub async fn prepare(pool: &SqlitePool, model: &Model) -> Result<(), StoreError> {
    let statements = statements(model);
    let wanted = statements.join(";\n");
    let mut connection = pool.acquire().await?;
    let mut tx = connection.begin().await?;
    for table in OWN_TABLES {
        sqlx::query(table).execute(&mut *tx).await?;
    }
    let row = sqlx::query("SELECT value FROM _meta WHERE key = 'tables'")
        .fetch_optional(&mut *tx)
        .await?;
    let present: Option<String> = row.map(|row| row.try_get(0)).transpose()?;
    if present.as_ref() != Some(&wanted) {
        if present.is_some() {
            tracing::warn!(
                "the schema has changed: the index is made anew from the beginning of the chain"
            );
        }
        for row in sqlx::query(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND substr(name, 1, 1) <> '_'",
        )
        .fetch_all(&mut *tx)
        .await?
        {
            let name: String = row.try_get(0)?;
            sqlx::query(AssertSqlSafe(format!("DROP TABLE {}", quoted(&name))))
                .execute(&mut *tx)
                .await?;
        }
        for statement in statements {
            sqlx::query(AssertSqlSafe(statement))
                .execute(&mut *tx)
                .await?;
        }
        sqlx::query("DELETE FROM _head").execute(&mut *tx).await?;
        sqlx::query("INSERT INTO _meta (key, value) VALUES ('tables', ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
            .bind(wanted)
            .execute(&mut *tx)
            .await?;
    }
    tx.commit().await?;
    Ok(())
}

/// An identifier in SQL. Names of a GraphQL schema have no quotes, paths only dots besides.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn statements(model: &Model) -> Vec<String> {
    model
        .entities
        .iter()
        .flat_map(|entity| std::iter::once(table(entity)).chain(indexes(entity)))
        .collect()
}

/// Ids are texts and order by their text, as existing clients know it; the row is found by its id.
fn table(entity: &Entity) -> String {
    let columns: Vec<_> = entity.columns.iter().map(column).collect();
    format!(
        "CREATE TABLE {} ({}) WITHOUT ROWID, STRICT",
        quoted(&entity.name),
        columns.join(", ")
    )
}

fn column(column: &Column) -> String {
    let kind = match &column.kind {
        ColumnKind::Id => "TEXT PRIMARY KEY",
        ColumnKind::Scalar(Scalar::String | Scalar::BigInt)
        | ColumnKind::Enum
        | ColumnKind::List
        | ColumnKind::Variant
        | ColumnKind::Reference { .. } => "TEXT",
        ColumnKind::Scalar(Scalar::Int | Scalar::Boolean | Scalar::DateTime)
        | ColumnKind::Presence => "INTEGER",
        ColumnKind::Scalar(Scalar::Float) => "REAL",
    };
    let not_null = if column.required { " NOT NULL" } else { "" };
    format!("{} {kind}{not_null}", quoted(&column.path))
}

fn indexes(entity: &Entity) -> impl Iterator<Item = String> {
    entity
        .columns
        .iter()
        .filter(|column| column.indexed)
        .map(|column| {
            let index = quoted(&format!("{}.{}", entity.name, column.path));
            let unique = if column.unique { "UNIQUE " } else { "" };
            format!(
                "CREATE {unique}INDEX {index} ON {} ({})",
                quoted(&entity.name),
                quoted(&column.path)
            )
        })
}
