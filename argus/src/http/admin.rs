//! What the operator may ask of the cache, on the admin port: `GET /cache/stats`, `GET /sources`,
//! `POST /cache/purge?object=…|all=true`, `POST /cache/warm?object=…`.

use std::time::Duration;

use actix::{Handler, Message};
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use shared::{
    api::{ApiError, ErrorKind},
    ids::ObjectId,
};

use super::{State, asset};
use crate::cache::keeper::{Admission, Counts, Keeper, Purge, PurgeAll, Want};

/// How long the keeper may take to answer.
const KEEPER_TIMEOUT: Duration = Duration::from_secs(10);

/// What the cache holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CacheStats {
    /// Objects kept, wholly or in part.
    pub objects: usize,
    /// Bytes on disk, used or reserved.
    pub bytes: u64,
    /// Bytes it may take.
    pub bytes_max: u64,
    /// Objects being filled now.
    pub fills: usize,
    /// Objects this node distributes.
    pub assets: usize,
}

/// What became of the wish to have an object in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Warmth {
    /// All of it is here.
    Complete,
    /// It is being fetched.
    Filling,
    /// It is larger than an object may be, or was just purged, or everything that is kept is being read.
    NotKept,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    object: Option<ObjectId>,
    all: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct One {
    object: ObjectId,
}

/// The routes, for the admin server.
pub fn routes(
    state: web::Data<State>,
) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    move |service| {
        service
            .app_data(state.clone())
            .route(
                shared::api::STATUS_ROUTE,
                web::get().to(super::status::status),
            )
            .route("/sources", web::get().to(sources))
            .route("/cache/stats", web::get().to(stats))
            .route("/cache/purge", web::post().to(purge))
            .route("/cache/warm", web::post().to(warm));
    }
}

async fn stats(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let counts = ask(&state, Counts).await?;
    Ok(HttpResponse::Ok().json(CacheStats {
        objects: counts.objects,
        bytes: counts.bytes,
        bytes_max: state.cache_limit,
        fills: counts.fills,
        assets: state.catalog.len(),
    }))
}

/// What is known of storage nodes and other edges.
async fn sources(state: web::Data<State>) -> HttpResponse {
    HttpResponse::Ok().json(state.fetching.sources.states())
}

/// What is being read goes when nobody reads it any more.
async fn purge(
    which: Result<web::Query<Which>, actix_web::Error>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let wanted = "say '?object=<id>' or '?all=true'";
    match understood(which, wanted)? {
        Which {
            object: Some(id),
            all: None,
        } => {
            let content = asset::find(&state.catalog, id)?.content;
            ask(&state, Purge { content }).await?;
            tracing::info!(object = %id, "purged by the operator");
        }
        Which {
            object: None,
            all: Some(true),
        } => {
            ask(&state, PurgeAll).await?;
            tracing::info!("everything purged by the operator");
        }
        _ => return Err(ApiError::new(ErrorKind::InvalidRequest, wanted)),
    }
    Ok(HttpResponse::NoContent().finish())
}

/// Starts the fill of an object that is not here, and says how it stands.
async fn warm(
    which: Result<web::Query<One>, actix_web::Error>,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let One { object } = understood(which, "say '?object=<id>'")?;
    let asset = asset::find(&state.catalog, object)?;
    let warmth = match ask(&state, Want { asset }).await? {
        Admission::Open { lease, .. } if lease.is_complete() => Warmth::Complete,
        Admission::Open { .. } => Warmth::Filling,
        Admission::PassThrough(_) => Warmth::NotKept,
        Admission::Refused => {
            return Err(asset::refused(
                &state,
                "the node is filling as many objects as it may",
            ));
        }
        Admission::DiskFailed(cause) => return Err(ApiError::internal(cause)),
    };
    Ok(HttpResponse::Ok().json(warmth))
}

fn understood<T>(
    query: Result<web::Query<T>, actix_web::Error>,
    wanted: &str,
) -> Result<T, ApiError> {
    let query = query
        .map_err(|error| ApiError::new(ErrorKind::InvalidRequest, format!("{error}: {wanted}")))?;
    Ok(query.into_inner())
}

async fn ask<M>(state: &State, question: M) -> Result<M::Result, ApiError>
where
    M: Message + Send + 'static,
    M::Result: Send,
    Keeper: Handler<M>,
{
    match state.keeper.send(question).timeout(KEEPER_TIMEOUT).await {
        Ok(answer) => Ok(answer),
        Err(error) => {
            let message = format!("the cache keeper does not answer ({error}): try again");
            Err(ApiError::new(ErrorKind::Overloaded, message).retry_after(1))
        }
    }
}
