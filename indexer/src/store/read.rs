//! Rows at one moment: everything read through one [`Snapshot`] belongs to the same block, however many
//! statements it takes and whatever the writer does meanwhile.

use std::sync::Arc;

use shared::{chain::BlockRef, ids::BlockHash};
use sqlx::{Row as _, Sqlite, Transaction, sqlite::SqliteRow};

use super::{
    StoreError,
    filter::Filter,
    sql::{Select, build_count},
};
use crate::schema::{ColumnKind, Entity, EntityId, Model, Scalar, Value};

/// One row: the columns that were asked for, in that order.
pub type Row = Vec<Value>;

/// A read transaction.
pub struct Snapshot {
    model: Arc<Model>,
    tx: Transaction<'static, Sqlite>,
}

impl Snapshot {
    pub(super) fn new(model: Arc<Model>, tx: Transaction<'static, Sqlite>) -> Self {
        Self { model, tx }
    }

    /// The block this moment belongs to.
    pub async fn head(&mut self) -> Result<Option<BlockRef>, StoreError> {
        let row = sqlx::query("SELECT number, hash FROM _head")
            .fetch_optional(&mut *self.tx)
            .await?;
        row.map(|row| read_head(&row)).transpose()
    }

    /// Rows.
    pub async fn rows(&mut self, select: &Select) -> Result<Vec<Row>, StoreError> {
        let rows = select
            .build(&self.model)
            .query()
            .fetch_all(&mut *self.tx)
            .await?;
        let entity = self.model.entity(select.entity);
        rows.iter()
            .map(|row| read_row(entity, &select.columns, row))
            .collect()
    }

    /// How many rows pass.
    pub async fn count(
        &mut self,
        entity: EntityId,
        filter: Option<&Filter>,
    ) -> Result<u64, StoreError> {
        let row = build_count(&self.model, entity, filter)
            .query()
            .fetch_one(&mut *self.tx)
            .await?;
        let count: i64 = row.try_get(0)?;
        Ok(u64::try_from(count).unwrap_or_default())
    }
}

pub(super) fn read_head(row: &SqliteRow) -> Result<BlockRef, StoreError> {
    let corrupt = |column: &str| StoreError::Corrupt {
        entity: "_head".into(),
        column: column.into(),
    };
    let (number, hash): (i64, String) = (row.try_get(0)?, row.try_get(1)?);
    Ok(BlockRef {
        number: u32::try_from(number).map_err(|_| corrupt("number"))?,
        hash: hash.parse::<BlockHash>().map_err(|_| corrupt("hash"))?,
    })
}

pub(super) fn read_row(
    entity: &Entity,
    columns: &[String],
    row: &SqliteRow,
) -> Result<Row, StoreError> {
    columns
        .iter()
        .enumerate()
        .map(|(index, path)| read_value(entity, path, row, index))
        .collect()
}

fn read_value(
    entity: &Entity,
    path: &str,
    row: &SqliteRow,
    index: usize,
) -> Result<Value, StoreError> {
    let corrupt = || StoreError::Corrupt {
        entity: entity.name.clone(),
        column: path.to_owned(),
    };
    let column = entity.column(path).ok_or_else(corrupt)?;
    let text = || -> Result<Option<String>, StoreError> { Ok(row.try_get(index)?) };
    let number = || -> Result<Option<i64>, StoreError> { Ok(row.try_get(index)?) };
    Ok(match &column.kind {
        ColumnKind::Id
        | ColumnKind::Enum
        | ColumnKind::Variant
        | ColumnKind::Reference { .. }
        | ColumnKind::Scalar(Scalar::String) => text()?.into(),
        ColumnKind::Scalar(Scalar::Int) => number()?.into(),
        ColumnKind::Scalar(Scalar::Boolean) | ColumnKind::Presence => {
            number()?.map(|number| number != 0).into()
        }
        ColumnKind::Scalar(Scalar::DateTime) => number()?.map_or(Value::Null, Value::Time),
        ColumnKind::Scalar(Scalar::Float) => row.try_get::<Option<f64>, _>(index)?.into(),
        ColumnKind::Scalar(Scalar::BigInt) => match text()? {
            None => Value::Null,
            Some(digits) => Value::Big(digits.parse().map_err(|_| corrupt())?),
        },
        ColumnKind::List => match text()? {
            None => Value::Null,
            Some(json) => Value::Json(serde_json::from_str(&json).map_err(|_| corrupt())?),
        },
    })
}
