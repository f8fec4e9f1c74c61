//! Random sequences of calls: whatever is called, in whatever order, the invariants hold.

use crate::mock::*;
use crate::*;
use frame_support::storage::with_storage_layer;
use proptest::collection::{btree_set, vec};
use proptest::prelude::*;
use sp_runtime::DispatchError;
use std::collections::BTreeSet;

/// A step with small numbers, so that many steps succeed and many do not.
#[derive(Clone, Debug)]
enum Step {
    CreateBucket {
        size_limit: u64,
    },
    DeleteBucket(u64),
    Limits {
        bucket: u64,
        size_limit: u64,
        objects_limit: u64,
    },
    Rebind {
        channel: u64,
        add: BTreeSet<u64>,
        remove: BTreeSet<u64>,
    },
    Redistribute {
        channel: u64,
        add: BTreeSet<u64>,
        remove: BTreeSet<u64>,
    },
    CreateFamily,
    DeleteFamily(u64),
    CreateDistributionBucket(u64),
    DeleteDistributionBucket(u64),
    Blacklist {
        add: BTreeSet<u8>,
        remove: BTreeSet<u8>,
    },
    Bond(Balance),
    CreateBag {
        channel: u64,
        sizes: Vec<u64>,
        buckets: BTreeSet<u64>,
    },
    DeleteBag(u64),
    Upload {
        channel: u64,
        sizes: Vec<u64>,
    },
    Replace {
        channel: u64,
        sizes: Vec<u64>,
        remove: BTreeSet<u64>,
    },
    Delete {
        channel: u64,
        ids: BTreeSet<u64>,
    },
    Move {
        from: u64,
        to: u64,
        ids: BTreeSet<u64>,
    },
}

fn step() -> impl Strategy<Value = Step> {
    let channel = || 0..4_u64;
    let bucket = || 0..5_u64;
    let buckets = || btree_set(bucket(), 0..3);
    let ids = || btree_set(0..12_u64, 0..3);
    let sizes = || vec(0..400_u64, 0..4);
    prop_oneof![
        (0..2_000_u64).prop_map(|size_limit| Step::CreateBucket { size_limit }),
        bucket().prop_map(Step::DeleteBucket),
        (bucket(), 0..2_000_u64, 0..12_u64).prop_map(|(bucket, size_limit, objects_limit)| {
            Step::Limits {
                bucket,
                size_limit,
                objects_limit,
            }
        }),
        (channel(), buckets(), buckets()).prop_map(|(channel, add, remove)| Step::Rebind {
            channel,
            add,
            remove
        }),
        (channel(), buckets(), buckets()).prop_map(|(channel, add, remove)| Step::Redistribute {
            channel,
            add,
            remove
        }),
        Just(Step::CreateFamily),
        (0..2_u64).prop_map(Step::DeleteFamily),
        (0..2_u64).prop_map(Step::CreateDistributionBucket),
        bucket().prop_map(Step::DeleteDistributionBucket),
        (btree_set(0..5_u8, 0..3), btree_set(0..5_u8, 0..3))
            .prop_map(|(add, remove)| Step::Blacklist { add, remove }),
        (0..20_u128).prop_map(Step::Bond),
        (channel(), sizes(), btree_set(bucket(), 2)).prop_map(|(channel, sizes, buckets)| {
            Step::CreateBag {
                channel,
                sizes,
                buckets,
            }
        }),
        channel().prop_map(Step::DeleteBag),
        (channel(), sizes()).prop_map(|(channel, sizes)| Step::Upload { channel, sizes }),
        (channel(), sizes(), ids()).prop_map(|(channel, sizes, remove)| Step::Replace {
            channel,
            sizes,
            remove
        }),
        (channel(), ids()).prop_map(|(channel, ids)| Step::Delete { channel, ids }),
        (channel(), channel(), ids()).prop_map(|(from, to, ids)| Step::Move { from, to, ids }),
    ]
}

fn at_current_price(channel: u64, sizes: &[u64]) -> UploadParametersRecord<u64> {
    UploadParametersRecord {
        expected_data_object_state_bloat_bond: Storage::data_object_state_bloat_bond(),
        ..upload(channel, sizes)
    }
}

fn take(step: Step) -> Result<(), DispatchError> {
    match step {
        Step::CreateBucket { size_limit } => {
            Storage::create_storage_bucket(lead(), None, true, size_limit, 10)
        }
        Step::DeleteBucket(id) => Storage::delete_storage_bucket(lead(), id),
        Step::Limits {
            bucket,
            size_limit,
            objects_limit,
        } => Storage::set_storage_bucket_voucher_limits(lead(), bucket, size_limit, objects_limit),
        Step::Rebind {
            channel,
            add,
            remove,
        } => Storage::update_storage_buckets_for_bag(lead(), bag(channel), add, remove),
        Step::Redistribute {
            channel,
            add,
            remove,
        } => Storage::update_distribution_buckets_for_bag(lead(), bag(channel), 0, add, remove),
        Step::CreateFamily => Storage::create_distribution_bucket_family(lead()),
        Step::DeleteFamily(id) => Storage::delete_distribution_bucket_family(lead(), id),
        Step::CreateDistributionBucket(family) => {
            Storage::create_distribution_bucket(lead(), family, true)
        }
        Step::DeleteDistributionBucket(id) => {
            Storage::delete_distribution_bucket(lead(), bucket(id))
        }
        Step::Blacklist { add, remove } => Storage::update_blacklist(
            lead(),
            remove.into_iter().map(hash).collect(),
            add.into_iter().map(hash).collect(),
        ),
        Step::Bond(bond) => Storage::update_data_object_state_bloat_bond(lead(), bond),
        Step::CreateBag {
            channel,
            sizes,
            buckets,
        } => Storage::create_dynamic_bag(DynBagCreationParametersRecord {
            storage_buckets: buckets,
            expected_data_object_state_bloat_bond: Storage::data_object_state_bloat_bond(),
            ..new_bag(channel, &sizes)
        })
        .map(drop),
        Step::DeleteBag(channel) => {
            Storage::delete_dynamic_bag(PAYER, DynamicBagIdType::Channel(channel))
        }
        Step::Upload { channel, sizes } => {
            Storage::upload_data_objects(at_current_price(channel, &sizes)).map(drop)
        }
        Step::Replace {
            channel,
            sizes,
            remove,
        } => {
            let params = at_current_price(channel, &sizes);
            Storage::upload_and_delete_data_objects(params, remove).map(drop)
        }
        Step::Delete { channel, ids } => Storage::delete_data_objects(PAYER, bag(channel), ids),
        Step::Move { from, to, ids } => Storage::move_data_objects(bag(from), bag(to), ids),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(200) })]

    #[test]
    fn invariants_hold_after_every_step(steps in vec(step(), 1..60)) {
        externalities().execute_with(|| -> Result<(), TestCaseError> {
            for id in 0..3 {
                take(Step::CreateBucket { size_limit: 1_000 + id }).unwrap();
            }
            take(Step::CreateFamily).unwrap();
            take(Step::CreateDistributionBucket(0)).unwrap();
            for step in steps {
                let _refused = with_storage_layer(|| take(step.clone()));
                prop_assert_eq!(Storage::check_invariants(), Ok(()), "after {:?}", step);
            }
            Ok(())
        })?;
    }
}
