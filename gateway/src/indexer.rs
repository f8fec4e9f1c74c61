//! The indexer as the gateway sees it: queries with limits, and errors that name it.

use std::{sync::Arc, time::Duration};

use bytes::{Bytes, BytesMut};
use parking_lot::RwLock;
use reqwest::{StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use crate::graphql::Schema;

/// Queries that are under way at once; more are refused.
const QUERIES_MAX: usize = 256;

/// Longest answer that is taken.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Longest wait for a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// The indexer could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum IndexerError {
    /// No connection, or it broke.
    #[error("the indexer at {url} cannot be reached: {reason}")]
    Unreachable {
        /// Its endpoint.
        url: String,
        /// Why.
        reason: String,
    },
    /// No answer in time.
    #[error("the indexer at {url} did not answer in time: ask for less, or try again")]
    TimedOut {
        /// Its endpoint.
        url: String,
    },
    /// Too many queries at once.
    #[error("{QUERIES_MAX} queries are waiting for the indexer: try again in a moment")]
    Busy,
    /// An answer that is too long.
    #[error("the indexer's answer is longer than {ANSWER_BYTES_MAX} bytes: ask for less")]
    TooLong,
    /// An answer that is not one.
    #[error("the indexer at {url} gave an answer that cannot be used: {reason}")]
    BadAnswer {
        /// Its endpoint.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Its schema is not known yet.
    #[error(
        "the indexer at {url} has not been reached since the gateway was started: try again in a moment"
    )]
    NoSchema {
        /// Its endpoint.
        url: String,
    },
}

/// What the indexer said.
#[derive(Debug)]
pub struct Answer {
    /// HTTP status.
    pub status: StatusCode,
    /// A GraphQL answer in JSON.
    pub body: Bytes,
}

/// The indexer. Cheap to clone.
#[derive(Clone)]
pub struct Indexer {
    inner: Arc<Inner>,
}

struct Inner {
    http: reqwest::Client,
    url: String,
    permits: Semaphore,
    schema: RwLock<Option<Arc<Schema>>>,
    /// What is wrong since the last contact; `None` if it went well.
    trouble: RwLock<Option<String>>,
    /// Why it has no data to give; `None` if it gave some. An indexer answers for its schema long
    /// before it has a block.
    no_data: RwLock<Option<String>>,
}

impl Indexer {
    /// The indexer at this endpoint.
    pub fn new(url: &str, timeout: Duration) -> Result<Self, reqwest::Error> {
        shared::api::install_tls_provider();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(timeout)
            .no_proxy()
            .user_agent(concat!("gateway/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self {
            inner: Arc::new(Inner {
                http,
                url: url.into(),
                permits: Semaphore::new(QUERIES_MAX),
                schema: RwLock::new(None),
                trouble: RwLock::new(Some("it has not been asked yet".into())),
                no_data: RwLock::new(Some("it has not given any data yet".into())),
            }),
        })
    }

    /// Its endpoint.
    pub fn url(&self) -> &str {
        &self.inner.url
    }

    /// What was wrong at the last contact, or with its data.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.inner.trouble.read().clone();
        trouble.or_else(|| self.inner.no_data.read().clone())
    }

    /// Notes whether it could be asked for data.
    pub fn note_data<T>(&self, asked: &Result<T, IndexerError>) {
        *self.inner.no_data.write() = asked.as_ref().err().map(ToString::to_string);
    }

    /// The stitched schema, once it is known.
    pub fn schema(&self) -> Result<Arc<Schema>, IndexerError> {
        self.inner
            .schema
            .read()
            .clone()
            .ok_or_else(|| IndexerError::NoSchema {
                url: self.url().into(),
            })
    }

    /// Take over a schema.
    pub fn set_schema(&self, schema: Schema) {
        *self.inner.schema.write() = Some(Arc::new(schema));
    }

    /// Send a GraphQL request as it is.
    pub async fn post(&self, body: Bytes) -> Result<Answer, IndexerError> {
        let _permit = self
            .inner
            .permits
            .try_acquire()
            .map_err(|_| IndexerError::Busy)?;
        let answer = self.exchange(body).await;
        *self.inner.trouble.write() = match &answer {
            Ok(answer) if answer.status.is_server_error() => {
                Some(format!("it answers {}", answer.status))
            }
            Ok(_) | Err(IndexerError::TooLong) => None,
            Err(error) => Some(error.to_string()),
        };
        answer
    }

    /// Ask a query of the gateway's own; its `data`.
    pub async fn query(&self, query: &str, variables: Value) -> Result<Value, IndexerError> {
        let body = json!({ "query": query, "variables": variables }).to_string();
        let answer = self.post(body.into()).await?;
        let mut parsed: Value = serde_json::from_slice(&answer.body)
            .map_err(|error| self.bad_answer(format!("{}: {error}", answer.status)))?;
        if let Some(errors) = parsed.get("errors").filter(|errors| !errors.is_null()) {
            return Err(self.bad_answer(errors.to_string()));
        }
        match parsed.get_mut("data").map(Value::take) {
            Some(data) if !data.is_null() && answer.status.is_success() => Ok(data),
            _ => Err(self.bad_answer(format!("{} without data", answer.status))),
        }
    }

    /// An error about an answer.
    pub fn bad_answer(&self, reason: impl Into<String>) -> IndexerError {
        IndexerError::BadAnswer {
            url: self.url().into(),
            reason: reason.into(),
        }
    }

    async fn exchange(&self, body: Bytes) -> Result<Answer, IndexerError> {
        let request = self
            .inner
            .http
            .post(&self.inner.url)
            .header(header::CONTENT_TYPE, "application/json");
        let mut response = request
            .body(body)
            .send()
            .await
            .map_err(|error| self.failed(error))?;
        let status = response.status();
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.failed(error))? {
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                return Err(IndexerError::TooLong);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer {
            status,
            body: body.freeze(),
        })
    }

    fn failed(&self, error: reqwest::Error) -> IndexerError {
        let url = self.url().to_owned();
        if error.is_timeout() && !error.is_connect() {
            return IndexerError::TimedOut { url };
        }
        // The innermost cause says what happened ("connection refused").
        let mut cause: &dyn std::error::Error = &error;
        while let Some(inner) = cause.source() {
            cause = inner;
        }
        IndexerError::Unreachable {
            url,
            reason: cause.to_string(),
        }
    }
}
