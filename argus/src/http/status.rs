//! `/api/v1/status` and `/api/v1/buckets`.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde_json::json;
use shared::api::{ApiError, ErrorKind};

use super::State;
use crate::{AGENT, cache::keeper::Counts};

/// How long the keeper may take to count.
const KEEPER_TIMEOUT: Duration = Duration::from_secs(5);

/// `GET /api/v1/status`
pub async fn status(state: web::Data<State>) -> Result<HttpResponse, ApiError> {
    let counts = tokio::time::timeout(KEEPER_TIMEOUT, state.keeper.send(Counts)).await;
    let Ok(Ok(counts)) = counts else {
        return Err(
            ApiError::new(ErrorKind::Overloaded, "the cache keeper does not answer").retry_after(1),
        );
    };
    let (worker, _) = state.catalog.scope();
    let chain = state.catalog.chain_status();
    let mut status = json!({
        "id": state.name.clone().unwrap_or_else(|| format!("argus-{worker}")),
        "version": env!("CARGO_PKG_VERSION"),
        "workerId": worker.0,
        "objectsInCache": counts.objects,
        "storageLimit": state.cache_limit,
        "storageUsed": counts.bytes,
        "uptime": state.started.elapsed().as_secs(),
        "downloadsInProgress": counts.fills,
        "nodeEnv": if cfg!(debug_assertions) { "development" } else { "production" },
        "queryNodeStatus": {
            "url": chain.endpoint,
            "chainHead": chain.head.number,
            "blocksProcessed": chain.processed.number,
            "packageVersion": AGENT,
        },
        "assets": state.catalog.len(),
        "buckets": state.catalog.buckets(),
    });
    if let Some(network) = &state.network {
        status["p2p"] = json!(network.status());
    }
    Ok(HttpResponse::Ok().json(status))
}

/// `GET /api/v1/buckets`
pub async fn buckets(state: web::Data<State>) -> HttpResponse {
    let (worker, only) = state.catalog.scope();
    if only.is_empty() {
        HttpResponse::Ok().json(json!({ "allByWorkerId": worker.0 }))
    } else {
        HttpResponse::Ok().json(json!({ "bucketIds": only }))
    }
}
