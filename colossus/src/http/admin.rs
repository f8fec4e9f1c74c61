//! What the operator may ask for, on the admin port: `POST /scrub/pause?seconds=…` (a day at most),
//! `POST /scrub/resume`, `POST /scrub/begin`, and `POST /disk/read-only?on=true|false`, which answers
//! how the disks stand. All that is in the status, which is here as it is on the public port.

use actix::Addr;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use shared::api::{self, ApiError, ErrorKind};
use tokio::time::Duration;

use super::{state, status};
use crate::{
    disk::actor::{DiskActor, SetReadOnly},
    node::Node,
    scrub::actor::{Control, PAUSE_MAX, ScrubActor},
};

/// How long an actor has to take a request.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Pause {
    seconds: Option<u64>,
}

#[derive(Deserialize)]
struct Switch {
    on: bool,
}

/// The routes, for the admin server.
pub fn routes(node: web::Data<Node>) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    move |service| {
        service
            .app_data(node.clone())
            .app_data(web::Data::new(node.scrub.clone()))
            .app_data(web::Data::new(node.disk.clone()))
            .route(api::STATUS_ROUTE, web::get().to(status::status))
            .route(api::STATE_DATA_ROUTE, web::get().to(state::data))
            .route("/disk/read-only", web::post().to(read_only))
            .route("/scrub/pause", web::post().to(pause))
            .route("/scrub/resume", web::post().to(resume))
            .route("/scrub/begin", web::post().to(begin));
    }
}

async fn pause(
    query: Result<web::Query<Pause>, actix_web::Error>,
    scrub: web::Data<Addr<ScrubActor>>,
) -> Result<HttpResponse, ApiError> {
    let query = query.map_err(|error| {
        let message = format!("{error}: send '?seconds=' with a whole number, or nothing");
        ApiError::new(ErrorKind::InvalidRequest, message)
    })?;
    let span = query.seconds.map_or(PAUSE_MAX, Duration::from_secs);
    send(&scrub, Control::Pause(span)).await
}

async fn resume(scrub: web::Data<Addr<ScrubActor>>) -> Result<HttpResponse, ApiError> {
    send(&scrub, Control::Resume).await
}

async fn begin(scrub: web::Data<Addr<ScrubActor>>) -> Result<HttpResponse, ApiError> {
    send(&scrub, Control::Begin).await
}

async fn read_only(
    query: Result<web::Query<Switch>, actix_web::Error>,
    disk: web::Data<Addr<DiskActor>>,
) -> Result<HttpResponse, ApiError> {
    let query = query.map_err(|error| {
        let message = format!("{error}: send '?on=true' or '?on=false'");
        ApiError::new(ErrorKind::InvalidRequest, message)
    })?;
    match disk.send(SetReadOnly(query.on)).timeout(SEND_TIMEOUT).await {
        Ok(standing) => Ok(HttpResponse::Ok().json(standing)),
        Err(error) => {
            let message = format!("the disks are not asked ({error}): try again");
            Err(ApiError::new(ErrorKind::Unavailable, message))
        }
    }
}

async fn send(scrub: &Addr<ScrubActor>, control: Control) -> Result<HttpResponse, ApiError> {
    match scrub.send(control).timeout(SEND_TIMEOUT).await {
        Ok(()) => Ok(HttpResponse::NoContent().finish()),
        Err(error) => {
            let message = format!("the scrub does not answer ({error}): try again");
            Err(ApiError::new(ErrorKind::Unavailable, message))
        }
    }
}
