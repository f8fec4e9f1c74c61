//! `colossus serve`: runs the node.

use std::sync::Arc;

use shared::{
    cli::{self, Settings},
    supervise::Exit,
};

use super::connect;
use crate::{app::Colossus, config::Config};

/// Runs until a signal comes.
pub fn run(config: Config) -> Exit {
    let log = config.log.clone();
    cli::serve(Config::PROGRAM, &log, || {
        actix::System::new().block_on(async {
            let chain = Arc::new(connect(&config).await?);
            let node = Colossus::start(config, chain).await?;
            anyhow::Ok(node.run().await?)
        })
    })
}
