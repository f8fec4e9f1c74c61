//! Decides what to think of a gossip message: believed, passed over, or held against its sender.
//! No IO, no clock, no libp2p beyond the peer's name.

use std::collections::{BTreeSet, HashMap};

use shared::{
    chain::directory::{Directory, StorageOperator},
    ids::{AccountId, BlockHash},
    p2p::{
        PeerId,
        binding::{BindingError, Role, SignedBinding},
        wire::{Announcement, Gossip, WireError},
    },
};
use tokio::time::{Duration, Instant};

/// Limits of what one peer may say, and of what is remembered.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Messages a peer may send at once.
    pub burst: u32,
    /// Messages a peer may send per second in the long run.
    pub messages_per_second: u32,
    /// Blocks by which an announcement may be behind this node, or ahead of it.
    pub height_distance_max: u32,
    /// Peers remembered.
    pub peers_max: usize,
}

/// Nonces remembered per peer; what is older than all of them is a replay.
const NONCES_MAX: usize = 512;

impl Default for Limits {
    fn default() -> Self {
        Self {
            burst: 2_000,
            messages_per_second: 200,
            height_distance_max: 600,
            peers_max: 1_024,
        }
    }
}

/// What this node knows at the moment a message comes.
pub struct Context<'a> {
    /// The monotonic clock.
    pub now: Instant,
    /// Milliseconds since the Unix epoch.
    pub now_ms: u64,
    /// The chain.
    pub genesis: BlockHash,
    /// The newest finalised block applied.
    pub height: u32,
    /// The directory at that block.
    pub directory: &'a Directory,
}

/// What to think of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Believe it and pass it on.
    Accept(Announcement),
    /// Neither believe it nor pass it on; nobody is to blame.
    Ignore(Refusal),
    /// The sender should have known better: its score suffers.
    Reject(Refusal),
}

/// Why a message was not believed. Also a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Refusal {
    /// Not a message.
    Malformed,
    /// Another version of the protocol.
    OtherVersion,
    /// More messages than the limits allow.
    Flooding,
    /// A nonce that was used, or is older than those remembered.
    Replayed,
    /// Said about a block too far from here.
    Stale,
    /// The binding is about another chain.
    OtherChain,
    /// The binding has expired.
    Expired,
    /// The binding names another peer.
    OtherPeer,
    /// The binding is not signed by the role's account.
    BadSignature,
    /// The bucket has no such operator here and now.
    NotOperator,
    /// The announcement is about another bucket than the binding.
    OtherBucket,
    /// The object's hash or size is not what the chain says.
    NotWhatTheChainSays,
}

impl Refusal {
    /// The word in metrics.
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::OtherVersion => "other_version",
            Self::Flooding => "flooding",
            Self::Replayed => "replayed",
            Self::Stale => "stale",
            Self::OtherChain => "other_chain",
            Self::Expired => "expired",
            Self::OtherPeer => "other_peer",
            Self::BadSignature => "bad_signature",
            Self::NotOperator => "not_operator",
            Self::OtherBucket => "other_bucket",
            Self::NotWhatTheChainSays => "not_what_the_chain_says",
        }
    }
}

/// Remembers what is needed to judge.
pub struct Gate {
    limits: Limits,
    peers: HashMap<PeerId, Peer>,
}

struct Peer {
    tokens: f64,
    refilled: Instant,
    last_seen: Instant,
    nonces: BTreeSet<u64>,
    /// The binding whose signature was found good, and the account it was checked against.
    verified: Option<(SignedBinding, AccountId)>,
}

impl Gate {
    /// Knows nobody.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            peers: HashMap::new(),
        }
    }

    /// What to think of these bytes, published by this peer.
    pub fn judge(&mut self, source: PeerId, bytes: &[u8], context: &Context<'_>) -> Verdict {
        self.make_room(source);
        let limits = self.limits;
        let peer = self
            .peers
            .entry(source)
            .or_insert_with(|| Peer::new(limits, context.now));
        peer.last_seen = context.now;
        if !peer.take_token(limits, context.now) {
            return Verdict::Reject(Refusal::Flooding);
        }
        let gossip = match Gossip::decode(bytes) {
            Ok(gossip) => gossip,
            // A newer node is not a bad one.
            Err(WireError::OtherVersion(Some(_))) => return Verdict::Ignore(Refusal::OtherVersion),
            Err(_) => return Verdict::Reject(Refusal::Malformed),
        };
        if let Err(verdict) = peer.check_binding(source, &gossip, context) {
            return verdict;
        }
        let said = gossip.announcement;
        if said.height.abs_diff(context.height) > limits.height_distance_max {
            return Verdict::Ignore(Refusal::Stale);
        }
        if !peer.note_nonce(said.nonce) {
            return Verdict::Ignore(Refusal::Replayed);
        }
        match context.directory.objects.get(&said.object) {
            Some(known) if known.size != said.size || known.content_id != said.hash.to_string() => {
                Verdict::Reject(Refusal::NotWhatTheChainSays)
            }
            // Unknown objects pass: the sender's view of the chain may be ahead of this node's.
            _ => Verdict::Accept(said),
        }
    }

    /// Forgets the peer that was silent for the longest time when there are too many.
    fn make_room(&mut self, source: PeerId) {
        if self.peers.len() < self.limits.peers_max || self.peers.contains_key(&source) {
            return;
        }
        let oldest = self
            .peers
            .iter()
            .min_by_key(|(_, peer)| peer.last_seen)
            .map(|(id, _)| *id);
        if let Some(oldest) = oldest {
            self.peers.remove(&oldest);
        }
    }
}

impl Peer {
    fn new(limits: Limits, now: Instant) -> Self {
        Self {
            tokens: f64::from(limits.burst),
            refilled: now,
            last_seen: now,
            nonces: BTreeSet::new(),
            verified: None,
        }
    }

    fn take_token(&mut self, limits: Limits, now: Instant) -> bool {
        let elapsed: Duration = now.saturating_duration_since(self.refilled);
        self.refilled = now;
        let refill = elapsed.as_secs_f64() * f64::from(limits.messages_per_second);
        self.tokens = (self.tokens + refill).min(f64::from(limits.burst));
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }

    fn check_binding(
        &mut self,
        source: PeerId,
        gossip: &Gossip,
        context: &Context<'_>,
    ) -> Result<(), Verdict> {
        let signed = gossip.binding;
        let Role::StorageBucket { bucket, worker } = signed.binding.role else {
            return Err(Verdict::Reject(Refusal::OtherBucket));
        };
        if bucket != gossip.announcement.bucket {
            return Err(Verdict::Reject(Refusal::OtherBucket));
        }
        let operator = context
            .directory
            .storage_buckets
            .get(&bucket)
            .map(|known| &known.operator);
        let account = match operator {
            Some(StorageOperator::Active {
                worker: active,
                transactor,
                ..
            }) if *active == worker => *transactor,
            // The role may have just begun or ended; only time tells who is behind.
            _ => return Err(Verdict::Ignore(Refusal::NotOperator)),
        };
        let known_good = self.verified == Some((signed, account))
            && signed.binding.expires_ms > context.now_ms
            && signed.binding.genesis == context.genesis;
        if known_good {
            return Ok(());
        }
        signed
            .verify(context.now_ms, context.genesis, source, account)
            .map_err(|error| {
                Verdict::Reject(match error {
                    BindingError::OtherChain(_) => Refusal::OtherChain,
                    BindingError::Expired(_) => Refusal::Expired,
                    BindingError::OtherPeer(_) => Refusal::OtherPeer,
                    BindingError::BadSignature(_) => Refusal::BadSignature,
                })
            })?;
        self.verified = Some((signed, account));
        Ok(())
    }

    /// Gossip arrives out of order, so a window of nonces is remembered, not just the last one.
    fn note_nonce(&mut self, nonce: u64) -> bool {
        let full = self.nonces.len() == NONCES_MAX;
        if full && self.nonces.first().is_some_and(|oldest| nonce < *oldest) {
            return false;
        }
        let new = self.nonces.insert(nonce);
        if self.nonces.len() > NONCES_MAX {
            self.nonces.pop_first();
        }
        new
    }
}

#[cfg(test)]
mod tests;
