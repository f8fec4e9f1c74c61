//! Tests of the module above.

use std::sync::LazyLock;

use crate::{
    chain::{
        Signer,
        directory::{DataObject, StorageBucket},
    },
    hash::ContentHash,
    ids::{BagId, ChannelId, ObjectId, StorageBucketId, WorkerId},
    p2p::{binding::Binding, identity::NodeIdentity},
};
use proptest::prelude::*;

use super::*;

const GENESIS: BlockHash = BlockHash([9; 32]);
const NOW_MS: u64 = 1_000_000;
const HEIGHT: u32 = 5_000;

/// Made once: deriving a key from its phrase takes long.
fn transactor() -> &'static Signer {
    static SIGNER: LazyLock<Signer> =
        LazyLock::new(|| Signer::from_uri("//Colossus1//Transactor").unwrap());
    &SIGNER
}

fn directory() -> Directory {
    let operator = StorageOperator::Active {
        worker: WorkerId(1),
        transactor: transactor().account(),
        endpoint: None,
    };
    let object = DataObject {
        id: ObjectId(7),
        bag: BagId::Channel(ChannelId(1)),
        size: 1,
        content_id: ContentHash::of(b"x").into(),
        accepted: false,
    };
    Directory {
        storage_buckets: [(
            StorageBucketId(0),
            StorageBucket {
                operator,
                ..StorageBucket::default()
            },
        )]
        .into(),
        objects: [object].into(),
        ..Directory::default()
    }
}

fn gossip(peer_id: PeerId) -> Gossip {
    let role = Role::StorageBucket {
        bucket: StorageBucketId(0),
        worker: WorkerId(1),
    };
    let binding = Binding {
        genesis: GENESIS,
        role,
        peer_id,
        expires_ms: NOW_MS + 1,
    }
    .sign(transactor());
    let announcement = Announcement {
        bucket: StorageBucketId(0),
        object: ObjectId(7),
        hash: ContentHash::of(b"x"),
        size: 1,
        height: HEIGHT,
        nonce: 1,
    };
    Gossip {
        binding,
        announcement,
    }
}

fn judge(gate: &mut Gate, source: PeerId, bytes: &[u8], now: Instant) -> Verdict {
    judge_via(gate, source, source, bytes, now)
}

fn judge_via(gate: &mut Gate, source: PeerId, via: PeerId, bytes: &[u8], now: Instant) -> Verdict {
    let directory = directory();
    let context = Context {
        now,
        now_ms: NOW_MS,
        genesis: GENESIS,
        height: HEIGHT,
        directory: &directory,
    };
    gate.judge(source, via, bytes, &context)
}

fn judge_once(source: PeerId, gossip: Gossip) -> Verdict {
    judge(
        &mut Gate::new(Limits::default()),
        source,
        &gossip.encode(),
        Instant::now(),
    )
}

#[test]
fn bound_peers_are_believed_once_per_nonce() {
    let peer = NodeIdentity::generate().peer_id();
    let (mut gate, now) = (Gate::new(Limits::default()), Instant::now());
    let message = gossip(peer);
    let bytes = message.encode();
    assert_eq!(
        judge(&mut gate, peer, &bytes, now),
        Verdict::Accept(message.announcement)
    );
    assert_eq!(
        judge(&mut gate, peer, &bytes, now),
        Verdict::Ignore(Refusal::Replayed)
    );
}

#[test]
fn everything_else_is_refused_for_its_reason() {
    let peer = NodeIdentity::generate().peer_id();
    let stranger = NodeIdentity::generate().peer_id();
    let changed = |change: fn(&mut Gossip)| {
        let mut message = gossip(peer);
        change(&mut message);
        judge_once(peer, message)
    };
    use Refusal as R;
    assert_eq!(
        judge_once(stranger, gossip(peer)),
        Verdict::Reject(R::OtherPeer)
    );
    assert_eq!(
        changed(|message| message.binding.signature[0] ^= 1),
        Verdict::Reject(R::BadSignature)
    );
    assert_eq!(
        changed(|message| message.binding.binding.expires_ms = NOW_MS),
        Verdict::Reject(R::Expired)
    );
    assert_eq!(
        changed(|message| message.binding.binding.genesis = BlockHash([1; 32])),
        Verdict::Reject(R::OtherChain)
    );
    assert_eq!(
        changed(|message| message.announcement.bucket = StorageBucketId(1)),
        Verdict::Reject(R::OtherBucket)
    );
    assert_eq!(
        changed(
            |message| message.binding.binding.role = Role::DistributionWorker {
                worker: WorkerId(1)
            }
        ),
        Verdict::Reject(R::OtherBucket)
    );
    assert_eq!(
        changed(|message| {
            let bucket = StorageBucketId(4);
            message.announcement.bucket = bucket;
            message.binding.binding.role = Role::StorageBucket {
                bucket,
                worker: WorkerId(1),
            };
        }),
        Verdict::Ignore(R::NotOperator)
    );
    assert_eq!(
        changed(|message| message.announcement.height = HEIGHT - 601),
        Verdict::Ignore(R::Stale)
    );
    assert_eq!(
        changed(|message| message.announcement.size = 2),
        Verdict::Reject(R::NotWhatTheChainSays)
    );
    assert!(matches!(
        changed(|message| message.announcement.object = ObjectId(8)),
        Verdict::Accept(_)
    ));
}

/// Limits of a few messages, one more each second.
fn tight() -> Limits {
    Limits {
        bound: Rate::new(3.0, 1.0),
        unbound: Rate::new(2.0, 1.0),
        ..Limits::default()
    }
}

#[test]
fn who_says_too_much_is_not_heard_for_a_while() {
    let peer = NodeIdentity::generate().peer_id();
    let (mut gate, now) = (Gate::new(tight()), Instant::now());
    let mut say = |nonce, at| {
        let mut message = gossip(peer);
        message.announcement.nonce = nonce;
        judge(&mut gate, peer, &message.encode(), at)
    };
    // The first shows the binding, and is not counted among those of a bound peer.
    for nonce in 0..4 {
        assert!(matches!(say(nonce, now), Verdict::Accept(_)), "{nonce}");
    }
    assert_eq!(say(4, now), Verdict::Reject(Refusal::Flooding));
    assert!(matches!(
        say(5, now + Duration::from_secs(1)),
        Verdict::Accept(_)
    ));
}

#[test]
fn strangers_may_say_little() {
    let stranger = NodeIdentity::generate().peer_id();
    let (mut gate, now) = (Gate::new(tight()), Instant::now());
    let mut say = || judge(&mut gate, stranger, b"\x01rubbish", now);
    for _ in 0..2 {
        assert_eq!(say(), Verdict::Reject(Refusal::Malformed));
    }
    assert_eq!(say(), Verdict::Reject(Refusal::Flooding));
}

#[test]
fn who_brings_refuse_is_banned_for_a_while() {
    let [stranger, relay] = std::array::from_fn(|_| NodeIdentity::generate().peer_id());
    let (mut gate, now) = (Gate::new(Limits::default()), Instant::now());
    for _ in 0..5 {
        judge(&mut gate, stranger, b"\x01rubbish", now);
        assert!(!gate.is_banned(&stranger, now));
    }
    judge(&mut gate, stranger, b"\x01rubbish", now);
    assert!(gate.is_banned(&stranger, now));
    assert!(!gate.is_banned(&relay, now));
    let over = now + Limits::default().ban;
    assert!(!gate.is_banned(&stranger, over));
}

#[test]
fn who_passes_on_a_flood_is_not_to_blame() {
    let [peer, relay] = std::array::from_fn(|_| NodeIdentity::generate().peer_id());
    let (mut gate, now) = (Gate::new(tight()), Instant::now());
    let mut last = None;
    for nonce in 0..20 {
        let mut message = gossip(peer);
        message.announcement.nonce = nonce;
        let bytes = message.encode();
        last = Some(judge_via(&mut gate, peer, relay, &bytes, now));
    }
    assert_eq!(last, Some(Verdict::Ignore(Refusal::Flooding)));
    assert!(!gate.is_banned(&relay, now) && !gate.is_banned(&peer, now));
}

#[test]
fn old_nonces_do_not_come_back_when_they_are_forgotten() {
    let peer = NodeIdentity::generate().peer_id();
    let (mut gate, now) = (Gate::new(Limits::default()), Instant::now());
    let spoken = gossip(peer);
    let mut say = |nonce| {
        let mut message = spoken;
        message.announcement.nonce = nonce;
        judge(&mut gate, peer, &message.encode(), now)
    };
    for nonce in 1..=NONCES_MAX as u64 + 1 {
        assert!(matches!(say(nonce), Verdict::Accept(_)));
    }
    assert_eq!(say(1), Verdict::Ignore(Refusal::Replayed));
}

#[test]
fn memory_is_bounded_whoever_speaks() {
    let limits = Limits {
        peers_max: 10,
        ..Limits::default()
    };
    let mut gate = Gate::new(limits);
    for _ in 0..50 {
        let peer = NodeIdentity::generate().peer_id();
        judge(&mut gate, peer, b"rubbish", Instant::now());
    }
    assert_eq!(gate.peers.len(), 10);
}

proptest! {
    #[test]
    fn rubbish_never_panics_and_is_never_believed(
        bytes in proptest::collection::vec(any::<u8>(), 0..400),
    ) {
        let peer = NodeIdentity::generate().peer_id();
        let verdict = judge(&mut Gate::new(Limits::default()), peer, &bytes, Instant::now());
        prop_assert!(!matches!(verdict, Verdict::Accept(_)));
    }
}
