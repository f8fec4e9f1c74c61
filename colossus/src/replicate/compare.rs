//! Finds out what another node holds of some bags and this one does not, and the other way round: by
//! [digests](crate::digest), of which only what differs is looked into; from nodes without digests by
//! their whole lists. What the other says is not believed, only asked for and verified.

use std::collections::{BTreeMap, BTreeSet};

use rand::seq::{IndexedRandom, SliceRandom};
use shared::{
    chain::follower::DirectoryView,
    ids::{BagId, ObjectId},
};

use crate::{
    digest::{ALL, Against, BAG_DIGEST_ROUTE, BagDigest, DIGESTS_ROUTE, Range, RangeDigest},
    holdings::Holdings,
    peer::{PeerError, Peers},
    replicate::core::Source,
};

/// Questions in one comparison. What is not found with so many is found with the next.
const QUESTIONS_MAX: usize = 256;
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Objects held here of a bag of which the other holds nothing that are named.
const NAMED_MAX: usize = 256;

/// What is held of a bag within a range, ascending, no more than `max`. Walks that part of the bag.
pub fn held_within(
    view: &DirectoryView,
    holdings: &Holdings,
    bag: BagId,
    (first, last): Range,
    max: usize,
) -> Vec<ObjectId> {
    if first > last {
        return Vec::new();
    }
    let ids: Vec<ObjectId> = match view.read().bags.get(&bag) {
        Some(known) => {
            let from = known.objects.from(first);
            from.take_while(|id| *id <= last).collect()
        }
        None => Vec::new(),
    };
    ids.into_iter()
        .filter(|id| holdings.contains(*id))
        .take(max)
        .collect()
}

/// How another node differs in the bags that were compared.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// It says that it holds these, and this node does not hold them.
    pub there: BTreeSet<ObjectId>,
    /// This node holds these, and it does not say so. Not all of them, if it holds few.
    pub here: BTreeSet<ObjectId>,
    /// There is more that was not asked about.
    pub is_cut_short: bool,
}

impl Difference {
    fn absorb(&mut self, found: Against) {
        self.there.extend(found.there);
        self.here.extend(found.here);
    }
}

/// This node's side of a comparison.
#[derive(Clone)]
pub struct Comparing {
    /// The client for other nodes.
    pub peers: Peers,
    /// The directory.
    pub view: DirectoryView,
    /// What is held here.
    pub holdings: Holdings,
}

impl Comparing {
    /// How the source differs in these bags. From nodes without digests no more than `lists_max` lists
    /// are read, of some of the bags.
    pub async fn with(
        &self,
        source: &Source,
        bags: &[BagId],
        lists_max: usize,
    ) -> Result<Difference, PeerError> {
        let names: Vec<String> = bags.iter().map(BagId::to_string).collect();
        let path = format!("{DIGESTS_ROUTE}?bags={}", names.join(","));
        let answer: Vec<BagDigest> = match self.peers.json(source, &path, ANSWER_BYTES_MAX).await {
            Ok(answer) => answer,
            // A node of another kind.
            Err(PeerError::Refused {
                status: 400..=499, ..
            }) => {
                return self.with_lists(source, bags, lists_max).await;
            }
            Err(error) => return Err(error),
        };
        let theirs: BTreeMap<BagId, _> = answer.iter().map(|of| (of.bag, of.digest)).collect();
        let mut found = Difference::default();
        let mut differing = Vec::new();
        for bag in bags {
            let theirs = theirs.get(bag).copied().unwrap_or_default();
            if self.holdings.digest_of(*bag) == theirs {
                continue;
            }
            if theirs.count == 0 {
                found.here.extend(self.held(*bag, ALL, NAMED_MAX).await);
            } else {
                differing.push(*bag);
            }
        }
        // If the questions do not suffice, each bag has its turn some day.
        differing.shuffle(&mut rand::rng());
        self.look_into(source, differing, &mut found).await?;
        Ok(found)
    }

    async fn look_into(
        &self,
        source: &Source,
        bags: Vec<BagId>,
        found: &mut Difference,
    ) -> Result<(), PeerError> {
        let mut open: Vec<(BagId, Range)> = bags.into_iter().map(|bag| (bag, ALL)).collect();
        for _ in 0..QUESTIONS_MAX {
            let Some((bag, range)) = open.pop() else {
                return Ok(());
            };
            let route = BAG_DIGEST_ROUTE.replace("{bag_id}", &bag.to_string());
            let path = format!("{route}?first={}&last={}", range.0, range.1);
            let answer: RangeDigest = self.peers.json(source, &path, ANSWER_BYTES_MAX).await?;
            let ours = self.held(bag, range, usize::MAX).await;
            let mut against = answer.against(&ours, range);
            open.extend(against.open.drain(..).map(|range| (bag, range)));
            found.absorb(against);
        }
        found.is_cut_short = !open.is_empty();
        Ok(())
    }

    async fn held(&self, bag: BagId, range: Range, max: usize) -> Vec<ObjectId> {
        let (view, holdings) = (self.view.clone(), self.holdings.clone());
        let walk = move || held_within(&view, &holdings, bag, range, max);
        // A pool that is gone gives nothing, and the process is ending.
        tokio::task::spawn_blocking(walk).await.unwrap_or_default()
    }

    async fn with_lists(
        &self,
        source: &Source,
        bags: &[BagId],
        lists_max: usize,
    ) -> Result<Difference, PeerError> {
        let some: Vec<BagId> = bags
            .choose_multiple(&mut rand::rng(), lists_max)
            .copied()
            .collect();
        let mut found = Difference::default();
        for bag in some {
            let theirs = self.peers.list(source, bag).await?;
            let ours = self.held(bag, ALL, usize::MAX).await;
            let lacked = ours.into_iter().filter(|id| !theirs.contains(id));
            found.here.extend(lacked);
            let there = theirs.iter().filter(|id| !self.holdings.contains(**id));
            found.there.extend(there);
        }
        found.is_cut_short = lists_max < bags.len();
        Ok(found)
    }
}
