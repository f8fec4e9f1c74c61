//! The swarm of a node: tcp, noise, yamux; identify, ping and gossipsub, with explicit limits.
//! Messages are signed and validated by the node before they travel on; peers are scored.

use std::time::Duration;

use libp2p::{
    Swarm, SwarmBuilder,
    connection_limits::{self, ConnectionLimits},
    gossipsub::{
        self, IdentTopic, MaxCountSubscriptionFilter, MessageAuthenticity, MessageId,
        PeerScoreParams, PeerScoreThresholds, TopicHash, TopicScoreParams, ValidationMode,
        WhitelistSubscriptionFilter,
    },
    identify, noise, ping, tcp, yamux,
};

use super::{identity::NodeIdentity, wire::MESSAGE_BYTES_MAX};

/// Connections a node keeps, both directions together.
const CONNECTIONS_MAX: u32 = 256;
/// Handshakes in progress, per direction.
const CONNECTIONS_PENDING_MAX: u32 = 64;
/// Connections to one peer: two when both sides dial at once.
const CONNECTIONS_PER_PEER_MAX: u32 = 2;
/// Topics a peer may subscribe to; there is one.
const SUBSCRIPTIONS_MAX: usize = 4;
/// Messages waiting for one connection.
const CONNECTION_QUEUE_MAX: usize = 1_000;
/// Message ids in one control message.
const CONTROL_IDS_MAX: usize = 500;
/// Frame of the gossip protocol: a message and its envelope, or control messages.
const FRAME_BYTES_MAX: usize = 16 * 1024;

type SubscriptionFilter = MaxCountSubscriptionFilter<WhitelistSubscriptionFilter>;

/// Gossipsub as configured here.
pub type GossipBehaviour = gossipsub::Behaviour<gossipsub::IdentityTransform, SubscriptionFilter>;

/// The protocols every node speaks.
#[allow(missing_docs)]
mod behaviour {
    use libp2p::swarm::NetworkBehaviour;

    use super::{GossipBehaviour, connection_limits, identify, ping};

    #[derive(NetworkBehaviour)]
    pub struct NodeBehaviour {
        pub limits: connection_limits::Behaviour,
        pub identify: identify::Behaviour,
        pub ping: ping::Behaviour,
        pub gossip: GossipBehaviour,
    }
}
pub use behaviour::{NodeBehaviour, NodeBehaviourEvent};

/// The swarm cannot be built.
#[derive(Debug, thiserror::Error)]
#[error("the peer-to-peer node cannot be set up: {0}")]
pub struct SwarmError(String);

/// Builds a swarm that is subscribed to the topic and listens nowhere yet.
pub fn build(
    identity: &NodeIdentity,
    topic: &IdentTopic,
    agent_version: String,
) -> Result<Swarm<NodeBehaviour>, SwarmError> {
    let refuse = |cause: &dyn std::fmt::Display| SwarmError(cause.to_string());
    let gossip = gossip_behaviour(identity, topic)?;
    let identify = identify::Behaviour::new(
        identify::Config::new("/joystream-media/1".into(), identity.keypair.public())
            .with_agent_version(agent_version),
    );
    let ping = ping::Behaviour::new(ping::Config::new().with_interval(Duration::from_secs(15)));
    let limits = connection_limits::Behaviour::new(
        ConnectionLimits::default()
            .with_max_established(Some(CONNECTIONS_MAX))
            .with_max_established_per_peer(Some(CONNECTIONS_PER_PEER_MAX))
            .with_max_pending_incoming(Some(CONNECTIONS_PENDING_MAX))
            .with_max_pending_outgoing(Some(CONNECTIONS_PENDING_MAX)),
    );
    let swarm = SwarmBuilder::with_existing_identity(identity.keypair.clone())
        .with_tokio()
        .with_tcp(
            tcp::Config::default().nodelay(true),
            noise::Config::new,
            yamux::Config::default,
        )
        .map_err(|error| refuse(&error))?
        .with_behaviour(|_| NodeBehaviour {
            limits,
            identify,
            ping,
            gossip,
        })
        .map_err(|error| refuse(&error))?
        // Idle connections are kept: peers are few, and a hint should not wait for a handshake.
        .with_swarm_config(|config| config.with_idle_connection_timeout(Duration::from_secs(600)))
        .build();
    Ok(swarm)
}

fn gossip_behaviour(
    identity: &NodeIdentity,
    topic: &IdentTopic,
) -> Result<GossipBehaviour, SwarmError> {
    let refuse = |cause: &dyn std::fmt::Display| SwarmError(cause.to_string());
    let config = gossipsub::ConfigBuilder::default()
        .validation_mode(ValidationMode::Strict)
        .validate_messages()
        .max_transmit_size(FRAME_BYTES_MAX)
        .max_transmit_size_for_topic(MESSAGE_BYTES_MAX, topic.hash())
        .max_control_message_size(FRAME_BYTES_MAX)
        .max_control_messages_sent(CONTROL_IDS_MAX)
        .connection_handler_queue_len(CONNECTION_QUEUE_MAX)
        .heartbeat_interval(Duration::from_millis(500))
        .duplicate_cache_time(Duration::from_secs(120))
        .message_id_fn(message_id)
        .build()
        .map_err(|error| refuse(&error))?;
    let filter = MaxCountSubscriptionFilter {
        filter: WhitelistSubscriptionFilter([topic.hash()].into()),
        max_subscribed_topics: SUBSCRIPTIONS_MAX,
        max_subscriptions_per_request: SUBSCRIPTIONS_MAX,
    };
    let authenticity = MessageAuthenticity::Signed(identity.keypair.clone());
    let mut gossip = GossipBehaviour::new_with_subscription_filter(authenticity, config, filter)
        .map_err(|error| refuse(&error))?;
    gossip
        .with_peer_score(score_params(topic.hash()), PeerScoreThresholds::default())
        .map_err(|error| refuse(&error))?;
    gossip.subscribe(topic).map_err(|error| refuse(&error))?;
    Ok(gossip)
}

/// Short ids keep gossip rounds small; source and sequence number make them unique.
fn message_id(message: &gossipsub::Message) -> MessageId {
    let mut hasher = blake3::Hasher::new();
    if let Some(source) = message.source {
        hasher.update(&source.to_bytes());
    }
    hasher.update(&message.sequence_number.unwrap_or_default().to_be_bytes());
    hasher.update(&message.data);
    MessageId::new(&hasher.finalize().as_bytes()[..16])
}

/// Invalid messages cost; silence does not: announcements are rare, and a quiet honest peer must
/// not lose its score for that. Nodes behind one address are ordinary (a data centre, a devnet).
fn score_params(topic: TopicHash) -> PeerScoreParams {
    let topic_params = TopicScoreParams {
        topic_weight: 1.0,
        time_in_mesh_weight: 0.01,
        time_in_mesh_quantum: Duration::from_secs(1),
        time_in_mesh_cap: 100.0,
        first_message_deliveries_weight: 0.1,
        first_message_deliveries_cap: 100.0,
        mesh_message_deliveries_weight: 0.0,
        mesh_failure_penalty_weight: 0.0,
        invalid_message_deliveries_weight: -2.0,
        invalid_message_deliveries_decay: 0.9,
        ..TopicScoreParams::default()
    };
    PeerScoreParams {
        topics: [(topic, topic_params)].into(),
        ip_colocation_factor_weight: 0.0,
        ..PeerScoreParams::default()
    }
}
