//! The composition root: the only file that knows everyone. Starts the parts in order, each on what
//! stands already, and stops them in the reverse order.

use std::{net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use actix::{Actor, Addr, Handler, dev::ToEnvelope};
use actix_web::{App, dev::ServerHandle, web};
use prometheus::Registry;
use shared::{
    api::FetchError,
    blob::{BlobError, BlobStore},
    chain::{
        Chain, ChainError, Signer,
        follower::{Follower, FollowerOptions, ResumeOptions, StatusMetrics, StatusView},
    },
    hash::ContentHash,
    ids::BlockHash,
    p2p::{
        gossip::{
            discovery::Discovery,
            task::{self, COMMANDS_MAX, Surroundings},
        },
        identity::{IdentityError, NodeIdentity},
    },
    serve::server::{PublicServer, tls::TlsError},
    supervise::{Exit, Watchdog, run_until_stop},
    table::{Database, Table, TableError},
    telemetry::{AdminServer, Health, RequestTelemetry},
};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

use crate::{
    accept::actor::{AcceptActor, Parts, TroubleCell},
    cleanup::{self, actor::CleanupActor, metrics::StateCell, place::Us},
    config::{Config, InvalidConfig},
    disk::{
        self, StandingCell,
        actor::DiskActor,
        room::{Ledger, Rooms},
    },
    holdings::{Holdings, HoldingsError},
    http::{self, status::USER_AGENT, upload::limits::Uploads},
    metrics::Metrics,
    network::{
        actor::{NetworkActor, PeerSide},
        audience::Told,
    },
    node::{Node, Stop, our_buckets},
    obligations::actor::{ObligationsActor, Readers},
    peer::Peers,
    receipts::Notary,
    replicate::{
        actor::{ReplicateActor, UseNetwork},
        rounds::{actor::RoundsActor, metrics::RoundsCell},
    },
    scrub::{
        self,
        actor::{ScrubActor, StatusCell},
        book::DamageBook,
        repair::Repairer,
    },
    tus::Sessions,
};

/// How long an actor has to take the request to stop.
const ACTOR_STOP_TIMEOUT: Duration = Duration::from_secs(5);

/// Why the node did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The configuration.
    #[error(transparent)]
    Config(#[from] InvalidConfig),
    /// The data directory cannot be made.
    #[error("data directory {}: {cause}", path.display())]
    DataDir {
        /// The directory.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The blob store.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The database.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The object table.
    #[error(transparent)]
    Holdings(#[from] HoldingsError),
    /// The chain.
    #[error(transparent)]
    Chain(#[from] ChainError),
    /// The data belongs to another chain.
    #[error("{} holds objects of the chain with genesis {stored}, and the endpoint serves {found}: use another data directory", path.display())]
    OtherChain {
        /// The directory.
        path: PathBuf,
        /// The chain of the data.
        stored: String,
        /// The chain of the endpoint.
        found: BlockHash,
    },
    /// The node's key.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The gossip network.
    #[error(transparent)]
    Network(#[from] task::StartError),
    /// The client for other nodes.
    #[error(transparent)]
    Client(#[from] FetchError),
    /// TLS of the public port.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Metrics registered twice.
    #[error(transparent)]
    Metrics(#[from] prometheus::Error),
    /// A port.
    #[error("cannot listen on {address}: {cause}; choose another port or stop what uses it")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system said.
        #[source]
        cause: std::io::Error,
    },
    /// The blocking pool is gone.
    #[error("the process is stopping")]
    Stopping,
}

/// A running node.
pub struct Colossus {
    node: web::Data<Node>,
    obligations: Addr<ObligationsActor>,
    rounds: Addr<RoundsActor>,
    database: Database,
    discovery: Option<JoinHandle<()>>,
    expiring: JoinHandle<()>,
    public: PublicServer,
    server: ServerHandle,
    address: SocketAddr,
    admin: AdminServer,
}

impl Colossus {
    /// Starts a node. Needs an actix system.
    pub async fn start(config: Config, chain: Arc<dyn Chain>) -> Result<Self, StartError> {
        let (transactor, disk) = open_disk(config.clone()).await?;
        let Disk {
            blobs,
            database,
            identity,
        } = disk;
        // An object store that is away now keeps nobody from starting.
        blobs.measure().await;
        blobs.check_taken_over().await?;
        let genesis = chain.genesis_hash().await?;
        check_genesis(&config, &database, genesis).await?;

        let follower = Follower::start(chain.clone(), follower_options(&config)).await?;
        let (view, status) = (follower.directory(), follower.status());
        let holdings = open_holdings(blobs, database.clone()).await?;
        let reconciled = holdings.reconcile(&view).await?;
        let forgotten = holdings.forget_partials(&view).await?;
        holdings.count_all(&view).await?;
        tracing::info!(
            objects = holdings.totals().0,
            ?reconciled,
            partials_forgotten = forgotten,
            "object table stands"
        );
        let damage = open_book(database.clone(), reconciled.damaged).await?;

        let registry = Registry::new();
        let metrics = Metrics::register(&registry)?;
        let requests = RequestTelemetry::register(&registry)?;
        StatusMetrics::register(&registry, status.clone())?;
        holdings.blobs().register(&registry)?;

        let host_id = format!("worker-{}-{:016x}", config.worker, rand::random::<u64>());
        let peers = Peers::new(host_id.clone(), config.replicate.bytes_per_second_min.0)?;
        let (h, v, m) = (holdings.clone(), view.clone(), metrics.clone());
        let ledger = Ledger::default();
        let standing = StandingCell::default();
        let (l, s, b) = (ledger.clone(), standing.clone(), holdings.blobs().clone());
        let rooms = Rooms::new(l, s, b);
        let (c, p, r) = (&config.replicate, peers.clone(), rooms.clone());
        let replicate = ReplicateActor::new(c, p, h, v, m, r).start();
        // Before anything is decided by it.
        let disk = DiskActor::start_with(disk::actor::Parts {
            config: config.disk.clone(),
            blobs: holdings.blobs().clone(),
            replicate: replicate.clone(),
            ledger: ledger.clone(),
            metrics: metrics.clone(),
            cell: standing.clone(),
        })
        .await;
        registry.register(Box::new(holdings.history().lost()))?;
        let cleanup_state = StateCell::default();
        let us_config = config.clone();
        let cleanup = CleanupActor::new(cleanup::actor::Parts {
            config: config.cleanup.clone(),
            holdings: holdings.clone(),
            peers: peers.clone(),
            view: view.clone(),
            follower: status.clone(),
            us: Arc::new(move |directory| Us {
                worker: us_config.worker,
                buckets: our_buckets(&us_config, directory),
            }),
            metrics: metrics.clone(),
            state: cleanup_state.clone(),
        })
        .start();
        let accept_trouble = TroubleCell::default();
        let accept_config = config.clone();
        let accept = AcceptActor::new(Parts {
            chain: chain.clone(),
            transactor: transactor.clone(),
            worker: config.worker,
            our_buckets: Arc::new(move |directory| our_buckets(&accept_config, directory)),
            view: view.clone(),
            holdings: holdings.clone(),
            config: config.accept.clone(),
            metrics: metrics.clone(),
            trouble: accept_trouble.clone(),
        })
        .start();

        let (c, v, id) = (config.clone(), view.clone(), identity.peer_id());
        let peer = Arc::new(PeerSide::new(id, genesis, c, transactor, v));
        let notary = Notary::new(identity.clone(), peer.clone());
        let scrub_status = StatusCell::default();
        let buckets = {
            let (config, view) = (config.clone(), view.clone());
            move || our_buckets(&config, &view.read())
        };
        let scrub = ScrubActor::start_with(scrub::actor::Parts {
            limits: config.scrub.limits(),
            repairer: Repairer {
                holdings: holdings.clone(),
                peers: peers.clone(),
                view: view.clone(),
                book: damage.clone(),
                our_buckets: Arc::new(buckets),
                rooms,
            },
            database: database.clone(),
            metrics: metrics.clone(),
            status: scrub_status.clone(),
        })
        .await?;

        let (c, s, m) = (config.uploads.clone(), standing.clone(), metrics.clone());
        let uploads = Uploads::new(c, ledger, s, m);
        let tus = open_sessions(&config, &holdings, &uploads, &metrics).await?;
        let expiring = tokio::spawn(tus.clone().tend_forever());
        let mut node = Node {
            config,
            host_id,
            started: Instant::now(),
            chain,
            view,
            follower: status,
            holdings,
            damage,
            scrub_status,
            scrub,
            standing,
            disk,
            peers: peers.clone(),
            cleanup,
            cleanup_state,
            uploads,
            tus,
            metrics,
            accept_trouble,
            accept,
            replicate,
            rounds_state: RoundsCell::default(),
            network: None,
            notary,
            peer: None,
        };
        let discovery = start_network(&mut node, &identity, peer, &peers).await?;
        let obligations = start_obligations(&node, follower);
        let rounds = RoundsActor::start_for(&node);
        let admin_address = node.config.admin.listen;
        let node = web::Data::new(node);
        let (limits, tls) = (&node.config.http.limits, node.config.http.tls.as_ref());
        let public = PublicServer::prepare(limits, tls, &registry).await?;
        let (server, address) = start_http(&node, requests, &public)?;
        let health = health(&node).ready_when("running", public.ready());
        let (control, cleanup) = (
            http::admin::routes(node.clone()),
            http::cleanup::routes(node.clone()),
        );
        let routes = move |service: &mut web::ServiceConfig| {
            control(service);
            cleanup(service);
        };
        let admin =
            AdminServer::start_with(admin_address, registry, health, routes).map_err(|cause| {
                StartError::Listen {
                    address: admin_address,
                    cause,
                }
            })?;
        let admin_at = admin.address();
        tracing::info!(%address, admin = %admin_at, worker = %node.config.worker, "colossus is ready");
        Ok(Self {
            node,
            obligations,
            rounds,
            database,
            discovery,
            expiring,
            public,
            server,
            address,
            admin,
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

    /// The node's parts.
    pub fn node(&self) -> &Node {
        &self.node
    }

    /// Runs until a signal comes or a critical actor dies, then stops.
    pub async fn run(self) -> std::io::Result<Exit> {
        let mut watchdog = Watchdog::new()
            .watch("obligations", &self.obligations)
            .watch("rounds", &self.rounds)
            .watch("accept", &self.node.accept)
            .watch("replicate", &self.node.replicate)
            .watch("cleanup", &self.node.cleanup)
            .watch("scrub", &self.node.scrub)
            .watch("disk", &self.node.disk);
        if let Some(network) = &self.node.network {
            watchdog = watchdog.watch("network", network);
        }
        let exit = run_until_stop(watchdog).await?;
        self.stop().await;
        Ok(exit)
    }

    /// Stops: not ready any more, then no new requests, those under way finish, then the actors end,
    /// then the disk is synced.
    pub async fn stop(self) {
        self.public.drain().await;
        // Their clients go on when the node is back; waiting for them could take hours.
        self.node.tus.close();
        self.expiring.abort();
        self.server.stop(true).await;
        self.node.tus.rest().await;
        if let Some(discovery) = self.discovery {
            discovery.abort();
        }
        stop_actor(&self.obligations).await;
        stop_actor(&self.rounds).await;
        stop_actor(&self.node.disk).await;
        stop_actor(&self.node.replicate).await;
        if let Some(network) = &self.node.network {
            stop_actor(network).await;
        }
        stop_actor(&self.node.scrub).await;
        stop_actor(&self.node.cleanup).await;
        stop_actor(&self.node.accept).await;
        self.admin.stop().await;
        if let Err(error) = self.database.flush().await {
            tracing::error!(%error, "the object table could not be flushed; it is read again from the files");
        }
        tracing::info!("stopped");
    }
}

async fn stop_actor<A>(actor: &Addr<A>)
where
    A: Actor + Handler<Stop>,
    A::Context: ToEnvelope<A, Stop>,
{
    // An actor that is gone already has stopped, too.
    let _stopped = tokio::time::timeout(ACTOR_STOP_TIMEOUT, actor.send(Stop)).await;
}

/// A restart goes on from the directory on disk.
fn follower_options(config: &Config) -> FollowerOptions {
    let file = config.data_dir.join("directory.snapshot");
    FollowerOptions {
        resume: Some(ResumeOptions::in_file(file)),
        ..FollowerOptions::default()
    }
}

/// What lies in the data directory.
struct Disk {
    blobs: BlobStore,
    database: Database,
    identity: NodeIdentity,
}

async fn open_disk(config: Config) -> Result<(Option<Signer>, Disk), StartError> {
    let open = move || {
        config.check()?;
        let transactor = config.transactor()?;
        let dir = &config.data_dir;
        std::fs::create_dir_all(dir).map_err(|cause| StartError::DataDir {
            path: dir.clone(),
            cause,
        })?;
        let blobs = BlobStore::open_all(&config.places())?;
        if !config.disk.direct_writes {
            blobs.write_cached();
        }
        let database = Database::open(&dir.join("index"))?;
        let identity = NodeIdentity::load_or_create(&dir.join("node.key"))?;
        Ok((
            transactor,
            Disk {
                blobs,
                database,
                identity,
            },
        ))
    };
    tokio::task::spawn_blocking(open)
        .await
        .unwrap_or(Err(StartError::Stopping))
}

pub(crate) async fn open_holdings(
    blobs: BlobStore,
    database: Database,
) -> Result<Holdings, StartError> {
    let open = move || Ok(Holdings::open(blobs, &database)?);
    tokio::task::spawn_blocking(open)
        .await
        .unwrap_or(Err(StartError::Stopping))
}

async fn open_sessions(
    config: &Config,
    holdings: &Holdings,
    uploads: &Uploads,
    metrics: &Metrics,
) -> Result<Sessions, StartError> {
    let (limits, holdings) = (config.tus.limits(), holdings.clone());
    let (uploads, metrics) = (uploads.clone(), metrics.clone());
    let open = move || Ok(Sessions::open(limits, &holdings, &uploads, metrics)?);
    tokio::task::spawn_blocking(open)
        .await
        .unwrap_or(Err(StartError::Stopping))
}

async fn open_book(
    database: Database,
    found: Vec<(ContentHash, u64)>,
) -> Result<DamageBook, StartError> {
    tokio::task::spawn_blocking(move || Ok(DamageBook::open_with(&database, &found)?))
        .await
        .unwrap_or(Err(StartError::Stopping))
}

/// Objects of one chain must never be taken for garbage because another chain does not know them.
pub(crate) async fn check_genesis(
    config: &Config,
    database: &Database,
    found: BlockHash,
) -> Result<(), StartError> {
    let (path, database) = (config.data_dir.clone(), database.clone());
    let check = move || {
        let table: Table<String, String> = database.table("chain")?;
        let key = "genesis".to_owned();
        match table.get(&key)? {
            Some(stored) if stored != found.to_string() => Err(StartError::OtherChain {
                path,
                stored,
                found,
            }),
            Some(_) => Ok(()),
            None => {
                table.put(&key, &found.to_string())?;
                Ok(database.flush_blocking()?)
            }
        }
    };
    tokio::task::spawn_blocking(check)
        .await
        .unwrap_or(Err(StartError::Stopping))
}

async fn start_network(
    node: &mut Node,
    identity: &NodeIdentity,
    peer: Arc<PeerSide>,
    peers: &Peers,
) -> Result<Option<JoinHandle<()>>, StartError> {
    if !node.config.p2p.enabled {
        return Ok(None);
    }
    let (commands, received) = mpsc::channel(COMMANDS_MAX);
    let config = &node.config.p2p;
    let surroundings = Surroundings {
        genesis: peer.genesis(),
        view: node.view.clone(),
        audience: Told {
            peer: peer.clone(),
            replicate: node.replicate.clone(),
            metrics: node.metrics.clone(),
        },
        agent_version: USER_AGENT,
        metrics: node.metrics.gossip.clone(),
    };
    let task = task::start(identity, &config.listen, surroundings, received)?;
    let discovery = Discovery {
        bootstrap: config.bootstrap.clone(),
        interval: config.discovery_interval.0,
        // Each wants to be connected to each.
        peers_enough: usize::MAX,
        pool: peers.pool().clone(),
        metrics: node.metrics.gossip.clone(),
    };
    let metrics = node.metrics.clone();
    let network = NetworkActor::new(peer.clone(), commands.clone(), task, metrics).start();
    // Only an actor that is gone refuses this, and then the watchdog ends the node.
    let _told = node.replicate.send(UseNetwork(network.clone())).await;
    node.network = Some(network);
    node.peer = Some(peer.clone());
    let discovery = discovery.run(move || peer.other_operators(), commands);
    Ok(Some(tokio::spawn(discovery)))
}

fn start_obligations(node: &Node, follower: Follower) -> Addr<ObligationsActor> {
    let readers = Readers {
        replicate: node.replicate.clone(),
        accept: node.accept.clone(),
        cleanup: node.cleanup.clone(),
    };
    let (config, holdings, metrics) = (
        node.config.clone(),
        node.holdings.clone(),
        node.metrics.clone(),
    );
    ObligationsActor::new(config, follower, holdings, readers, metrics).start()
}

fn start_http(
    node: &web::Data<Node>,
    requests: RequestTelemetry,
    public: &PublicServer,
) -> Result<(ServerHandle, SocketAddr), StartError> {
    let address = node.config.http.listen;
    let listen_error = |cause| StartError::Listen { address, cause };
    let (data, door) = (node.clone(), public.door());
    let app = move || {
        App::new()
            .wrap(door.clone())
            .wrap(requests.clone())
            .wrap(http::open_cors())
            .app_data(data.clone())
            .configure(http::routes)
    };
    let (address, running) = public.bind(app, address).map_err(listen_error)?;
    let handle = running.handle();
    actix_web::rt::spawn(running);
    Ok((handle, address))
}

fn health(node: &web::Data<Node>) -> Health {
    let follower: StatusView = node.follower.clone();
    let chain = move || {
        let status = follower.get();
        match status.stalled {
            false => Ok(()),
            true => Err(format!(
                "no block was finalised for {} s",
                status.head_age.as_secs()
            )),
        }
    };
    let standing = node.standing.clone();
    // A node that may not write still serves.
    let disk = move || match standing.get().cannot_serve() {
        None => Ok(()),
        Some(why) => Err(why.to_owned()),
    };
    Health::new()
        .ready_when("chain", chain)
        .ready_when("disk", disk)
}
