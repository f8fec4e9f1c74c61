//! Random ends of batches against a chain that is the truth: everything stored is settled in the end,
//! nothing is forgotten that the chain does not know as accepted or gone, and nothing is accepted
//! twice, though batches that were given up get into blocks late.

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;

const OBJECTS: u64 = 30;

/// When the hands take the turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Order {
    /// As [`Effect::Prepare`] says.
    TurnFirst,
    /// As it must not be: when the batch is sent, long after the state was read.
    TurnLast,
}

/// What an account's transactions add up to, and what of it waits in a pool.
struct ModelChain {
    states: BTreeMap<ObjectId, OnChain>,
    acceptances: BTreeMap<ObjectId, u32>,
    nonce: u64,
    pool: Vec<(u64, Vec<AcceptCall>)>,
}

impl ModelChain {
    /// A block with the first transaction that waits and still has its turn.
    fn include_late(&mut self) {
        while let Some((nonce, batch)) = self.pool.pop() {
            if nonce == self.nonce {
                self.execute(&batch);
                return;
            }
        }
    }

    /// A call succeeds as a whole or fails as a whole. As on the real chain, what is accepted already
    /// may be accepted once more.
    fn execute(&mut self, batch: &[AcceptCall]) -> BTreeSet<ObjectId> {
        self.nonce += 1;
        let mut accepted = BTreeSet::new();
        for call in batch {
            let exist = |object| self.states[object] != OnChain::Gone;
            if call.objects.iter().all(exist) {
                accepted.extend(call.objects.iter().copied());
            }
        }
        for object in &accepted {
            self.states.insert(*object, OnChain::Accepted);
            *self.acceptances.entry(*object).or_default() += 1;
        }
        accepted
    }

    fn send(&mut self, turn: Turn, batch: Vec<AcceptCall>, random: &mut StdRng) -> Event {
        let is_taken = self.pool.iter().any(|(nonce, _)| *nonce == turn.nonce);
        if turn.nonce != self.nonce || is_taken || random.random_ratio(1, 8) {
            return Event::SubmitFailed;
        }
        if random.random_ratio(1, 3) {
            self.pool.push((turn.nonce, batch));
            return Event::SubmitFailed;
        }
        let accepted = self.execute(&batch);
        match random.random_ratio(1, 4) {
            true => Event::SubmitFailed,
            false => Event::Included { accepted },
        }
    }
}

/// Runs until the outbox is empty. Says how often an object was accepted once too often.
fn run(seed: u64, order: Order) -> u32 {
    let mut random = StdRng::seed_from_u64(seed);
    let mut now = Instant::now();
    let mut core = Accept::new(LIMITS);
    let mut chain = ModelChain {
        states: (0..OBJECTS)
            .map(|id| (ObjectId(id), OnChain::Pending))
            .collect(),
        acceptances: BTreeMap::new(),
        nonce: 0,
        pool: Vec::new(),
    };
    let mut forgotten = BTreeSet::new();
    let mut queue: std::collections::VecDeque<Event> = (0..OBJECTS)
        .map(|id| stored(id, random.random_range(0..4)))
        .collect();
    let mut steps = 0;
    while core.depth() > 0 || !queue.is_empty() {
        steps += 1;
        assert!(steps < 5_000, "seed {seed}: the outbox does not empty");
        let event = queue.pop_front().unwrap_or_else(|| {
            let due = core
                .next_wakeup()
                .expect("something waits, so something is due");
            now = now.max(due);
            Event::TimerFired
        });
        if random.random_ratio(1, 50) {
            let object = ObjectId(random.random_range(0..OBJECTS));
            chain.states.insert(object, OnChain::Gone);
        }
        for effect in core.handle(now, event) {
            match effect {
                Effect::Prepare(_) if random.random_ratio(1, 4) => {
                    queue.push_back(Event::PrepareFailed);
                }
                Effect::Prepare(question) => {
                    let turn = turn(chain.nonce);
                    let states = question.iter().map(|(id, _)| (*id, chain.states[id]));
                    let states = states.collect();
                    queue.push_back(Event::Prepared { turn, states });
                }
                Effect::Submit { mut turn, batch } => {
                    if order == Order::TurnLast {
                        turn.nonce = chain.nonce;
                    }
                    queue.push_back(chain.send(turn, batch, &mut random));
                }
                Effect::Forget { object, .. } => {
                    assert_ne!(chain.states[&object], OnChain::Pending, "seed {seed}");
                    assert!(forgotten.insert(object), "seed {seed}: forgotten twice");
                }
                Effect::Diagnose => {}
            }
            // Between any two things that the node does.
            if random.random_ratio(1, 3) {
                chain.include_late();
            }
        }
    }
    assert_eq!(forgotten.len() as u64, OBJECTS, "seed {seed}");
    chain.acceptances.values().map(|times| times - 1).sum()
}

#[test]
fn nothing_is_lost_and_nothing_accepted_twice_whatever_the_chain_does() {
    for seed in 0..1_000 {
        assert_eq!(run(seed, Order::TurnFirst), 0, "seed {seed}");
    }
}

/// The simulation sees the fault that the order of a batch's steps is for.
#[test]
fn a_turn_that_is_taken_after_the_state_was_read_accepts_twice() {
    let twice = (0..1_000).filter(|seed| run(*seed, Order::TurnLast) > 0);
    assert!(twice.count() > 100);
}
