//! `argus serve`: runs the node until a signal comes or the operator ends it.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use shared::{
    chain::{Chain, subxt::SubxtChain},
    cli::{self, Settings},
    supervise::{self, Exit},
};

use crate::{config::Config, node::Node};

/// Pause between attempts to reach the chain at the start.
const CHAIN_RETRY_EVERY: Duration = Duration::from_secs(1);

/// Runs the node on its own runtime: fills on the threads of a pool, requests on the workers'.
pub fn run(config: Config) -> Exit {
    let log = config.log.clone();
    cli::serve(Config::PROGRAM, &log, || block_on(until_stopped(config)))
}

fn block_on(node: impl Future<Output = anyhow::Result<Exit>>) -> anyhow::Result<Exit> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    // The system takes the runtime through a function that may be called once only.
    let slot = std::sync::Mutex::new(Some(runtime));
    let take = move || {
        slot.lock()
            .ok()
            .and_then(|mut slot| slot.take())
            .expect("asked for once")
    };
    actix_web::rt::System::with_tokio_rt(take).block_on(node)
}

async fn until_stopped(config: Config) -> anyhow::Result<Exit> {
    let mut stop = Box::pin(supervise::stop_requested()?);
    let chain = tokio::select! {
        chain = reach_chain(&config) => chain?,
        signal = &mut stop => {
            tracing::info!(%signal, "stopped before the chain could be reached");
            return Ok(Exit::Stopped);
        }
    };
    let node = Node::start(config, chain).await?;
    let exit = tokio::select! {
        exit = supervise::run_until_stop(node.watchdog()) => exit?,
        () = node.shutdown_asked() => Exit::Stopped,
    };
    node.stop().await;
    Ok(exit)
}

/// Connects to the chain, again and again while it is away.
async fn reach_chain(config: &Config) -> anyhow::Result<Arc<dyn Chain>> {
    loop {
        match SubxtChain::connect(config.chain.endpoints.clone()).await {
            Ok(chain) => return Ok(Arc::new(chain)),
            Err(error) if error.is_retryable() => {
                tracing::warn!(%error, "the chain cannot be reached; trying again");
                tokio::time::sleep(CHAIN_RETRY_EVERY).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
