//! Connections: lists in pages. Cursors are positions, so that pages are offsets.

use std::sync::Arc;

use async_graphql::{
    Error, Value as Output,
    dynamic::{Field as ApiField, FieldFuture, FieldValue, Object, ResolverContext, Type, TypeRef},
};

use super::{
    errors::{Fault, field_error},
    inputs::{Inputs, count},
    load::{Node, RequestScope},
    plan,
    types::{arguments, whole},
};
use crate::{
    schema::{EntityId, names::plural},
    store::sql::Select,
};

/// Rows of a page of a connection, unless the query says otherwise.
const PAGE_DEFAULT: u64 = 100;

/// One page.
struct Page {
    rows: Vec<Arc<Node>>,
    offset: u64,
    has_next: bool,
    total: Option<u64>,
}

/// One row of a page.
struct Edge {
    page: Arc<Page>,
    index: usize,
}

/// The page that a query asks for.
pub async fn page(
    inputs: &Inputs,
    entity: EntityId,
    ctx: &ResolverContext<'_>,
) -> Result<FieldValue<'static>, Error> {
    let list = arguments(inputs, entity, ctx)?;
    let first = ctx
        .args
        .get("first")
        .map(|first| count("first", first.as_value()))
        .transpose()?
        .flatten();
    let offset = ctx
        .args
        .get("after")
        .map(|after| cursor(after.as_value()))
        .transpose()?
        .flatten()
        .unwrap_or_default();
    let limit = first.unwrap_or(PAGE_DEFAULT);
    let selection = ctx.ctx.field();
    let named = |name: &'static str| {
        selection
            .selection_set()
            .filter(move |field| field.name() == name)
    };
    let nodes = named("edges")
        .flat_map(|edges| edges.selection_set().collect::<Vec<_>>())
        .filter(|field| field.name() == "node");
    let plan = plan::plan(
        inputs,
        entity,
        nodes.flat_map(|node| node.selection_set().collect::<Vec<_>>()),
    )?;
    let wants_rows = named("edges").next().is_some() || named("pageInfo").next().is_some();
    let wants_total = named("totalCount").next().is_some();

    let scope = ctx.data::<RequestScope>()?;
    let mut rows = Vec::new();
    if wants_rows {
        let select = Select {
            filter: list.filter.clone(),
            order: list.order,
            // One more, to know whether there is a next page.
            limit: Some(limit.saturating_add(1)),
            offset,
            ..Select::all(entity, plan.columns.clone())
        };
        rows = scope.load(&plan, select).await?;
    }
    let page_len = usize::try_from(limit).unwrap_or(usize::MAX);
    let has_next = rows.len() > page_len;
    rows.truncate(page_len);
    let total = match wants_total {
        false => None,
        true => Some(scope.count(entity, list.filter.as_ref()).await?),
    };
    Ok(FieldValue::owned_any(Arc::new(Page {
        rows,
        offset,
        has_next,
        total,
    })))
}

/// The position a cursor stands for.
fn cursor(value: &Output) -> Result<Option<u64>, Error> {
    match value {
        Output::Null => Ok(None),
        Output::String(text) => {
            let position = text
                .bytes()
                .all(|byte| byte.is_ascii_digit())
                .then(|| text.parse().ok())
                .flatten();
            let position = position.filter(|position| *position > 0);
            position
                .map(Some)
                .ok_or_else(|| field_error(Fault::Query, format!("invalid cursor value: '{text}'")))
        }
        other => Err(field_error(
            Fault::Query,
            format!("invalid cursor value: {other}"),
        )),
    }
}

/// Name of a connection's type.
pub fn connection_name(entity: &str) -> String {
    format!("{}Connection", plural(entity))
}

/// The types of an entity's connection and of its edges.
pub fn connection_types(entity: &str) -> [Type; 2] {
    let edge_name = format!("{entity}Edge");
    let edge = Object::new(&edge_name)
        .field(ApiField::new("node", TypeRef::named_nn(entity), |ctx| {
            let edge = ctx.parent_value.downcast_ref::<Edge>();
            FieldFuture::Value(
                edge.and_then(|edge| edge.page.rows.get(edge.index))
                    .cloned()
                    .map(whole),
            )
        }))
        .field(ApiField::new(
            "cursor",
            TypeRef::named_nn(TypeRef::STRING),
            |ctx| {
                let edge = ctx.parent_value.downcast_ref::<Edge>();
                FieldFuture::Value(
                    edge.map(|edge| Output::from(cursor_of(&edge.page, edge.index)).into()),
                )
            },
        ));
    let connection = Object::new(connection_name(entity))
        .field(ApiField::new(
            "edges",
            TypeRef::named_nn_list_nn(&edge_name),
            |ctx| {
                let edges = of_page(&ctx).map(|page| {
                    let edge = |index| {
                        FieldValue::owned_any(Edge {
                            page: page.clone(),
                            index,
                        })
                    };
                    FieldValue::list((0..page.rows.len()).map(edge))
                });
                FieldFuture::Value(edges)
            },
        ))
        .field(ApiField::new(
            "pageInfo",
            TypeRef::named_nn("PageInfo"),
            |ctx| FieldFuture::Value(of_page(&ctx).map(|page| FieldValue::owned_any(page.clone()))),
        ))
        .field(ApiField::new(
            "totalCount",
            TypeRef::named_nn(TypeRef::INT),
            |ctx| {
                FieldFuture::Value(
                    of_page(&ctx)
                        .and_then(|page| page.total)
                        .map(|total| Output::from(total).into()),
                )
            },
        ));
    [edge.into(), connection.into()]
}

fn of_page<'a>(ctx: &ResolverContext<'a>) -> Option<&'a Arc<Page>> {
    ctx.parent_value.downcast_ref::<Arc<Page>>()
}

/// The cursor of a row: its position, counted from one.
fn cursor_of(page: &Page, index: usize) -> String {
    (page.offset + index as u64 + 1).to_string()
}

/// The type that tells where a page stands.
pub fn page_info() -> Object {
    let field = |name: &str, ty: &str, value: fn(&Page) -> Output| {
        ApiField::new(name, TypeRef::named_nn(ty), move |ctx| {
            FieldFuture::Value(of_page(&ctx).map(|page| value(page).into()))
        })
    };
    Object::new("PageInfo")
        .field(field("hasNextPage", TypeRef::BOOLEAN, |page| {
            page.has_next.into()
        }))
        .field(field("hasPreviousPage", TypeRef::BOOLEAN, |page| {
            (page.offset > 0 && !page.rows.is_empty()).into()
        }))
        .field(field("startCursor", TypeRef::STRING, |page| {
            match page.rows.len() {
                0 => "".into(),
                _ => cursor_of(page, 0).into(),
            }
        }))
        .field(field("endCursor", TypeRef::STRING, |page| {
            match page.rows.len() {
                0 => "".into(),
                len => cursor_of(page, len - 1).into(),
            }
        }))
}
