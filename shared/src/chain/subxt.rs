//! [`Chain`] over JSON-RPC. The only module that names subxt; the chain's own types stop here.
//!
//! - `connection`: one connection to one node, replaced when it breaks
//! - `interface`: the items of the chain we use, compared with the node's metadata at connect
//! - `storage`: the only place that builds storage keys
//! - `directory`: questions to the chain's state
//! - `events`, `calls`, `types`: from the chain's words to ours and back
//! - `versions`: which runtime version was in force at which block
//! - `submit`: nonces, signing, watching until final

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tokio::{sync::Mutex, time::Instant};
use tracing::{info, warn};

use super::{
    Block, BlockRef, Chain, ChainError, Included, Signer, Turn, UploadTerms, Worker,
    backoff::Backoff,
    call::Call,
    directory::{DataObject, Directory},
};
use crate::ids::{AccountId, BagId, BlockHash, ObjectId, WorkerId, WorkingGroup};

mod calls;
mod connection;
mod directory;
mod events;
mod interface;
mod storage;
mod submit;
mod types;
mod versions;

use connection::Connection;
use storage::State;
use submit::Nonce;

/// How long things may take.
#[derive(Debug, Clone)]
pub struct SubxtOptions {
    /// Connecting to one endpoint, its metadata included.
    pub connect_timeout: Duration,
    /// One question; a page of many counts as one.
    pub request_timeout: Duration,
    /// Reading the whole directory.
    pub directory_timeout: Duration,
    /// From sending a transaction until it is final.
    pub submit_timeout: Duration,
    /// How long to trust that a subscription will tell of new blocks before asking.
    pub poll_interval: Duration,
    /// First pause when no endpoint answers; doubles.
    pub retry_delay_min: Duration,
    /// Longest pause when no endpoint answers.
    pub retry_delay_max: Duration,
}

impl Default for SubxtOptions {
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(20),
            request_timeout: Duration::from_secs(30),
            directory_timeout: Duration::from_secs(600),
            submit_timeout: Duration::from_secs(120),
            poll_interval: Duration::from_secs(3),
            retry_delay_min: Duration::from_millis(200),
            retry_delay_max: Duration::from_secs(10),
        }
    }
}

/// Pause between attempts of [`SubxtChain::connect_patiently`].
const AWAY_RETRY_DELAY: Duration = Duration::from_secs(1);

/// A chain behind one or several nodes.
pub struct SubxtChain {
    endpoints: Vec<String>,
    options: SubxtOptions,
    genesis: BlockHash,
    slot: Mutex<Slot>,
    endpoint_in_use: parking_lot::Mutex<String>,
    nonces: submit::Nonces,
}

/// The connection in use and what follows when it breaks.
struct Slot {
    current: Option<Arc<Connection>>,
    next: usize,
    backoff: Backoff,
    not_before: Instant,
}

impl SubxtChain {
    /// Connects to the first of these endpoints that answers; the others are for when it does not.
    pub async fn connect(endpoints: Vec<String>) -> Result<Self, ChainError> {
        Self::connect_with(endpoints, SubxtOptions::default()).await
    }

    /// The same, again and again while all of them are away; ends with other errors only.
    pub async fn connect_patiently(endpoints: Vec<String>) -> Result<Self, ChainError> {
        loop {
            match Self::connect(endpoints.clone()).await {
                Err(error) if error.is_retryable() => {
                    tracing::warn!(%error, "the chain cannot be reached; trying again");
                    tokio::time::sleep(AWAY_RETRY_DELAY).await;
                }
                done => return done,
            }
        }
    }

    /// The same with other time-outs.
    pub async fn connect_with(
        endpoints: Vec<String>,
        options: SubxtOptions,
    ) -> Result<Self, ChainError> {
        if endpoints.is_empty() {
            return Err(bad_endpoint(
                "",
                "no endpoint is given: set at least one ws:// URL",
            ));
        }
        for endpoint in &endpoints {
            check_url(endpoint)?;
        }
        let mut slot = Slot {
            current: None,
            next: 0,
            backoff: Backoff::new(options.retry_delay_min, options.retry_delay_max),
            not_before: Instant::now(),
        };
        let connection = slot.connect(&endpoints, &options, None).await?;
        Ok(Self {
            genesis: connection.genesis_hash(),
            endpoint_in_use: parking_lot::Mutex::new(connection.endpoint.clone()),
            endpoints,
            options,
            slot: Mutex::new(slot),
            nonces: submit::Nonces::default(),
        })
    }

    async fn connection(&self) -> Result<Arc<Connection>, ChainError> {
        let mut slot = self.slot.lock().await;
        if let Some(connection) = &slot.current {
            return Ok(connection.clone());
        }
        let connection = slot
            .connect(&self.endpoints, &self.options, Some(self.genesis))
            .await?;
        self.endpoint_in_use.lock().clone_from(&connection.endpoint);
        Ok(connection)
    }

    /// The connection broke: the next request uses the next endpoint.
    async fn broken(&self, connection: &Arc<Connection>, error: &ChainError) {
        let mut slot = self.slot.lock().await;
        if slot
            .current
            .as_ref()
            .is_some_and(|current| Arc::ptr_eq(current, connection))
        {
            warn!(%error, endpoint = connection.endpoint, "leaving this chain endpoint");
            slot.current = None;
        }
    }

    /// Asks over the current connection, and once more over a new one if it breaks.
    async fn ask<T, F>(
        &self,
        what: &str,
        at_most: Duration,
        question: impl Fn(Arc<Connection>) -> F + Send + Sync,
    ) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, ChainError>> + Send,
    {
        match self.ask_once(what, at_most, &question).await {
            Err(ChainError::Unreachable { .. }) => self.ask_once(what, at_most, &question).await,
            answer => answer,
        }
    }

    async fn ask_once<T, F>(
        &self,
        what: &str,
        at_most: Duration,
        question: &(impl Fn(Arc<Connection>) -> F + Send + Sync),
    ) -> Result<T, ChainError>
    where
        F: Future<Output = Result<T, ChainError>> + Send,
    {
        let connection = self.connection().await?;
        let answer = tokio::time::timeout(at_most, question(connection.clone())).await;
        let answer = answer.unwrap_or_else(|_| Err(timed_out(what, at_most)));
        if let Err(error @ (ChainError::Unreachable { .. } | ChainError::TimedOut { .. })) = &answer
        {
            self.broken(&connection, error).await;
        }
        answer
    }
}

impl Slot {
    /// Tries every endpoint once. After nobody answered, nobody is asked for a while.
    async fn connect(
        &mut self,
        endpoints: &[String],
        options: &SubxtOptions,
        genesis: Option<BlockHash>,
    ) -> Result<Arc<Connection>, ChainError> {
        if Instant::now() < self.not_before {
            let all = endpoints.join(", ");
            return Err(connection::unreachable_text(
                &all,
                "no endpoint answered a moment ago".to_owned(),
            ));
        }
        let mut last = bad_endpoint("", "no endpoint is given");
        for _ in endpoints {
            let endpoint = &endpoints[self.next % endpoints.len()];
            self.next += 1;
            let opened = tokio::time::timeout(options.connect_timeout, Connection::open(endpoint));
            let opened = opened.await;
            let opened =
                opened.unwrap_or_else(|_| Err(timed_out(endpoint, options.connect_timeout)));
            match opened.and_then(|connection| same_chain(connection, genesis)) {
                Ok(connection) => {
                    info!(endpoint, genesis = %connection.genesis_hash(), "connected to the chain");
                    self.backoff.reset();
                    let connection = Arc::new(connection);
                    self.current = Some(connection.clone());
                    return Ok(connection);
                }
                Err(error) => {
                    warn!(%error, endpoint, "cannot use this chain endpoint");
                    last = error;
                }
            }
        }
        self.not_before = Instant::now() + self.backoff.delay();
        Err(last)
    }
}

fn same_chain(
    connection: Connection,
    genesis: Option<BlockHash>,
) -> Result<Connection, ChainError> {
    match genesis {
        Some(genesis) if genesis != connection.genesis_hash() => Err(ChainError::Unreadable {
            what: format!("the chain behind {}", connection.endpoint),
            cause: format!(
                "its genesis is {}, but ours is {genesis}: all endpoints must serve one chain",
                connection.genesis_hash()
            ),
        }),
        _ => Ok(connection),
    }
}

fn timed_out(what: &str, after: Duration) -> ChainError {
    ChainError::TimedOut {
        what: what.to_owned(),
        after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
    }
}

fn bad_endpoint(endpoint: &str, cause: &str) -> ChainError {
    ChainError::BadEndpoint {
        endpoint: endpoint.to_owned(),
        cause: cause.to_owned(),
    }
}

fn check_url(endpoint: &str) -> Result<(), ChainError> {
    let url = reqwest::Url::parse(endpoint)
        .map_err(|error| bad_endpoint(endpoint, &format!("not a URL: {error}")))?;
    match url.scheme() {
        "ws" | "wss" => Ok(()),
        "http" | "https" => Err(bad_endpoint(
            endpoint,
            "blocks are followed over a WebSocket: write ws:// or wss://; the port is the same",
        )),
        _ => Err(bad_endpoint(
            endpoint,
            "write ws://host:port or wss://host:port",
        )),
    }
}

#[async_trait]
impl Chain for SubxtChain {
    fn endpoint(&self) -> String {
        self.endpoint_in_use.lock().clone()
    }

    async fn genesis_hash(&self) -> Result<BlockHash, ChainError> {
        Ok(self.genesis)
    }

    async fn finalized_head(&self) -> Result<BlockRef, ChainError> {
        let question =
            |connection: Arc<Connection>| async move { connection.finalized_head().await };
        self.ask("the finalised head", self.options.request_timeout, question)
            .await
    }

    async fn finalized_after(&self, after: u32) -> Result<BlockRef, ChainError> {
        loop {
            let connection = self.connection().await?;
            let woken = connection.wake_up(self.options.poll_interval);
            tokio::pin!(woken);
            // The wake-up is armed before we look, so that no block falls in between.
            let armed = futures::poll!(&mut woken).is_ready();
            let head = self.finalized_head().await?;
            if head.number > after {
                return Ok(head);
            }
            if !armed {
                woken.await;
            }
        }
    }

    async fn block(&self, number: u32) -> Result<Block, ChainError> {
        let question = |connection: Arc<Connection>| async move { connection.block(number).await };
        self.ask("a block", self.options.request_timeout, question)
            .await
    }

    async fn directory(&self, at: BlockHash) -> Result<Directory, ChainError> {
        let question = |connection: Arc<Connection>| async move {
            State::at(&connection, at).await?.directory().await
        };
        self.ask("the directory", self.options.directory_timeout, question)
            .await
    }

    async fn data_object(
        &self,
        bag: BagId,
        object: ObjectId,
    ) -> Result<Option<DataObject>, ChainError> {
        let question = |connection: Arc<Connection>| async move {
            State::now(&connection)
                .await?
                .data_object(bag, object)
                .await
        };
        self.ask("a data object", self.options.request_timeout, question)
            .await
    }

    async fn data_object_at(
        &self,
        at: BlockHash,
        bag: BagId,
        object: ObjectId,
    ) -> Result<Option<DataObject>, ChainError> {
        let question = |connection: Arc<Connection>| async move {
            let state = State::at(&connection, at).await?;
            state.data_object(bag, object).await
        };
        self.ask("a data object", self.options.request_timeout, question)
            .await
    }

    async fn worker(
        &self,
        group: WorkingGroup,
        worker: WorkerId,
    ) -> Result<Option<Worker>, ChainError> {
        let question = |connection: Arc<Connection>| async move {
            State::now(&connection).await?.worker(group, worker).await
        };
        self.ask("a worker", self.options.request_timeout, question)
            .await
    }

    async fn upload_terms(&self) -> Result<UploadTerms, ChainError> {
        let question = |connection: Arc<Connection>| async move {
            State::now(&connection).await?.upload_terms().await
        };
        self.ask(
            "prices and policies",
            self.options.request_timeout,
            question,
        )
        .await
    }

    async fn free_balance(&self, account: AccountId) -> Result<u128, ChainError> {
        let question = |connection: Arc<Connection>| async move {
            State::now(&connection).await?.free_balance(account).await
        };
        self.ask("a balance", self.options.request_timeout, question)
            .await
    }

    /// Never sent twice: after a broken connection the caller looks at the state first.
    async fn submit(&self, signer: &Signer, call: Call) -> Result<Included, ChainError> {
        let question = |connection: Arc<Connection>| {
            let call = call.clone();
            async move {
                let nonce = Nonce::Next(&self.nonces);
                connection.submit(nonce, signer, call).await
            }
        };
        self.ask_once("a transaction", self.options.submit_timeout, &question)
            .await
    }

    async fn turn(&self, account: AccountId) -> Result<Turn, ChainError> {
        let question = |connection: Arc<Connection>| async move { connection.turn(account).await };
        self.ask("an account's turn", self.options.request_timeout, question)
            .await
    }

    async fn submit_in_turn(
        &self,
        signer: &Signer,
        turn: Turn,
        call: Call,
    ) -> Result<Included, ChainError> {
        let question = |connection: Arc<Connection>| {
            let call = call.clone();
            async move { connection.submit(Nonce::Of(turn), signer, call).await }
        };
        self.ask_once("a transaction", self.options.submit_timeout, &question)
            .await
    }
}

impl Connection {
    /// The finalised block of this number.
    async fn block(&self, number: u32) -> Result<Block, ChainError> {
        let hash = self.finalized_hash(number).await?;
        let at = self.at(hash, number).await?;
        let header = async {
            let header = self.rpc.chain_get_header(Some(at.block_hash())).await;
            let header = header.map_err(|error| self.failed("a header", error))?;
            header.ok_or(ChainError::NoSuchBlock(number))
        };
        let state = State::of(self, &at);
        let (header, events, timestamp_ms) =
            futures::try_join!(header, state.raw_events(), state.timestamp_ms())?;
        Ok(Block {
            at: BlockRef { number, hash },
            parent: BlockHash(header.parent_hash.0),
            timestamp_ms,
            events: events::indexed(number, &at.events().from_bytes(events))?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn endpoints_are_checked_before_anything_is_sent() {
        for (endpoint, hint) in [
            ("http://127.0.0.1:9944", "ws://"),
            ("127.0.0.1:9944", "URL"),
            ("ftp://chain", "ws://"),
        ] {
            let refused = SubxtChain::connect(vec![endpoint.to_owned()]).await;
            let error = refused
                .err()
                .map(|error| error.to_string())
                .unwrap_or_default();
            assert!(error.contains(endpoint) && error.contains(hint), "{error}");
        }
        let none = SubxtChain::connect(Vec::new()).await;
        assert!(none.is_err_and(|error| !error.is_retryable()));
    }

    #[tokio::test]
    async fn a_closed_port_is_unreachable_and_worth_another_try() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("ws://{}", listener.local_addr().unwrap());
        drop(listener);
        let refused = SubxtChain::connect(vec![endpoint]).await;
        let error = refused.err().unwrap();
        assert!(matches!(error, ChainError::Unreachable { .. }), "{error}");
        assert!(error.is_retryable());
    }
}
