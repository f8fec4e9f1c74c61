//! What the tests over HTTP share: a gateway in front of an indexer.

pub mod indexer;

use std::net::SocketAddr;

use gateway::{app::Orion, config::Config};
use reqwest::{Response, StatusCode};
use serde_json::{Value, json};

use indexer::Indexer;

/// A gateway with an indexer behind.
pub struct Setup {
    pub indexer: Indexer,
    pub gateway: Orion,
    pub http: reqwest::Client,
    pub _data: tempfile::TempDir,
}

pub fn local() -> SocketAddr {
    ([127, 0, 0, 1], 0).into()
}

pub async fn gateway(
    indexer: SocketAddr,
    change: impl FnOnce(&mut Config),
) -> (Orion, tempfile::TempDir) {
    let data = tempfile::tempdir().unwrap();
    let mut config = Config {
        data_dir: data.path().into(),
        ..Config::default()
    };
    config.http.listen = local();
    config.admin.listen = local();
    config.indexer.url = format!("http://{indexer}/graphql");
    config.indexer.edges_refresh.0 = std::time::Duration::from_millis(50);
    change(&mut config);
    (Orion::start(config).await.unwrap(), data)
}

impl Setup {
    pub async fn start(change: impl FnOnce(&mut Config)) -> Self {
        let indexer = Indexer::start(local());
        let (gateway, data) = gateway(indexer.address, change).await;
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let setup = Self {
            indexer,
            gateway,
            http,
            _data: data,
        };
        setup.until_ready().await;
        setup
    }

    /// Until the schema and the edges are known.
    pub async fn until_ready(&self) {
        loop {
            let url = format!("http://{}/api/v1/status", self.gateway.address());
            let status: Value = self
                .http
                .get(url)
                .send()
                .await
                .unwrap()
                .json()
                .await
                .unwrap();
            if status["indexer"]["schemaLoaded"] == true && status["bagsWithEdges"] == 1 {
                return;
            }
            tokio::task::yield_now().await;
        }
    }

    pub fn url(&self) -> String {
        format!("http://{}/graphql", self.gateway.address())
    }

    pub async fn post(&self, body: Value) -> Response {
        self.http.post(self.url()).json(&body).send().await.unwrap()
    }

    pub async fn ask(&self, query: &str) -> (StatusCode, Value) {
        let response = self.post(json!({ "query": query })).await;
        (response.status(), response.json().await.unwrap())
    }

    pub async fn stop(self) {
        self.gateway.stop().await;
        self.indexer.server.stop(false).await;
    }
}
