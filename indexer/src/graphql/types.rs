//! Output types and root fields, one set per entity.

use std::sync::Arc;

use async_graphql::{
    Error, Value as Output,
    dynamic::{
        Field as ApiField, FieldFuture, FieldValue, InputValue, Object, ResolverContext, Type,
        TypeRef, Union,
    },
};

use super::{
    connection::{connection_name, connection_types, page, page_info},
    errors::{Fault, field_error},
    inputs::{Inputs, ListArguments, text_of},
    load::{Node, Related, RequestScope},
    plan, scalar_type,
};
use crate::{
    schema::{
        EntityId, Field, Kind, Model, Value,
        names::{list_field, lower_first},
        value::time_text,
    },
    store::sql::Select,
};

/// A row, or the part of it that a plain object or a union's variant is.
struct Part {
    node: Arc<Node>,
    /// Leads here by columns: empty, or `operatorStatus.`.
    path: String,
    /// Leads here by response names.
    key: String,
}

/// A union's variant in a list, which is kept as JSON.
struct JsonPart(serde_json::Value);

/// A row as a value of the API.
pub fn whole(node: Arc<Node>) -> FieldValue<'static> {
    FieldValue::owned_any(Part {
        node,
        path: String::new(),
        key: String::new(),
    })
}

fn failed<'a>(error: Error) -> FieldFuture<'a> {
    FieldFuture::new(async move { Err::<Option<FieldValue<'_>>, _>(error) })
}

/// All output types.
pub fn outputs(model: &Model) -> Vec<Type> {
    let mut types: Vec<Type> = Vec::new();
    for entity in &model.entities {
        let mut object = Object::new(&entity.name);
        if let Some(text) = &entity.description {
            object = object.description(text);
        }
        types.push(
            entity
                .fields
                .iter()
                .fold(object, |object, field| {
                    object.field(output_field(model, field))
                })
                .into(),
        );
        types.extend(connection_types(&entity.name));
    }
    for (name, plain) in &model.objects {
        let mut object = Object::new(name);
        if let Some(text) = &plain.description {
            object = object.description(text);
        }
        types.push(
            plain
                .fields
                .iter()
                .fold(object, |object, field| {
                    object.field(output_field(model, field))
                })
                .into(),
        );
    }
    for (name, variants) in &model.unions {
        let union = variants.iter().fold(Union::new(name), |union, variant| {
            union.possible_type(variant)
        });
        types.push(union.into());
    }
    types.push(page_info().into());
    types
}

fn output_type(model: &Model, field: &Field) -> TypeRef {
    let name = |entity: EntityId| model.entity(entity).name.clone();
    let named = match &field.kind {
        Kind::Scalar(scalar) => scalar_type(*scalar).to_owned(),
        Kind::Enum(name) | Kind::Object(name) | Kind::Union(name) => name.clone(),
        Kind::Reference(entity) | Kind::ReverseOne { entity, .. } => name(*entity),
        Kind::ReverseMany { entity, .. } => return TypeRef::named_nn_list_nn(name(*entity)),
        Kind::Texts {
            items_required: true,
        } => return TypeRef::named_nn_list(TypeRef::STRING),
        Kind::Texts {
            items_required: false,
        } => return TypeRef::named_list(TypeRef::STRING),
        Kind::Unions(name) => return TypeRef::named_nn_list(name),
    };
    if field.required {
        TypeRef::named_nn(named)
    } else {
        TypeRef::named(named)
    }
}

fn output_field(model: &Model, field: &Field) -> ApiField {
    let own = field.clone();
    let mut output = ApiField::new(&field.name, output_type(model, field), move |ctx| {
        resolve(&own, &ctx)
    });
    if let Kind::ReverseMany { entity, .. } = &field.kind {
        output = list_inputs(&model.entity(*entity).name)
            .into_iter()
            .fold(output, ApiField::argument);
    }
    match &field.description {
        Some(text) => output.description(text),
        None => output,
    }
}

fn list_inputs(entity: &str) -> [InputValue; 4] {
    [
        InputValue::new("where", TypeRef::named(format!("{entity}WhereInput"))),
        InputValue::new(
            "orderBy",
            TypeRef::named_nn_list(format!("{entity}OrderByInput")),
        ),
        InputValue::new("offset", TypeRef::named(TypeRef::INT)),
        InputValue::new("limit", TypeRef::named(TypeRef::INT)),
    ]
}

/// A field of a row or of a part of it; everything has been read already.
fn resolve<'a>(field: &Field, ctx: &ResolverContext<'a>) -> FieldFuture<'a> {
    if let Some(JsonPart(json)) = ctx.parent_value.downcast_ref::<JsonPart>() {
        let value = json.get(&field.name).cloned().unwrap_or_default();
        return FieldFuture::Value(Output::from_json(value).ok().map(FieldValue::from));
    }
    let Some(part) = ctx.parent_value.downcast_ref::<Part>() else {
        return failed(field_error(
            Fault::Internal,
            format!("{} has no row", field.name),
        ));
    };
    let path = format!("{}{}", part.path, field.name);
    let value = part.node.value(&path);
    let response = || {
        let selected = ctx.ctx.field();
        format!(
            "{}{}",
            part.key,
            selected.alias().unwrap_or(selected.name())
        )
    };
    let inner = || {
        FieldValue::owned_any(Part {
            node: part.node.clone(),
            path: format!("{path}."),
            key: format!("{}.", response()),
        })
    };
    FieldFuture::Value(match &field.kind {
        Kind::Scalar(_) | Kind::Enum(_) | Kind::Texts { .. } => {
            plain_output(&field.kind, value).map(FieldValue::from)
        }
        Kind::Unions(_) => match value {
            Value::Json(serde_json::Value::Array(items)) => {
                Some(FieldValue::list(items.iter().map(json_part)))
            }
            _ => None,
        },
        Kind::Object(_) => (!value.is_null()).then(inner),
        Kind::Union(_) => value
            .as_text()
            .map(|variant| inner().with_type(variant.to_owned())),
        Kind::Reference(_) | Kind::ReverseOne { .. } | Kind::ReverseMany { .. } => match part
            .node
            .related(&response())
        {
            Some(Related::One(node)) => node.clone().map(whole),
            Some(Related::Many(nodes)) => Some(FieldValue::list(nodes.iter().cloned().map(whole))),
            None => return failed(field_error(Fault::Internal, format!("{path} was not read"))),
        },
    })
}

fn json_part(item: &serde_json::Value) -> FieldValue<'static> {
    let variant = item
        .get("isTypeOf")
        .and_then(serde_json::Value::as_str)
        .unwrap_or_default()
        .to_owned();
    FieldValue::owned_any(JsonPart(item.clone())).with_type(variant)
}

fn plain_output(kind: &Kind, value: &Value) -> Option<Output> {
    Some(match value {
        Value::Null => return None,
        Value::Text(text) if matches!(kind, Kind::Enum(_)) => {
            Output::Enum(async_graphql::Name::new(text))
        }
        Value::Text(text) => text.as_str().into(),
        Value::Int(number) => (*number).into(),
        Value::Big(number) => number.to_string().into(),
        Value::Float(number) => (*number).into(),
        Value::Bool(value) => (*value).into(),
        Value::Time(ms) => time_text(*ms).into(),
        Value::Json(json) => Output::from_json(json.clone()).ok()?,
    })
}

/// The root fields of all entities.
pub fn root_fields(inputs: &Arc<Inputs>) -> Vec<ApiField> {
    (0..inputs.model().entities.len())
        .flat_map(|index| entity_roots(inputs, EntityId(index)))
        .collect()
}

fn entity_roots(inputs: &Arc<Inputs>, entity: EntityId) -> [ApiField; 4] {
    let name = inputs.model().entity(entity).name.clone();
    let one = lower_first(&name);
    let (by_list, by_id, by_key, by_page) = (
        inputs.clone(),
        inputs.clone(),
        inputs.clone(),
        inputs.clone(),
    );

    let list = ApiField::new(
        list_field(&name),
        TypeRef::named_nn_list_nn(&name),
        move |ctx| {
            let inputs = by_list.clone();
            FieldFuture::new(async move { list(&inputs, entity, &ctx).await.map(Some) })
        },
    );
    let list = list_inputs(&name)
        .into_iter()
        .fold(list, ApiField::argument);

    let single = move |ctx: &ResolverContext<'_>| {
        ctx.args
            .get("id")
            .and_then(|id| text_of(id.as_value()).map(str::to_owned))
    };
    let by_id = ApiField::new(format!("{one}ById"), TypeRef::named(&name), move |ctx| {
        let inputs = by_id.clone();
        FieldFuture::new(async move { row(&inputs, entity, &ctx, single(&ctx)).await })
    })
    .argument(InputValue::new("id", TypeRef::named_nn(TypeRef::STRING)));

    let unique = ApiField::new(
        format!("{one}ByUniqueInput"),
        TypeRef::named(&name),
        move |ctx| {
            let inputs = by_key.clone();
            FieldFuture::new(async move {
                let key = ctx.args.get("where").and_then(|key| match key.as_value() {
                    Output::Object(fields) => fields.get("id").and_then(text_of).map(str::to_owned),
                    _ => None,
                });
                row(&inputs, entity, &ctx, key).await
            })
        },
    )
    .argument(InputValue::new("where", TypeRef::named_nn("WhereIdInput")))
    .deprecation(Some(&format!("Use {one}ById")));

    let page = ApiField::new(
        format!("{}Connection", list_field(&name)),
        TypeRef::named_nn(connection_name(&name)),
        move |ctx| {
            let inputs = by_page.clone();
            FieldFuture::new(async move { page(&inputs, entity, &ctx).await.map(Some) })
        },
    )
    .argument(InputValue::new(
        "orderBy",
        TypeRef::named_nn_list_nn(format!("{name}OrderByInput")),
    ))
    .argument(InputValue::new("after", TypeRef::named(TypeRef::STRING)))
    .argument(InputValue::new("first", TypeRef::named(TypeRef::INT)))
    .argument(InputValue::new(
        "where",
        TypeRef::named(format!("{name}WhereInput")),
    ));

    [list, by_id, unique, page]
}

/// The arguments of a list or connection.
pub fn arguments(
    inputs: &Inputs,
    entity: EntityId,
    ctx: &ResolverContext<'_>,
) -> Result<ListArguments, Error> {
    inputs.list_arguments(
        entity,
        ctx.args
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_value())),
    )
}

async fn list(
    inputs: &Inputs,
    entity: EntityId,
    ctx: &ResolverContext<'_>,
) -> Result<FieldValue<'static>, Error> {
    let list = arguments(inputs, entity, ctx)?;
    let plan = plan::plan(inputs, entity, ctx.ctx.field().selection_set())?;
    let select = Select {
        filter: list.filter,
        order: list.order,
        limit: list.limit,
        offset: list.offset,
        ..Select::all(entity, plan.columns.clone())
    };
    let rows = ctx.data::<RequestScope>()?.load(&plan, select).await?;
    Ok(FieldValue::list(rows.into_iter().map(whole)))
}

async fn row(
    inputs: &Inputs,
    entity: EntityId,
    ctx: &ResolverContext<'_>,
    id: Option<String>,
) -> Result<Option<FieldValue<'static>>, Error> {
    let id = id.ok_or_else(|| field_error(Fault::Query, "an id is a text"))?;
    let plan = plan::plan(inputs, entity, ctx.ctx.field().selection_set())?;
    let select = Select::by_ids(entity, plan.columns.clone(), vec![id]);
    let rows = ctx.data::<RequestScope>()?.load(&plan, select).await?;
    Ok(rows.into_iter().next().map(whole))
}
