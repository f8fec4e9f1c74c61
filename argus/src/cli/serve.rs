//! `argus serve`: runs the node until a signal comes or the operator ends it.

use std::sync::Arc;

use anyhow::Context as _;
use shared::{
    chain::subxt::SubxtChain,
    cli::{self, Settings},
    supervise::{self, Exit},
};

use crate::{config::Config, node::Node};

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
    let start = async {
        let chain = SubxtChain::connect_patiently(config.chain.endpoints.clone()).await?;
        anyhow::Ok(Node::start(config, Arc::new(chain)).await?)
    };
    let Some(node) = supervise::start_until_stop(start).await? else {
        return Ok(Exit::Stopped);
    };
    let node = node?;
    let exit = tokio::select! {
        exit = supervise::run_until_stop(node.watchdog()) => exit?,
        () = node.shutdown_asked() => Exit::Stopped,
    };
    node.stop().await;
    Ok(exit)
}
