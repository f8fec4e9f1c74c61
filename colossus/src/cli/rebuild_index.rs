//! `colossus rebuild-index`: makes the index again and says what was found.

use std::sync::Arc;

use shared::{
    cli::{self, Settings},
    supervise::Exit,
};

use super::connect;
use crate::{config::Config, rebuild};

/// Rebuilds and prints what came of it.
pub fn run(config: &Config) -> Exit {
    let rebuilding = async {
        let chain = Arc::new(connect(config).await?);
        anyhow::Ok(rebuild::rebuild_index(config, chain).await?)
    };
    match actix::System::new().block_on(rebuilding) {
        Ok(rebuilt) => {
            let (objects, owed) = (rebuilt.objects, rebuilt.owed);
            println!("{objects} objects found, {owed} of them to be accepted on chain");
            println!("{} files of no object on chain", rebuilt.unmatched);
            if let Some(path) = rebuilt.moved_to {
                println!("the old index is in {}", path.display());
            }
            Exit::Stopped
        }
        Err(error) => cli::fail(Config::PROGRAM, Exit::Failed, error.as_ref()),
    }
}
