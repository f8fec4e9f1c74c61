//! Finds out what another node holds of some bags and this one does not: by [digests](crate::digest),
//! of which only what differs is looked into; from nodes without digests by their whole lists.

use std::collections::BTreeSet;

use shared::{
    chain::follower::DirectoryView,
    ids::{BagId, ObjectId},
};

use crate::{
    digest::{BagDigest, DIGESTS_ROUTE, Digest, RangeDigest},
    holdings::Holdings,
    peer::{PeerError, Peers},
    replicate::core::Source,
};

/// Questions in one comparison. What is not found with so many is found with the next.
const QUESTIONS_MAX: usize = 256;
/// Longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// What is held of a bag from one id to another, ascending. Walks that part of the bag.
pub fn held_within(
    view: &DirectoryView,
    holdings: &Holdings,
    bag: BagId,
    (first, last): (ObjectId, ObjectId),
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
        .collect()
}

/// All ids there are.
pub const ALL: (ObjectId, ObjectId) = (ObjectId(0), ObjectId(u64::MAX));

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
    /// Ids of these bags that the source holds and this node does not.
    pub async fn with(
        &self,
        source: &Source,
        bags: &[BagId],
    ) -> Result<BTreeSet<ObjectId>, PeerError> {
        let mut found = BTreeSet::new();
        let names: Vec<String> = bags.iter().map(BagId::to_string).collect();
        let path = format!("{DIGESTS_ROUTE}?bags={}", names.join(","));
        let answer: Vec<BagDigest> = match self.peers.json(source, &path, ANSWER_BYTES_MAX).await {
            Ok(answer) => answer,
            // A node of another kind.
            Err(PeerError::Refused {
                status: 400..=499, ..
            }) => {
                return self.with_lists(source, bags).await;
            }
            Err(error) => return Err(error),
        };
        let mut questions = 0;
        for theirs in answer
            .into_iter()
            .filter(|theirs| bags.contains(&theirs.bag))
        {
            if theirs.digest.count > 0 && self.digest(theirs.bag, ALL).await != theirs.digest {
                self.look_into(source, theirs.bag, &mut questions, &mut found)
                    .await?;
            }
        }
        Ok(found)
    }

    async fn look_into(
        &self,
        source: &Source,
        bag: BagId,
        questions: &mut usize,
        found: &mut BTreeSet<ObjectId>,
    ) -> Result<(), PeerError> {
        let mut open = vec![ALL];
        while let Some((first, last)) = open.pop().filter(|_| *questions < QUESTIONS_MAX) {
            *questions += 1;
            let path = format!("/api/v1/state/bags/{bag}/digest?first={first}&last={last}");
            let answer: RangeDigest = self.peers.json(source, &path, ANSWER_BYTES_MAX).await?;
            found.extend(
                answer
                    .ids
                    .into_iter()
                    .filter(|id| !self.holdings.contains(*id)),
            );
            for part in answer.parts {
                let range = (part.first, part.last);
                if self.digest(bag, range).await != part.digest {
                    open.push(range);
                }
            }
        }
        Ok(())
    }

    async fn digest(&self, bag: BagId, range: (ObjectId, ObjectId)) -> Digest {
        let (view, holdings) = (self.view.clone(), self.holdings.clone());
        let walk = move || {
            held_within(&view, &holdings, bag, range)
                .into_iter()
                .collect()
        };
        // A pool that is gone gives the digest of nothing, and the process is ending.
        tokio::task::spawn_blocking(walk).await.unwrap_or_default()
    }

    async fn with_lists(
        &self,
        source: &Source,
        bags: &[BagId],
    ) -> Result<BTreeSet<ObjectId>, PeerError> {
        let mut found = BTreeSet::new();
        for bag in bags {
            let held = self.peers.list(source, *bag).await?;
            found.extend(held.into_iter().filter(|id| !self.holdings.contains(*id)));
        }
        Ok(found)
    }
}
