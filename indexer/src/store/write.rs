//! Changes in one transaction with the height they belong to: after a crash the index stands at the end
//! of some block, never within one.

use std::{collections::BTreeMap, sync::Arc};

use futures::future::BoxFuture;
use sea_query::{Alias, Expr, ExprTrait, OnConflict, Query, SqliteQueryBuilder};
use shared::chain::BlockRef;
use sqlx::{Row as _, Sqlite, SqlitePool, Transaction};

use super::{
    StoreError,
    change::{Change, Fields},
    read::{Row, read_head, read_row},
    sql::{Select, Statement, stored},
};
use crate::schema::{ColumnKind, Entity, EntityId, Model, OnDelete, Value};

/// Entity in which permanent events are kept.
const EVENT_ENTITY: &str = "Event";

/// What to do when a row of the same id is there.
#[derive(Clone, Copy)]
enum Existing {
    Replace,
    Keep,
}

/// The transaction of the only writer. Dropped without [`Writer::commit`] it leaves nothing behind.
pub struct Writer {
    model: Arc<Model>,
    tx: Transaction<'static, Sqlite>,
    head: Option<BlockRef>,
    events_logged: u64,
}

impl Writer {
    pub(super) async fn begin(model: Arc<Model>, pool: &SqlitePool) -> Result<Self, StoreError> {
        let mut tx = pool.begin().await?;
        let row = sqlx::query("SELECT number, hash, events FROM _head")
            .fetch_optional(&mut *tx)
            .await?;
        let (head, events_logged) = match &row {
            None => (None, 0),
            Some(row) => (
                Some(read_head(row)?),
                u64::try_from(row.try_get::<i64, _>(2)?).unwrap_or_default(),
            ),
        };
        Ok(Self {
            model,
            tx,
            head,
            events_logged,
        })
    }

    /// The last block applied, those of this transaction included.
    pub fn head(&self) -> Option<BlockRef> {
        self.head
    }

    /// The rows of an entity whose column holds one of these texts, all columns of each.
    pub async fn rows_with(
        &mut self,
        entity: &str,
        path: &str,
        texts: Vec<String>,
    ) -> Result<Vec<BTreeMap<String, Value>>, StoreError> {
        let id = self.entity_id(entity)?;
        let columns: Vec<String> = self
            .model
            .entity(id)
            .columns
            .iter()
            .map(|column| column.path.clone())
            .collect();
        let rows = self.read(id, &columns, path, texts).await?;
        Ok(rows
            .into_iter()
            .map(|row| columns.iter().cloned().zip(row).collect())
            .collect())
    }

    /// Makes one change.
    pub async fn apply(&mut self, change: Change) -> Result<(), StoreError> {
        match change {
            Change::Put { entity, id, fields } => {
                self.insert(entity, &id, fields, Existing::Replace).await
            }
            Change::Ensure { entity, id, fields } => {
                self.insert(entity, &id, fields, Existing::Keep).await
            }
            Change::Set { entity, id, fields } => self.update(entity, &id, fields).await,
            Change::Add {
                entity,
                id,
                field,
                by,
            } => self.add(entity, &id, field, by).await,
            Change::Delete { entity, id } => {
                let entity = self.entity_id(entity)?;
                self.delete(entity, id).await
            }
            Change::Log { fields } => {
                let id = event_id(self.events_logged);
                self.events_logged += 1;
                self.insert(EVENT_ENTITY, &id, fields, Existing::Replace)
                    .await
            }
        }
    }

    /// Notes that everything of this block has been applied.
    pub async fn advance(&mut self, at: BlockRef, timestamp_ms: u64) -> Result<(), StoreError> {
        sqlx::query("INSERT OR REPLACE INTO _head (only, number, hash, timestamp_ms, events) VALUES (0, ?, ?, ?, ?)")
            .bind(i64::from(at.number))
            .bind(at.hash.to_string())
            .bind(i64::try_from(timestamp_ms).unwrap_or(i64::MAX))
            .bind(i64::try_from(self.events_logged).unwrap_or(i64::MAX))
            .execute(&mut *self.tx)
            .await?;
        self.head = Some(at);
        Ok(())
    }

    /// Makes all of it last.
    pub async fn commit(self) -> Result<(), StoreError> {
        Ok(self.tx.commit().await?)
    }

    fn entity_id(&self, name: &str) -> Result<EntityId, StoreError> {
        self.model
            .entity_id(name)
            .ok_or_else(|| StoreError::BadChange {
                entity: name.to_owned(),
                id: String::new(),
                reason: "the schema has no such entity".into(),
            })
    }

    async fn insert(
        &mut self,
        entity: &str,
        id: &str,
        fields: Fields,
        existing: Existing,
    ) -> Result<(), StoreError> {
        let model = self.model.clone();
        let entity = model.entity(self.entity_id(entity)?);
        let mut values = complete(entity, id, fields)?;
        values.insert("id".into(), id.into());
        if let Some(missing) = entity
            .columns
            .iter()
            .find(|column| column.required && values.get(&column.path).is_none_or(Value::is_null))
        {
            return Err(bad_change(
                entity,
                id,
                format!("{} is required", missing.path),
            ));
        }
        self.execute(upsert(entity, values, existing)).await
    }

    async fn update(&mut self, entity: &str, id: &str, fields: Fields) -> Result<(), StoreError> {
        let model = self.model.clone();
        let entity = model.entity(self.entity_id(entity)?);
        let values = complete(entity, id, fields)?;
        if let Some((path, _)) = values.iter().find(|(path, value)| {
            value.is_null() && entity.column(path).is_some_and(|column| column.required)
        }) {
            return Err(bad_change(entity, id, format!("{path} is required")));
        }
        if values.is_empty() {
            return Ok(());
        }
        let statement = Statement::new(
            Query::update()
                .table(Alias::new(&entity.name))
                .values(
                    values
                        .iter()
                        .map(|(path, value)| (Alias::new(path), Expr::val(stored(value)))),
                )
                .and_where(Expr::col(Alias::new("id")).eq(id))
                .build(SqliteQueryBuilder),
        );
        self.execute(statement).await
    }

    async fn add(
        &mut self,
        entity: &str,
        id: &str,
        field: &str,
        by: i64,
    ) -> Result<(), StoreError> {
        let entity = self.model.entity(self.entity_id(entity)?);
        let column = Expr::col(Alias::new(field));
        let statement = Statement::new(
            Query::update()
                .table(Alias::new(&entity.name))
                .value(Alias::new(field), column.add(by))
                .and_where(Expr::col(Alias::new("id")).eq(id))
                .build(SqliteQueryBuilder),
        );
        self.execute(statement).await
    }

    /// Deletes a row after what hangs on it. References form no circle of required ones, so this ends.
    fn delete(&mut self, entity: EntityId, id: String) -> BoxFuture<'_, Result<(), StoreError>> {
        Box::pin(async move {
            let model = self.model.clone();
            for (from, column, on_delete) in model.references_to(entity) {
                let referring = self
                    .read(from, &["id".to_owned()], &column.path, vec![id.clone()])
                    .await?;
                for row in referring {
                    let Some(referrer) = row.first().and_then(Value::as_text) else {
                        continue;
                    };
                    let name = &model.entity(from).name;
                    match on_delete {
                        OnDelete::Clear => {
                            self.update(
                                name,
                                referrer,
                                Fields::new().set(&column.path, Value::Null),
                            )
                            .await?
                        }
                        OnDelete::ClearAround(around) => {
                            self.update(name, referrer, Fields::new().set(around, Value::Null))
                                .await?
                        }
                        OnDelete::Delete => self.delete(from, referrer.to_owned()).await?,
                    }
                }
            }
            let statement = Statement::new(
                Query::delete()
                    .from_table(Alias::new(&model.entity(entity).name))
                    .and_where(Expr::col(Alias::new("id")).eq(id))
                    .build(SqliteQueryBuilder),
            );
            self.execute(statement).await
        })
    }

    async fn read(
        &mut self,
        entity: EntityId,
        columns: &[String],
        path: &str,
        texts: Vec<String>,
    ) -> Result<Vec<Row>, StoreError> {
        let select = Select {
            referring: Some((path.to_owned(), texts)),
            ..Select::all(entity, columns.to_vec())
        };
        let rows = select
            .build(&self.model)
            .query()
            .fetch_all(&mut *self.tx)
            .await?;
        let entity = self.model.entity(entity);
        rows.iter()
            .map(|row| read_row(entity, columns, row))
            .collect()
    }

    async fn execute(&mut self, statement: Statement) -> Result<(), StoreError> {
        statement.query().execute(&mut *self.tx).await?;
        Ok(())
    }
}

fn upsert(entity: &Entity, mut values: BTreeMap<String, Value>, existing: Existing) -> Statement {
    let mut conflict = OnConflict::column(Alias::new("id"));
    match existing {
        Existing::Keep => conflict.do_nothing(),
        Existing::Replace => {
            // What is not named becomes null: the whole row is replaced.
            for column in &entity.columns {
                values.entry(column.path.clone()).or_insert(Value::Null);
            }
            conflict.update_columns(values.keys().filter(|path| *path != "id").map(Alias::new))
        }
    };
    if values.len() == 1 {
        // There is nothing to replace in a row that is only an id.
        conflict = OnConflict::column(Alias::new("id")).do_nothing().to_owned();
    }
    let statement = Query::insert()
        .into_table(Alias::new(&entity.name))
        .columns(values.keys().map(Alias::new))
        .values_panic(values.values().map(|value| Expr::val(stored(value))))
        .on_conflict(conflict)
        .build(SqliteQueryBuilder);
    Statement::new(statement)
}

fn bad_change(entity: &Entity, id: &str, reason: String) -> StoreError {
    StoreError::BadChange {
        entity: entity.name.clone(),
        id: id.to_owned(),
        reason,
    }
}

/// The fields by column, with those cleared that a new variant or a cleared object leaves behind.
fn complete(
    entity: &Entity,
    id: &str,
    fields: Fields,
) -> Result<BTreeMap<String, Value>, StoreError> {
    let mut values = BTreeMap::new();
    for (path, value) in fields.0 {
        let column = entity
            .column(&path)
            .ok_or_else(|| bad_change(entity, id, format!("the schema has no field {path}")))?;
        let clears = matches!(column.kind, ColumnKind::Variant)
            || (column.kind == ColumnKind::Presence && value.is_null());
        if clears {
            for below in entity.columns_below(&path) {
                values.insert(below.path.clone(), Value::Null);
            }
        }
        values.insert(path, value);
    }
    Ok(values)
}

/// Eight digits in base 36, so that the order of the texts is the order of the events.
fn event_id(count: u64) -> String {
    let digits = |digit: u64| char::from_digit((digit % 36) as u32, 36).unwrap_or('0');
    (0..8)
        .rev()
        .map(|place| digits(count / 36u64.pow(place)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_are_eight_digits_in_base_36() {
        for (count, id) in [
            (0, "00000000"),
            (1, "00000001"),
            (35, "0000000z"),
            (36, "00000010"),
            (36u64.pow(8) - 1, "zzzzzzzz"),
        ] {
            assert_eq!(event_id(count), id);
        }
    }
}
