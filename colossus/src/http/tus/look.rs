//! `HEAD`, `GET`, `DELETE` and `OPTIONS` of an upload: where it is, and its end.

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{self, CacheDirective},
    web,
};
use serde::Serialize;
use shared::{
    api::{ApiError, ErrorKind},
    blob::ResumableId,
    ids::{BagId, ObjectId, StorageBucketId},
};

use super::{
    super::upload::{
        admission::{self, Admission},
        finish::{self, Uploaded},
    },
    checksum, headers,
};
use crate::{
    metrics::SessionEnd,
    node::Node,
    tus::{State, Turn, enter},
};

/// What a person sees of an upload.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Body {
    object: ObjectId,
    bucket: StorageBucketId,
    bag: BagId,
    size: u64,
    offset: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    uploaded: Option<Uploaded>,
}

/// The name of a session in a path.
pub fn id(text: &str) -> Result<ResumableId, ApiError> {
    text.parse()
        .map_err(|error: shared::blob::resumable::NotResumableId| {
            ApiError::new(ErrorKind::NotFound, error.to_string())
        })
}

/// `HEAD /api/v1/uploads/{upload}`: where to go on. A request that is writing ends.
pub async fn head(
    request: HttpRequest,
    upload: web::Path<String>,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    headers::check_version(&request)?;
    let session = node.tus.get(id(&upload)?)?;
    let mut turn = enter(&node, &session).await?;
    let mut answer = HttpResponse::Ok();
    write_state(&mut answer, &node, &mut turn).await?;
    answer
        .insert_header(header::CacheControl(vec![CacheDirective::NoStore]))
        .insert_header((headers::UPLOAD_LENGTH, session.about.size.to_string()));
    if !session.about.metadata.is_empty() {
        answer.insert_header((headers::UPLOAD_METADATA, session.about.metadata.clone()));
    }
    Ok(answer.finish())
}

/// `GET /api/v1/uploads/{upload}`: the same for people, and the receipt as JSON.
pub async fn get(
    upload: web::Path<String>,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    let session = node.tus.get(id(&upload)?)?;
    let mut turn = enter(&node, &session).await?;
    let about = turn.about().clone();
    let body = Body {
        object: about.ids.object,
        bucket: about.ids.bucket,
        bag: about.ids.bag,
        size: about.size,
        offset: turn.position(),
        uploaded: uploaded(&node, &mut turn).await?,
    };
    Ok(HttpResponse::Ok()
        .insert_header(header::CacheControl(vec![CacheDirective::NoStore]))
        .json(body))
}

/// `DELETE /api/v1/uploads/{upload}`: the session and its bytes go; an object it became stays.
pub async fn delete(
    request: HttpRequest,
    upload: web::Path<String>,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    headers::check_version(&request)?;
    let session = node.tus.get(id(&upload)?)?;
    let mut turn = enter(&node, &session).await?;
    node.tus.end(&mut turn, SessionEnd::Terminated).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// `OPTIONS`: what is spoken here, and what browsers may send.
pub async fn options() -> HttpResponse {
    let allowed = "authorization, content-type, tus-resumable, upload-checksum, upload-length, \
                   upload-metadata, upload-offset, x-http-method-override, x-request-id, \
                   x-requested-with";
    HttpResponse::NoContent()
        .insert_header(("tus-extension", headers::EXTENSIONS))
        .insert_header(("tus-checksum-algorithm", checksum::ALGORITHMS))
        .insert_header((
            header::ACCESS_CONTROL_ALLOW_METHODS,
            "GET, HEAD, POST, PATCH, DELETE, OPTIONS",
        ))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, allowed))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish()
}

/// Writes where the session is, when it expires, and the receipt if it is finished.
pub async fn write_state(
    answer: &mut HttpResponseBuilder,
    node: &Node,
    turn: &mut Turn,
) -> Result<(), ApiError> {
    answer.insert_header((headers::UPLOAD_OFFSET, turn.position().to_string()));
    headers::write_expiry(answer, node.tus.expires(turn.about().id));
    if let Some(uploaded) = uploaded(node, turn).await? {
        headers::write_receipt(answer, &uploaded)?;
    }
    Ok(())
}

/// The answer to the upload, if it is finished and the object still there.
async fn uploaded(node: &Node, turn: &mut Turn) -> Result<Option<Uploaded>, ApiError> {
    if !matches!(turn.state(), State::Finished) {
        return Ok(None);
    }
    // The object may have been deleted on chain since.
    let Ok(Admission::AlreadyHeld(target)) = admission::admit_ids(node, &turn.about().ids).await
    else {
        return Ok(None);
    };
    finish::uploaded(node, &target).await.map(Some)
}
