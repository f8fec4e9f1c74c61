//! What the operator may ask for, on the admin port: `POST /scrub/pause?seconds=…` (a day at most),
//! `POST /scrub/resume` and `POST /scrub/begin`. How the scrub stands is in the public status.

use actix::Addr;
use actix_web::{HttpResponse, web};
use serde::Deserialize;
use shared::api::{ApiError, ErrorKind};
use tokio::time::Duration;

use crate::scrub::actor::{Control, PAUSE_MAX, ScrubActor};

/// How long the scrub has to take a request.
const SEND_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Deserialize)]
struct Pause {
    seconds: Option<u64>,
}

/// The routes, for the admin server.
pub fn routes(
    scrub: Addr<ScrubActor>,
) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    move |service| {
        service
            .app_data(web::Data::new(scrub.clone()))
            .route("/scrub/pause", web::post().to(pause))
            .route("/scrub/resume", web::post().to(resume))
            .route("/scrub/begin", web::post().to(begin));
    }
}

async fn pause(
    query: web::Query<Pause>,
    scrub: web::Data<Addr<ScrubActor>>,
) -> Result<HttpResponse, ApiError> {
    let span = query.seconds.map_or(PAUSE_MAX, Duration::from_secs);
    send(&scrub, Control::Pause(span)).await
}

async fn resume(scrub: web::Data<Addr<ScrubActor>>) -> Result<HttpResponse, ApiError> {
    send(&scrub, Control::Resume).await
}

async fn begin(scrub: web::Data<Addr<ScrubActor>>) -> Result<HttpResponse, ApiError> {
    send(&scrub, Control::Begin).await
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
