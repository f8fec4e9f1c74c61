//! Tables; the random ends of batches are in [`simulation`].

use super::*;
use shared::{
    chain::BlockRef,
    ids::{BlockHash, ChannelId},
};

mod simulation;

const LIMITS: Limits = Limits {
    calls_per_batch_max: 2,
    objects_per_call_max: 3,
    batch_delay: Duration::from_millis(200),
    retry_delay: Duration::from_secs(1),
    retry_delay_max: Duration::from_secs(8),
    step_in_delay: Duration::from_secs(60),
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

fn turn(nonce: u64) -> Turn {
    Turn {
        at: BlockRef {
            number: 7,
            hash: BlockHash([7; 32]),
        },
        nonce,
    }
}

fn states<const N: usize>(states: [(u64, OnChain); N]) -> BTreeMap<ObjectId, OnChain> {
    states.map(|(id, state)| (ObjectId(id), state)).into()
}

/// Answers the question about the state: all of these are pending.
fn prepare(core: &mut Accept, now: Instant, effects: &[Effect]) -> Vec<Effect> {
    let [Effect::Prepare(question)] = effects else {
        panic!("not one question but {effects:?}");
    };
    let pending = |(object, _): &(ObjectId, BagId)| (*object, OnChain::Pending);
    let states = question.iter().map(pending).collect();
    let turn = turn(1);
    core.handle(now, Event::Prepared { turn, states })
}

fn submitted(effects: &[Effect]) -> Vec<BTreeSet<ObjectId>> {
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Submit { batch, .. } => Some(batch),
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
    let effects = prepare(&mut core, now, &effects);
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
    let effects = prepare(&mut core, now, &effects);
    assert_eq!(submitted(&effects), [ids(&[1]), ids(&[2])]);
    for object in 4..10 {
        assert!(
            core.handle(now, stored(object, 1)).is_empty(),
            "one batch at a time"
        );
    }
    let accepted = ids(&[1, 2]);
    let effects = core.handle(now, Event::Included { accepted });
    let effects = prepare(&mut core, now, &effects[2..]);
    assert_eq!(submitted(&effects), [ids(&[4, 5, 6]), ids(&[3])]);
}

#[test]
fn a_batch_is_sent_in_the_turn_before_which_its_objects_were_pending() {
    let now = Instant::now();
    let mut core = Accept::new(LIMITS);
    for object in 1..=3 {
        core.handle(now, stored(object, 1));
    }
    // Nobody knows what an earlier process has sent: one was taken, one is gone.
    let states = states([
        (1, OnChain::Accepted),
        (2, OnChain::Gone),
        (3, OnChain::Pending),
    ]);
    let turn = turn(41);
    let effects = core.handle(now, Event::Prepared { turn, states });
    let forget = |object, how| Effect::Forget {
        object: ObjectId(object),
        how,
    };
    let call = AcceptCall {
        bucket: StorageBucketId(0),
        bag: bag(1),
        objects: ids(&[3]),
    };
    let batch = vec![call];
    let expected = [
        forget(1, Settlement::Accepted),
        forget(2, Settlement::Gone),
        Effect::Submit { turn, batch },
    ];
    assert_eq!(effects, expected);
}

#[test]
fn what_was_settled_while_the_chain_was_read_is_not_sent() {
    let now = Instant::now();
    let mut core = Accept::new(LIMITS);
    for object in 1..=3 {
        core.handle(now, stored(object, 1));
    }
    for object in 1..=3 {
        let settled = Event::Settled {
            object: ObjectId(object),
            how: Settlement::Gone,
        };
        core.handle(now, settled);
    }
    core.handle(now, stored(4, 1));
    let (turn, pending) = (turn(1), OnChain::Pending);
    let states = states([(1, pending), (2, pending), (3, pending)]);
    assert!(
        core.handle(now, Event::Prepared { turn, states })
            .is_empty(),
        "nobody knows the state of the fourth"
    );
    assert!(core.next_wakeup().is_some(), "the fourth is not forgotten");
}

#[test]
fn what_was_accepted_leaves_the_outbox_once() {
    let now = Instant::now();
    let mut core = Accept::new(LIMITS);
    core.handle(now, stored(1, 1));
    let effects = core.handle(now + LIMITS.batch_delay, Event::TimerFired);
    prepare(&mut core, now, &effects);
    let accepted = ids(&[1]);
    let effects = core.handle(now, Event::Included { accepted });
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
fn after_a_failure_turn_and_state_are_read_again() {
    let now = Instant::now();
    let mut core = Accept::new(LIMITS);
    for object in 1..=2 {
        core.handle(now, stored(object, 1));
    }
    let effects = core.handle(now, stored(3, 1));
    prepare(&mut core, now, &effects);
    assert_eq!(
        core.handle(now, Event::SubmitFailed),
        [Effect::Diagnose],
        "nothing is sent at once"
    );
    let again = core.next_wakeup().unwrap();
    assert!(again > now);
    let question: Vec<_> = (1..=3).map(|id| (ObjectId(id), bag(1))).collect();
    let asked = [Effect::Prepare(question)];
    assert_eq!(core.handle(again, Event::TimerFired), asked);

    // The chain is away as well: ask again after a longer wait, send nothing.
    let told = core.handle(again, Event::PrepareFailed);
    assert_eq!(told, [Effect::Diagnose]);
    let later = core.next_wakeup().unwrap();
    assert!(later - again > again - now);
    assert_eq!(core.handle(later, Event::TimerFired), asked);
    let effects = prepare(&mut core, later, &asked);
    assert_eq!(submitted(&effects), [ids(&[1, 2, 3])]);
}

#[test]
fn a_deleted_object_does_not_hold_up_its_batch_for_ever() {
    let now = Instant::now();
    let mut core = Accept::new(LIMITS);
    for object in 1..=2 {
        core.handle(now, stored(object, 1));
    }
    let effects = core.handle(now, stored(3, 1));
    prepare(&mut core, now, &effects);
    // It was deleted in between, so the call failed on chain as a whole.
    let accepted = BTreeSet::new();
    let effects = core.handle(now, Event::Included { accepted });
    assert_eq!(effects, [Effect::Diagnose]);
    core.handle(core.next_wakeup().unwrap(), Event::TimerFired);
    let pending = OnChain::Pending;
    let states = states([(1, pending), (2, OnChain::Gone), (3, pending)]);
    let turn = turn(2);
    let effects = core.handle(now, Event::Prepared { turn, states });
    assert_eq!(submitted(&effects), [ids(&[1, 3])]);
}

#[test]
fn the_back_off_grows_to_its_limit_and_success_ends_it() {
    let mut now = Instant::now();
    let mut core = Accept::new(LIMITS);
    core.handle(now, stored(1, 1));
    now += LIMITS.batch_delay;
    let effects = core.handle(now, Event::TimerFired);
    prepare(&mut core, now, &effects);
    let mut waits = Vec::new();
    for _ in 0..6 {
        core.handle(now, Event::SubmitFailed);
        let next = core.next_wakeup().unwrap();
        waits.push((next - now).as_secs());
        now = next;
        let effects = core.handle(now, Event::TimerFired);
        assert_eq!(submitted(&prepare(&mut core, now, &effects)).len(), 1);
    }
    assert_eq!(waits, [1, 2, 4, 8, 8, 8]);
    let accepted = ids(&[1]);
    core.handle(now, Event::Included { accepted });
    core.handle(now, stored(2, 1));
    assert_eq!(core.next_wakeup(), Some(now + LIMITS.batch_delay));
}

fn left_to_others(object: u64, bucket: u64, rank: u32) -> Event {
    Event::LeftToOthers {
        object: ObjectId(object),
        bucket: StorageBucketId(bucket),
        bag: bag(1),
        rank,
    }
}

#[test]
fn what_was_not_uploaded_here_is_left_to_others_for_a_while() {
    let now = Instant::now();
    let mut core = Accept::new(LIMITS);
    core.handle(now, left_to_others(1, 0, 0));
    core.handle(now, left_to_others(2, 0, 1));
    assert_eq!(core.depth(), 0, "it is not this node's affair yet");
    let first = now + LIMITS.step_in_delay + LIMITS.batch_delay;
    assert_eq!(core.next_wakeup(), Some(first));
    // Told again, it waits no longer than before.
    let later = now + Duration::from_secs(30);
    assert!(core.handle(later, left_to_others(1, 0, 0)).is_empty());
    assert_eq!(core.next_wakeup(), Some(first));
    let effects = core.handle(first, Event::TimerFired);
    assert_eq!(submitted(&prepare(&mut core, first, &effects)), [ids(&[1])]);
    assert_eq!(core.depth(), 1);

    // Another accepts the second before its time comes: nothing was ever written down.
    let settled = Event::Settled {
        object: ObjectId(2),
        how: Settlement::Accepted,
    };
    assert!(core.handle(first, settled).is_empty());
    let accepted = ids(&[1]);
    core.handle(first, Event::Included { accepted });
    assert_eq!(core.next_wakeup(), None);
}

#[test]
fn an_upload_comes_before_what_is_left_to_others() {
    let now = Instant::now();
    let mut core = Accept::new(LIMITS);
    core.handle(now, left_to_others(1, 0, 4));
    core.handle(now, stored(1, 1));
    assert_eq!(core.depth(), 1);
    assert_eq!(core.next_wakeup(), Some(now + LIMITS.batch_delay));
}

#[test]
fn a_bag_that_moves_within_this_node_takes_its_objects_along() {
    let now = Instant::now();
    let mut core = Accept::new(LIMITS);
    core.handle(now, stored(1, 1));
    let moved = Event::Stored {
        object: ObjectId(1),
        bucket: StorageBucketId(7),
        bag: bag(2),
    };
    core.handle(now, moved);
    let due = now + LIMITS.batch_delay;
    let effects = core.handle(due, Event::TimerFired);
    let effects = prepare(&mut core, due, &effects);
    let [Effect::Submit { batch, .. }] = &effects[..] else {
        panic!("{effects:?}");
    };
    assert_eq!(
        (batch[0].bucket, batch[0].bag),
        (StorageBucketId(7), bag(2))
    );
}

#[test]
fn what_this_node_may_not_accept_any_more_leaves_the_outbox() {
    let now = Instant::now();
    let mut core = Accept::new(LIMITS);
    core.handle(now, stored(1, 1));
    let (object, how) = (ObjectId(1), Settlement::Moved);
    let effects = core.handle(now, Event::Settled { object, how });
    assert_eq!(effects, [Effect::Forget { object, how }]);
    assert_eq!(core.next_wakeup(), None);
}

/// A bucket that may not accept, or an object that a lagging endpoint does not show, holds up nobody.
#[test]
fn what_is_refused_rests_ever_longer_and_the_rest_goes_on() {
    let mut now = Instant::now();
    let mut core = Accept::new(LIMITS);
    let refused = Event::Stored {
        object: ObjectId(1),
        bucket: StorageBucketId(9),
        bag: bag(1),
    };
    core.handle(now, refused);
    let mut rests = Vec::new();
    for other in 2..8 {
        now = core.next_wakeup().unwrap();
        let effects = core.handle(now, Event::TimerFired);
        prepare(&mut core, now, &effects);
        let accepted = BTreeSet::new();
        let told = core.handle(now, Event::Included { accepted });
        assert_eq!(told, [Effect::Diagnose]);
        rests.push((core.next_wakeup().unwrap() - LIMITS.batch_delay - now).as_secs());
        // An upload that comes meanwhile is accepted at once.
        core.handle(now, stored(other, 1));
        let soon = now + LIMITS.batch_delay;
        assert_eq!(core.next_wakeup(), Some(soon));
        let effects = core.handle(soon, Event::TimerFired);
        let sent = submitted(&prepare(&mut core, soon, &effects));
        assert_eq!(sent, [ids(&[other])]);
        let accepted = ids(&[other]);
        core.handle(soon, Event::Included { accepted });
    }
    assert_eq!(rests, [1, 2, 4, 8, 8, 8]);
}

#[test]
fn what_an_old_block_does_not_show_is_not_forgotten_and_not_asked_for_at_once() {
    let now = Instant::now();
    let mut core = Accept::new(LIMITS);
    core.handle(now, stored(1, 1));
    let due = now + LIMITS.batch_delay;
    core.handle(due, Event::TimerFired);
    let states = states([(1, OnChain::NotShown)]);
    let turn = turn(1);
    assert!(
        core.handle(due, Event::Prepared { turn, states })
            .is_empty()
    );
    assert_eq!(core.depth(), 1);
    let again = due + LIMITS.retry_delay + LIMITS.batch_delay;
    assert_eq!(core.next_wakeup(), Some(again));
}
