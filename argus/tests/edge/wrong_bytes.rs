//! Seeded runs with sources of every bad kind: whatever they flip, cut, delay, hang or lie about, a
//! viewer's bytes are a prefix of the truth, and one honest source is enough for all of them.
//!
//! `ARGUS_WRONG_BYTE_RUNS=10000` runs more of them than the test suite does, `ARGUS_WRONG_BYTE_FIRST=9721`
//! begins there.

use std::{collections::HashMap, sync::Arc, time::Duration};

use futures::{StreamExt, stream};
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

use crate::support::{Edge, Manner, Origin, Setup, content};

/// Runs when nobody asks for another number.
const RUNS: u64 = 240;
/// Objects, and so runs, per edge.
const BATCH: u64 = 40;
/// Viewers at once.
const VIEWERS: usize = 8;
const ORIGINS: usize = 3;
const GROUP: u64 = 16_384;

/// One object, who has it in which manner, and what a viewer asks for.
struct Run {
    id: u64,
    bytes: Vec<u8>,
    manners: [Manner; ORIGINS],
    range: Option<(u64, u64)>,
}

/// A place of interest: ends, edges of groups, anywhere.
fn place(random: &mut StdRng, len: u64) -> u64 {
    let last = len - 1;
    let edge = random.random_range(0..=last / GROUP) * GROUP;
    *[
        0,
        1.min(last),
        last,
        edge,
        edge.saturating_sub(1),
        (edge + 1).min(last),
        random.random_range(0..len),
    ]
    .choose(random)
    .unwrap()
}

fn bad_manner(random: &mut StdRng, len: u64) -> Manner {
    let at = place(random, len);
    match random.random_range(0..13) {
        0 | 1 => Manner::Flips(at),
        2 => Manner::BreaksOffAt(at),
        3 => Manner::StallsAt(at),
        4 => Manner::AnotherObject,
        5 => Manner::Empty,
        6 => Manner::FlipsOutboardAt(random.random_range(0..1 + len / 512)),
        7 => Manner::CutsOutboard(random.random_range(0..1 + len / 512)),
        8 => Manner::Delays(Duration::from_millis(random.random_range(0..4))),
        9 => Manner::LiesAboutLength(random.random_range(1..40_000)),
        10 => Manner::LiesAboutLength(-random.random_range(1..40_000)),
        11 => Manner::Shifts(at + 1),
        _ => Manner::WithoutOutboardFlips(at),
    }
}

impl Run {
    fn of(seed: u64) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let len = match random.random_range(0..4) {
            0 => random.random_range(1..100),
            1 => GROUP * random.random_range(1..5),
            2 => GROUP * random.random_range(1..5) + random.random_range(1..3) - 1,
            _ => random.random_range(1..3_000_000),
        };
        let honest = random.random_range(0..ORIGINS + 1);
        let manners = std::array::from_fn(|origin| {
            if origin == honest {
                Manner::Honest
            } else {
                bad_manner(&mut random, len)
            }
        });
        let range = random.random_bool(0.6).then(|| {
            let (one, other) = (place(&mut random, len), place(&mut random, len));
            (one.min(other), one.max(other) + 1)
        });
        Self {
            id: seed,
            bytes: content(seed, len as usize),
            manners,
            range,
        }
    }

    /// Delays are slow, but honest.
    fn has_honest_source(&self) -> bool {
        let honest = |manner: &Manner| matches!(manner, Manner::Honest | Manner::Delays(_));
        self.manners.iter().any(honest)
    }

    async fn watch(&self, edge: &Edge) {
        let (start, end) = self.range.unwrap_or((0, self.bytes.len() as u64));
        let truth = &self.bytes[start as usize..end as usize];
        let mut request = edge.client.get(edge.url(self.id));
        if self.range.is_some() {
            request = request.header("range", format!("bytes={start}-{}", end - 1));
        }
        let what = format!("seed {}: {:?}", self.id, self.manners);
        let mut response = match request.send().await {
            Ok(response) => response,
            // Broken off before a byte was sent.
            Err(error) => {
                assert!(!self.has_honest_source(), "{what}: {error:?}");
                return;
            }
        };
        let status = response.status().as_u16();
        let what = format!("{what}, status {status}");
        if !matches!(status, 200 | 206) {
            assert_eq!(status, 502, "{what}");
            assert!(!self.has_honest_source(), "{what}");
            return;
        }
        let mut received = Vec::new();
        let whole = loop {
            match response.chunk().await {
                Ok(Some(piece)) => received.extend_from_slice(&piece),
                Ok(None) => break true,
                Err(_) => break false,
            }
        };
        assert!(truth.starts_with(&received), "{what}: a wrong byte");
        assert!(
            !whole || received.len() == truth.len(),
            "{what}: a short success"
        );
        assert!(whole || !self.has_honest_source(), "{what}: broken off");
    }
}

/// An edge between these sources; objects are kept, or pass through, or compete for a small cache.
async fn watch_batch(runs: Vec<Run>, batch: u64) {
    let objects: Vec<_> = runs.iter().map(|run| (run.id, run.bytes.clone())).collect();
    let origins: [Origin; ORIGINS] = std::array::from_fn(|origin| {
        let manners = runs.iter().map(|run| (run.id, run.manners[origin].clone()));
        let manners: HashMap<_, _> = manners.collect();
        Origin::start(Manner::ByObject(Arc::new(manners)), &objects)
    });
    let mut setup = Setup::new(&origins.each_ref(), &objects);
    match batch % 3 {
        0 => {}
        1 => setup.object_max = Some(1),
        _ => setup.cache_limit = 8 << 20,
    }
    let edge = setup.start().await;
    stream::iter(&runs)
        .for_each_concurrent(VIEWERS, |run| run.watch(&edge))
        .await;
    edge.node.stop().await;
    for origin in origins {
        origin.stop().await;
    }
}

#[actix_web::test]
async fn no_wrong_byte_reaches_a_viewer_whatever_sources_do() {
    let asked = |name: &str, else_: u64| {
        std::env::var(name).map_or(else_, |number| number.parse().unwrap())
    };
    let first = asked("ARGUS_WRONG_BYTE_FIRST", 1);
    let end = first + asked("ARGUS_WRONG_BYTE_RUNS", RUNS);
    let seeds: Vec<u64> = (first..end).collect();
    for seeds in seeds.chunks(BATCH as usize) {
        let runs = seeds.iter().map(|seed| Run::of(*seed)).collect();
        watch_batch(runs, seeds[0] / BATCH).await;
    }
}
