//! The object store, if there is one: does it answer, may this node write, read and remove there, and is it
//! this node's?

use shared::blob::{Registry, RemoteOptions, TrialError, Whose, try_out, whose};

use super::Finding;
use crate::config::Config;

const NAME: &str = "object store";

/// Looks: writes a small object there and removes it.
pub async fn look(config: &Config) -> Vec<Finding> {
    let mut findings = Vec::new();
    let remote = config.store.remote();
    let name = remote.as_ref().map(RemoteOptions::name);
    if let Ok(Some(registry)) = Registry::read(&config.places().registry) {
        let left_out = |store: &&std::path::Path| Some(*store) != name.as_deref();
        for store in registry.object_stores().filter(left_out) {
            findings.push(Finding::bad(
                NAME,
                format!(
                    "{} holds objects and is not the one in [store]",
                    store.display()
                ),
                "configure it again, or give it up: colossus disks forget",
            ));
        }
    }
    let Some((remote, name)) = remote.zip(name) else {
        return findings;
    };
    let name = name.display().to_string();
    match try_out(&remote).await {
        Ok(()) => {
            let good = format!("{name} can be written, read and removed from");
            findings.push(Finding::good(NAME, good));
            findings.extend(owner(config, &name).await);
        }
        Err(error) => findings.push(unusable(&name, &error)),
    }
    findings
}

fn unusable(name: &str, error: &TrialError) -> Finding {
    Finding::bad(
        NAME,
        format!("{name}: {error}"),
        "see that the service runs and the bucket exists, and that store.endpoint, store.region and the key are right; \
         the key must be allowed to list, put, get, head and delete under the prefix",
    )
}

/// Whose is it? Nothing is said of one that is this node's, or nobody's yet.
async fn owner(config: &Config, name: &str) -> Option<Finding> {
    let seen = match whose(&config.places()).await {
        Ok(Some(Whose::Ours | Whose::Nobodys) | None) => return None,
        Ok(Some(Whose::Foreign)) => "has the marker of another data directory",
        Ok(Some(Whose::Vanished)) => "has lost its marker, and there are cards of its objects here",
        Ok(Some(Whose::Unlisted)) => "holds objects, and no card of any is here",
        Ok(Some(Whose::Unfinished)) => "is being taken over, and that was not finished",
        Err(error) => return Some(unusable(name, &error)),
    };
    let remedy = format!(
        "if it is this node's, and its directories are lost or new: colossus rebuild-index --take-over {name} \
         (with the node stopped); if it is another node's, or another bucket than it was: give store.bucket and store.prefix of this node's own"
    );
    Some(Finding::bad(NAME, format!("{name} {seen}"), remedy))
}
