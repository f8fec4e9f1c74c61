//! Puts the parts together, and stops them in order.

use std::{future::Future, io, net::SocketAddr, sync::Arc};

use actix::{Actor, Addr};
use actix_web::{App, dev::Server, web};
use prometheus::Registry;
use shared::{
    api::{FetchError, HttpOptions, HttpPool},
    chain::{
        Chain, ChainError,
        follower::{Follower, FollowerOptions, StatusMetrics},
    },
    config::Secret,
    serve::{
        pages::PagesLimit,
        server::{PublicServer, tls::TlsError},
    },
    supervise::Watchdog,
    telemetry::{AdminServer, Health, RequestTelemetry},
};
use tokio::{
    sync::Semaphore,
    task::{JoinHandle, spawn_blocking},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use crate::{
    AGENT,
    cache::{
        OpenObjects, RamTier, Shelf, ShelfError,
        keeper::{Keeper, Stop, core::Limits},
        recent::RecentTier,
    },
    catalog::{Catalog, Scope, follow::follow},
    config::{Config, ConfigProblem},
    fill::{Fetching, Hearsay, Shares, Siblings, Sources},
    http::{self, State},
    metrics::Metrics,
    network::{Network, NetworkError, Parts},
    operator::{OperatorServer, PublicPort, api::Controls, public_port::OpenError},
    prefetch,
};

/// Share of the cache that is made room for what nobody has asked for yet: one in so many.
const AHEAD_SHARE: u64 = 20;

/// The node cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The chain cannot be read.
    #[error("the chain cannot be read")]
    Chain(#[from] ChainError),
    /// The cache directory cannot be used.
    #[error("the cache cannot be opened")]
    Shelf(#[from] ShelfError),
    /// The HTTP client cannot be set up.
    #[error("the http client cannot be set up")]
    Client(#[from] FetchError),
    /// A port cannot be had.
    #[error("cannot listen on {address}; is another process using the port?")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The public port cannot be opened.
    #[error(transparent)]
    Public(#[from] OpenError),
    /// The configuration.
    #[error(transparent)]
    Config(#[from] ConfigProblem),
    /// TLS of the public port.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Gossip.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// Two metrics have one name.
    #[error("the metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
}

/// A running node.
pub struct Node {
    public: PublicServer,
    port: Arc<PublicPort>,
    admin: AdminServer,
    operator: Option<OperatorServer>,
    shutdown: CancellationToken,
    keeper: Addr<Keeper>,
    following: JoinHandle<()>,
    network: Option<Arc<Network>>,
}

impl Node {
    /// Starts the node on this chain. Needs an actix system.
    pub async fn start(config: Config, chain: Arc<dyn Chain>) -> Result<Self, StartError> {
        let registry = Registry::new();
        let metrics = Metrics::register(&registry, config.cache.limit.0)?;
        let telemetry = RequestTelemetry::register(&registry)?;
        let data_dir = config.data_dir.clone();
        let opened = spawn_blocking(move || Shelf::open(&data_dir)).await;
        let shelf = opened.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;

        let follower = Follower::start(chain.clone(), FollowerOptions::default()).await?;
        StatusMetrics::register(&registry, follower.status())?;
        let scope = Scope {
            worker: config.worker,
            only: config.buckets.clone(),
        };
        let catalog = Catalog::new(scope, follower.directory(), follower.status());

        let fetching = Arc::new(fetching(&config, &metrics)?);
        let network = listen(&config, &*chain, &follower, &fetching).await?;
        let open = OpenObjects::default();
        let limits = Limits {
            bytes_max: config.cache.limit.0,
            object_bytes_max: config.object_max(),
            ahead_bytes_max: config.cache.limit.0 / AHEAD_SHARE,
            fills_max: config.fill.fills_max,
            open_max: config.cache.open_files_max,
            policy: config.cache.policy,
        };
        let keeper = Keeper::new(
            limits,
            shelf,
            open.clone(),
            catalog.clone(),
            fetching.clone(),
            metrics.clone(),
        )
        .start();
        let (purge, purge_unwanted) = (keeper.clone().recipient(), keeper.clone().recipient());
        let prefetch = prefetch::start(
            &config.cache,
            catalog.clone(),
            keeper.clone(),
            metrics.clone(),
        );
        let following = tokio::spawn(follow(
            catalog.clone(),
            follower,
            purge,
            purge_unwanted,
            prefetch.clone(),
            metrics.clone(),
        ));

        let (ram_limit, ram_object_max) = (config.cache.ram_limit.0, config.cache.ram_object_max.0);
        let state = web::Data::new(State {
            catalog: catalog.clone(),
            open,
            ram: RamTier::new(ram_limit, ram_object_max, metrics.clone()),
            pages: PagesLimit::new(config.cache.mapped_limit.0, metrics.mapped_bytes.clone()),
            keeper: keeper.clone(),
            prefetch,
            fetching,
            pass_through: Arc::new(Semaphore::new(config.fill.pass_through_max)),
            network: network.clone(),
            metrics,
            name: config.name.clone(),
            started: Instant::now(),
            cache_limit: config.cache.limit.0,
        });
        let (limits, tls) = (&config.http.limits, config.http.tls.as_ref());
        let public = PublicServer::prepare(limits, tls, &registry).await?;
        let opened = open_port(&config, public.clone(), state.clone(), telemetry)?;
        let port = Arc::new(opened);
        let shutdown = CancellationToken::new();
        let controls = |secret| Controls {
            port: port.clone(),
            catalog: catalog.clone(),
            purge: keeper.clone().recipient(),
            shutdown: shutdown.clone(),
            secret,
        };
        let operator = start_operator(&config, controls)?;
        let alive = following.abort_handle();
        let health = Health::new()
            .ready_when("running", public.ready())
            .ready_when("chain", move || ready_by_chain(&catalog))
            .live_when("chain-follower", move || {
                if alive.is_finished() {
                    Err("the chain is no longer followed".to_owned())
                } else {
                    Ok(())
                }
            });
        let address = config.admin.listen;
        let admin = AdminServer::start_with(address, registry, health, http::admin::routes(state))
            .map_err(|cause| StartError::Listen { address, cause })?;
        let address = port.address();
        tracing::info!(%address, admin = %admin.address(), worker = %config.worker, "serving");
        Ok(Self {
            public,
            port,
            admin,
            operator,
            shutdown,
            keeper,
            following,
            network,
        })
    }

    /// Where the public interface listens.
    pub fn address(&self) -> SocketAddr {
        self.port.address()
    }

    /// Where the operator API listens, if there is one.
    pub fn operator_address(&self) -> Option<SocketAddr> {
        self.operator.as_ref().map(OperatorServer::address)
    }

    /// Resolves when the operator asks the node to stop.
    pub fn shutdown_asked(&self) -> impl Future<Output = ()> + 'static {
        self.shutdown.clone().cancelled_owned()
    }

    /// Where the admin port listens.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin.address()
    }

    /// The actors and tasks without which the node is to end: without the keeper nothing gets in, and
    /// without the chain follower what was deleted on chain would be served for ever. That of the gossip
    /// ends with a panic only, and a new start is the remedy.
    pub fn watchdog(&self) -> Watchdog {
        let watchdog = Watchdog::new()
            .watch("cache keeper", &self.keeper)
            .watch_task("chain follower", self.following.abort_handle());
        match &self.network {
            Some(network) => watchdog.watch_task("network", network.watched()),
            None => watchdog,
        }
    }

    /// Stops: not ready any more, then no new requests, answers under way get their time, then what
    /// was verified is made durable.
    pub async fn stop(self) {
        self.public.drain().await;
        if let Some(operator) = self.operator {
            operator.stop().await;
        }
        // The operator may have closed it before.
        let _ = self.port.close().await;
        if let Some(network) = &self.network {
            network.stop();
        }
        // Until now nothing was served that the chain had taken away.
        self.following.abort();
        if let Err(error) = self.keeper.send(Stop).await {
            tracing::warn!(%error, "the cache was not stopped in order; it will be verified again");
        }
        self.admin.stop().await;
    }
}

/// Listens to the storage nodes' gossip, if the configuration says so.
async fn listen(
    config: &Config,
    chain: &dyn Chain,
    follower: &Follower,
    fetching: &Fetching,
) -> Result<Option<Arc<Network>>, StartError> {
    if !config.p2p.enabled {
        return Ok(None);
    }
    let parts = Parts {
        config: config.p2p.clone(),
        key_file: config.data_dir.join("node.key"),
        genesis: chain.genesis_hash().await?,
        view: follower.directory(),
        http: fetching.http.clone(),
        hearsay: fetching.hearsay.clone(),
        metrics: fetching.metrics.gossip.clone(),
    };
    Ok(Some(Arc::new(Network::start(parts).await?)))
}

fn fetching(config: &Config, metrics: &Metrics) -> Result<Fetching, FetchError> {
    let fill = &config.fill;
    let http = HttpPool::new(HttpOptions {
        connect_timeout: fill.connect_timeout.0,
        first_byte_timeout: fill.first_byte_timeout.0,
        stall_timeout: fill.stall_timeout.0,
        user_agent: AGENT.to_owned(),
        ..HttpOptions::default()
    })?;
    Ok(Fetching {
        siblings: fill.siblings.then(|| Siblings::new(http.clone())),
        hearsay: Hearsay::default(),
        http,
        sources: Sources::default(),
        shares: Shares::new(fill.source_bytes_max.0, metrics.source_waits.clone()),
        recent: RecentTier::new(fill.recent_limit.0, metrics.recent_bytes.clone()),
        config: fill.clone(),
        flush_every: config.cache.flush_every.0,
        metrics: metrics.clone(),
    })
}

/// Opens the public port. It can be closed and opened again while the node runs.
fn open_port(
    config: &Config,
    public: PublicServer,
    state: web::Data<State>,
    telemetry: RequestTelemetry,
) -> Result<PublicPort, OpenError> {
    let bind = move |address| -> io::Result<(SocketAddr, Server)> {
        let (state, telemetry, door) = (state.clone(), telemetry.clone(), public.door());
        let app = move || {
            App::new()
                .app_data(state.clone())
                .wrap(door.clone())
                .wrap(http::open_headers())
                .wrap(telemetry.clone())
                .configure(http::routes)
        };
        public.bind(app, address)
    };
    PublicPort::open_at(config.http.listen, Box::new(bind))
}

/// The operator API, if one is configured: it needs an address and a secret.
fn start_operator(
    config: &Config,
    controls: impl FnOnce(Secret) -> Controls,
) -> Result<Option<OperatorServer>, StartError> {
    let (Some(address), Some(secret)) = (config.operator.listen, config.operator.secret()?) else {
        return Ok(None);
    };
    let server = OperatorServer::start(address, controls(secret))
        .map_err(|cause| StartError::Listen { address, cause })?;
    tracing::info!(address = %server.address(), "the operator API listens");
    Ok(Some(server))
}

fn ready_by_chain(catalog: &Catalog) -> Result<(), String> {
    let status = catalog.chain_status();
    if status.stalled {
        return Err(format!(
            "no block has been finalised for {} s",
            status.head_age.as_secs()
        ));
    }
    Ok(())
}
