//! The nodes of a run, each in a process of its own, until its standard input ends.

use std::{fs, io::Read, path::Path, sync::Arc};

use anyhow::{Context, Result};
use clap::ValueEnum;
use colossus::app::Colossus;
use shared::{
    chain::Chain,
    telemetry::{LogConfig, init_logging},
};

use crate::world;

/// Which node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Role {
    /// A storage node.
    Origin,
    /// The edge.
    Argus,
}

/// Runs a node of the run in this directory.
pub fn serve(role: Role, dir: &Path) -> Result<()> {
    init_logging(&LogConfig::default())?;
    let chain: Arc<dyn Chain> = Arc::new(world::chain(dir)?);
    let name = format!("{role:?}").to_lowercase();
    let text = fs::read_to_string(dir.join(format!("{name}.toml")))?.parse()?;
    match role {
        Role::Origin => actix::System::new().block_on(async {
            let config = shared::config::load(None, "EDGE_BENCH_COLOSSUS", text)?.config;
            let node = Colossus::start(config, chain).await?;
            until_input_ends().await?;
            node.stop().await;
            Ok(())
        }),
        Role::Argus => block_on(async {
            let config = shared::config::load(None, "EDGE_BENCH_ARGUS", text)?.config;
            let node = argus::Node::start(config, chain).await?;
            until_input_ends().await?;
            node.stop().await;
            Ok(())
        }),
    }
}

/// As the edge's own program runs it: a pool of threads for fills, workers for requests.
fn block_on(node: impl Future<Output = Result<()>>) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let slot = std::sync::Mutex::new(Some(runtime));
    let take = move || {
        let runtime = slot.lock().ok().and_then(|mut slot| slot.take());
        runtime.expect("asked for once")
    };
    actix::System::with_tokio_rt(take).block_on(node)
}

async fn until_input_ends() -> Result<()> {
    let wait = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    wait.await?.context("standard input")?;
    Ok(())
}
