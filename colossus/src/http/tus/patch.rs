//! `PATCH /api/v1/uploads/{upload}`: bytes at the offset where the session is.

use actix_web::{HttpRequest, HttpResponse, web};
use shared::api::{ApiError, ErrorKind};

use super::{
    super::upload::{admission, body::SharedPayload},
    headers, look, receive,
};
use crate::{
    node::Node,
    tus::{Turn, enter},
};

/// `PATCH /api/v1/uploads/{upload}`
pub async fn patch(
    request: HttpRequest,
    payload: web::Payload,
    upload: web::Path<String>,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    let payload = SharedPayload::new(payload);
    match go_on(&request, &payload, &upload, &node).await {
        Ok(mut turn) => {
            let mut answer = HttpResponse::NoContent();
            look::write_state(&mut answer, &node, &mut turn).await?;
            Ok(answer.finish())
        }
        Err(error) => {
            // Who was taken over from asks elsewhere already, and a node that stops cannot wait.
            if !matches!(error.kind, ErrorKind::Conflict | ErrorKind::Unavailable) {
                payload
                    .drain_refused(node.config.uploads.chunk_timeout.0)
                    .await;
            }
            Err(error)
        }
    }
}

async fn go_on(
    request: &HttpRequest,
    payload: &SharedPayload,
    upload: &str,
    node: &web::Data<Node>,
) -> Result<Turn, ApiError> {
    headers::check_version(request)?;
    if !headers::has_body(request)? {
        let message = format!(
            "a PATCH must have the content type '{}'",
            headers::BODY_TYPE
        );
        return Err(ApiError::new(ErrorKind::UnsupportedMediaType, message));
    }
    let offset = headers::needed_bytes(request, headers::UPLOAD_OFFSET)?;
    let session = node.tus.get(look::id(upload)?)?;
    // What was true when the session began may have changed on chain.
    admission::admit_ids(node, &session.about.ids).await?;
    let mut turn = enter(node, &session).await?;
    let position = turn.position();
    if offset != position {
        let message = format!("'Upload-Offset' is {offset}, and the upload is at {position}");
        return Err(ApiError::new(ErrorKind::Conflict, message));
    }
    if position == session.about.size {
        return Ok(turn);
    }
    if turn.goes_on() {
        node.metrics.uploads_resumed.inc();
    }
    receive::receive(request, payload, node, turn).await
}
