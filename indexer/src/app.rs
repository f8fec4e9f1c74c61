//! The running indexer: the follower, the public interface and the admin port, started and stopped in
//! order.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use actix_web::{App, HttpServer, dev::ServerHandle, middleware, web};
use anyhow::Context as _;
use futures::future::BoxFuture;
use prometheus::Registry;
use shared::{
    chain::{Chain, subxt::SubxtChain},
    supervise::{Exit, stop_requested},
    telemetry::{AdminServer, Health, RequestTelemetry},
};
use tokio::{sync::watch, task::JoinHandle};

use crate::{
    config::Config,
    follow::{FollowError, follow},
    graphql::{Api, Progress},
    http,
    metrics::Metrics,
    schema::{SCHEMA, parse},
    store::Store,
};

/// Name of the database in the data directory.
const DATABASE: &str = "index.sqlite";
/// Pause between attempts to reach the chain when the indexer starts.
const RECONNECT_DELAY: Duration = Duration::from_secs(2);

/// An indexer that is running.
pub struct Indexer {
    /// Where the interface listens.
    pub address: SocketAddr,
    /// Where the admin port listens.
    pub admin_address: SocketAddr,
    /// How far it is.
    pub progress: watch::Receiver<Progress>,
    store: Arc<Store>,
    server: ServerHandle,
    admin: AdminServer,
    follower: JoinHandle<Result<std::convert::Infallible, FollowError>>,
}

/// The chain of the configured endpoints, as soon as one of them answers. What is indexed already is
/// served meanwhile.
pub fn connect(endpoints: Vec<String>) -> BoxFuture<'static, Arc<dyn Chain>> {
    Box::pin(async move {
        loop {
            match SubxtChain::connect(endpoints.clone()).await {
                Ok(chain) => return Arc::new(chain) as Arc<dyn Chain>,
                Err(error) => tracing::warn!(%error, "the chain cannot be reached; trying again"),
            }
            tokio::time::sleep(RECONNECT_DELAY).await;
        }
    })
}

impl Indexer {
    /// Opens the database and starts everything. Needs an actix system.
    pub async fn start(
        config: Config,
        chain: BoxFuture<'static, Arc<dyn Chain>>,
    ) -> anyhow::Result<Self> {
        let dir = &config.data_dir;
        std::fs::create_dir_all(dir)
            .with_context(|| format!("cannot make the data directory {}", dir.display()))?;
        let path = dir.join(DATABASE);
        let model = Arc::new(parse(SCHEMA)?);
        let store = Store::open(&path, model, config.query.readers_max).await;
        let store = Arc::new(store.with_context(|| format!("cannot open {}", path.display()))?);
        let registry = Registry::new();
        let metrics = Metrics::register(&registry)?;
        let telemetry = RequestTelemetry::register(&registry)?;
        let (sender, progress) = watch::channel(Progress {
            finalized: None,
            applied: store.head().await?,
        });

        let api = Api::new(store.clone(), progress.clone(), config.query.timeout.0)?;
        let app_metrics = metrics.clone();
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(api.clone()))
                .app_data(web::Data::new(app_metrics.clone()))
                .configure(http::configure)
                .wrap(middleware::from_fn(http::cors::allow_any_origin))
                .wrap(middleware::Compress::default())
                .wrap(telemetry.clone())
        });
        let listen = config.http.listen;
        let server = config
            .http
            .limits
            .apply(server)
            .bind(listen)
            .with_context(|| format!("cannot listen on {listen}"))?;
        let address = server.addrs()[0];
        let running = server.run();
        let server = running.handle();
        actix_web::rt::spawn(running);

        let health = health(progress.clone(), config.query.ready_lag_max);
        let admin_listen = config.admin.listen;
        let admin = AdminServer::start(admin_listen, registry, health)
            .with_context(|| format!("cannot listen on {admin_listen}"))?;
        let (followed, applied) = (store.clone(), metrics);
        let follower =
            tokio::spawn(async move { follow(chain.await, followed, sender, applied).await });
        let admin_address = admin.address();
        tracing::info!(%address, admin = %admin_address, "the indexer serves {}", http::PATH);
        Ok(Self {
            address,
            admin_address,
            progress,
            store,
            server,
            admin,
            follower,
        })
    }

    /// Runs until it is asked to stop or cannot go on.
    pub async fn run(mut self) -> anyhow::Result<Exit> {
        let stop = stop_requested()?;
        let exit = tokio::select! {
            signal = stop => {
                tracing::info!(%signal, "stopping");
                Exit::Stopped
            }
            ended = &mut self.follower => {
                match ended {
                    Ok(Ok(never)) => match never {},
                    Ok(Err(error)) => tracing::error!(%error, "the index cannot go on"),
                    Err(error) => tracing::error!(%error, "the follower died"),
                }
                Exit::Failed
            }
        };
        self.stop().await;
        Ok(exit)
    }

    /// Stops: no new requests, the block at hand is dropped whole, the database is closed.
    pub async fn stop(self) {
        self.server.stop(true).await;
        self.follower.abort();
        // It has been told to end; how it ended is of no interest.
        let _ended = self.follower.await;
        self.store.close().await;
        self.admin.stop().await;
    }
}

fn health(progress: watch::Receiver<Progress>, lag_max: u32) -> Health {
    Health::new().ready_when("index", move || {
        let progress = *progress.borrow();
        let applied = progress.applied.ok_or("no block has been indexed yet")?;
        let finalized = progress
            .finalized
            .ok_or("the chain's head is not known yet")?;
        let lag = finalized.number.saturating_sub(applied.number);
        if lag <= lag_max {
            Ok(())
        } else {
            Err(format!(
                "{lag} blocks behind: {} of {}",
                applied.number, finalized.number
            ))
        }
    })
}
