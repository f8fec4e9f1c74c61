//! The composition root: starts the parts in order and stops them in the reverse order.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, dev::ServerHandle, middleware, web};
use prometheus::Registry;
use shared::{
    supervise::{Exit, Watchdog, run_until_stop},
    telemetry::{AdminServer, Health, RequestTelemetry},
};
use tokio::task::JoinHandle;

use crate::{
    clients::Clients,
    config::{Config, InvalidConfig},
    edges::EDGES_QUERY,
    gateway::Gateway,
    graphql::{Schema, schema::INTROSPECTION_QUERY},
    http::{self, Shared},
    indexer::{Indexer, IndexerError},
    metrics::Metrics,
    store::{Store, StoreError},
};

/// How long to wait before the indexer is asked again for its schema or the edges when it did not give
/// them.
const RETRY: Duration = Duration::from_secs(1);

/// Connections to the public port, by worker.
const CONNECTIONS_MAX: usize = 4096;

/// How long requests under way have to end.
const SHUTDOWN_SECONDS: u64 = 10;

/// Why the gateway did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The data directory.
    #[error("data directory {}: {cause}", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The event log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The client for the indexer.
    #[error("no connections to the indexer can be made: {0}")]
    Client(#[from] reqwest::Error),
    /// The metrics.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// A port.
    #[error("cannot listen on {address}: {cause}; is another program using it?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
}

/// The running gateway.
pub struct Orion {
    address: SocketAddr,
    shared: Arc<Shared>,
    server: ServerHandle,
    admin: AdminServer,
    tasks: Vec<JoinHandle<()>>,
}

impl Orion {
    /// Start it. Needs an actix system. The indexer need not be there yet.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        config.check()?;
        let path = &config.data_dir;
        let data_dir = |cause| StartError::DataDir {
            path: path.clone(),
            cause,
        };
        std::fs::create_dir_all(path).map_err(data_dir)?;
        let clients =
            Clients::open(&path.join("client.key"), config.http.proxies).map_err(data_dir)?;
        let store = Store::open(&path.join("events.sqlite")).await?;
        let indexer = Indexer::new(&config.indexer.url, config.indexer.timeout.0)?;
        let registry = Registry::new();
        let metrics = Metrics::register(&registry)?;
        let telemetry = RequestTelemetry::register(&registry)?;
        let gateway = Gateway::new(&config, indexer.clone(), store, metrics);
        let shared = Arc::new(Shared { gateway, clients });
        let tasks = vec![
            tokio::spawn(keep_schema(
                indexer.clone(),
                config.indexer.schema_refresh.0,
            )),
            tokio::spawn(keep_edges(shared.clone(), config.indexer.edges_refresh.0)),
        ];

        let data = web::Data::new(shared.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(data.clone())
                .wrap(middleware::from_fn(http::cross_origin))
                .wrap(middleware::Compress::default())
                .wrap(telemetry.clone())
                .configure(http::routes)
        })
        .max_connections(CONNECTIONS_MAX)
        .shutdown_timeout(SHUTDOWN_SECONDS)
        .disable_signals();
        let listen = |address| move |cause| StartError::Listen { address, cause };
        let server = server
            .bind(config.http.listen)
            .map_err(listen(config.http.listen))?;
        let address = server.addrs()[0];
        let running = server.run();
        let handle = running.handle();
        actix_web::rt::spawn(running);

        let health = Health::new().ready_when("indexer", move || match indexer.schema() {
            Err(error) => Err(error.to_string()),
            Ok(_) => indexer.trouble().map_or(Ok(()), Err),
        });
        let admin = AdminServer::start(config.admin.listen, registry, health)
            .map_err(listen(config.admin.listen))?;
        tracing::info!(%address, indexer = config.indexer.url, "the gateway answers at /graphql");
        Ok(Self {
            address,
            shared,
            server: handle,
            admin,
            tasks,
        })
    }

    /// Where the public interface listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where metrics and health are.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// Run until the process is asked to stop, then stop.
    pub async fn run(self) -> io::Result<Exit> {
        let exit = run_until_stop(Watchdog::new()).await?;
        self.stop().await;
        Ok(exit)
    }

    /// Stop: no new requests, those under way end, the log is closed.
    pub async fn stop(self) {
        self.server.stop(true).await;
        for task in &self.tasks {
            task.abort();
        }
        self.shared.gateway.store.close().await;
        self.admin.stop().await;
    }
}

/// Learn the indexer's schema, again and again: it may have been updated.
async fn keep_schema(indexer: Indexer, refresh: Duration) {
    let mut was_told = false;
    loop {
        let learned = learn_schema(&indexer).await;
        if let Err(error) = &learned
            && !was_told
        {
            tracing::warn!(%error, "the indexer's schema could not be read; trying again");
        }
        was_told = learned.is_err();
        tokio::time::sleep(if learned.is_ok() { refresh } else { RETRY }).await;
    }
}

async fn learn_schema(indexer: &Indexer) -> Result<(), IndexerError> {
    let data = indexer
        .query(INTROSPECTION_QUERY, serde_json::json!({}))
        .await?;
    let schema = Schema::stitch(data).map_err(|error| indexer.bad_answer(error.to_string()))?;
    indexer.set_schema(schema);
    Ok(())
}

/// Read again and again which edges serve which bags. This is also how the gateway knows whether the
/// indexer has data to give.
async fn keep_edges(shared: Arc<Shared>, refresh: Duration) {
    let gateway = &shared.gateway;
    let mut was_told = false;
    loop {
        let learned = learn_edges(gateway).await;
        gateway.indexer.note_data(&learned);
        if let Err(error) = &learned
            && !was_told
        {
            tracing::warn!(%error, "the edges could not be read; asset URLs stay as they were");
        }
        was_told = learned.is_err();
        tokio::time::sleep(if learned.is_ok() { refresh } else { RETRY }).await;
    }
}

async fn learn_edges(gateway: &Gateway) -> Result<(), IndexerError> {
    let asked = gateway.indexer.query(EDGES_QUERY, serde_json::json!({}));
    let updated = gateway.edges.update(asked.await?);
    updated.map_err(|error| gateway.indexer.bad_answer(error.to_string()))?;
    gateway.metrics.bags_with_edges(gateway.edges.bags());
    Ok(())
}
