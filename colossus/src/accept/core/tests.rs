//! Tables, and random ends of batches against a chain that is the truth.

use super::*;
use shared::ids::ChannelId;

const LIMITS: Limits = Limits {
    calls_per_batch_max: 2,
    objects_per_call_max: 3,
    batch_delay: Duration::from_millis(200),
    retry_delay: Duration::from_secs(1),
    retry_delay_max: Duration::from_secs(8),
};

fn bag(n: u64) -> BagId {
    BagId::Channel(ChannelId(n))
}

fn stored(object: u64, bag_number: u64) -> Event {
    Event::Stored {
        object: ObjectId(object),
        bucket: StorageBucketId(0),
        bag: bag(bag_number),
    }
}

fn ids(objects: &[u64]) -> BTreeSet<ObjectId> {
    objects.iter().copied().map(ObjectId).collect()
}

fn submitted(effects: &[Effect]) -> Vec<BTreeSet<ObjectId>> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Submit(batch) => Some(batch),
            _ => None,
        })
        .flatten()
        .map(|call| call.objects.clone())
        .collect()
}

#[test]
fn a_batch_waits_for_company_but_not_long() {
    let now = Instant::now();
    let mut core = Accept::new(LIMITS);
    assert!(core.next_wakeup().is_none());
    assert!(core.handle(now, stored(1, 1)).is_empty());
    assert_eq!(core.next_wakeup(), Some(now + LIMITS.batch_delay));
    assert!(
        core.handle(now + Duration::from_millis(100), stored(2, 1))
            .is_empty()
    );
    let effects = core.handle(now + LIMITS.batch_delay, Event::TimerFired);
    assert_eq!(submitted(&effects), [ids(&[1, 2])]);
    assert!(
        core.next_wakeup().is_none(),
        "nothing to do until the batch ends"
    );
}

#[test]
fn a_full_batch_goes_at_once_and_no_batch_exceeds_its_limits() {
    let now = Instant::now();
    let mut core = Accept::new(LIMITS);
    core.handle(now, stored(1, 1));
    core.handle(now, stored(2, 2));
    let effects = core.handle(now, stored(3, 3));
    // Three objects are enough; two calls are the most one batch takes.
    assert_eq!(submitted(&effects), [ids(&[1]), ids(&[2])]);
    for object in 4..10 {
        assert!(
            core.handle(now, stored(object, 1)).is_empty(),
            "one batch at a time"
        );
    }
    let effects = core.handle(
        now,
        Event::Included {
            accepted: ids(&[1, 2]),
        },
    );
    assert_eq!(submitted(&effects), [ids(&[4, 5, 6]), ids(&[3])]);
}

#[test]
fn what_was_accepted_leaves_the_outbox_once() {
    let now = Instant::now();
    let mut core = Accept::new(LIMITS);
    core.handle(now, stored(1, 1));
    core.handle(now + LIMITS.batch_delay, Event::TimerFired);
    let effects = core.handle(
        now,
        Event::Included {
            accepted: ids(&[1]),
        },
    );
    assert_eq!(
        effects,
        [Effect::Forget {
            object: ObjectId(1),
            how: Settlement::Accepted
        }]
    );
    // The follower tells the same a moment later.
    let settled = Event::Settled {
        object: ObjectId(1),
        how: Settlement::Accepted,
    };
    assert!(core.handle(now, settled).is_empty());
    assert_eq!(core.depth(), 0);
}

#[test]
fn after_a_failure_the_chain_is_read_before_anything_is_sent_again() {
    let now = Instant::now();
    let mut core = Accept::new(LIMITS);
    for object in 1..=3 {
        core.handle(now, stored(object, 1));
    }
    let effects = core.handle(now, Event::SubmitFailed);
    let question: Vec<_> = (1..=3).map(|id| (ObjectId(id), bag(1))).collect();
    assert_eq!(effects, [Effect::Diagnose, Effect::Check(question.clone())]);

    // The chain is away as well: ask again after the back-off, send nothing.
    assert!(core.handle(now, Event::CheckFailed).is_empty());
    let again = core.next_wakeup().unwrap();
    assert!(again > now);
    assert_eq!(
        core.handle(again, Event::TimerFired),
        [Effect::Check(question)]
    );

    // One was taken, one is gone, one is still pending and goes again.
    let states = [
        (1, OnChain::Accepted),
        (2, OnChain::Gone),
        (3, OnChain::Pending),
    ]
    .map(|(id, state)| (ObjectId(id), state));
    let effects = core.handle(
        again,
        Event::Checked {
            states: states.into(),
        },
    );
    assert_eq!(
        effects[..2],
        [
            Effect::Forget {
                object: ObjectId(1),
                how: Settlement::Accepted
            },
            Effect::Forget {
                object: ObjectId(2),
                how: Settlement::Gone
            },
        ]
    );
    // The back-off has passed by now.
    assert_eq!(submitted(&effects[2..]), [ids(&[3])]);
}

#[test]
fn a_deleted_object_does_not_hold_up_its_batch_for_ever() {
    let now = Instant::now();
    let mut core = Accept::new(LIMITS);
    for object in 1..=3 {
        core.handle(now, stored(object, 1));
    }
    // The call failed on chain as a whole: nothing of it was accepted.
    let effects = core.handle(
        now,
        Event::Included {
            accepted: BTreeSet::new(),
        },
    );
    assert!(matches!(effects[..], [Effect::Diagnose, Effect::Check(_)]));
    let states = [
        (1, OnChain::Pending),
        (2, OnChain::Gone),
        (3, OnChain::Pending),
    ]
    .map(|(id, state)| (ObjectId(id), state));
    core.handle(
        now,
        Event::Checked {
            states: states.into(),
        },
    );
    let effects = core.handle(core.next_wakeup().unwrap(), Event::TimerFired);
    assert_eq!(submitted(&effects), [ids(&[1, 3])]);
}

#[test]
fn the_back_off_grows_to_its_limit_and_success_ends_it() {
    let mut now = Instant::now();
    let mut core = Accept::new(LIMITS);
    core.handle(now, stored(1, 1));
    now += LIMITS.batch_delay;
    core.handle(now, Event::TimerFired);
    let mut waits = Vec::new();
    for _ in 0..6 {
        core.handle(now, Event::SubmitFailed);
        core.handle(
            now,
            Event::Checked {
                states: [(ObjectId(1), OnChain::Pending)].into(),
            },
        );
        let next = core.next_wakeup().unwrap();
        waits.push((next - now).as_secs());
        now = next;
        assert_eq!(submitted(&core.handle(now, Event::TimerFired)).len(), 1);
    }
    assert_eq!(waits, [1, 2, 4, 8, 8, 8]);
    core.handle(
        now,
        Event::Included {
            accepted: ids(&[1]),
        },
    );
    core.handle(now, stored(2, 1));
    assert_eq!(core.next_wakeup(), Some(now + LIMITS.batch_delay));
}

/// Random ends of batches against a chain that is the truth: everything stored is settled in the
/// end, nothing is forgotten that the chain does not know as accepted or gone.
#[test]
fn nothing_is_lost_whatever_the_chain_does() {
    for seed in 0..300u64 {
        let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
        let mut next = move || {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            random
        };
        let mut now = Instant::now();
        let mut core = Accept::new(LIMITS);
        let mut chain: BTreeMap<ObjectId, OnChain> = BTreeMap::new();
        let mut forgotten = BTreeSet::new();
        let mut queue = std::collections::VecDeque::new();
        for id in 0..30 {
            chain.insert(ObjectId(id), OnChain::Pending);
            queue.push_back(stored(id, next() % 4));
        }
        let mut steps = 0;
        while core.depth() > 0 || !queue.is_empty() {
            steps += 1;
            assert!(steps < 5_000, "seed {seed}: the outbox does not empty");
            let event = match queue.pop_front() {
                Some(event) => event,
                None => {
                    now = core
                        .next_wakeup()
                        .expect("something waits, so something is due")
                        .max(now);
                    Event::TimerFired
                }
            };
            if next().is_multiple_of(50) {
                chain.insert(ObjectId(next() % 30), OnChain::Gone);
            }
            for effect in core.handle(now, event) {
                match effect {
                    Effect::Submit(batch) => queue.push_back(submit(&mut chain, &batch, &mut next)),
                    Effect::Check(objects) if next() % 3 > 0 => queue.push_back(Event::Checked {
                        states: objects.iter().map(|(id, _)| (*id, chain[id])).collect(),
                    }),
                    Effect::Check(_) => queue.push_back(Event::CheckFailed),
                    Effect::Forget { object, .. } => {
                        assert_ne!(chain[&object], OnChain::Pending, "seed {seed}");
                        assert!(forgotten.insert(object), "seed {seed}: forgotten twice");
                    }
                    Effect::Diagnose => {}
                }
            }
        }
        assert_eq!(forgotten.len(), 30, "seed {seed}");
    }
}

/// A call succeeds as a whole or fails as a whole; the answer may get lost on its way.
fn submit(
    chain: &mut BTreeMap<ObjectId, OnChain>,
    batch: &[AcceptCall],
    next: &mut impl FnMut() -> u64,
) -> Event {
    if next().is_multiple_of(4) {
        return Event::SubmitFailed;
    }
    let mut accepted = BTreeSet::new();
    for call in batch {
        if call
            .objects
            .iter()
            .all(|object| chain[object] != OnChain::Gone)
        {
            accepted.extend(call.objects.iter().copied());
        }
    }
    for object in &accepted {
        chain.insert(*object, OnChain::Accepted);
    }
    if next().is_multiple_of(4) {
        Event::SubmitFailed
    } else {
        Event::Included { accepted }
    }
}
