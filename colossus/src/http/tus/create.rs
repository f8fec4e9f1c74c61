//! `POST /api/v1/uploads`: the checks before the body, then a durable session; a body that comes along
//! is received at once.

use actix_web::{HttpRequest, HttpResponse, http::header, web};
use shared::{
    api::{ApiError, ErrorKind},
    blob::ResumableId,
    serve::server::clients::address::ClientKey,
};

use super::{
    super::upload::{
        admission::{self, Admission, Target},
        body::SharedPayload,
        finish,
    },
    headers, look, receive,
};
use crate::{
    metrics::SessionEnd,
    node::Node,
    tus::{Session, Turn, session::About},
};

/// `POST /api/v1/uploads`
pub async fn create(
    request: HttpRequest,
    payload: web::Payload,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    let payload = SharedPayload::new(payload);
    match begin(&request, &payload, &node).await {
        Ok(answer) => Ok(answer),
        Err(error) => {
            node.metrics.upload_refused(&error);
            payload
                .drain_refused(node.config.uploads.chunk_timeout.0)
                .await;
            Err(error)
        }
    }
}

async fn begin(
    request: &HttpRequest,
    payload: &SharedPayload,
    node: &web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    headers::check_version(request)?;
    check_extensions(request)?;
    let has_body = headers::has_body(request)?;
    let length = headers::needed_bytes(request, headers::UPLOAD_LENGTH)?;
    let (metadata, ids) = headers::metadata(request)?;
    let admission = admission::admit_ids(node, &ids).await?;
    let (Admission::Receive(target) | Admission::AlreadyHeld(target)) = &admission;
    check_length(target, length)?;
    let about = About {
        id: ResumableId::random(),
        ids,
        size: target.size,
        hash: target.hash,
        client: ClientKey::of(request, &node.config.http.limits.trusted_proxies),
        metadata,
    };
    match &admission {
        Admission::AlreadyHeld(target) => {
            if has_body {
                let silence_max = node.config.uploads.chunk_timeout.0;
                payload.drain(target.size, silence_max).await;
            }
            finish::repeat(node, target).await?;
            node.metrics
                .uploads
                .with_label_values(&["repeated", "none"])
                .inc();
            created(node, node.tus.begin_finished(about).turn_now().await?).await
        }
        Admission::Receive(_) => {
            let session = node.tus.begin(about, &node.uploads).await?;
            let turn = session.turn_now().await?;
            if !has_body {
                return created(node, turn).await;
            }
            match receive::receive(request, payload, node, turn).await {
                Ok(turn) => created(node, turn).await,
                // The client will never hear of a session whose creation was refused. If the line
                // broke it will not, either.
                Err(error) => {
                    let mut turn = session.turn_now().await?;
                    node.tus.end(&mut turn, SessionEnd::Terminated).await?;
                    Err(error)
                }
            }
        }
    }
}

async fn created(node: &Node, mut turn: Turn) -> Result<HttpResponse, ApiError> {
    let mut answer = HttpResponse::Created();
    answer.insert_header((header::LOCATION, headers::location(turn.about().id)));
    look::write_state(&mut answer, node, &mut turn).await?;
    Ok(answer.finish())
}

fn check_extensions(request: &HttpRequest) -> Result<(), ApiError> {
    let refused = [
        (
            "upload-defer-length",
            "the chain knows the size of the object: send 'Upload-Length'",
        ),
        (
            "upload-concat",
            "uploads are not put together of others here: send one",
        ),
    ];
    for (name, remedy) in refused {
        if request.headers().contains_key(name) {
            let message = format!("the header '{name}' is not taken: {remedy}");
            return Err(ApiError::new(ErrorKind::InvalidRequest, message));
        }
    }
    Ok(())
}

fn check_length(target: &Target, length: u64) -> Result<(), ApiError> {
    if length == target.size {
        return Ok(());
    }
    let message = format!(
        "'Upload-Length' is {length}, and object {} has {} bytes on chain",
        target.object, target.size
    );
    Err(ApiError::new(ErrorKind::WrongSize, message))
}

impl Session {
    /// The turn of a session that nobody else knows yet.
    async fn turn_now(self: &std::sync::Arc<Self>) -> Result<Turn, ApiError> {
        self.turn().await.map_err(ApiError::internal)
    }
}
