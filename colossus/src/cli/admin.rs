//! The way of sub-commands to the running node: its admin port.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use anyhow::{Context as _, bail};
use serde::{Serialize, de::DeserializeOwned};
use shared::api::install_tls_provider;

use crate::config::Config;

/// A client of the admin port.
pub struct Admin {
    http: reqwest::Client,
    root: String,
}

impl Admin {
    /// For the node of this configuration, on this machine.
    pub fn of(config: &Config) -> anyhow::Result<Self> {
        let listen = config.admin.listen;
        if listen.port() == 0 {
            bail!("admin.listen is {listen}: name the port that the node took with --admin-listen");
        }
        let ip = match listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        install_tls_provider();
        Ok(Self {
            http: reqwest::Client::builder().no_proxy().build()?,
            root: format!("http://{}", SocketAddr::new(ip, listen.port())),
        })
    }

    /// `GET`.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        self.send(self.http.get(format!("{}{path}", self.root)))
            .await
    }

    /// `POST` with a JSON body.
    pub async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        let request = self.http.post(format!("{}{path}", self.root));
        let request = request.header(reqwest::header::CONTENT_TYPE, "application/json");
        self.send(request.body(serde_json::to_vec(body)?)).await
    }

    async fn send<T: DeserializeOwned>(
        &self,
        request: reqwest::RequestBuilder,
    ) -> anyhow::Result<T> {
        let root = &self.root;
        let response = request.send().await.with_context(|| {
            format!("no node answers on its admin port {root}: start it, or name the port with --admin-listen")
        })?;
        let status = response.status();
        let body = response
            .bytes()
            .await
            .with_context(|| format!("{root} broke off"))?;
        if !status.is_success() {
            let error: Option<serde_json::Value> = serde_json::from_slice(&body).ok();
            let message = error.as_ref().and_then(|error| error["message"].as_str());
            bail!(
                "{root} answered {status}: {}",
                message.unwrap_or("is it the admin port of a colossus of this version?")
            );
        }
        serde_json::from_slice(&body)
            .with_context(|| format!("{root} gave an answer that cannot be read"))
    }
}
