//! The gossip of a storage node without the rest of it: a real swarm and real signatures, on a free port.

use std::sync::Arc;

use prometheus::Registry;
use shared::{
    api::wire::P2pStatus,
    chain::{
        Chain, Signer,
        follower::{Follower, FollowerOptions},
        memory::MemoryChain,
    },
    hash::ContentHash,
    ids::{BlockHash, ObjectId, StorageBucketId, WorkerId},
    p2p::{
        PeerId,
        binding::{Binding, Role},
        gossip::{
            GossipMetrics,
            task::{self, Audience, COMMANDS_MAX, Command, Surroundings},
        },
        identity::NodeIdentity,
        wire::{Announcement, Gossip},
    },
};
use tokio::{
    sync::{mpsc, watch},
    task::JoinHandle,
};

/// Wants to know where it listens and nothing else.
struct Ports(watch::Sender<Vec<String>>);

impl Audience for Ports {
    fn announced(&self, _: Announcement) {}

    fn listens(&self, addresses: Vec<String>) {
        self.0.send_replace(addresses);
    }
}

pub struct Herald {
    peer_id: PeerId,
    genesis: BlockHash,
    addresses: Vec<String>,
    commands: mpsc::Sender<Command>,
    task: JoinHandle<()>,
    nonce: u64,
    _follower: Follower,
}

impl Herald {
    pub async fn start(chain: &Arc<MemoryChain>) -> Self {
        let follower = Follower::start(chain.clone(), FollowerOptions::default());
        let follower = follower.await.unwrap();
        let genesis = chain.genesis_hash().await.unwrap();
        let identity = NodeIdentity::generate();
        let (commands, received) = mpsc::channel(COMMANDS_MAX);
        let (ports, mut listening) = watch::channel(Vec::new());
        let surroundings = Surroundings {
            genesis,
            view: follower.directory(),
            audience: Ports(ports),
            agent_version: "herald",
            metrics: GossipMetrics::register(&Registry::new(), "herald").unwrap(),
        };
        let any = ["/ip4/127.0.0.1/tcp/0".parse().unwrap()];
        let task = task::start(&identity, &any, surroundings, received).unwrap();
        let addresses = listening.wait_for(|addresses| !addresses.is_empty());
        let addresses = addresses.await.unwrap().clone();
        Self {
            peer_id: identity.peer_id(),
            genesis,
            addresses,
            commands,
            task,
            nonce: 0,
            _follower: follower,
        }
    }

    /// What the storage node's status says of it.
    pub fn status(&self) -> P2pStatus {
        P2pStatus {
            peer_id: self.peer_id.to_string(),
            listen_addresses: self.addresses.clone(),
            connected_peers: 0,
        }
    }

    /// Says once that the bucket holds the object; the worker's account, or who poses as it, signs.
    pub async fn say(
        &mut self,
        (bucket, worker): (u64, u64),
        (object, bytes): &(u64, Vec<u8>),
        signer: &Signer,
    ) {
        let bucket = StorageBucketId(bucket);
        let role = Role::StorageBucket {
            bucket,
            worker: WorkerId(worker),
        };
        let binding = Binding {
            genesis: self.genesis,
            role,
            peer_id: self.peer_id,
            expires_ms: u64::MAX,
        };
        self.nonce += 1;
        let announcement = Announcement {
            bucket,
            object: ObjectId(*object),
            hash: ContentHash::of(bytes),
            size: bytes.len() as u64,
            height: 0,
            nonce: self.nonce,
        };
        let binding = binding.sign(signer);
        let message = Gossip {
            binding,
            announcement,
        };
        let publish = Command::Publish(message.encode());
        self.commands.send(publish).await.unwrap();
    }

    pub fn stop(self) {
        self.task.abort();
    }
}
