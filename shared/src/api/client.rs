//! How a node reads from a storage node, or from an edge what that has in its cache: version, status, an object's bytes and its outboard, with
//! time-outs at each stage, and errors that know whose fault they are.

use std::{sync::Once, time::Duration};

use reqwest::{StatusCode, header};
use serde::de::DeserializeOwned;

use super::{
    HOST_ID_HEADER, asset_path, download::Download, error::ErrorBody, file_path, outboard_path,
    wire,
};
use crate::{ids::ObjectId, range::ByteRange};

/// Longest JSON body read from another node.
const JSON_BYTES_MAX: usize = 1 << 20;

/// Time-outs and identity of outgoing requests.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// For the TCP and TLS handshakes.
    pub connect_timeout: Duration,
    /// From the request to the head of the answer.
    pub first_byte_timeout: Duration,
    /// Between two pieces of a body.
    pub stall_timeout: Duration,
    /// Idle connections kept per node.
    pub idle_connections_max: usize,
    /// Sent as [`HOST_ID_HEADER`] by storage nodes.
    pub host_id: Option<String>,
    /// Name and version of the caller.
    pub user_agent: String,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            first_byte_timeout: Duration::from_secs(10),
            stall_timeout: Duration::from_secs(15),
            idle_connections_max: 16,
            host_id: None,
            user_agent: concat!("media-network/", env!("CARGO_PKG_VERSION")).into(),
        }
    }
}

/// Connections to any number of nodes, shared by all clients made from it. Cheap to clone.
#[derive(Debug, Clone)]
pub struct HttpPool {
    http: reqwest::Client,
    options: HttpOptions,
}

/// Reads from one storage node, or from one edge. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StorageClient {
    pool: HttpPool,
    root: reqwest::Url,
    role: Role,
}

/// What kind of node is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// A storage node.
    Storage,
    /// An edge, only for what it has: the request makes it fetch nothing.
    Edge,
}

/// What a storage node says of an object in answer to HEAD.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileHead {
    /// Length in bytes, if it says so.
    pub len: Option<u64>,
    /// Entity tag, with its quotes.
    pub etag: Option<String>,
    /// Does it answer ranges?
    pub accepts_ranges: bool,
}

/// A request to a storage node that did not give what was asked.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// The endpoint's URL cannot be used.
    #[error("'{url}' is not an http endpoint: {cause}")]
    BadEndpoint {
        /// As configured or as found on chain.
        url: String,
        /// Why.
        cause: String,
    },
    /// The HTTP client could not be set up on this machine.
    #[error("the http client cannot be set up")]
    Setup(#[source] reqwest::Error),
    /// No connection.
    #[error("cannot connect to {url}")]
    Connect {
        /// What was asked.
        url: String,
        /// What the transport said.
        #[source]
        cause: reqwest::Error,
    },
    /// The connection broke.
    #[error("{url} broke off after {received} bytes")]
    Broken {
        /// What was asked.
        url: String,
        /// Bytes of the body that came.
        received: u64,
        /// What the transport said.
        #[source]
        cause: reqwest::Error,
    },
    /// Nothing came for too long.
    #[error("{url} sent nothing for {after_ms} ms after {received} bytes")]
    TimedOut {
        /// What was asked.
        url: String,
        /// Bytes of the body that came.
        received: u64,
        /// The time-out.
        after_ms: u64,
    },
    /// An error status.
    #[error("{url} answered {status}: {message}")]
    Status {
        /// What was asked.
        url: String,
        /// The status.
        status: StatusCode,
        /// The message of its error body, if it has one.
        message: String,
    },
    /// The answer is not an answer to this request: wrong range, wrong length, not JSON.
    #[error("{url} gave a wrong answer: {what}")]
    Wrong {
        /// What was asked.
        url: String,
        /// What is wrong.
        what: String,
    },
}

/// Who has to change something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// We asked for nonsense, or are misconfigured.
    Ours,
    /// The node answered wrongly.
    Theirs,
    /// The network, or a node that is down: nobody in particular.
    Network,
}

impl FetchError {
    /// Whose fault it is.
    pub fn fault(&self) -> Fault {
        match self {
            Self::BadEndpoint { .. } | Self::Setup(_) => Fault::Ours,
            Self::Connect { .. } | Self::Broken { .. } | Self::TimedOut { .. } => Fault::Network,
            Self::Status { status, .. } if status.is_client_error() => Fault::Ours,
            Self::Status { .. } | Self::Wrong { .. } => Fault::Theirs,
        }
    }

    /// May the same request to the same node succeed later?
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Connect { .. } | Self::Broken { .. } | Self::TimedOut { .. } => true,
            Self::Status { status, .. } => {
                status.is_server_error()
                    || [StatusCode::NOT_FOUND, StatusCode::TOO_MANY_REQUESTS].contains(status)
            }
            Self::BadEndpoint { .. } | Self::Setup(_) | Self::Wrong { .. } => false,
        }
    }

    /// Did the node answer that there is no such range?
    pub fn is_unsatisfiable(&self) -> bool {
        matches!(
            self,
            Self::Status {
                status: StatusCode::RANGE_NOT_SATISFIABLE,
                ..
            }
        )
    }

    /// Did the node answer that it does not have it?
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::Status {
                status: StatusCode::NOT_FOUND,
                ..
            }
        )
    }
}

/// Makes ring the process' TLS provider, which an HTTP client needs before it is built; later calls
/// change nothing.
pub fn install_tls_provider() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // Fails only if the process already has a provider, which then serves as well.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

impl HttpPool {
    /// A pool of connections with these options.
    pub fn new(options: HttpOptions) -> Result<Self, FetchError> {
        install_tls_provider();
        let http = reqwest::Client::builder()
            .connect_timeout(options.connect_timeout)
            .pool_max_idle_per_host(options.idle_connections_max)
            .tcp_nodelay(true)
            .user_agent(options.user_agent.clone())
            .build()
            .map_err(FetchError::Setup)?;
        Ok(Self { http, options })
    }

    /// A client for the storage node whose HTTP root this is, as operators publish it
    /// (`http://host:3333/`, with or without the slash or `/api/v1` at the end).
    pub fn storage_node(&self, endpoint: &str) -> Result<StorageClient, FetchError> {
        self.client(endpoint, Role::Storage)
    }

    /// A client for the edge whose HTTP root this is. Of an object that the edge has not cached it
    /// says that the edge does not hold it.
    pub fn edge(&self, endpoint: &str) -> Result<StorageClient, FetchError> {
        self.client(endpoint, Role::Edge)
    }

    fn client(&self, endpoint: &str, role: Role) -> Result<StorageClient, FetchError> {
        let refuse = |cause: String| FetchError::BadEndpoint {
            url: endpoint.to_owned(),
            cause,
        };
        let text = endpoint.trim().trim_end_matches('/');
        let text = text.strip_suffix("/api/v1").unwrap_or(text);
        let root =
            reqwest::Url::parse(&format!("{text}/")).map_err(|error| refuse(error.to_string()))?;
        if !matches!(root.scheme(), "http" | "https") {
            return Err(refuse(format!(
                "scheme '{}' instead of http or https",
                root.scheme()
            )));
        }
        Ok(StorageClient {
            pool: self.clone(),
            root,
            role,
        })
    }

    /// The client underneath, for requests of another kind. Mind its missing overall time-out.
    pub fn raw(&self) -> &reqwest::Client {
        &self.http
    }
}

impl StorageClient {
    /// HTTP root of the node.
    pub fn root(&self) -> &str {
        self.root.as_str()
    }

    /// `GET /api/v1/version`.
    pub async fn version(&self) -> Result<wire::VersionBody, FetchError> {
        self.json(super::VERSION_ROUTE).await
    }

    /// `GET /api/v1/status`.
    pub async fn status(&self) -> Result<wire::StorageStatusBody, FetchError> {
        self.json(super::STATUS_ROUTE).await
    }

    /// `GET /api/v1/state/data`.
    pub async fn state_data(&self) -> Result<wire::StateDataBody, FetchError> {
        self.json(super::STATE_DATA_ROUTE).await
    }

    /// `HEAD /api/v1/files/{id}`.
    pub async fn head(&self, object: ObjectId) -> Result<FileHead, FetchError> {
        let response = self
            .send(reqwest::Method::HEAD, &file_path(object), None)
            .await?;
        let text = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        Ok(FileHead {
            len: text(header::CONTENT_LENGTH).and_then(|value| value.parse().ok()),
            etag: text(header::ETAG).map(str::to_owned),
            accepts_ranges: text(header::ACCEPT_RANGES)
                .is_some_and(|value| value.eq_ignore_ascii_case("bytes")),
        })
    }

    /// Does an edge have all of the object in its cache?
    pub async fn has_cached(&self, object: ObjectId) -> Result<bool, FetchError> {
        let path = asset_path(object);
        match self.send(reqwest::Method::HEAD, &path, None).await {
            Ok(head) => Ok(head.headers().get("x-cache").is_some_and(|it| it == "hit")),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The object's bytes, or this range of them.
    pub async fn download(
        &self,
        object: ObjectId,
        range: Option<ByteRange>,
    ) -> Result<Download, FetchError> {
        let path = match self.role {
            Role::Storage => file_path(object),
            Role::Edge => asset_path(object),
        };
        self.get(&path, range).await
    }

    /// The object's outboard, or this range of it.
    pub async fn outboard(
        &self,
        object: ObjectId,
        range: Option<ByteRange>,
    ) -> Result<Download, FetchError> {
        self.get(&outboard_path(object), range).await
    }

    async fn get(&self, path: &str, range: Option<ByteRange>) -> Result<Download, FetchError> {
        let response = self.send(reqwest::Method::GET, path, range).await?;
        Download::from_answer(response, range, self.pool.options.stall_timeout)
    }

    async fn json<T: DeserializeOwned>(&self, path: &str) -> Result<T, FetchError> {
        let response = self.send(reqwest::Method::GET, path, None).await?;
        let body = Download::from_answer(response, None, self.pool.options.stall_timeout)?;
        let url = body.url.clone();
        let bytes = body.collect(JSON_BYTES_MAX).await?;
        serde_json::from_slice(&bytes).map_err(|error| FetchError::Wrong {
            url,
            what: error.to_string(),
        })
    }

    async fn send(
        &self,
        method: reqwest::Method,
        path: &str,
        range: Option<ByteRange>,
    ) -> Result<reqwest::Response, FetchError> {
        let url = self
            .root
            .join(path.trim_start_matches('/'))
            .map_err(|error| FetchError::BadEndpoint {
                url: format!("{}{path}", self.root),
                cause: error.to_string(),
            })?;
        let options = &self.pool.options;
        let mut request = self.pool.http.request(method, url.clone());
        if let Some(host_id) = &options.host_id {
            request = request.header(HOST_ID_HEADER, host_id);
        }
        if let Some(range) = range {
            request = request.header(header::RANGE, range.header_value());
        }
        if self.role == Role::Edge {
            request = request.header(header::CACHE_CONTROL, "only-if-cached");
        }
        let allowed = options.connect_timeout + options.first_byte_timeout;
        let url = url.to_string();
        let response = match tokio::time::timeout(allowed, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(cause)) if cause.is_connect() => return Err(FetchError::Connect { url, cause }),
            Ok(Err(cause)) => {
                return Err(FetchError::Broken {
                    url,
                    received: 0,
                    cause,
                });
            }
            Err(_) => {
                return Err(FetchError::TimedOut {
                    url,
                    received: 0,
                    after_ms: allowed.as_millis() as u64,
                });
            }
        };
        if response.status().is_success() {
            return Ok(response);
        }
        let mut refusal = refusal(url, response, options).await;
        if let (Role::Edge, FetchError::Status { status, .. }) = (self.role, &mut refusal)
            && [StatusCode::GATEWAY_TIMEOUT, StatusCode::MISDIRECTED_REQUEST].contains(status)
        {
            // Not cached, not distributed: for a reader it does not hold the object.
            *status = StatusCode::NOT_FOUND;
        }
        Err(refusal)
    }
}

/// The error of an error status, with the message of its body if that comes soon and is short.
async fn refusal(url: String, response: reqwest::Response, options: &HttpOptions) -> FetchError {
    let status = response.status();
    let message = match Download::from_answer(response, None, options.stall_timeout) {
        Ok(body) => body.collect(JSON_BYTES_MAX).await.ok(),
        Err(_) => None,
    }
    .and_then(|bytes| serde_json::from_slice::<ErrorBody>(&bytes).ok())
    .map(|body| body.message)
    .unwrap_or_else(|| {
        status
            .canonical_reason()
            .unwrap_or("no reason given")
            .to_owned()
    });
    FetchError::Status {
        url,
        status,
        message,
    }
}
