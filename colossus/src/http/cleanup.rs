//! What the operator may ask of the cleanup, on the admin port: `GET /cleanup/plan?after=&lines=`
//! (changes nothing), `POST /cleanup/apply` with a JSON list of objects, `GET /objects/{id}/explain`.

use actix::{Handler, Message, dev::ToEnvelope};
use actix_web::{HttpResponse, web};
use serde::{Deserialize, Serialize};
use shared::{
    api::{ApiError, ErrorKind},
    ids::ObjectId,
};
use tokio::time::Duration;

use crate::{
    cleanup::{
        actor::{Apply, CleanupActor, GetPlan},
        core::Outcome,
        explain::explain,
        plan::LINES_MAX,
    },
    node::Node,
};

/// Objects in one request to let go of them.
pub const APPLY_MAX: usize = 32;
/// How long the plan may take.
const PLAN_TIMEOUT: Duration = Duration::from_secs(10);
/// How long letting go of [`APPLY_MAX`] objects may take; each may need proof from slow nodes.
const APPLY_TIMEOUT: Duration = Duration::from_secs(600);

#[derive(Deserialize)]
struct PlanQuery {
    after: Option<String>,
    lines: Option<usize>,
}

/// What became of one object.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Applied {
    /// The object.
    pub object: ObjectId,
    /// What became of it.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// The routes, for the admin server.
pub fn routes(node: web::Data<Node>) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static {
    move |service| {
        service
            .app_data(node.clone())
            .route("/cleanup/plan", web::get().to(plan))
            .route("/cleanup/apply", web::post().to(apply))
            .route("/objects/{id}/explain", web::get().to(explained));
    }
}

async fn plan(
    query: web::Query<PlanQuery>,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    let after = query.after.as_deref().map(str::parse::<ObjectId>);
    let get = GetPlan {
        after: after.transpose()?,
        lines_max: query.lines.unwrap_or(LINES_MAX),
    };
    let page = ask(&node, get, PLAN_TIMEOUT).await?;
    Ok(HttpResponse::Ok().json(page))
}

async fn apply(
    objects: web::Json<Vec<ObjectId>>,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    let objects = objects.into_inner();
    if objects.len() > APPLY_MAX {
        let message = format!(
            "{} objects in one request: {APPLY_MAX} at most",
            objects.len()
        );
        return Err(ApiError::new(ErrorKind::InvalidRequest, message));
    }
    let outcomes = ask(&node, Apply(objects), APPLY_TIMEOUT).await?;
    let applied: Vec<Applied> = outcomes
        .into_iter()
        .map(|(object, outcome)| Applied { object, outcome })
        .collect();
    Ok(HttpResponse::Ok().json(applied))
}

async fn explained(id: web::Path<String>, node: web::Data<Node>) -> Result<HttpResponse, ApiError> {
    let object: ObjectId = id.parse()?;
    Ok(HttpResponse::Ok().json(explain(&node, object).await?))
}

async fn ask<M>(node: &Node, message: M, timeout: Duration) -> Result<M::Result, ApiError>
where
    M: Message + Send + 'static,
    M::Result: Send,
    CleanupActor: Handler<M>,
    <CleanupActor as actix::Actor>::Context: ToEnvelope<CleanupActor, M>,
{
    let answer = node.cleanup.send(message).timeout(timeout).await;
    answer.map_err(|error| {
        let message = format!("the cleanup does not answer ({error}): try again");
        ApiError::new(ErrorKind::Unavailable, message)
    })
}
