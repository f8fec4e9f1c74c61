//! `GET /api/v1/files/{id}/outboard`: what proves any range of an object, as storage nodes give it. Other edges ask for
//! it when they have found the object here. It is given of what is here as a whole; nothing is fetched for it.

use actix_web::{HttpRequest, HttpResponse, web};
use shared::{
    api::{ApiError, ErrorKind},
    ids::ObjectId,
    serve::{self, FileBody, Head},
};

use super::{State, asset};
use crate::{
    cache::{
        Lease,
        keeper::{Admission, Holding, Want},
    },
    catalog::Asset,
    metrics::CacheResult,
};

const MEDIA_TYPE: &str = "application/octet-stream";

/// Answers `GET`.
pub async fn answer(
    request: HttpRequest,
    state: web::Data<State>,
) -> Result<HttpResponse, ApiError> {
    let id: ObjectId = request.match_info().query("id").parse()?;
    let asset = asset::find(&state.catalog, id)?;
    let Some(lease) = whole(&state, asset).await? else {
        state.metrics.request(CacheResult::Refused);
        return Err(ApiError::new(
            ErrorKind::NotCached,
            format!(
                "object {id} is not in the cache as a whole, and nothing is fetched for its outboard"
            ),
        ));
    };
    state.metrics.request(CacheResult::Hit);
    let content = asset.content;
    let head = Head::new(content.layout().outboard_len(), content.hash, MEDIA_TYPE)
        .cache_control(asset::CACHE_CONTROL_COMPLETE);
    Ok(serve::respond_with(&request, &head, |range| {
        FileBody::new(lease.outboard().clone(), range)
    }))
}

/// The object, if all of it is here and known to be right.
async fn whole(state: &State, asset: Asset) -> Result<Option<Lease>, ApiError> {
    let lease = match state.open.lease(&asset.content) {
        Some(lease) => lease,
        None if asset::holding(state, &asset).await? != Holding::Whole => return Ok(None),
        None => {
            let asked = state.keeper.send(Want { asset });
            match tokio::time::timeout(asset::KEEPER_TIMEOUT, asked).await {
                Ok(Ok(Admission::Open { lease, .. })) => lease,
                Ok(Ok(Admission::DiskFailed(cause))) => return Err(ApiError::internal(cause)),
                Ok(Err(error)) => return Err(ApiError::internal(error)),
                Ok(Ok(Admission::PassThrough(_) | Admission::Refused)) | Err(_) => {
                    return Err(asset::refused(state, "the node is busy"));
                }
            }
        }
    };
    Ok(lease.is_complete().then_some(lease))
}
