//! The task that owns the swarm: publishes, listens, dials, and puts every message before the
//! [gate](super::gate) ahead of believing it or passing it on.

use futures::StreamExt;
use libp2p::{
    Swarm,
    gossipsub::{self, IdentTopic, MessageAcceptance, PublishError},
    swarm::{
        SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

use super::{
    gate::{Context, Gate, Limits, Verdict},
    listen::{self, ListenError},
    metrics::{self, GossipMetrics},
};
use crate::{
    chain::follower::DirectoryView,
    ids::BlockHash,
    p2p::{
        Multiaddr, PeerId,
        binding::now_ms,
        identity::NodeIdentity,
        swarm::{self, NodeBehaviour, NodeBehaviourEvent, SwarmError},
        wire::{Announcement, topic_name},
    },
};

/// Commands that may wait.
pub const COMMANDS_MAX: usize = 1_024;

/// What the swarm is asked to do.
#[derive(Debug)]
pub enum Command {
    /// Publish these bytes on the topic.
    Publish(Vec<u8>),
    /// Be connected to this peer.
    Dial {
        /// The peer.
        peer: PeerId,
        /// Where it listens.
        addresses: Vec<Multiaddr>,
    },
    /// Connect to whoever listens here.
    DialAddress(Multiaddr),
}

/// Who is told what the swarm learns. Called by its task: nothing here may wait.
pub trait Audience: Send + 'static {
    /// A node that may say so has announced that its bucket holds an object.
    fn announced(&self, announcement: Announcement);

    /// The node listens on these multiaddresses from now on, each with its name, ready to be dialled.
    fn listens(&self, addresses: Vec<String>);
}

/// Where the task gets its knowledge and puts its news.
pub struct Surroundings<A> {
    /// The chain it is on.
    pub genesis: BlockHash,
    /// The directory.
    pub view: DirectoryView,
    /// Who is told.
    pub audience: A,
    /// What the node calls itself among its peers, as in `colossus/0.1.0`.
    pub agent_version: &'static str,
    /// Metrics.
    pub metrics: GossipMetrics,
}

/// The swarm cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It cannot be built.
    #[error(transparent)]
    Swarm(#[from] SwarmError),
    /// It cannot listen.
    #[error(transparent)]
    Listen(#[from] ListenError),
}

/// Builds the swarm and drives it in a task of its own until the senders of commands are gone. Without
/// addresses nobody can dial this node, which hears all the same of those that it dials. Needs a
/// local set, as an actix system has one.
pub fn start<A: Audience>(
    identity: &NodeIdentity,
    addresses: &[Multiaddr],
    surroundings: Surroundings<A>,
    commands: mpsc::Receiver<Command>,
) -> Result<JoinHandle<()>, StartError> {
    let topic = IdentTopic::new(topic_name(surroundings.genesis));
    let mut swarm = swarm::build(identity, &topic, surroundings.agent_version.into())?;
    for address in addresses {
        listen::listen(&mut swarm, address)?;
    }
    let gate = Gate::new(Limits::default());
    let task = SwarmTask {
        swarm,
        topic,
        gate,
        surroundings,
    };
    Ok(tokio::task::spawn_local(task.run(commands)))
}

struct SwarmTask<A> {
    swarm: Swarm<NodeBehaviour>,
    topic: IdentTopic,
    gate: Gate,
    surroundings: Surroundings<A>,
}

impl<A: Audience> SwarmTask<A> {
    async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.note(event),
                command = commands.recv() => match command {
                    Some(command) => self.obey(command),
                    None => return,
                },
            }
        }
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Publish(bytes) => self.publish(bytes),
            Command::Dial { peer, addresses } => {
                if peer == *self.swarm.local_peer_id() || self.swarm.is_connected(&peer) {
                    return;
                }
                let dial = DialOpts::peer_id(peer)
                    .condition(PeerCondition::DisconnectedAndNotDialing)
                    .addresses(addresses)
                    .build();
                if let Err(error) = self.swarm.dial(dial) {
                    tracing::debug!(%peer, %error, "cannot dial");
                }
            }
            Command::DialAddress(address) => {
                if let Err(error) = self.swarm.dial(address.clone()) {
                    tracing::debug!(%address, %error, "cannot dial");
                }
            }
        }
    }

    fn publish(&mut self, bytes: Vec<u8>) {
        let published = self
            .swarm
            .behaviour_mut()
            .gossip
            .publish(self.topic.hash(), bytes);
        let outcome = match &published {
            Ok(_) => "published",
            Err(PublishError::NoPeersSubscribedToTopic) => "nobody_listens",
            Err(PublishError::AllQueuesFull(_)) => "queues_full",
            Err(error) => {
                tracing::warn!(%error, "an announcement cannot be published");
                "failed"
            }
        };
        self.surroundings
            .metrics
            .published
            .with_label_values(&[outcome])
            .inc();
    }

    fn note(&mut self, event: SwarmEvent<NodeBehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(NodeBehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            })) => {
                let acceptance = self.judge(&message, propagation_source);
                self.swarm
                    .behaviour_mut()
                    .gossip
                    .report_message_validation_result(&message_id, &propagation_source, acceptance);
                self.part_from_banned(propagation_source);
            }
            SwarmEvent::NewListenAddr { .. }
            | SwarmEvent::ExpiredListenAddr { .. }
            | SwarmEvent::ListenerClosed { .. } => self.note_listeners(),
            SwarmEvent::ConnectionEstablished { peer_id, .. } => {
                tracing::debug!(peer = %peer_id, "connected");
                self.count_peers();
                self.part_from_banned(peer_id);
            }
            SwarmEvent::ConnectionClosed { peer_id, cause, .. } => {
                tracing::debug!(peer = %peer_id, ?cause, "disconnected");
                self.count_peers();
            }
            _ => {}
        }
    }

    /// No connection is kept to a banned peer: even what is thrown away costs.
    fn part_from_banned(&mut self, peer: PeerId) {
        if !self.gate.is_banned(&peer, Instant::now()) {
            return;
        }
        self.surroundings.metrics.count(metrics::BANNED);
        // Fails only if it has gone by itself.
        if self.swarm.disconnect_peer_id(peer).is_ok() {
            tracing::warn!(%peer, "a peer brought too many messages that were refused; parted for a while");
        }
    }

    fn judge(&mut self, message: &gossipsub::Message, via: PeerId) -> MessageAcceptance {
        let metrics = &self.surroundings.metrics;
        // Strict validation makes sure of a signed source; without one nobody could be believed.
        let Some(source) = message.source else {
            metrics.count(metrics::UNSIGNED);
            return MessageAcceptance::Reject;
        };
        let height = self.surroundings.view.at().number;
        let verdict = {
            let directory = self.surroundings.view.read();
            let context = Context {
                now: Instant::now(),
                now_ms: now_ms(),
                genesis: self.surroundings.genesis,
                height,
                directory: &directory,
            };
            self.gate.judge(source, via, &message.data, &context)
        };
        match verdict {
            Verdict::Accept(announcement) => {
                metrics.count(metrics::ACCEPTED);
                self.surroundings.audience.announced(announcement);
                MessageAcceptance::Accept
            }
            Verdict::Ignore(refusal) => {
                metrics.count(refusal.label());
                MessageAcceptance::Ignore
            }
            Verdict::Reject(refusal) => {
                metrics.count(refusal.label());
                tracing::debug!(peer = %source, reason = refusal.label(), "a message was refused");
                MessageAcceptance::Reject
            }
        }
    }

    fn note_listeners(&self) {
        let peer_id = self.swarm.local_peer_id();
        let named = self
            .swarm
            .listeners()
            .map(|address| format!("{address}/p2p/{peer_id}"));
        let addresses: Vec<String> = named.collect();
        tracing::info!(?addresses, "listening for peers");
        self.surroundings.audience.listens(addresses);
    }

    fn count_peers(&self) {
        let peers = self.swarm.connected_peers().count();
        self.surroundings.metrics.peers.set(peers as i64);
    }
}
