//! The task that owns the swarm: publishes, listens, dials, and puts every message before the
//! [gate](super::gate) ahead of believing it or passing it on.

use std::sync::Arc;

use actix::Addr;
use futures::StreamExt;
use libp2p::{
    Swarm,
    gossipsub::{self, IdentTopic, MessageAcceptance, PublishError},
    swarm::{
        SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use shared::{
    chain::follower::DirectoryView,
    p2p::{
        Multiaddr, PeerId,
        identity::NodeIdentity,
        swarm::{self, NodeBehaviour, NodeBehaviourEvent, SwarmError},
        wire::{Announcement, topic_name},
    },
};
use tokio::{sync::mpsc, task::JoinHandle, time::Instant};

use super::{
    actor::PeerSide,
    gate::{Context, Gate, Limits, Verdict},
    listen::{self, ListenError},
};
use crate::{
    http::status::USER_AGENT,
    metrics::Metrics,
    node::{hint, now_ms},
    replicate::actor::{ObjectAnnounced, ReplicateActor},
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

/// Where the task gets its knowledge and puts its news.
pub struct Surroundings {
    /// This node among its peers.
    pub peer: Arc<PeerSide>,
    /// The directory.
    pub view: DirectoryView,
    /// Hears of objects.
    pub replicate: Addr<ReplicateActor>,
    /// Metrics.
    pub metrics: Metrics,
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

/// Builds the swarm and drives it in a task of its own until the senders of commands are gone.
pub fn start(
    identity: &NodeIdentity,
    addresses: &[Multiaddr],
    surroundings: Surroundings,
    commands: mpsc::Receiver<Command>,
) -> Result<JoinHandle<()>, StartError> {
    let topic = IdentTopic::new(topic_name(surroundings.peer.genesis()));
    let mut swarm = swarm::build(identity, &topic, USER_AGENT.into())?;
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

struct SwarmTask {
    swarm: Swarm<NodeBehaviour>,
    topic: IdentTopic,
    gate: Gate,
    surroundings: Surroundings,
}

impl SwarmTask {
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
                if peer == self.surroundings.peer.peer_id || self.swarm.is_connected(&peer) {
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
            .gossip_published
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
        let received = &self.surroundings.metrics.gossip_received;
        received.with_label_values(&["banned"]).inc();
        // Fails only if it has gone by itself.
        if self.swarm.disconnect_peer_id(peer).is_ok() {
            tracing::warn!(%peer, "a peer brought too many messages that were refused; parted for a while");
        }
    }

    fn judge(&mut self, message: &gossipsub::Message, via: PeerId) -> MessageAcceptance {
        let received = &self.surroundings.metrics.gossip_received;
        // Strict validation makes sure of a signed source; without one nobody could be believed.
        let Some(source) = message.source else {
            received.with_label_values(&["unsigned"]).inc();
            return MessageAcceptance::Reject;
        };
        let height = self.surroundings.view.at().number;
        let verdict = {
            let directory = self.surroundings.view.read();
            let context = Context {
                now: Instant::now(),
                now_ms: now_ms(),
                genesis: self.surroundings.peer.genesis(),
                height,
                directory: &directory,
            };
            self.gate.judge(source, via, &message.data, &context)
        };
        match verdict {
            Verdict::Accept(announcement) => {
                received.with_label_values(&["accepted"]).inc();
                self.believe(announcement);
                MessageAcceptance::Accept
            }
            Verdict::Ignore(refusal) => {
                received.with_label_values(&[refusal.label()]).inc();
                MessageAcceptance::Ignore
            }
            Verdict::Reject(refusal) => {
                received.with_label_values(&[refusal.label()]).inc();
                tracing::debug!(peer = %source, reason = refusal.label(), "a message was refused");
                MessageAcceptance::Reject
            }
        }
    }

    fn believe(&self, announcement: Announcement) {
        let Announcement { object, bucket, .. } = announcement;
        self.surroundings.peer.note_announced(object, bucket);
        let (replicate, metrics) = (&self.surroundings.replicate, &self.surroundings.metrics);
        hint(
            replicate,
            ObjectAnnounced { object, bucket },
            "replicate",
            metrics,
        );
    }

    fn note_listeners(&self) {
        let peer = &self.surroundings.peer;
        let named = self
            .swarm
            .listeners()
            .map(|address| format!("{address}/p2p/{}", peer.peer_id));
        let addresses: Vec<String> = named.collect();
        tracing::info!(?addresses, "listening for peers");
        peer.set_listen_addresses(addresses);
    }

    fn count_peers(&self) {
        let peers = self.swarm.connected_peers().count();
        self.surroundings.metrics.peers.set(peers as i64);
    }
}
