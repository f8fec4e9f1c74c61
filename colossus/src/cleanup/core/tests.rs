//! Tests of the module above: tables of single decisions here, whole worlds in `simulation`.

use super::*;

mod simulation;

const GRACE: Duration = Duration::from_secs(20);
const PROOF_AGE: Duration = Duration::from_secs(10);
const RETRY: Duration = Duration::from_secs(30);
const ID: ObjectId = ObjectId(1);
const DELETED: Surplus = Surplus::Deleted { block: 5 };

fn limits(automatic: bool) -> Limits {
    Limits {
        automatic,
        grace: GRACE,
        holders_min: 2,
        proof_age_max: PROOF_AGE,
        probes_max: 2,
        removals_max: 1,
        retry_delay: RETRY,
    }
}

fn workers(ids: &[u64]) -> BTreeSet<WorkerId> {
    ids.iter().copied().map(WorkerId).collect()
}

fn moved(to: &[u64]) -> Surplus {
    let owed_by = workers(to);
    Surplus::Moved { owed_by }
}

fn proved(object: ObjectId, by: &[u64]) -> Event {
    let by = workers(by);
    Event::Proved { object, by }
}

fn removal(object: ObjectId, why: Surplus, by: &[u64]) -> Effect {
    let proven = workers(by);
    Effect::Remove {
        object,
        why,
        proven,
    }
}

struct Bench {
    core: Cleanup,
    now: Instant,
}

impl Bench {
    /// With a fresh view.
    fn new(automatic: bool) -> Self {
        let mut core = Cleanup::new(limits(automatic));
        let now = Instant::now();
        core.handle(now, Event::Chain { fresh: true });
        Self { core, now }
    }

    fn tell(&mut self, event: Event) -> Vec<Effect> {
        self.core.handle(self.now, event)
    }

    fn surplus(&mut self, object: ObjectId, why: Surplus) -> Vec<Effect> {
        let bytes = 10;
        self.tell(Event::Surplus { object, bytes, why })
    }

    fn after(&mut self, span: Duration) -> Vec<Effect> {
        self.now += span;
        self.tell(Event::TimerFired)
    }

    fn kept(&self, object: ObjectId) -> Option<Kept> {
        self.core.candidate(object).map(|known| known.kept)
    }
}

#[test]
fn deleted_objects_go_after_their_grace_period_and_not_before() {
    let mut bench = Bench::new(true);
    assert_eq!(bench.surplus(ID, DELETED), []);
    assert_eq!(bench.kept(ID), Some(Kept::Grace));
    assert_eq!(bench.after(GRACE / 2), []);
    // Hearing of it again does not prolong its stay.
    assert_eq!(bench.surplus(ID, DELETED), []);
    assert_eq!(bench.surplus(ID, Surplus::NotSeen), []);
    assert_eq!(bench.core.next_wakeup(), Some(bench.now + GRACE / 2));
    assert_eq!(bench.after(GRACE / 2), [removal(ID, DELETED, &[])]);
    assert_eq!(bench.tell(Event::Removed(ID)), []);
    assert!(bench.core.candidate(ID).is_none() && bench.core.next_wakeup().is_none());
    assert!(bench.core.totals().values().all(|total| *total == (0, 0)));
}

#[test]
fn moved_objects_go_when_enough_that_owe_them_have_proved() {
    let mut bench = Bench::new(true);
    bench.surplus(ID, moved(&[2, 3, 4]));
    assert_eq!(bench.after(GRACE), [Effect::Prove(ID)]);
    // Worker 9 does not owe it: its copy may go at any time.
    let noted = Effect::Noted(ID, Kept::Unproven);
    assert_eq!(bench.tell(proved(ID, &[2, 9])), [noted]);
    assert_eq!(bench.kept(ID), Some(Kept::Unproven));
    assert_eq!(bench.after(RETRY / 2), []);
    assert_eq!(bench.after(RETRY / 2), [Effect::Prove(ID)]);
    let expected = [removal(ID, moved(&[2, 3, 4]), &[2, 4])];
    assert_eq!(bench.tell(proved(ID, &[2, 4])), expected);
}

#[test]
fn each_failure_doubles_the_wait_up_to_a_limit() {
    let mut bench = Bench::new(true);
    bench.surplus(ID, moved(&[2, 3]));
    assert_eq!(bench.after(GRACE), [Effect::Prove(ID)]);
    for doublings in [0, 1, 2, 3, 4, 5, 5, 5] {
        bench.tell(proved(ID, &[]));
        let wait = RETRY * 2u32.pow(doublings);
        assert_eq!(bench.core.next_wakeup(), Some(bench.now + wait));
        assert_eq!(bench.after(wait), [Effect::Prove(ID)]);
    }
}

#[test]
fn too_few_named_by_the_chain_are_not_even_asked() {
    let mut bench = Bench::new(true);
    bench.surplus(ID, moved(&[2]));
    let noted = Effect::Noted(ID, Kept::TooFewHolders);
    assert_eq!(bench.after(GRACE), [noted]);
    assert_eq!(bench.after(RETRY * 1_000), []);
    assert_eq!(bench.surplus(ID, moved(&[2, 3])), [Effect::Prove(ID)]);
}

#[test]
fn nothing_goes_while_the_view_is_stale() {
    let mut bench = Bench::new(true);
    bench.surplus(ID, DELETED);
    bench.surplus(ObjectId(2), moved(&[2, 3]));
    bench.tell(Event::Chain { fresh: false });
    assert_eq!(bench.kept(ID), Some(Kept::StaleView));
    assert_eq!(bench.after(GRACE * 100), []);
    let effects = bench.tell(Event::Chain { fresh: true });
    let expected = [Effect::Prove(ObjectId(2)), removal(ID, DELETED, &[])];
    assert_eq!(effects, expected);
    // A new core knows nothing of the chain's freshness.
    let mut core = Cleanup::new(limits(true));
    let (object, bytes) = (ID, 1);
    let why = DELETED;
    core.handle(bench.now, Event::Surplus { object, bytes, why });
    assert_eq!(core.handle(bench.now + GRACE, Event::TimerFired), []);
}

#[test]
fn what_was_never_seen_on_chain_stays() {
    let mut bench = Bench::new(true);
    bench.surplus(ID, Surplus::NotSeen);
    let noted = Effect::Noted(ID, Kept::NotSeen);
    assert_eq!(bench.after(GRACE), [noted]);
    assert_eq!(bench.after(GRACE * 1_000), []);
    // It turns out to be deleted: that has a grace period of its own.
    assert_eq!(bench.surplus(ID, DELETED), []);
    assert_eq!(bench.after(GRACE), [removal(ID, DELETED, &[])]);
}

#[test]
fn what_is_owed_again_stays_whatever_is_under_way() {
    let mut bench = Bench::new(true);
    bench.surplus(ID, moved(&[2, 3]));
    assert_eq!(bench.after(GRACE), [Effect::Prove(ID)]);
    bench.tell(Event::Settled(ID));
    assert_eq!(bench.tell(proved(ID, &[2, 3])), []);
    assert_eq!(bench.after(GRACE * 10), []);
    // During a removal the last look decides.
    bench.surplus(ID, DELETED);
    assert_eq!(bench.after(GRACE), [removal(ID, DELETED, &[])]);
    bench.tell(Event::Settled(ID));
    bench.tell(Event::NotRemoved(ID, Hindrance::Changed));
    bench.tell(Event::Settled(ID));
    assert_eq!(bench.after(GRACE * 10), []);
    assert!(bench.core.candidate(ID).is_none());
}

#[test]
fn hindrances_are_tried_again_and_a_proof_does_not_last() {
    let mut bench = Bench::new(true);
    bench.surplus(ID, moved(&[2, 3]));
    bench.after(GRACE);
    bench.tell(proved(ID, &[2, 3]));
    let remove = [removal(ID, moved(&[2, 3]), &[2, 3])];
    for _ in 0..9 {
        bench.tell(Event::NotRemoved(ID, Hindrance::BeingRead));
        assert_eq!(bench.kept(ID), Some(Kept::BeingRead));
        assert_eq!(bench.after(BUSY_DELAY), remove);
    }
    bench.tell(Event::NotRemoved(ID, Hindrance::BeingRead));
    assert_eq!(
        bench.after(BUSY_DELAY),
        [Effect::Prove(ID)],
        "it is old now"
    );
    assert_eq!(bench.tell(proved(ID, &[2, 3])), remove);
    let noted = Effect::Noted(ID, Kept::Failed);
    assert_eq!(
        bench.tell(Event::NotRemoved(ID, Hindrance::Failed)),
        [noted]
    );
    assert_eq!(bench.after(RETRY), [Effect::Prove(ID)]);
}

#[test]
fn another_set_of_holders_has_to_prove_anew() {
    let mut bench = Bench::new(true);
    bench.surplus(ID, moved(&[2, 3]));
    bench.after(GRACE);
    bench.tell(proved(ID, &[2, 3, 4]));
    bench.tell(Event::NotRemoved(ID, Hindrance::BeingRead));
    assert_eq!(bench.surplus(ID, moved(&[3, 4])), [Effect::Prove(ID)]);
}

#[test]
fn in_manual_mode_everything_is_ready_and_the_operator_decides() {
    let mut bench = Bench::new(false);
    let other = ObjectId(2);
    bench.surplus(ID, DELETED);
    let too_early = Effect::Answer(ID, Outcome::Kept(Kept::Grace));
    assert_eq!(bench.tell(Event::Approved(ID)), [too_early]);
    bench.surplus(other, moved(&[2, 3]));
    let noted = Effect::Noted(ID, Kept::Approval);
    assert_eq!(bench.after(GRACE), [noted, Effect::Prove(other)]);
    bench.tell(proved(other, &[2, 3]));
    assert_eq!(bench.kept(other), Some(Kept::Approval));
    assert_eq!(bench.after(GRACE * 100), []);

    assert_eq!(bench.tell(Event::Approved(ID)), [removal(ID, DELETED, &[])]);
    let removed = Effect::Answer(ID, Outcome::Removed);
    assert_eq!(bench.tell(Event::Removed(ID)), [removed]);
    // Proof is asked anew, and what comes of it is answered.
    assert_eq!(bench.tell(Event::Approved(other)), [Effect::Prove(other)]);
    let effects = bench.tell(proved(other, &[2]));
    assert!(effects.contains(&Effect::Answer(other, Outcome::Kept(Kept::Unproven))));
    assert_eq!(bench.after(RETRY), [Effect::Prove(other)]);
    bench.tell(proved(other, &[2, 3]));
    assert_eq!(bench.kept(other), Some(Kept::Approval), "asked once only");
    assert_eq!(bench.tell(Event::Approved(other)), [Effect::Prove(other)]);
    let unknown = Effect::Answer(ObjectId(9), Outcome::NotSurplus);
    assert_eq!(bench.tell(Event::Approved(ObjectId(9))), [unknown]);
}

#[test]
fn slots_are_limited_and_totals_add_up() {
    let mut bench = Bench::new(true);
    for id in 0..10 {
        bench.surplus(ObjectId(id), moved(&[2, 3]));
        bench.surplus(ObjectId(100 + id), DELETED);
    }
    assert_eq!(bench.core.totals()[&Kept::Grace], (20, 200));
    let effects = bench.after(GRACE);
    assert_eq!(effects.len(), 3, "two proofs and one removal: {effects:?}");
    assert_eq!(bench.core.totals()[&Kept::Queued], (20, 200));
    let mut under_way = effects;
    let mut removed = 0;
    while let Some(effect) = under_way.pop() {
        under_way.extend(match effect {
            Effect::Prove(object) => bench.tell(proved(object, &[2, 3])),
            Effect::Remove { object, .. } => {
                removed += 1;
                bench.tell(Event::Removed(object))
            }
            other => panic!("{other:?}"),
        });
        let removals = under_way
            .iter()
            .filter(|effect| matches!(effect, Effect::Remove { .. }));
        let removals = removals.count();
        assert!(removals <= 1 && under_way.len() - removals <= 2);
    }
    assert_eq!(removed, 20);
}
