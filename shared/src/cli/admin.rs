//! The way of sub-commands to the running node: its admin port.

use std::net::SocketAddr;

use reqwest::{RequestBuilder, StatusCode};
use serde::{Serialize, de::DeserializeOwned};

use crate::{api::install_tls_provider, doctor::net::reachable};

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AdminError {
    /// Port 0 is nobody's.
    #[error("admin.listen is {0}: name the port that the node took with --admin-listen")]
    NoPort(SocketAddr),
    /// The client cannot be set up.
    #[error("the http client cannot be set up")]
    Setup(#[source] reqwest::Error),
    /// The question cannot be put into words.
    #[error("the question cannot be written")]
    Question(#[source] serde_json::Error),
    /// Nobody is there.
    #[error(
        "no node answers on its admin port {root}: start it, or name the port with --admin-listen"
    )]
    Silent {
        /// What was asked.
        root: String,
        /// Why.
        #[source]
        cause: reqwest::Error,
    },
    /// The node refuses.
    #[error("{root} answered {status}: {message}")]
    Refused {
        /// What was asked.
        root: String,
        /// The status.
        status: StatusCode,
        /// Why.
        message: String,
    },
    /// It is no answer to the question.
    #[error("{root} gave an answer that cannot be read")]
    Unreadable {
        /// What was asked.
        root: String,
        /// Why.
        #[source]
        cause: serde_json::Error,
    },
}

/// A client of the admin port.
pub struct Admin {
    http: reqwest::Client,
    root: String,
}

impl Admin {
    /// For the node on this machine whose admin port listens here.
    pub fn of(listen: SocketAddr) -> Result<Self, AdminError> {
        if listen.port() == 0 {
            return Err(AdminError::NoPort(listen));
        }
        install_tls_provider();
        let http = reqwest::Client::builder().no_proxy().build();
        Ok(Self {
            http: http.map_err(AdminError::Setup)?,
            root: format!("http://{}", reachable(listen)),
        })
    }

    /// `GET`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, AdminError> {
        self.send(self.http.get(format!("{}{path}", self.root)))
            .await
    }

    /// `POST` with a JSON body.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, AdminError> {
        let request = self.http.post(format!("{}{path}", self.root));
        let request = request.header(reqwest::header::CONTENT_TYPE, "application/json");
        let body = serde_json::to_vec(body).map_err(AdminError::Question)?;
        self.send(request.body(body)).await
    }

    async fn send<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, AdminError> {
        let root = || self.root.clone();
        let silent = |cause| AdminError::Silent {
            root: root(),
            cause,
        };
        let response = request.send().await.map_err(silent)?;
        let status = response.status();
        let body = response.bytes().await.map_err(silent)?;
        if !status.is_success() {
            let error: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
            let message = error.as_ref().and_then(|error| error["message"].as_str());
            let message = message.unwrap_or("is it the admin port of a node of this version?");
            return Err(AdminError::Refused {
                root: root(),
                status,
                message: message.to_owned(),
            });
        }
        // Nothing to say is said with nothing.
        let body = if body.is_empty() { &b"null"[..] } else { &body };
        serde_json::from_slice(body).map_err(|cause| AdminError::Unreadable {
            root: root(),
            cause,
        })
    }
}
