//! The mailbox in front of the swarm: turns announcements into messages with this node's binding,
//! and dies when the swarm's task dies, so that the watchdog notices.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, WrapFuture,
};
use parking_lot::{Mutex, RwLock};
use shared::{
    chain::{Signer, follower::DirectoryView},
    hash::ContentHash,
    ids::{BagId, BlockHash, ObjectId, StorageBucketId, WorkerId},
    p2p::{
        PeerId,
        binding::{Binding, Role, SignedBinding},
        gossip::{heard::Heard, task::Command},
        wire::{Announcement, Gossip},
    },
};
use tokio::{
    sync::mpsc,
    task::{AbortHandle, JoinHandle},
};

use crate::{
    config::Config,
    metrics::Metrics,
    node::{Stop, now_ms, our_buckets},
};

/// Messages that may wait; a lost announcement only delays, because lists are read too.
const MAILBOX_MAX: usize = 1_024;
/// How long a binding is good for.
const BINDING_LIFE_MS: u64 = 24 * 3_600 * 1_000;

/// An object is held here now; tell the others.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Announce {
    /// The object.
    pub object: ObjectId,
    /// Its hash.
    pub hash: ContentHash,
    /// Bytes.
    pub size: u64,
    /// Its bag.
    pub bag: BagId,
}

/// This node among its peers: its name, where it listens, and the proof of its roles.
pub struct PeerSide {
    /// Its name.
    pub peer_id: PeerId,
    genesis: BlockHash,
    config: Config,
    transactor: Option<Signer>,
    view: DirectoryView,
    listen: RwLock<Vec<String>>,
    signed: Mutex<BTreeMap<StorageBucketId, SignedBinding>>,
    heard: Mutex<Heard>,
}

impl PeerSide {
    /// Listens nowhere yet.
    pub fn new(
        peer_id: PeerId,
        genesis: BlockHash,
        config: Config,
        transactor: Option<Signer>,
        view: DirectoryView,
    ) -> Self {
        let (listen, signed, heard) = (RwLock::default(), Mutex::default(), Mutex::default());
        Self {
            peer_id,
            genesis,
            config,
            transactor,
            view,
            listen,
            signed,
            heard,
        }
    }

    /// The chain it is on.
    pub fn genesis(&self) -> BlockHash {
        self.genesis
    }

    /// Multiaddresses it listens on, with its name, ready to be dialled.
    pub fn listen_addresses(&self) -> Vec<String> {
        self.listen.read().clone()
    }

    pub(super) fn set_listen_addresses(&self, addresses: Vec<String>) {
        *self.listen.write() = addresses;
    }

    /// The worker it speaks for.
    pub fn worker(&self) -> WorkerId {
        self.config.worker
    }

    /// Buckets of others that announced this object.
    pub fn announced(&self, object: ObjectId) -> BTreeSet<StorageBucketId> {
        self.heard.lock().holders(object)
    }

    pub(super) fn note_announced(&self, object: ObjectId, bucket: StorageBucketId) {
        self.heard.lock().note(object, bucket);
    }

    /// HTTP roots of the operators of buckets that are not this node's.
    pub fn other_operators(&self) -> BTreeSet<String> {
        let directory = self.view.read();
        let ours = our_buckets(&self.config, &directory);
        let others = directory
            .storage_nodes()
            .filter(|node| !ours.contains(&node.bucket));
        others.filter_map(|node| node.endpoint).collect()
    }

    /// The bindings of all its buckets.
    pub fn bindings(&self) -> Vec<SignedBinding> {
        let ours = our_buckets(&self.config, &self.view.read());
        ours.into_iter()
            .filter_map(|bucket| self.binding(bucket))
            .collect()
    }

    /// The binding of one bucket, signed anew when half of its life is over.
    pub fn binding(&self, bucket: StorageBucketId) -> Option<SignedBinding> {
        let transactor = self.transactor.as_ref()?;
        let now = now_ms();
        let mut signed = self.signed.lock();
        if let Some(known) = signed.get(&bucket)
            && known.binding.expires_ms > now + BINDING_LIFE_MS / 2
        {
            return Some(*known);
        }
        let worker: WorkerId = self.config.worker;
        let binding = Binding {
            genesis: self.genesis,
            role: Role::StorageBucket { bucket, worker },
            peer_id: self.peer_id,
            expires_ms: now + BINDING_LIFE_MS,
        };
        let fresh = binding.sign(transactor);
        signed.insert(bucket, fresh);
        Some(fresh)
    }

    /// One of this node's buckets that owes the bag.
    fn bucket_of(&self, bag: BagId) -> Option<StorageBucketId> {
        let directory = self.view.read();
        let ours = our_buckets(&self.config, &directory);
        directory
            .bags
            .get(&bag)?
            .stored_by
            .intersection(&ours)
            .next()
            .copied()
    }
}

/// Owns the way to the swarm's task.
pub struct NetworkActor {
    peer: Arc<PeerSide>,
    commands: mpsc::Sender<Command>,
    task: Option<JoinHandle<()>>,
    end_task: AbortHandle,
    nonce: u64,
    metrics: Metrics,
}

impl NetworkActor {
    /// Watches over the task.
    pub fn new(
        peer: Arc<PeerSide>,
        commands: mpsc::Sender<Command>,
        task: JoinHandle<()>,
        metrics: Metrics,
    ) -> Self {
        // Nonces grow over restarts, because the clock does.
        let (end_task, nonce) = (task.abort_handle(), now_ms() << 20);
        Self {
            peer,
            commands,
            task: Some(task),
            end_task,
            nonce,
            metrics,
        }
    }

    fn gossip(&mut self, announce: &Announce) -> Option<Gossip> {
        let bucket = self.peer.bucket_of(announce.bag)?;
        let binding = self.peer.binding(bucket)?;
        self.nonce += 1;
        let announcement = Announcement {
            bucket,
            object: announce.object,
            hash: announce.hash,
            size: announce.size,
            height: self.peer.view.at().number,
            nonce: self.nonce,
        };
        Some(Gossip {
            binding,
            announcement,
        })
    }
}

impl Actor for NetworkActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Context<Self>) {
        ctx.set_mailbox_capacity(MAILBOX_MAX);
        if let Some(task) = self.task.take() {
            ctx.spawn(task.into_actor(self).map(|ended, _, ctx| {
                tracing::error!(panicked = ended.is_err(), "the swarm's task ended");
                ctx.stop();
            }));
        }
    }
}

impl Handler<Stop> for NetworkActor {
    type Result = ();
    fn handle(&mut self, _: Stop, ctx: &mut Context<Self>) {
        self.end_task.abort();
        ctx.stop();
    }
}

impl Handler<Announce> for NetworkActor {
    type Result = ();
    fn handle(&mut self, announce: Announce, _: &mut Context<Self>) {
        let outcome = match self.gossip(&announce) {
            None => "no_binding",
            Some(gossip) => match self.commands.try_send(Command::Publish(gossip.encode())) {
                Ok(()) => return,
                Err(_) => "queue_full",
            },
        };
        self.metrics
            .gossip
            .published
            .with_label_values(&[outcome])
            .inc();
    }
}
