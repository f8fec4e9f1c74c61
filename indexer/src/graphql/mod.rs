//! The API, derived from the model: one root field set per entity, filters, orders, connections, the
//! index's own status and a subscription to its height.
//!
//! - [`inputs`]: `where` and `orderBy`: their types, and their values as filters and orders
//! - [`operators`], [`orders`]: the two halves of that, one by one
//! - [`types`]: output types and root fields
//! - [`connection`]: lists in pages
//! - [`plan`]: what a selection needs to be read
//! - [`load`]: reads it, one statement per level and relation
//! - [`absent`]: variables that were not given
//! - [`errors`]: whose fault an error is, and its HTTP status

pub mod absent;
pub mod connection;
pub mod errors;
pub mod inputs;
pub mod load;
pub mod operators;
pub mod orders;
pub mod plan;
pub mod types;

use std::{sync::Arc, time::Duration};

use async_graphql::{
    Data, Request, Response, ServerError, Value,
    dynamic::{
        Field, FieldFuture, FieldValue, Object, Scalar as ScalarType, Schema, Subscription,
        SubscriptionField, SubscriptionFieldFuture, TypeRef,
    },
};
use futures::{StreamExt, stream::BoxStream};
use shared::chain::BlockRef;
use tokio::sync::watch;
use tokio_stream::wrappers::WatchStream;

use crate::{schema::Scalar, store::Store};
use errors::Fault;
use load::RequestScope;

/// Deepest nesting of a query. The introspection queries of tools nest about 15 deep.
pub const DEPTH_MAX: usize = 24;
/// Most fields of a query, fragments counted where they are used.
pub const COMPLEXITY_MAX: usize = 3_000;
/// Most rows one query may read: what the largest known client reads at once, and as much again.
pub const ROWS_MAX: usize = 2_000_000;

/// What the chain and the index agree on at a moment: the newest finalised block that was seen, and the
/// newest that was applied.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Progress {
    /// The newest finalised block of the chain, as far as we know.
    pub finalized: Option<BlockRef>,
    /// The newest block in the index.
    pub applied: Option<BlockRef>,
}

/// The API over one store.
#[derive(Clone)]
pub struct Api {
    schema: Schema,
    store: Arc<Store>,
    timeout: Duration,
}

/// Queries wait no longer than this unless told otherwise.
pub const TIMEOUT_DEFAULT: Duration = Duration::from_secs(20);

impl Api {
    /// Builds the schema.
    pub fn new(
        store: Arc<Store>,
        progress: watch::Receiver<Progress>,
        timeout: Duration,
    ) -> Result<Self, async_graphql::dynamic::SchemaError> {
        let model = store.model().clone();
        let inputs = Arc::new(inputs::Inputs::new(model.clone()));
        let mut builder = Schema::build("Query", None, Some("Subscription"))
            .limit_depth(DEPTH_MAX)
            .limit_complexity(COMPLEXITY_MAX)
            .register(
                ScalarType::new("BigInt").description("A whole number of any size, as a string"),
            )
            .register(
                ScalarType::new("DateTime")
                    .description("A moment in UTC, ISO 8601 with six digits"),
            );
        for input in inputs.input_objects() {
            builder = builder.register(input);
        }
        for orders in inputs.enums() {
            builder = builder.register(orders);
        }
        for (name, values) in &model.enums {
            builder = builder.register(
                async_graphql::dynamic::Enum::new(name).items(values.iter().map(String::as_str)),
            );
        }
        let mut query = Object::new("Query");
        for output in types::outputs(&model) {
            builder = builder.register(output);
        }
        for field in types::root_fields(&inputs) {
            query = query.field(field);
        }
        for field in status_fields(progress.clone()) {
            query = query.field(field);
        }
        let schema = builder
            .register(status_type())
            .register(
                Object::new("SquidVersion").field(constant("version", env!("CARGO_PKG_VERSION"))),
            )
            .register(Object::new("ProcessorState").field(Field::new(
                "lastProcessedBlock",
                TypeRef::named_nn(TypeRef::INT),
                |ctx| {
                    FieldFuture::Value(
                        ctx.parent_value
                            .downcast_ref::<BlockRef>()
                            .map(|at| Value::from(at.number).into()),
                    )
                },
            )))
            .register(Subscription::new("Subscription").field(processor_state(progress)))
            .register(query)
            .finish()?;
        Ok(Self {
            schema,
            store,
            timeout,
        })
    }

    /// The schema in GraphQL's language.
    pub fn sdl(&self) -> String {
        self.schema.sdl()
    }

    /// Answers one request. An answer with errors has no data: what reads like "there is nothing" must
    /// mean it.
    pub async fn answer(&self, request: Request) -> Response {
        let request = match absent::without_absent_variables(request) {
            Ok(request) => request,
            Err(errors) => return Response::from_errors(errors),
        };
        let scope = RequestScope::new(self.store.clone());
        let execution = self.schema.execute(request.data(scope));
        match tokio::time::timeout(self.timeout, execution).await {
            Ok(response) if response.is_err() => Response::from_errors(response.errors),
            Ok(response) => response,
            Err(_) => {
                let message = format!(
                    "the query took longer than {} ms; ask for less at once",
                    self.timeout.as_millis()
                );
                Response::from_errors(vec![errors::server_error(Fault::Unavailable, message)])
            }
        }
    }

    /// Answers a subscription, and queries of a socket, as a stream.
    pub fn stream(
        &self,
        request: Request,
        session: Option<Arc<Data>>,
    ) -> BoxStream<'static, Response> {
        let request = match absent::without_absent_variables(request) {
            Ok(request) => request.data(RequestScope::new(self.store.clone())),
            Err(errors) => {
                return futures::stream::once(async { Response::from_errors(errors) }).boxed();
            }
        };
        self.schema
            .execute_stream_with_session_data(request, session.unwrap_or_default())
            .boxed()
    }
}

/// Names of scalars in the API.
pub fn scalar_type(scalar: Scalar) -> &'static str {
    scalar.name()
}

fn constant(name: &'static str, value: &'static str) -> Field {
    Field::new(name, TypeRef::named_nn(TypeRef::STRING), move |_| {
        FieldFuture::Value(Some(Value::from(value).into()))
    })
}

/// The status as of the same moment as the rest of the answer.
struct Status {
    applied: BlockRef,
    finalized: Option<BlockRef>,
}

fn status_fields(progress: watch::Receiver<Progress>) -> [Field; 2] {
    let status = Field::new("squidStatus", TypeRef::named("SquidStatus"), move |ctx| {
        let finalized = progress.borrow().finalized;
        FieldFuture::new(async move {
            let applied = ctx.data::<RequestScope>()?.head().await?;
            Ok(Some(FieldValue::owned_any(Status { applied, finalized })))
        })
    })
    .description("How far the index is");
    let version = Field::new("squidVersion", TypeRef::named_nn("SquidVersion"), |_| {
        FieldFuture::Value(Some(FieldValue::owned_any(())))
    });
    [status, version]
}

fn status_type() -> Object {
    let field = |name: &str, ty: &str, value: fn(&Status) -> Option<Value>| {
        Field::new(name, TypeRef::named(ty), move |ctx| {
            FieldFuture::Value(
                ctx.parent_value
                    .downcast_ref::<Status>()
                    .and_then(value)
                    .map(FieldValue::from),
            )
        })
    };
    Object::new("SquidStatus")
        .field(
            field("height", TypeRef::INT, |status| {
                Some(status.applied.number.into())
            })
            .description("The newest block in the index"),
        )
        .field(field("hash", TypeRef::STRING, |status| {
            Some(status.applied.hash.to_string().into())
        }))
        .field(
            field("finalizedHeight", TypeRef::INT, |status| {
                status.finalized.map(|at| at.number.into())
            })
            .description("The newest finalised block of the chain, as far as the index knows"),
        )
        .field(field("finalizedHash", TypeRef::STRING, |status| {
            status.finalized.map(|at| at.hash.to_string().into())
        }))
}

/// Tells the height at once and whenever it changes.
fn processor_state(progress: watch::Receiver<Progress>) -> SubscriptionField {
    SubscriptionField::new(
        "processorState",
        TypeRef::named_nn("ProcessorState"),
        move |_| {
            let heights = WatchStream::new(progress.clone());
            SubscriptionFieldFuture::new(async move {
                let applied = heights.filter_map(|progress| async move { progress.applied });
                Ok(applied.map(|at| Ok(FieldValue::owned_any(at))))
            })
        },
    )
}

/// Errors as a list, for answers that never reached execution.
pub fn refused(error: ServerError) -> Response {
    Response::from_errors(vec![error])
}
