//! `author_*`: submitting transactions and watching what becomes of them.

use super::*;
use sp_core::Bytes;
use sp_runtime::traits::{BlakeTwo256, Hash as _};

/// Adds the methods of this module.
pub fn register(module: &mut RpcModule<Node>) -> std::result::Result<(), RegisterMethodError> {
    module.register_blocking_method("author_submitExtrinsic", submit)?;
    module.register_blocking_method("author_pendingExtrinsics", pending)?;
    module.register_subscription(
        "author_submitAndWatchExtrinsic",
        "author_extrinsicUpdate",
        "author_unwatchExtrinsic",
        |params, pending, node, _| submit_and_watch(params, pending, node),
    )?;
    Ok(())
}

fn submit(params: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<H256> {
    let transaction: Bytes = required(&mut params.sequence())?;
    Ok(node.submit(transaction.0)?)
}

fn pending(_: Params<'_>, node: Arc<Node>, _: Extensions) -> Result<Vec<Bytes>> {
    let waiting = node.with_pool(|pool| pool.all());
    Ok(waiting.iter().map(|bytes| Bytes(bytes.to_vec())).collect())
}

/// Sends "ready", then the block that holds the transaction, then that block again once it is
/// final; or "invalid" if the transaction left the pool otherwise.
async fn submit_and_watch(
    params: Params<'static>,
    pending: PendingSubscriptionSink,
    node: Arc<Node>,
) -> SubscriptionResult {
    let transaction: Bytes = match required(&mut params.sequence()) {
        Ok(transaction) => transaction,
        Err(error) => return reject(pending, error).await,
    };
    let mut head = node.subscribe();
    let before = head.borrow_and_update().best;
    let submitting = node.clone();
    let bytes = transaction.0.clone();
    let submitted = tokio::task::spawn_blocking(move || submitting.submit(bytes)).await?;
    if let Err(error) = submitted {
        return reject(pending, error.into()).await;
    }
    let sink = pending.accept().await?;
    notify(&sink, &json!("ready")).await?;

    let mut watched = Watched::new(transaction.0, before);
    loop {
        let finalized = head.borrow_and_update().finalized();
        for status in watched.look(&node, finalized) {
            notify(&sink, &status).await?;
        }
        if watched.is_over() {
            return Ok(());
        }
        tokio::select! {
            () = sink.closed() => return Ok(()),
            changed = head.changed() => changed?,
        }
    }
}

/// What is known of a watched transaction.
struct Watched {
    bytes: Vec<u8>,
    hash: H256,
    progress: Progress,
}

enum Progress {
    /// Not in any block up to this height.
    Waiting { searched: u32 },
    /// In this block.
    Included { number: u32, block: H256 },
    /// Nothing more will happen.
    Over,
}

impl Watched {
    fn new(bytes: Vec<u8>, searched: u32) -> Self {
        let hash = BlakeTwo256::hash(&bytes);
        Self {
            bytes,
            hash,
            progress: Progress::Waiting { searched },
        }
    }

    fn is_over(&self) -> bool {
        matches!(self.progress, Progress::Over)
    }

    /// The statuses to send now.
    fn look(&mut self, node: &Node, finalized: u32) -> Vec<Value> {
        let mut statuses = Vec::new();
        if let Progress::Waiting { searched } = self.progress {
            statuses.extend(self.search(node, searched));
        }
        if let Progress::Included { number, block } = self.progress
            && number <= finalized
        {
            statuses.push(json!({ "finalized": block }));
            self.progress = Progress::Over;
        }
        statuses
    }

    fn search(&mut self, node: &Node, searched: u32) -> Option<Value> {
        // The pool first: what leaves it for a block can be found in the store already.
        let waits = node.with_pool(|pool| pool.contains(&self.hash));
        let best = node.store.best().header.number;
        let holds = |number: &u32| {
            node.store
                .block(*number)
                .is_some_and(|block| block.extrinsics.contains(&self.bytes))
        };
        match (searched + 1..=best).find(holds) {
            Some(number) => {
                let block = node.store.block(number)?.hash;
                self.progress = Progress::Included { number, block };
                Some(json!({ "inBlock": block }))
            }
            None if waits => {
                self.progress = Progress::Waiting { searched: best };
                None
            }
            None => {
                self.progress = Progress::Over;
                Some(json!("invalid"))
            }
        }
    }
}
