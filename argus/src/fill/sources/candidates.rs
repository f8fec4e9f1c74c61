//! Those who may have one object: edges of its buckets that say that they do, the storage nodes that
//! must hold it by the chain, and those of the configuration.

use shared::{
    api::{HttpPool, StorageClient},
    ids::StorageBucketId,
};

use super::{Doubt, Sources};

/// One of them.
#[derive(Clone)]
struct Candidate {
    client: StorageClient,
    /// For which it must hold the object.
    buckets: Vec<StorageBucketId>,
    doubt: Doubt,
}

/// All of them, each once, in the order in which they were added.
#[derive(Clone, Default)]
pub struct Candidates(Vec<Candidate>);

impl Candidates {
    /// Adds one that is not in doubt.
    pub fn add(&mut self, client: StorageClient) {
        self.put(Candidate {
            client,
            buckets: Vec::new(),
            doubt: Doubt::None,
        });
    }

    /// Adds the node at this HTTP root. One that is no root is left out.
    pub fn add_endpoint(&mut self, http: &HttpPool, endpoint: &str) {
        match http.storage_node(endpoint) {
            Ok(client) => self.add(client),
            Err(error) => tracing::debug!(%error, "an endpoint is not usable"),
        }
    }

    /// Adds the node at this HTTP root, which must hold the object for this bucket.
    pub fn add_holder(
        &mut self,
        http: &HttpPool,
        endpoint: &str,
        bucket: StorageBucketId,
        doubt: Doubt,
    ) {
        match http.storage_node(endpoint) {
            Ok(client) => self.put(Candidate {
                client,
                buckets: vec![bucket],
                doubt,
            }),
            Err(error) => tracing::debug!(%error, "an endpoint on chain is not usable"),
        }
    }

    /// A node of several buckets is in doubt as little as the best of them.
    fn put(&mut self, new: Candidate) {
        let mut all = self.0.iter_mut();
        match all.find(|known| known.client.root() == new.client.root()) {
            Some(known) => {
                known.doubt = known.doubt.min(new.doubt);
                known.buckets.extend(new.buckets);
            }
            None => self.0.push(new),
        }
    }

    /// Their HTTP roots.
    pub fn roots(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|it| it.client.root())
    }

    /// The one at this root.
    pub fn client(&self, root: &str) -> Option<&StorageClient> {
        self.find(root).map(|it| &it.client)
    }

    /// The buckets for which the one at this root must hold the object.
    pub fn buckets(&self, root: &str) -> &[StorageBucketId] {
        self.find(root).map_or(&[], |it| &it.buckets)
    }

    /// The best to ask now of some of them, named by their roots.
    pub fn best<'a>(
        &self,
        sources: &Sources,
        some: impl Iterator<Item = &'a str>,
    ) -> Option<&'a str> {
        let doubt = |root: &str| self.find(root).map_or(Doubt::None, |it| it.doubt);
        sources.best(some.map(|root| (root, doubt(root))))
    }

    /// Only those whose roots are among these.
    pub fn only(mut self, roots: &[String]) -> Self {
        self.0
            .retain(|it| roots.iter().any(|root| root == it.client.root()));
        self
    }

    /// Takes out the best to ask now.
    pub fn take_best(&mut self, sources: &Sources) -> Option<StorageClient> {
        let best = self.best(sources, self.roots())?.to_owned();
        let at = self.0.iter().position(|it| it.client.root() == best)?;
        Some(self.0.swap_remove(at).client)
    }

    fn find(&self, root: &str) -> Option<&Candidate> {
        self.0.iter().find(|it| it.client.root() == root)
    }
}
