//! Decides what to think of a gossip message: believed, passed over, or held against its sender.
//! No IO, no clock, no libp2p beyond the peer's name.

use std::collections::{BTreeSet, HashMap};

use crate::{
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
    /// Messages of a bound peer, at once and per second in the long run.
    pub bound: Rate,
    /// Messages of a peer that has shown no valid binding.
    pub unbound: Rate,
    /// Messages that a peer may bring, its own and those it passes on.
    pub brought: Rate,
    /// Refused messages that a peer may bring before it is banned.
    pub refused: Rate,
    /// How long a ban lasts.
    pub ban: Duration,
    /// Blocks by which an announcement may be behind this node, or ahead of it.
    pub height_distance_max: u32,
    /// Peers remembered.
    pub peers_max: usize,
}

/// So many at once, and so many per second in the long run.
#[derive(Debug, Clone, Copy)]
pub struct Rate {
    /// At once.
    pub burst: f64,
    /// Per second.
    pub per_second: f64,
}

impl Rate {
    /// A rate.
    pub const fn new(burst: f64, per_second: f64) -> Self {
        Self { burst, per_second }
    }
}

/// Nonces remembered per peer; what is older than all of them is a replay.
const NONCES_MAX: usize = 512;

impl Default for Limits {
    fn default() -> Self {
        Self {
            bound: Rate::new(2_000.0, 200.0),
            unbound: Rate::new(50.0, 5.0),
            brought: Rate::new(20_000.0, 2_000.0),
            refused: Rate::new(5.0, 0.1),
            ban: Duration::from_secs(600),
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
    /// All, in the order of the declaration.
    pub const ALL: [Self; 12] = [
        Self::Malformed,
        Self::OtherVersion,
        Self::Flooding,
        Self::Replayed,
        Self::Stale,
        Self::OtherChain,
        Self::Expired,
        Self::OtherPeer,
        Self::BadSignature,
        Self::NotOperator,
        Self::OtherBucket,
        Self::NotWhatTheChainSays,
    ];

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
    /// What it may say as a bound peer, and before.
    bound: Bucket,
    unbound: Bucket,
    /// What it may bring, and how much of it may be refused.
    brought: Bucket,
    refused: Bucket,
    banned_until: Option<Instant>,
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

    /// What to think of these bytes, published by one peer and brought by another, or the same.
    pub fn judge(
        &mut self,
        source: PeerId,
        via: PeerId,
        bytes: &[u8],
        context: &Context<'_>,
    ) -> Verdict {
        let limits = self.limits;
        let brings = self.peer(via, context.now);
        let verdict = if !brings.brought.take(limits.brought, context.now) {
            Verdict::Reject(Refusal::Flooding)
        } else {
            match self.judge_source(source, bytes, context) {
                // Who passes on what another said too often did not see all of it.
                Verdict::Reject(Refusal::Flooding) if source != via => {
                    Verdict::Ignore(Refusal::Flooding)
                }
                verdict => verdict,
            }
        };
        if matches!(verdict, Verdict::Reject(_)) {
            let brings = self.peer(via, context.now);
            if !brings.refused.take(limits.refused, context.now) {
                brings.banned_until = Some(context.now + limits.ban);
            }
        }
        verdict
    }

    /// Has this peer brought so much refuse that no connection to it is kept?
    pub fn is_banned(&self, peer: &PeerId, now: Instant) -> bool {
        let known = self.peers.get(peer);
        known
            .and_then(|known| known.banned_until)
            .is_some_and(|until| until > now)
    }

    fn peer(&mut self, id: PeerId, now: Instant) -> &mut Peer {
        self.make_room(id);
        let limits = self.limits;
        let peer = self.peers.entry(id);
        let peer = peer.or_insert_with(|| Peer::new(limits, now));
        peer.last_seen = now;
        peer
    }

    fn judge_source(&mut self, source: PeerId, bytes: &[u8], context: &Context<'_>) -> Verdict {
        let limits = self.limits;
        let peer = self.peer(source, context.now);
        let may_speak = match peer.verified {
            Some(_) => peer.bound.take(limits.bound, context.now),
            None => peer.unbound.take(limits.unbound, context.now),
        };
        if !may_speak {
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
        match context.directory.object(said.object) {
            Some(known) if known.size != said.size || known.content_id != said.hash.into() => {
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
            // A ban is not forgotten for those who come to make it so.
            .min_by_key(|(_, peer)| (peer.banned_until, peer.last_seen))
            .map(|(id, _)| *id);
        if let Some(oldest) = oldest {
            self.peers.remove(&oldest);
        }
    }
}

/// Tokens that come back with time.
struct Bucket {
    tokens: f64,
    refilled: Instant,
}

impl Bucket {
    fn full(rate: Rate, now: Instant) -> Self {
        Self {
            tokens: rate.burst,
            refilled: now,
        }
    }

    fn take(&mut self, rate: Rate, now: Instant) -> bool {
        let elapsed: Duration = now.saturating_duration_since(self.refilled);
        self.refilled = now;
        self.tokens = (self.tokens + elapsed.as_secs_f64() * rate.per_second).min(rate.burst);
        if self.tokens < 1.0 {
            return false;
        }
        self.tokens -= 1.0;
        true
    }
}

impl Peer {
    fn new(limits: Limits, now: Instant) -> Self {
        Self {
            bound: Bucket::full(limits.bound, now),
            unbound: Bucket::full(limits.unbound, now),
            brought: Bucket::full(limits.brought, now),
            refused: Bucket::full(limits.refused, now),
            banned_until: None,
            last_seen: now,
            nonces: BTreeSet::new(),
            verified: None,
        }
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
