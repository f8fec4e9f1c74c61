//! Tables of circuits and choices, and a simulation in which sources change their manners.

use proptest::prelude::*;

use super::*;

const ALL: [&str; 3] = ["a", "b", "c"];

fn best(ranking: &Ranking, now: Instant) -> &'static str {
    ranking.best(now, sure(&ALL)).unwrap()
}

/// Of whom nothing was heard.
fn sure(all: &[&'static str]) -> impl Iterator<Item = (&'static str, Doubt)> {
    all.iter().map(|name| (*name, Doubt::None))
}

fn good(ms: u64) -> Outcome {
    Outcome::Good {
        latency: Duration::from_millis(ms),
        bytes: 1 << 20,
        took: Duration::from_millis(ms * 2),
    }
}

/// What happens to a source.
#[derive(Debug, Clone, Copy)]
enum Step {
    Sent,
    Ended(Outcome),
}

#[test]
fn circuits_open_are_probed_and_close() {
    use Outcome::{Abandoned, Failed, Lied, NotHeld, Stalled};
    use Step::{Ended, Sent};
    let start = Instant::now();
    // Milliseconds, what happens, and the circuit after it with the milliseconds until which it is
    // open.
    let stories: [&[(u64, Step, &str, u64)]; 6] = [
        // Three failures in a row open it, not three failures.
        &[
            (0, Ended(Failed), "closed", 0),
            (0, Ended(Failed), "closed", 0),
            (0, Ended(good(1)), "closed", 0),
            (0, Ended(Failed), "closed", 0),
            (0, Ended(Failed), "closed", 0),
            (0, Ended(Failed), "open", 1_000),
            // A request that had to be sent all the same changes nothing before the time.
            (500, Sent, "open", 1_000),
            (1_000, Sent, "half-open", 0),
            (1_100, Ended(Failed), "open", 3_100),
            (3_100, Sent, "half-open", 0),
            (3_200, Ended(good(1)), "closed", 0),
            (3_200, Ended(Failed), "closed", 0),
        ],
        // Who stalls is not asked twice.
        &[
            (0, Ended(Stalled), "open", 1_000),
            (2_000, Sent, "half-open", 0),
            (2_000, Ended(Stalled), "open", 4_000),
            (4_000, Sent, "half-open", 0),
            (4_000, Ended(Stalled), "open", 8_000),
        ],
        // The time has an end.
        &[
            (0, Ended(Stalled), "open", 1_000),
            (0, Ended(Stalled), "open", 2_000),
            (0, Ended(Stalled), "open", 4_000),
            (0, Ended(Stalled), "open", 8_000),
            (0, Ended(Stalled), "open", 16_000),
            (0, Ended(Stalled), "open", 32_000),
            (0, Ended(Stalled), "open", 60_000),
            (0, Ended(Stalled), "open", 60_000),
        ],
        // Liars wait longest.
        &[
            (0, Ended(Lied), "open", 600_000),
            (600_000, Sent, "half-open", 0),
            (600_000, Ended(Lied), "open", 1_200_000),
            (1_200_000, Sent, "half-open", 0),
            (1_200_000, Ended(good(1)), "closed", 0),
        ],
        // Not to hold one object is no failure, and shows that a node is alive.
        &[
            (0, Ended(NotHeld), "closed", 0),
            (0, Ended(Stalled), "open", 1_000),
            (0, Ended(NotHeld), "open", 1_000),
            (1_000, Sent, "half-open", 0),
            (1_000, Ended(NotHeld), "closed", 0),
        ],
        // A probe that nobody waited for has shown nothing.
        &[
            (0, Ended(Stalled), "open", 1_000),
            (1_000, Sent, "half-open", 0),
            (1_500, Ended(Abandoned), "open", 1_500),
            (1_500, Sent, "half-open", 0),
            (1_600, Ended(good(1)), "closed", 0),
            (1_600, Ended(Abandoned), "closed", 0),
        ],
    ];
    for (story, steps) in stories.into_iter().enumerate() {
        let mut ranking = Ranking::default();
        for (number, (ms, step, word, until_ms)) in steps.iter().enumerate() {
            let now = start + Duration::from_millis(*ms);
            match step {
                Sent => ranking.sent(now, "a"),
                Ended(outcome) => ranking.ended(now, "a", *outcome),
            }
            let circuit = ranking.sources["a"].circuit;
            assert_eq!(circuit.word(), *word, "story {story}, step {number}");
            if let Circuit::Open { until, .. } = circuit {
                let wanted = start + Duration::from_millis(*until_ms);
                assert_eq!(until, wanted, "story {story}, step {number}");
            }
        }
    }
}

#[test]
fn the_fastest_is_asked_and_load_is_spread() {
    let (mut ranking, now) = (Ranking::default(), Instant::now());
    ranking.ended(now, "b", good(1));
    assert_eq!(best(&ranking, now), "b");
    for _ in 0..3 {
        ranking.sent(now, "b");
    }
    ranking.ended(now, "c", good(30));
    assert_eq!(best(&ranking, now), "c");
    for _ in 0..3 {
        ranking.ended(now, "b", good(1));
    }
    assert_eq!(best(&ranking, now), "b");
    assert_eq!(ranking.best(now, sure(&[])), None);
}

#[test]
fn a_preferred_source_is_asked_unless_it_is_much_slower() {
    let (mut ranking, now) = (Ranking::default(), Instant::now());
    ranking.prefer("b");
    ranking.ended(now, "a", good(20));
    ranking.ended(now, "b", good(60));
    assert_eq!(best(&ranking, now), "b");
    for _ in 0..40 {
        ranking.ended(now, "a", good(1));
        ranking.ended(now, "b", good(900));
    }
    assert_eq!(best(&ranking, now), "a");
}

#[test]
fn doubts_follow_from_what_was_said_last() {
    use Doubt::{Denied, None as No, Silent};
    let buckets = [0, 1, 2].map(StorageBucketId);
    let object = shared::ids::ObjectId(7);
    // Who announces (true) or is asked in vain (false), one after another; bucket 9 need not hold it.
    type Said = &'static [(u64, bool)];
    let stories: [(Said, [Doubt; 3]); 8] = [
        (&[], [No, No, No]),
        (&[(2, false)], [No, No, No]),
        (&[(2, true)], [Silent, Silent, No]),
        (&[(2, true), (0, true)], [No, Silent, No]),
        (&[(2, true), (1, false)], [Silent, Denied, No]),
        // Its word was false, and it was the only one.
        (&[(2, true), (2, false)], [No, No, Denied]),
        (&[(2, true), (2, false), (2, true)], [Silent, Silent, No]),
        (&[(9, true)], [No, No, No]),
    ];
    for (said, expected) in stories {
        let mut heard = shared::p2p::gossip::heard::Heard::default();
        for (bucket, holds) in said {
            match holds {
                true => heard.note(object, StorageBucketId(*bucket)),
                false => heard.deny(object, StorageBucketId(*bucket)),
            }
        }
        let doubts = Doubt::of(heard.words(object), &buckets);
        assert_eq!(doubts, expected, "{said:?}");
    }
}

#[test]
fn who_has_announced_is_asked_first_unless_it_is_down_or_much_slower() {
    use Doubt::{Denied, None as No, Silent};
    let fast = |ranking: &mut Ranking, now, name| {
        (0..40).for_each(|_| ranking.ended(now, name, good(2)));
    };
    let slow = |ranking: &mut Ranking, now, name| {
        (0..40).for_each(|_| ranking.ended(now, name, good(900)));
    };
    let (start, mut fresh) = (Instant::now(), Ranking::default());
    // Nobody has been measured: what was said decides, and the order of the chain where nothing was.
    let table = [
        ([No, No, No], "a"),
        ([Silent, No, Silent], "b"),
        ([Silent, No, No], "b"),
        ([Denied, No, No], "b"),
        ([Denied, Silent, Denied], "b"),
        ([Denied, Silent, No], "c"),
        ([Denied, Denied, Denied], "a"),
    ];
    for (doubts, expected) in table {
        let said = || ALL.into_iter().zip(doubts);
        assert_eq!(fresh.best(start, said()), Some(expected), "{doubts:?}");
    }
    // A sibling that has it is preferred as before.
    fresh.prefer("c");
    let said = [("a", No), ("b", Silent), ("c", No)];
    assert_eq!(fresh.best(start, said.into_iter()), Some("c"));

    let only_b = || [("a", Silent), ("b", No), ("c", Silent)].into_iter();
    // Somewhat slower: still b. Much slower: another is worth a question.
    let mut ranking = Ranking::default();
    (0..40).for_each(|_| ranking.ended(start, "a", good(30)));
    (0..40).for_each(|_| ranking.ended(start, "b", good(60)));
    assert_eq!(ranking.best(start, only_b()), Some("b"));
    slow(&mut ranking, start, "b");
    fast(&mut ranking, start, "c");
    assert_eq!(ranking.best(start, only_b()), Some("c"));
    // An open circuit is open whatever was announced, and once it may be tried the word counts again.
    let mut ranking = Ranking::default();
    ranking.ended(start, "b", Outcome::Stalled);
    assert_eq!(ranking.best(start, only_b()), Some("a"));
    ranking.ended(start, "b", Outcome::Lied);
    assert_eq!(ranking.best(start, only_b()), Some("a"));
    let mut ranking = Ranking::default();
    ranking.ended(start, "b", Outcome::Failed);
    assert_eq!(
        ranking.best(start, only_b()),
        Some("a"),
        "one failure is as much as silence, and a comes first"
    );
    // Load is spread to the silent when who has announced has four times as much to do.
    let mut ranking = Ranking::default();
    (0..2).for_each(|_| ranking.sent(start, "b"));
    assert_eq!(ranking.best(start, only_b()), Some("b"));
    (0..2).for_each(|_| ranking.sent(start, "b"));
    assert_eq!(ranking.best(start, only_b()), Some("a"));
}

#[test]
fn throughput_counts_as_much_as_latency() {
    let (mut ranking, now) = (Ranking::default(), Instant::now());
    let slow_line = Outcome::Good {
        latency: Duration::from_millis(1),
        bytes: 1 << 20,
        took: Duration::from_secs(2),
    };
    let far_away = Outcome::Good {
        latency: Duration::from_millis(120),
        bytes: 1 << 20,
        took: Duration::from_millis(130),
    };
    let small = Outcome::Good {
        latency: Duration::from_millis(1),
        bytes: 10,
        took: Duration::from_secs(2),
    };
    for _ in 0..20 {
        ranking.ended(now, "a", slow_line);
        ranking.ended(now, "b", far_away);
        ranking.ended(now, "c", small);
    }
    let two = ["a", "b"];
    assert_eq!(ranking.best(now, sure(&two)), Some("b"));
    let of_c = ranking.sources["c"].bytes_per_s;
    assert_eq!(of_c, BYTES_PER_S_ASSUMED, "ten bytes say nothing of it");
}

#[test]
fn an_open_circuit_is_used_only_when_there_is_no_other() {
    let (mut ranking, now) = (Ranking::default(), Instant::now());
    ranking.ended(now, "a", Outcome::Lied);
    ranking.ended(now, "b", Outcome::Stalled);
    assert_eq!(best(&ranking, now), "c");
    for _ in 0..50 {
        ranking.sent(now, "c");
    }
    assert_eq!(best(&ranking, now), "c", "however much it has to do");
    ranking.ended(now, "c", Outcome::Stalled);
    ranking.ended(now, "c", Outcome::Stalled);
    assert_eq!(best(&ranking, now), "b", "the one that is open shortest");
    let later = now + OPEN_MIN;
    ranking.sent(later, "b");
    ranking.ended(later, "c", good(1));
    assert_eq!(best(&ranking, later), "c", "b is being probed");
}

#[test]
fn patience_grows_with_what_a_source_usually_takes() {
    let (mut ranking, now) = (Ranking::default(), Instant::now());
    let min = Duration::from_millis(100);
    for _ in 0..100 {
        ranking.ended(now, "a", good(2));
        ranking.ended(now, "b", good(400));
    }
    assert_eq!(ranking.patience("a", min), min);
    let patience = ranking.patience("b", min);
    assert!(patience >= Duration::from_millis(390) && patience < Duration::from_millis(600));
    let before = ranking.sources["a"].latency;
    ranking.ended(now, "a", Outcome::Slow { after: min });
    assert!(
        ranking.sources["a"].latency > before * 2,
        "it is trusted less"
    );
    assert_eq!(ranking.sources["a"].circuit.word(), "closed");
}

#[test]
fn the_memory_is_bounded() {
    let (mut ranking, now) = (Ranking::default(), Instant::now());
    for number in 0..SOURCES_MAX + 5 {
        ranking.sent(now, &number.to_string());
    }
    assert!(ranking.sources.len() <= SOURCES_MAX);
}

proptest! {
    /// Whatever happened before: once one source alone does well, it is soon the one that is asked,
    /// and none is locked out for ever.
    #[test]
    fn who_does_well_is_found_again(
        story in proptest::collection::vec((0usize..3, 0u8..6, 0u64..5_000), 0..60),
        well in 0usize..3,
    ) {
        let mut ranking = Ranking::default();
        let mut now = Instant::now();
        for (who, what, wait_ms) in story {
            now += Duration::from_millis(wait_ms);
            ranking.sent(now, ALL[who]);
            ranking.ended(now, ALL[who], match what {
                0 => good(wait_ms % 300),
                1 => Outcome::Slow { after: Duration::from_millis(wait_ms) },
                2 => Outcome::NotHeld,
                3 => Outcome::Failed,
                4 => Outcome::Stalled,
                _ => Outcome::Lied,
            });
        }
        now += OPEN_AFTER_LIE + OPEN_MAX;
        let mut asked_well = 0;
        for _ in 0..40 {
            let who = best(&ranking, now);
            ranking.sent(now, who);
            let does_well = who == ALL[well];
            asked_well += u32::from(does_well);
            ranking.ended(now, who, if does_well { good(5) } else { Outcome::Stalled });
        }
        prop_assert!(asked_well >= 36, "asked {} times of 40", asked_well);
        prop_assert!(ranking.all().all(|(_, source)| source.in_flight == 0));
    }
}
