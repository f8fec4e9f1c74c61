//! What must hold for every policy.

use std::collections::HashMap;

use proptest::prelude::*;

use super::{
    Key, Kind, Request,
    offline::{self, Bound},
    replay,
    synthetic::tests::small,
};

/// Requests a second apart for objects named by letters: capitals take three bytes, others one.
pub fn spelled(letters: &str) -> Vec<Request> {
    let mut keys = HashMap::new();
    let request = |(index, letter): (usize, char)| {
        let next = keys.len() as Key;
        Request {
            at_ms: index as u64 * 1000,
            key: *keys.entry(letter).or_insert(next),
            size: if letter.is_ascii_uppercase() { 3 } else { 1 },
        }
    };
    letters.chars().enumerate().map(request).collect()
}

/// `h` for each hit, `.` for each miss.
pub fn hits(kind: Kind, capacity: u64, letters: &str) -> String {
    let mut policy = kind.build(capacity);
    let word = |request: &Request| match policy.request(request, &mut Vec::new()) {
        true => 'h',
        false => '.',
    };
    spelled(letters).iter().map(word).collect()
}

/// Requests for up to twelve keys of fixed sizes.
fn requests() -> impl Strategy<Value = Vec<Request>> {
    let sizes = prop::collection::vec(1u64..40, 12);
    let uses = prop::collection::vec((0..12usize, 0u64..90_000), 1..400);
    (sizes, uses).prop_map(|(sizes, uses)| {
        let mut at_ms = 0;
        let request = |(key, pause): (usize, u64)| {
            at_ms += pause;
            let (key, size) = (key as Key, sizes[key]);
            Request { at_ms, key, size }
        };
        uses.into_iter().map(request).collect()
    })
}

proptest! {
    #[test]
    fn the_limit_holds_and_a_hit_was_put_in_and_not_evicted(
        requests in requests(), capacity in 0u64..200,
    ) {
        for kind in Kind::ALL {
            let mut policy = kind.build(capacity);
            let mut kept: HashMap<Key, u64> = HashMap::new();
            for request in &requests {
                let mut evicted = Vec::new();
                let hit = policy.request(request, &mut evicted);
                prop_assert_eq!(hit, kept.contains_key(&request.key), "{}", kind);
                prop_assert!(!hit || evicted.is_empty(), "{} evicts at a hit", kind);
                kept.insert(request.key, request.size);
                for gone in evicted {
                    prop_assert!(kept.remove(&gone).is_some(), "{} evicted twice", kind);
                }
                let bytes: u64 = kept.values().sum();
                prop_assert_eq!(policy.bytes(), bytes, "{}", kind);
                prop_assert!(bytes <= capacity, "{}: {} bytes", kind, bytes);
            }
        }
    }

    #[test]
    fn nothing_beats_the_bound_and_belady_beats_all_for_one_size(
        requests in requests(), capacity in 0u64..200,
    ) {
        let bound = Bound::of(&requests).at(capacity);
        let belady = offline::belady(&requests, capacity);
        prop_assert!(belady.requests <= bound.requests && belady.bytes <= bound.bytes);
        let of_one_size = |request: &Request| Request { size: 10, ..*request };
        let alike: Vec<Request> = requests.iter().map(of_one_size).collect();
        let best = offline::belady(&alike, capacity);
        for kind in Kind::ALL {
            let hits = replay::run(kind, capacity, &requests).hits;
            prop_assert!(hits.requests <= bound.requests && hits.bytes <= bound.bytes, "{}", kind);
            let hits = replay::run(kind, capacity, &alike).hits;
            prop_assert!(hits.requests <= best.requests, "{}", kind);
        }
    }
}

/// Most hits by trying everything: which keys stay after each request.
fn most_hits(requests: &[Request], capacity: u64) -> u64 {
    let keys = requests
        .iter()
        .map(|request| request.key)
        .max()
        .unwrap_or(0)
        + 1;
    let mut sizes = vec![0; keys as usize];
    requests
        .iter()
        .for_each(|request| sizes[request.key as usize] = request.size);
    let bytes = |set: u32| -> u64 {
        let held = (0..keys as usize).filter(|key| set & (1 << key) != 0);
        held.map(|key| sizes[key]).sum()
    };
    let mut best: HashMap<u32, u64> = HashMap::from([(0, 0)]);
    for request in requests {
        let mut after: HashMap<u32, u64> = HashMap::new();
        for (set, hits) in best {
            let hits = hits + u64::from(set >> request.key & 1);
            let may = set | 1 << request.key;
            // All subsets of what may be kept.
            let mut kept = may;
            loop {
                if bytes(kept) <= capacity {
                    let most = after.entry(kept).or_default();
                    *most = hits.max(*most);
                }
                if kept == 0 {
                    break;
                }
                kept = (kept - 1) & may;
            }
        }
        best = after;
    }
    best.into_values().max().unwrap_or(0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn belady_is_the_best_for_one_size_and_the_bound_holds_for_all(
        letters in "[abcABC]{1,24}", capacity in 0u64..8,
    ) {
        let requests = spelled(&letters);
        prop_assert!(most_hits(&requests, capacity) <= Bound::of(&requests).at(capacity).requests);
        let requests = spelled(&letters.to_lowercase());
        prop_assert_eq!(most_hits(&requests, capacity), offline::belady(&requests, capacity).requests);
    }
}

#[test]
fn every_policy_is_deterministic_and_profits_from_more_room() {
    let requests = small(7).trace().requests(None).unwrap();
    let all = replay::Summary::of(&requests);
    for kind in Kind::ALL {
        let hits = |share| replay::run(kind, all.distinct_bytes / share, &requests).hits;
        assert_eq!(hits(20), hits(20), "{kind}");
        assert!(hits(50).requests < hits(5).requests, "{kind}");
        assert!(hits(5).requests > 0, "{kind}");
        // With room for everything each key is missed once; a window that is set aside may cost some.
        if kind != Kind::TinyLfu {
            assert_eq!(hits(1).requests, all.requests - all.keys, "{kind}");
        }
    }
}

#[test]
fn names_are_read_as_they_are_written() {
    for kind in Kind::ALL {
        assert_eq!(kind.name().parse(), Ok(kind));
    }
    let error = "best".parse::<Kind>().unwrap_err().to_string();
    assert!(
        Kind::ALL.iter().all(|kind| error.contains(kind.name())),
        "{error}"
    );
}
