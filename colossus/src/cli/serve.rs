//! `colossus serve`: runs the node.

use std::sync::Arc;

use shared::{
    chain::subxt::SubxtChain,
    cli::{self, Settings},
    supervise::{self, Exit},
};

use crate::{app::Colossus, config::Config};

/// Runs until a signal comes.
pub fn run(config: Config) -> Exit {
    let log = config.log.clone();
    cli::serve(Config::PROGRAM, &log, || {
        supervise::block_on(async {
            let start = async {
                let chain = SubxtChain::connect_patiently(config.chain.endpoints.clone()).await?;
                anyhow::Ok(Colossus::start(config, Arc::new(chain)).await?)
            };
            match supervise::start_until_stop(start).await? {
                Some(node) => Ok(node?.run().await?),
                None => anyhow::Ok(Exit::Stopped),
            }
        })
    })
}
