//! Whose fault an error is. Clients take `200` with `data: null` for "there is nothing", so an answer
//! with errors always has another status.

use actix_web::http::StatusCode;
use async_graphql::{Error, ErrorExtensions, Response, ServerError, Value};

use crate::store::StoreError;

/// Whose fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The query's: asking again is no use.
    Query,
    /// The moment's: asking again later may work.
    Unavailable,
    /// Ours.
    Internal,
}

impl Fault {
    fn code(self) -> &'static str {
        match self {
            Self::Query => "BAD_USER_INPUT",
            Self::Unavailable => "UNAVAILABLE",
            Self::Internal => "INTERNAL_SERVER_ERROR",
        }
    }

    fn status(self) -> StatusCode {
        match self {
            Self::Query => StatusCode::BAD_REQUEST,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// An error of a field.
pub fn field_error(fault: Fault, message: impl Into<String>) -> Error {
    Error::new(message).extend_with(|_, extensions| extensions.set("code", fault.code()))
}

/// The query asks for something that makes no sense.
pub fn bad_input(message: impl Into<String>) -> Error {
    field_error(Fault::Query, message)
}

/// An error of the whole request.
pub fn server_error(fault: Fault, message: impl Into<String>) -> ServerError {
    field_error(fault, message).into_server_error(async_graphql::Pos::default())
}

/// The database's error as the client sees it: the cause goes to the log.
pub fn store_error(error: StoreError) -> Error {
    if matches!(error, StoreError::Database(sqlx::Error::PoolTimedOut)) {
        return field_error(
            Fault::Unavailable,
            "too many queries are waiting; ask again shortly",
        );
    }
    tracing::error!(%error, "a query failed");
    field_error(
        Fault::Internal,
        "the index failed to answer; its log says why",
    )
}

/// Status of an answer.
pub fn status(response: &Response) -> StatusCode {
    let faults = response.errors.iter().map(fault);
    let worst = faults.max_by_key(|fault| match fault {
        Fault::Query => 0,
        Fault::Unavailable => 1,
        Fault::Internal => 2,
    });
    worst.map_or(StatusCode::OK, Fault::status)
}

/// Errors before execution have no path and are the query's fault; those of fields say by their code.
fn fault(error: &ServerError) -> Fault {
    let code = error
        .extensions
        .as_ref()
        .and_then(|extensions| extensions.get("code"));
    let is = |fault: Fault| code == Some(&Value::from(fault.code()));
    if is(Fault::Unavailable) {
        Fault::Unavailable
    } else if is(Fault::Query) || (code.is_none() && error.path.is_empty()) {
        Fault::Query
    } else {
        Fault::Internal
    }
}
