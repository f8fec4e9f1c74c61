//! The object store, if there is one: does it answer, and may this node write, read and remove there?

use shared::blob::{Registry, RemoteOptions, try_out};

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
    let name = name.display();
    findings.push(match try_out(&remote).await {
        Ok(()) => Finding::good(NAME, format!("{name} can be written, read and removed from")),
        Err(error) => Finding::bad(
            NAME,
            format!("{name}: {error}"),
            "see that the service runs and the bucket exists, and that store.endpoint, store.region and the key are right; \
             the key must be allowed to put, get, head and delete under the prefix",
        ),
    });
    findings
}
