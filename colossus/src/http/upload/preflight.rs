//! Where could an object of this size go? `GET /api/v1/uploads/preflight?bagId=&size=` is asked
//! before the object is created on chain, and is answered from the directory and, for this node's own
//! buckets, from its disk and slots.

use std::collections::BTreeSet;

use actix_web::{HttpRequest, HttpResponse, web};
use serde::{Deserialize, Serialize};
use shared::{
    api::{ApiError, ErrorKind},
    chain::directory::{Directory, StorageOperator},
    ids::{BagId, StorageBucketId, WorkerId},
};

use crate::node::Node;

/// The buckets of a bag, and what they could take at one block.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preflight {
    /// The bag.
    pub bag: BagId,
    /// Bytes asked about.
    pub size: u64,
    /// The finalised block at which the answer was true.
    pub at_block: u32,
    /// Would the chain create the object? It does so only if every bucket of the bag has room, even
    /// those that nobody operates.
    pub creatable: bool,
    /// All buckets of the bag.
    pub buckets: Vec<BucketPreflight>,
}

/// One bucket of the bag.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BucketPreflight {
    /// The bucket.
    pub bucket: StorageBucketId,
    /// Can it take the object now? So it is when there is no reason against it.
    pub can_take: bool,
    /// Why it cannot, all there is.
    pub reasons: Vec<Reason>,
    /// Is it this node that answers for the bucket?
    pub here: bool,
    /// Its operator.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<WorkerId>,
    /// HTTP root of its node, if the operator announced one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
}

/// Why a bucket cannot take an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The lead has stopped all new uploads.
    UploadingBlocked,
    /// The bag names a bucket that does not exist.
    NoSuchBucket,
    /// Nobody operates it.
    NoOperator,
    /// A worker was invited to operate it and has not accepted.
    OperatorInvited,
    /// Its operator has not announced where its node is.
    NoEndpoint,
    /// Its voucher has fewer bytes left than the object has.
    NoRoomForBytes,
    /// Its voucher has no object left.
    NoRoomForObjects,
    /// Its node, this one, has too little disk space.
    DiskFull,
    /// Its node, this one, writes nothing now.
    ReadOnly,
    /// Its node, this one, receives as many uploads at once as it may.
    NoFreeSlot,
}

impl Reason {
    /// Does the chain refuse to create the object for this reason?
    fn stops_creation(self) -> bool {
        match self {
            Self::UploadingBlocked | Self::NoRoomForBytes | Self::NoRoomForObjects => true,
            Self::NoSuchBucket
            | Self::NoOperator
            | Self::OperatorInvited
            | Self::NoEndpoint
            | Self::DiskFull
            | Self::ReadOnly
            | Self::NoFreeSlot => false,
        }
    }
}

/// `GET /api/v1/uploads/preflight`
pub async fn preflight(
    request: HttpRequest,
    node: web::Data<Node>,
) -> Result<HttpResponse, ApiError> {
    let (bag, size) = parse(request.query_string())?;
    let here = Here {
        buckets: node.our_buckets(),
        reasons: here_against(&node, size),
    };
    let at_block = node.view.at().number;
    let answer = buckets_for(&node.view.read(), &here, bag, size, at_block);
    let answer = answer.ok_or_else(|| {
        let message = format!("bag {bag} does not exist on chain at block {at_block}");
        ApiError::new(ErrorKind::NotFound, message)
    })?;
    Ok(HttpResponse::Ok().json(answer))
}

/// What this node knows of itself.
#[derive(Debug, Default)]
pub struct Here {
    /// Buckets it answers for.
    pub buckets: BTreeSet<StorageBucketId>,
    /// Why it can take nothing of that size, if so.
    pub reasons: Vec<Reason>,
}

fn here_against(node: &Node, size: u64) -> Vec<Reason> {
    let others_bytes = node.uploads.taken_bytes();
    let refusal = node.standing.get().refuses_upload_of(size, others_bytes);
    let refused = refusal.map(|refusal| match refusal.kind {
        ErrorKind::ReadOnly => Reason::ReadOnly,
        _ => Reason::DiskFull,
    });
    let slots = (!node.uploads.has_slot()).then_some(Reason::NoFreeSlot);
    refused.into_iter().chain(slots).collect()
}

/// What the buckets of this bag could take. `None` if there is no such bag; a static bag is always
/// there, if only without buckets.
pub fn buckets_for(
    directory: &Directory,
    here: &Here,
    bag: BagId,
    size: u64,
    at_block: u32,
) -> Option<Preflight> {
    let is_static = matches!(bag, BagId::Council | BagId::WorkingGroup(_));
    let stored_by = match directory.bags.get(&bag) {
        Some(known) => known.stored_by.to_set(),
        None if is_static => BTreeSet::new(),
        None => return None,
    };
    let buckets: Vec<_> = stored_by
        .into_iter()
        .map(|bucket| look_at(directory, here, bucket, size))
        .collect();
    let stopped = |it: &BucketPreflight| it.reasons.iter().any(|reason| reason.stops_creation());
    let creatable = !directory.uploading_blocked && !buckets.iter().any(stopped);
    Some(Preflight {
        bag,
        size,
        at_block,
        creatable,
        buckets,
    })
}

fn look_at(
    directory: &Directory,
    own: &Here,
    bucket: StorageBucketId,
    size: u64,
) -> BucketPreflight {
    let here = own.buckets.contains(&bucket);
    let (mut worker, mut endpoint, mut reasons) = (None, None, Vec::new());
    if directory.uploading_blocked {
        reasons.push(Reason::UploadingBlocked);
    }
    match directory.storage_buckets.get(&bucket) {
        None => reasons.push(Reason::NoSuchBucket),
        Some(known) => {
            match &known.operator {
                StorageOperator::Missing => reasons.push(Reason::NoOperator),
                StorageOperator::Invited(_) => reasons.push(Reason::OperatorInvited),
                StorageOperator::Active {
                    worker: active,
                    endpoint: announced,
                    ..
                } => {
                    worker = Some(*active);
                    endpoint = announced.clone();
                }
            }
            // Whoever asks here has found this node already.
            if worker.is_some() && endpoint.is_none() && !here {
                reasons.push(Reason::NoEndpoint);
            }
            let voucher = known.voucher;
            if voucher.size_limit.saturating_sub(voucher.size_used) < size {
                reasons.push(Reason::NoRoomForBytes);
            }
            if voucher.objects_used >= voucher.objects_limit {
                reasons.push(Reason::NoRoomForObjects);
            }
        }
    }
    if here {
        reasons.extend(&own.reasons);
    }
    BucketPreflight {
        bucket,
        can_take: reasons.is_empty(),
        reasons,
        here,
        worker,
        endpoint,
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Query {
    bag_id: Option<String>,
    size: Option<String>,
}

fn parse(query: &str) -> Result<(BagId, u64), ApiError> {
    let refuse = |message: String| ApiError::new(ErrorKind::InvalidRequest, message);
    let query = web::Query::<Query>::from_query(query)
        .map_err(|error| refuse(format!("the query cannot be read: {error}")))?
        .into_inner();
    let missing = |name: &str| refuse(format!("the query parameter '{name}' is missing"));
    let bag = query.bag_id.ok_or_else(|| missing("bagId"))?.parse()?;
    let size = query.size.ok_or_else(|| missing("size"))?;
    match size.parse::<u64>() {
        Ok(bytes) if bytes > 0 => Ok((bag, bytes)),
        _ => Err(refuse(format!(
            "size '{size}' is not a number of bytes above zero"
        ))),
    }
}

#[cfg(test)]
mod tests {
    use shared::{
        chain::{
            directory::{Bag, StorageBucket},
            event::Voucher,
        },
        ids::{AccountId, ChannelId},
    };

    use super::*;

    const BAG: BagId = BagId::Channel(ChannelId(7));
    const BUCKET: StorageBucketId = StorageBucketId(3);
    const ROOMY: Voucher = Voucher {
        size_limit: 1_000,
        objects_limit: 10,
        size_used: 400,
        objects_used: 4,
    };

    fn active(endpoint: Option<&str>) -> StorageOperator {
        StorageOperator::Active {
            worker: WorkerId(1),
            transactor: AccountId([0; 32]),
            endpoint: endpoint.map(Into::into),
        }
    }

    fn directory(operator: StorageOperator, voucher: Voucher) -> Directory {
        let bucket = StorageBucket {
            operator,
            accepting_new_bags: false,
            voucher,
        };
        let bag = Bag {
            stored_by: [BUCKET].into(),
            ..Bag::default()
        };
        Directory {
            bags: [(BAG, bag)].into(),
            storage_buckets: [(BUCKET, bucket)].into(),
            ..Directory::default()
        }
    }

    /// Reasons and whether the chain would create the object.
    fn answer(directory: &Directory, here: bool, size: u64) -> (Vec<Reason>, bool) {
        let own = Here {
            buckets: here.then_some(BUCKET).into_iter().collect(),
            reasons: Vec::new(),
        };
        let answer = buckets_for(directory, &own, BAG, size, 1).unwrap();
        let [bucket] = &answer.buckets[..] else {
            panic!("one bucket: {answer:?}");
        };
        assert_eq!(bucket.here, here);
        assert_eq!(bucket.can_take, bucket.reasons.is_empty());
        (bucket.reasons.clone(), answer.creatable)
    }

    #[test]
    fn every_reason_is_found_and_no_other() {
        use Reason as R;
        use StorageOperator::{Invited, Missing};
        let there = || active(Some("http://there/"));
        let full = |bytes, objects| Voucher {
            size_used: bytes,
            objects_used: objects,
            ..ROOMY
        };
        let lowered = Voucher {
            size_limit: 10,
            ..ROOMY
        };
        let cases = [
            (there(), ROOMY, false, vec![], true),
            (there(), ROOMY, true, vec![], true),
            (active(None), ROOMY, true, vec![], true),
            (active(None), ROOMY, false, vec![R::NoEndpoint], true),
            (Missing, ROOMY, false, vec![R::NoOperator], true),
            (
                Invited(WorkerId(1)),
                ROOMY,
                false,
                vec![R::OperatorInvited],
                true,
            ),
            (there(), full(900, 4), true, vec![], true),
            (there(), full(901, 4), true, vec![R::NoRoomForBytes], false),
            (there(), lowered, true, vec![R::NoRoomForBytes], false),
            (there(), full(0, 9), true, vec![], true),
            (there(), full(0, 10), true, vec![R::NoRoomForObjects], false),
            (
                Missing,
                full(1_000, 10),
                false,
                vec![R::NoOperator, R::NoRoomForBytes, R::NoRoomForObjects],
                false,
            ),
        ];
        for (operator, voucher, here, reasons, creatable) in cases {
            let directory = directory(operator.clone(), voucher);
            let case = format!("{operator:?} {voucher:?} here {here}");
            assert_eq!(
                answer(&directory, here, 100),
                (reasons, creatable),
                "{case}"
            );
        }
    }

    #[test]
    fn the_leads_switch_stops_every_bucket() {
        let mut directory = directory(active(None), ROOMY);
        directory.uploading_blocked = true;
        let blocked = (vec![Reason::UploadingBlocked], false);
        assert_eq!(answer(&directory, true, 1), blocked);
    }

    #[test]
    fn a_bucket_that_is_gone_is_told() {
        let mut directory = directory(active(None), ROOMY);
        directory.storage_buckets.clear();
        assert_eq!(
            answer(&directory, false, 1),
            (vec![Reason::NoSuchBucket], true)
        );
    }

    #[test]
    fn a_full_disk_and_full_slots_count_here_and_do_not_stop_creation() {
        let directory = directory(active(Some("http://there/")), ROOMY);
        let full = vec![Reason::DiskFull, Reason::NoFreeSlot];
        for here in [false, true] {
            let own = Here {
                buckets: here.then_some(BUCKET).into_iter().collect(),
                reasons: full.clone(),
            };
            let answer = buckets_for(&directory, &own, BAG, 1, 1).unwrap();
            let expected = if here { full.clone() } else { Vec::new() };
            assert_eq!(answer.buckets[0].reasons, expected);
            assert!(answer.creatable);
        }
    }

    #[test]
    fn bags_that_do_not_exist_have_no_answer_and_static_ones_always_exist() {
        let ours = Here::default();
        let none = Directory::default();
        assert_eq!(buckets_for(&none, &ours, BAG, 1, 1), None);
        let council = buckets_for(&none, &ours, BagId::Council, 1, 9).unwrap();
        assert_eq!((council.buckets.len(), council.at_block), (0, 9));
    }
}
