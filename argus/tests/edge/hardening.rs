//! What must hold when parts of the node die, and when it is pressed hard.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use async_trait::async_trait;
use futures::future::join_all;
use shared::{
    chain::{
        Block, BlockRef, Chain, ChainError, Included, Signer, Turn, UploadTerms, Worker, call,
        directory, memory::MemoryChain,
    },
    ids::{AccountId, BagId, BlockHash, ObjectId, WorkerId, WorkingGroup},
};

use crate::support::{Manner, Origin, Setup, content};

/// A chain that panics at the next block once it is told to, and with it whoever follows it.
struct Mined {
    chain: Arc<MemoryChain>,
    armed: AtomicBool,
}

#[async_trait]
impl Chain for Mined {
    fn endpoint(&self) -> String {
        self.chain.endpoint()
    }
    async fn genesis_hash(&self) -> Result<BlockHash, ChainError> {
        self.chain.genesis_hash().await
    }
    async fn finalized_head(&self) -> Result<BlockRef, ChainError> {
        self.chain.finalized_head().await
    }
    async fn finalized_after(&self, after: u32) -> Result<BlockRef, ChainError> {
        self.chain.finalized_after(after).await
    }
    async fn block(&self, number: u32) -> Result<Block, ChainError> {
        assert!(!self.armed.load(Ordering::SeqCst), "the test's mine");
        self.chain.block(number).await
    }
    async fn directory(&self, at: BlockHash) -> Result<directory::Directory, ChainError> {
        self.chain.directory(at).await
    }
    async fn data_object(
        &self,
        bag: BagId,
        object: ObjectId,
    ) -> Result<Option<directory::DataObject>, ChainError> {
        self.chain.data_object(bag, object).await
    }
    async fn data_object_at(
        &self,
        at: BlockHash,
        bag: BagId,
        object: ObjectId,
    ) -> Result<Option<directory::DataObject>, ChainError> {
        self.chain.data_object_at(at, bag, object).await
    }
    async fn worker(
        &self,
        group: WorkingGroup,
        worker: WorkerId,
    ) -> Result<Option<Worker>, ChainError> {
        self.chain.worker(group, worker).await
    }
    async fn upload_terms(&self) -> Result<UploadTerms, ChainError> {
        self.chain.upload_terms().await
    }
    async fn free_balance(&self, account: AccountId) -> Result<u128, ChainError> {
        self.chain.free_balance(account).await
    }
    async fn submit(&self, signer: &Signer, call: call::Call) -> Result<Included, ChainError> {
        self.chain.submit(signer, call).await
    }
    async fn turn(&self, account: AccountId) -> Result<Turn, ChainError> {
        self.chain.turn(account).await
    }
    async fn submit_in_turn(
        &self,
        signer: &Signer,
        turn: Turn,
        call: call::Call,
    ) -> Result<Included, ChainError> {
        self.chain.submit_in_turn(signer, turn, call).await
    }
}

#[actix_web::test]
async fn the_node_is_to_end_when_its_chain_follower_has_died() {
    let setup = Setup::new(&[], &[]);
    let chain = Arc::new(Mined {
        chain: setup.chain.clone(),
        armed: AtomicBool::new(false),
    });
    let edge = setup.start_with(setup.dir.path(), chain.clone()).await;
    let first_dead = edge.node.watchdog().first_dead();
    chain.armed.store(true, Ordering::SeqCst);
    setup.chain.push_empty(1);
    assert_eq!(first_dead.await, "chain follower");
    edge.node.stop().await;
}

/// Eight viewers read twenty-four objects over and over through a cache that holds six of them: every
/// answer is right or says that there is too much to do, and the limit holds all the while.
#[actix_web::test]
async fn hits_under_concurrent_eviction_are_right() {
    const OBJECTS: u64 = 24;
    const VIEWERS: u64 = 8;
    const REQUESTS: u64 = 60;
    let objects: Vec<(u64, Vec<u8>)> = (0..OBJECTS)
        .map(|id| (id, content(id, 40_000 + 1_000 * id as usize)))
        .collect();
    let origin = Origin::start(Manner::Honest, &objects);
    let mut setup = Setup::new(&[&origin], &objects);
    setup.cache_limit = 6 * 80_000;
    let edge = setup.start().await;
    let (hits, others, refused) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    join_all((0..VIEWERS).map(|viewer| {
        let (edge, objects, setup) = (&edge, &objects, &setup);
        let (hits, others, refused) = (&hits, &others, &refused);
        async move {
            for step in 0..REQUESTS {
                // Runs on one object between jumps, so that there are hits as well as evictions.
                let id = (viewer * 5 + step / 3 * 7) % OBJECTS;
                let got = edge.get(id).await;
                let count = match (got.status, got.header("x-cache")) {
                    (503, _) => refused,
                    (200, "hit") => hits,
                    (200, _) => others,
                    (status, _) => panic!("{status}: {}", got.message()),
                };
                count.fetch_add(1, Ordering::Relaxed);
                assert!(
                    got.status == 503 || got.body == objects[id as usize].1,
                    "{id}"
                );
                if step % 10 == 0 {
                    let used = edge.status().await["storageUsed"].as_u64().unwrap();
                    assert!(used <= setup.cache_limit, "{used} bytes in use");
                }
            }
        }
    }))
    .await;
    let [hits, others, refused] = [hits, others, refused].map(AtomicU64::into_inner);
    assert!(hits > 0, "{others} others, {refused} refused");
    assert!(
        others >= OBJECTS,
        "{hits} hits, {refused} refused: nothing was evicted"
    );
    assert!(refused < VIEWERS * REQUESTS / 4, "{refused} refused");
    edge.node.stop().await;
    origin.stop().await;
}
