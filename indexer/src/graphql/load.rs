//! Reads what a plan asks for: one statement for the rows, one more for each relation of each level,
//! however many rows there are. All of one request is read at one moment.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use async_graphql::Error;
use futures::future::BoxFuture;
use shared::chain::BlockRef;
use tokio::sync::Mutex;

use super::{
    ROWS_MAX,
    errors::{Fault, field_error, store_error},
    plan::{Child, Link, Plan},
};
use crate::{
    schema::{EntityId, Value},
    store::{Store, filter::Filter, read::Row, read::Snapshot, sql::Select},
};

/// A row with its related rows.
#[derive(Debug)]
pub struct Node {
    layout: Arc<Layout>,
    values: Row,
    children: Vec<Related>,
}

/// Where a node's values and children are; the same for all nodes of a plan.
#[derive(Debug)]
struct Layout {
    columns: HashMap<String, usize>,
    children: HashMap<String, usize>,
}

/// Related rows.
#[derive(Debug, Clone)]
pub enum Related {
    /// At most one.
    One(Option<Arc<Node>>),
    /// Any number.
    Many(Vec<Arc<Node>>),
}

impl Node {
    /// The value of a column.
    pub fn value(&self, path: &str) -> &Value {
        self.layout
            .columns
            .get(path)
            .map_or(&Value::Null, |index| &self.values[*index])
    }

    /// The related rows at this place of the answer.
    pub fn related(&self, key: &str) -> Option<&Related> {
        self.layout
            .children
            .get(key)
            .and_then(|index| self.children.get(*index))
    }
}

/// What one request reads through: the moment it sees, taken when it first reads.
pub struct RequestScope {
    store: Arc<Store>,
    reading: Mutex<Option<Reading>>,
}

struct Reading {
    snapshot: Snapshot,
    head: BlockRef,
    rows_left: usize,
}

impl RequestScope {
    /// For one request.
    pub fn new(store: Arc<Store>) -> Self {
        Self {
            store,
            reading: Mutex::new(None),
        }
    }

    /// The block the answer belongs to.
    pub async fn head(&self) -> Result<BlockRef, Error> {
        let mut reading = self.reading.lock().await;
        Ok(self.begun(&mut reading).await?.head)
    }

    /// Rows with everything the plan asks for.
    pub async fn load(&self, plan: &Plan, select: Select) -> Result<Vec<Arc<Node>>, Error> {
        let mut reading = self.reading.lock().await;
        self.begun(&mut reading).await?.load(plan, select).await
    }

    /// How many rows pass.
    pub async fn count(&self, entity: EntityId, filter: Option<&Filter>) -> Result<u64, Error> {
        let mut reading = self.reading.lock().await;
        self.begun(&mut reading)
            .await?
            .snapshot
            .count(entity, filter)
            .await
            .map_err(store_error)
    }

    /// Without a block there is nothing to say yet, which is not the same as "there is nothing".
    async fn begun<'a>(&self, reading: &'a mut Option<Reading>) -> Result<&'a mut Reading, Error> {
        if reading.is_none() {
            let mut snapshot = self.store.snapshot().await.map_err(store_error)?;
            let head = snapshot.head().await.map_err(store_error)?;
            let head = head.ok_or_else(|| {
                field_error(
                    Fault::Unavailable,
                    "no block has been indexed yet; ask again shortly",
                )
            })?;
            *reading = Some(Reading {
                snapshot,
                head,
                rows_left: ROWS_MAX,
            });
        }
        reading
            .as_mut()
            .ok_or_else(|| field_error(Fault::Internal, "the moment of the request is gone"))
    }
}

impl Reading {
    fn load<'a>(
        &'a mut self,
        plan: &'a Plan,
        select: Select,
    ) -> BoxFuture<'a, Result<Vec<Arc<Node>>, Error>> {
        Box::pin(async move {
            let rows = self.snapshot.rows(&select).await.map_err(store_error)?;
            self.rows_left = self.rows_left.checked_sub(rows.len()).ok_or_else(|| {
                field_error(
                    Fault::Query,
                    format!("the answer has more than {ROWS_MAX} rows; ask for less at once"),
                )
            })?;
            let columns: HashMap<String, usize> = select
                .columns
                .into_iter()
                .enumerate()
                .map(|(index, path)| (path, index))
                .collect();
            let children = plan
                .children
                .iter()
                .enumerate()
                .map(|(index, child)| (child.key.clone(), index))
                .collect();
            let layout = Arc::new(Layout { columns, children });
            let mut related: Vec<Vec<Related>> = rows
                .iter()
                .map(|_| Vec::with_capacity(plan.children.len()))
                .collect();
            for child in &plan.children {
                let of_rows = self.related(child, &layout, &rows).await?;
                for (row, of_row) in related.iter_mut().zip(of_rows) {
                    row.push(of_row);
                }
            }
            let nodes = rows.into_iter().zip(related);
            Ok(nodes
                .map(|(values, children)| {
                    Arc::new(Node {
                        layout: layout.clone(),
                        values,
                        children,
                    })
                })
                .collect())
        })
    }

    /// The related rows of each row.
    async fn related(
        &mut self,
        child: &Child,
        layout: &Layout,
        rows: &[Row],
    ) -> Result<Vec<Related>, Error> {
        let own = match &child.link {
            Link::Target(path) => path,
            Link::ReferrerOne(_) | Link::ReferrerMany(_) => "id",
        };
        let own = layout.columns.get(own).copied().unwrap_or_default();
        let key_of = |row: &Row| row.get(own).and_then(Value::as_text).map(str::to_owned);
        let keys: BTreeSet<String> = rows.iter().filter_map(key_of).collect();
        let found = if keys.is_empty() {
            Vec::new()
        } else {
            self.children(child, keys.into_iter().collect()).await?
        };
        let by = match &child.link {
            Link::Target(_) => "id",
            Link::ReferrerOne(path) | Link::ReferrerMany(path) => path,
        };
        let mut grouped: HashMap<String, Vec<Arc<Node>>> = HashMap::new();
        for node in found {
            if let Some(key) = node.value(by).as_text() {
                grouped
                    .entry(key.to_owned())
                    .or_default()
                    .push(node.clone());
            }
        }
        let of_row = |row: &Row| {
            let nodes = key_of(row)
                .and_then(|key| grouped.get(&key).cloned())
                .unwrap_or_default();
            match child.link {
                Link::ReferrerMany(_) => Related::Many(nodes),
                Link::Target(_) | Link::ReferrerOne(_) => Related::One(nodes.into_iter().next()),
            }
        };
        Ok(rows.iter().map(of_row).collect())
    }

    async fn children(
        &mut self,
        child: &Child,
        keys: Vec<String>,
    ) -> Result<Vec<Arc<Node>>, Error> {
        let plan = &child.plan;
        let mut columns = plan.columns.clone();
        let select = match &child.link {
            Link::Target(_) => Select::by_ids(plan.entity, columns, keys),
            Link::ReferrerOne(path) | Link::ReferrerMany(path) => {
                if !columns.contains(path) {
                    columns.push(path.clone());
                }
                let list = child.list.clone();
                Select {
                    filter: list.filter,
                    order: list.order,
                    limit: list.limit,
                    offset: list.offset,
                    referring: Some((path.clone(), keys)),
                    ..Select::all(plan.entity, columns)
                }
            }
        };
        self.load(plan, select).await
    }
}
