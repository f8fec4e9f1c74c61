//! The main path: a GraphQL request in, the answer out.
//!
//! Query: parse → split → ask the indexer → look up what the answer needs → merge. Mutation: check
//! with the indexer that the entity exists → write the event log → answer.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use actix_web::http::StatusCode;
use async_graphql_parser::types::OperationType;
use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use shared::ids::{ChannelId, VideoId};
use tokio::time::Instant;

use crate::{
    clients::{ClientId, RateLimit},
    config::Config,
    edges::{Edges, Wish},
    error::GatewayError,
    graphql::{
        Schema,
        additions::{MUTATION_TYPE, Mutation},
        collect::{Collected, collect},
        document::{Document, DocumentError},
        merge::{Merge, Needs, Values},
        own::write_own,
        split::{Split, Upstream, split},
    },
    indexer::{Answer, Indexer, IndexerError},
    metrics::{Metrics, Outcome},
    store::Store,
};

/// Mutations in one document.
const MUTATIONS_MAX: usize = 10;

/// A GraphQL request over HTTP.
#[derive(Debug, Deserialize)]
pub struct Request<'a> {
    /// The document.
    #[serde(borrow)]
    pub query: Cow<'a, str>,
    /// Which of its operations.
    #[serde(borrow, default, rename = "operationName")]
    pub operation_name: Option<Cow<'a, str>>,
    /// Its variables.
    #[serde(default)]
    pub variables: Option<Map<String, Value>>,
}

/// Who asks, and what it said about itself.
#[derive(Debug, Clone, Copy)]
pub struct Caller {
    /// The client.
    pub client: ClientId,
    /// What it wants of URLs.
    pub wish: Wish,
}

/// An answer to be sent.
#[derive(Debug)]
pub struct Reply {
    /// HTTP status.
    pub status: StatusCode,
    /// JSON.
    pub body: Bytes,
}

/// What all requests share.
pub struct Gateway {
    /// The indexer behind.
    pub indexer: Indexer,
    /// Views and follows.
    pub store: Store,
    /// Who serves what.
    pub edges: Edges,
    /// Figures.
    pub metrics: Metrics,
    requests: RateLimit,
    mutations: RateLimit,
    view_interval: Duration,
}

/// The indexer's answer, taken apart.
#[derive(Deserialize)]
struct Parts {
    #[serde(default)]
    data: Value,
    #[serde(default)]
    errors: Value,
}

impl Gateway {
    /// Put together.
    pub fn new(config: &Config, indexer: Indexer, store: Store, metrics: Metrics) -> Self {
        let rate = &config.rate;
        Self {
            indexer,
            store,
            edges: Edges::default(),
            metrics,
            requests: RateLimit::new(rate.requests_per_second, rate.requests_burst),
            mutations: RateLimit::new(rate.mutations_per_second, rate.mutations_burst),
            view_interval: config.counting.view_interval.0,
        }
    }

    /// Answer a request, given as it came.
    pub async fn answer(&self, body: Bytes, caller: Caller) -> Result<Reply, GatewayError> {
        self.requests
            .take(caller.client, Instant::now())
            .map_err(GatewayError::too_many)?;
        let request: Request<'_> = serde_json::from_slice(&body).map_err(|error| {
            GatewayError::BadRequest(format!(
                "the body is not a GraphQL request in JSON ({error}): send {{\"query\": \"…\"}}"
            ))
        })?;
        let variables = request.variables.unwrap_or_default();
        let document =
            Document::parse(&request.query, request.operation_name.as_deref(), variables)?;
        let schema = self.indexer.schema()?;
        match document.operation.ty {
            OperationType::Query => self.query(&schema, &document, body.clone(), caller).await,
            OperationType::Mutation => self.mutation(&schema, &document, caller).await,
            OperationType::Subscription => Err(GatewayError::BadRequest(
                "subscriptions are not answered here: ask again from time to time".into(),
            )),
        }
    }

    async fn query(
        &self,
        schema: &Schema,
        document: &Document,
        body: Bytes,
        caller: Caller,
    ) -> Result<Reply, GatewayError> {
        let (data, errors) = match split(schema, document)? {
            Split::Untouched => {
                let answer = self.ask(body).await?;
                return Ok(match refused_status(&answer, &self.parts(&answer)?) {
                    Some(status) => Reply {
                        status,
                        body: answer.body,
                    },
                    None => Reply {
                        status: StatusCode::OK,
                        body: answer.body,
                    },
                });
            }
            Split::Own => (Value::Object(Map::new()), Value::Null),
            Split::Changed(Upstream { query, variables }) => {
                let body = json!({ "query": query, "variables": variables }).to_string();
                let answer = self.ask(body.into()).await?;
                let parts = self.parts(&answer)?;
                if let Some(status) = refused_status(&answer, &parts) {
                    return Ok(Reply {
                        status,
                        body: answer.body,
                    });
                }
                (parts.data, parts.errors)
            }
        };
        let merge = Merge { schema, document };
        let values = self.values(merge.needs(&data), caller.wish).await?;
        let mut out = String::from("{\"data\":");
        merge.write(&data, &values, &mut out);
        if !errors.is_null() {
            out.push_str(",\"errors\":");
            out.push_str(&errors.to_string());
        }
        out.push('}');
        Ok(Reply {
            status: StatusCode::OK,
            body: out.into(),
        })
    }

    async fn ask(&self, body: Bytes) -> Result<Answer, IndexerError> {
        let answer = self.indexer.post(body).await;
        self.metrics.indexer_query(match &answer {
            Ok(answer) if answer.status.is_success() => Outcome::Done,
            Ok(_) => Outcome::Refused,
            Err(_) => Outcome::Failed,
        });
        answer
    }

    fn parts(&self, answer: &Answer) -> Result<Parts, IndexerError> {
        serde_json::from_slice(&answer.body).map_err(|_| {
            self.indexer
                .bad_answer(format!("{}, and the body is not JSON", answer.status))
        })
    }

    async fn values(&self, needs: Needs, wish: Wish) -> Result<Values, GatewayError> {
        let mut values = Values::default();
        if !needs.videos.is_empty() {
            values
                .video_views
                .extend(self.store.video_views(&needs.videos).await?);
        }
        if !needs.channels.is_empty() {
            values
                .channels
                .extend(self.store.channel_totals(&needs.channels).await?);
        }
        let urls = needs
            .objects
            .into_iter()
            .map(|(object, bag)| (object, self.edges.urls(bag, object, wish)));
        values.urls.extend(urls);
        Ok(values)
    }

    async fn mutation(
        &self,
        schema: &Schema,
        document: &Document,
        caller: Caller,
    ) -> Result<Reply, GatewayError> {
        let root = &document.operation.selection_set.node;
        let fields = collect(document, &[root], &|condition| condition == MUTATION_TYPE);
        if fields.len() > MUTATIONS_MAX {
            let message =
                format!("a document may have {MUTATIONS_MAX} mutations: send several requests");
            return Err(GatewayError::BadRequest(message));
        }
        let mutations: Vec<Option<(Mutation, u64)>> = fields
            .iter()
            .map(|field| parse_mutation(document, field))
            .collect::<Result<_, _>>()?;
        let mut out = String::from("{\"data\":{");
        for (position, (field, mutation)) in fields.iter().zip(mutations).enumerate() {
            let comma = if position > 0 { "," } else { "" };
            out.push_str(&format!("{comma}{}:", Value::from(field.key)));
            let Some((mutation, id)) = mutation else {
                out.push_str(&Value::from(MUTATION_TYPE).to_string());
                continue;
            };
            let done = self.mutate(mutation, id, caller.client).await;
            self.metrics.mutation(
                mutation,
                match &done {
                    Ok(_) => Outcome::Done,
                    Err(error) if error.status().is_client_error() => Outcome::Refused,
                    Err(_) => Outcome::Failed,
                },
            );
            write_own(
                schema,
                document,
                &done?,
                &field.selections(),
                mutation.result(),
                &mut out,
            );
        }
        out.push_str("}}");
        Ok(Reply {
            status: StatusCode::OK,
            body: out.into(),
        })
    }

    async fn mutate(
        &self,
        mutation: Mutation,
        id: u64,
        client: ClientId,
    ) -> Result<Value, GatewayError> {
        self.mutations
            .take(client, Instant::now())
            .map_err(GatewayError::too_many)?;
        let now_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_millis() as i64;
        match mutation {
            Mutation::AddVideoView => {
                let video = VideoId(id);
                let channel = self.channel_of(video).await?;
                let view = self
                    .store
                    .add_view(video, channel, client, now_ms, self.view_interval)
                    .await?;
                let id = view.id.to_string();
                Ok(
                    json!({"videoId": video, "viewId": id, "viewsNum": view.views, "added": view.added}),
                )
            }
            Mutation::FollowChannel => {
                let channel = self.known_channel(ChannelId(id)).await?;
                let follow = self.store.follow(channel, client, now_ms).await?;
                let id = follow.id.to_string();
                Ok(
                    json!({"channelId": channel, "followId": id, "follows": follow.follows, "added": follow.added}),
                )
            }
            Mutation::UnfollowChannel => {
                let channel = self.known_channel(ChannelId(id)).await?;
                let end = self.store.unfollow(channel, client, now_ms).await?;
                Ok(json!({"channelId": channel, "follows": end.follows, "removed": end.removed}))
            }
        }
    }

    /// The channel of a video, which thereby is known to exist.
    async fn channel_of(&self, video: VideoId) -> Result<ChannelId, GatewayError> {
        let query = "query Video($id: String!) { videoById(id: $id) { id channel { id } } }";
        let data = self.indexer.query(query, json!({ "id": video })).await?;
        let found = &data["videoById"];
        if found.is_null() {
            return Err(GatewayError::Unknown {
                kind: "video",
                id: video.to_string(),
            });
        }
        let channel = found
            .pointer("/channel/id")
            .and_then(Value::as_str)
            .and_then(|id| id.parse().ok());
        channel.ok_or_else(|| {
            self.indexer
                .bad_answer(format!("video {video} has no channel"))
                .into()
        })
    }

    async fn known_channel(&self, channel: ChannelId) -> Result<ChannelId, GatewayError> {
        let query = "query Channel($id: String!) { channelById(id: $id) { id } }";
        let data = self.indexer.query(query, json!({ "id": channel })).await?;
        match data["channelById"].is_null() {
            true => Err(GatewayError::Unknown {
                kind: "channel",
                id: channel.to_string(),
            }),
            false => Ok(channel),
        }
    }
}

/// The mutation of a field and its entity; `None` for `__typename`.
fn parse_mutation(
    document: &Document,
    field: &Collected<'_>,
) -> Result<Option<(Mutation, u64)>, GatewayError> {
    let name = field.name();
    if name == "__typename" {
        return Ok(None);
    }
    let misused = |message: String| GatewayError::Document(DocumentError::Misused(message));
    let mutation = Mutation::ALL
        .into_iter()
        .find(|mutation| mutation.name() == name);
    let mutation = mutation.ok_or_else(|| {
        let known = Mutation::ALL.map(Mutation::name).join(", ");
        misused(format!("there is no mutation '{name}'; there are {known}"))
    })?;
    let argument = document.argument(field.fields[0], mutation.argument());
    let text = argument.as_ref().and_then(Value::as_str).ok_or_else(|| {
        misused(format!(
            "{name} needs the argument {}: a text, as in \"1\"",
            mutation.argument()
        ))
    })?;
    if !field.has_selections() {
        return Err(misused(format!(
            "{name} needs a selection of the fields of {}",
            mutation.result()
        )));
    }
    let id = match mutation {
        Mutation::AddVideoView => text.parse::<VideoId>().map(|id| id.0),
        Mutation::FollowChannel | Mutation::UnfollowChannel => {
            text.parse::<ChannelId>().map(|id| id.0)
        }
    };
    let id = id.map_err(|error| GatewayError::BadRequest(error.to_string()))?;
    Ok(Some((mutation, id)))
}

/// The status under which a refusal of the indexer is passed on; `None` if it gave data. A document
/// that it does not understand is the client's fault; without data, its own failures must not look
/// like an empty answer.
fn refused_status(answer: &Answer, parts: &Parts) -> Option<StatusCode> {
    if !answer.status.is_success() {
        // A 503 of the indexer ("no block yet") is one of ours: the same request may soon succeed.
        let passes = answer.status.is_client_error() || answer.status == 503;
        let status = StatusCode::from_u16(answer.status.as_u16())
            .ok()
            .filter(|_| passes);
        return Some(status.unwrap_or(StatusCode::BAD_GATEWAY));
    }
    if !parts.data.is_null() {
        return None;
    }
    let happened_in_a_field = |error: &Value| error.get("path").is_some_and(|path| !path.is_null());
    let failed = parts
        .errors
        .as_array()
        .is_none_or(|errors| errors.is_empty() || errors.iter().any(happened_in_a_field));
    Some(if failed {
        StatusCode::BAD_GATEWAY
    } else {
        StatusCode::BAD_REQUEST
    })
}
