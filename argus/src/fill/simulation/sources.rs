//! What sources give, in the simulation, and what they announce, truly and falsely: some do not hold what they
//! announced, some give wrong bytes of it, for ever. What must hold is what must hold without: no wrong byte is read, and every
//! fill ends.

use shared::{
    ids::{ObjectId, StorageBucketId},
    p2p::gossip::heard::{Heard, Word},
};

use super::*;
use crate::fill::sources::Doubt;

/// The buckets of the sources, in their order.
const BUCKETS: [StorageBucketId; 3] = [StorageBucketId(0), StorageBucketId(1), StorageBucketId(2)];

/// What a source does with an object that it announced falsely.
#[derive(Clone, Copy)]
enum Falsely {
    /// It does not hold it.
    HoldsNot,
    /// It gives wrong bytes of it.
    Lies,
}

/// What the simulation knows of it.
#[derive(Default)]
pub(super) struct HearsayState {
    heard: Heard,
    /// By object and source; what is not here is held as well as anything.
    falsely: BTreeMap<(Content, String), Falsely>,
}

impl World {
    /// A source gives all, or a part and then nothing, or wrong bytes, or says that it has nothing.
    pub(super) fn fetch(
        &mut self,
        number: u64,
        (extent, groups): (Extent, std::ops::Range<u64>),
        source: String,
        pause: Duration,
    ) {
        self.ranking.borrow_mut().sent(self.now, &source);
        let content = self.fills[&number].content;
        let false_word = self.asked(&content, &source);
        let took = pause.as_millis() as u64 + self.random.random_range(1..30);
        let luck = if self.calm {
            0
        } else {
            self.random.random_range(0..20)
        };
        let (good, fault, outcome) = match luck {
            0..=14 => {
                let latency = Duration::from_millis(took);
                (
                    groups.end,
                    None,
                    Outcome::Good {
                        latency,
                        bytes: 1 << 20,
                        took: latency,
                    },
                )
            }
            15..=16 => (groups.start, Some(Fault::NotHeld), Outcome::NotHeld),
            17 => (groups.start, Some(Fault::NoOutboard), Outcome::NotHeld),
            18 => (
                self.random.random_range(groups.clone()),
                Some(Fault::Other),
                Outcome::Lied,
            ),
            _ => (
                self.random.random_range(groups.clone()),
                Some(Fault::Other),
                Outcome::Failed,
            ),
        };
        let (good, fault, outcome) = match false_word {
            Some((fault, outcome)) => (groups.start, Some(fault), outcome),
            None => (good, fault, outcome),
        };
        let at = self.now + Duration::from_millis(took);
        self.ranking.borrow_mut().ended(at, &source, outcome);
        self.after(took, Happening::Arrived(number, groups.start..good));
        let told = match fault {
            None => Told::Landed { extent },
            Some(fault) => Told::Failed {
                extent,
                source,
                fault,
            },
        };
        self.after(took, Happening::Tell(number, told));
    }

    /// A source announces an object. The first of them never does so falsely.
    pub(super) fn announced(&mut self) {
        let (content, who) = (self.some(), self.random.random_range(0..SOURCES.len()));
        let key = (content, SOURCES[who].to_owned());
        let falsely = match self.random.random_range(0..6) {
            0 if who > 0 => Some(Falsely::HoldsNot),
            1 if who > 0 => Some(Falsely::Lies),
            _ => None,
        };
        match falsely {
            Some(how) => _ = self.hearsay.falsely.insert(key, how),
            None => _ = self.hearsay.falsely.remove(&key),
        }
        let object = self.object(&content);
        self.hearsay.heard.note(object, BUCKETS[who]);
    }

    /// What was heard of each source, for this object.
    pub(super) fn doubts(&self, content: &Content) -> BTreeMap<&'static str, Doubt> {
        let words = self.hearsay.heard.words(self.object(content));
        let doubts = Doubt::of(words, &BUCKETS);
        SOURCES.into_iter().zip(doubts).collect()
    }

    /// A source is asked for an object of which it, or another, said something. What it does if its word
    /// was false: the fault, and how it is to be taken.
    fn asked(&mut self, content: &Content, source: &str) -> Option<(Fault, Outcome)> {
        let holders = self.hearsay.heard.holders(self.object(content));
        let said = holders.contains(&bucket(source));
        self.seen.announced_asked += u64::from(said);
        self.seen.silent_asked += u64::from(!said && !holders.is_empty());
        let falsely = self.hearsay.falsely.get(&(*content, source.to_owned()))?;
        self.seen.misled += u64::from(said);
        Some(match falsely {
            Falsely::HoldsNot => (Fault::NotHeld, Outcome::NotHeld),
            Falsely::Lies => (Fault::Other, Outcome::Lied),
        })
    }

    /// A fill hears that a source does not hold its object.
    pub(super) fn denied(&mut self, content: &Content, source: &str) {
        let object = self.object(content);
        self.hearsay.heard.deny(object, bucket(source));
        let words = self.hearsay.heard.words(object);
        let word = words.and_then(|words| words.of(bucket(source)));
        assert_ne!(word, Some(Word::Holds), "its word counts no more");
    }

    /// What was heard is gone; what the sources hold is not.
    pub(super) fn hearsay_crashed(&mut self) {
        self.hearsay.heard = Heard::default();
    }

    fn object(&self, content: &Content) -> ObjectId {
        let at = self.objects.iter().position(|it| it == content);
        ObjectId(at.expect("one of the objects") as u64)
    }
}

fn bucket(source: &str) -> StorageBucketId {
    let at = SOURCES.iter().position(|it| *it == source);
    BUCKETS[at.expect("one of the sources")]
}
