//! Limits, fees, buckets and their operators.

use pallet_common::Id;
use pallet_content::Call as ContentCall;
use pallet_storage::{Call, DistributionBucketIdRecord, DynamicBagType};

use super::{call, signed};
use crate::accounts;
use crate::{Balance, Runtime};

/// Fee per started megabyte of an upload: 0.0001 JOY.
const DATA_SIZE_FEE: Balance = 1_000_000;
/// Bond per data object: 0.05 JOY.
const OBJECT_BOND: Balance = 500_000_000;
/// Bond per channel: 0.5 JOY.
const CHANNEL_BOND: Balance = 5_000_000_000;
/// Bond per video: 0.05 JOY.
const VIDEO_BOND: Balance = 500_000_000;
/// How many storage buckets a bag may have.
const STORAGE_BUCKETS_PER_BAG: u32 = 13;
/// How many distribution buckets a bag may have.
const DISTRIBUTION_BUCKETS_PER_BAG: u32 = 20;
/// How many storage buckets a new channel's bag gets.
const CHANNEL_STORAGE_BUCKETS: u32 = 5;
/// How many distribution buckets of the family a new channel's bag gets.
const CHANNEL_DISTRIBUTION_BUCKETS: u32 = 2;
/// What each storage bucket may hold: 16 TiB and ten million objects.
const BUCKET_BYTES: u64 = 16 * 1024 * 1024 * 1024 * 1024;
const BUCKET_OBJECTS: u64 = 10_000_000;
/// The storage workers that operate buckets 0, 1, 2…
const BUCKET_WORKERS: [Id; 5] = [1, 2, 3, 1, 2];
/// The one family of distribution buckets.
const FAMILY: Id = 0;

/// Sets limits and fees, and puts every bucket into service.
pub fn set_up() {
    set_terms();
    for (bucket, worker) in (0..).zip(BUCKET_WORKERS) {
        open_storage_bucket(bucket, worker);
    }
    open_distribution();
    set_bonds();
}

/// A call by the lead of the storage or the distribution group.
fn by_lead(storage_call: Call<Runtime>) {
    call(signed(accounts::LEAD), storage_call);
}

fn set_terms() {
    by_lead(Call::update_storage_buckets_per_bag_limit {
        new_limit: STORAGE_BUCKETS_PER_BAG,
    });
    by_lead(Call::update_storage_buckets_voucher_max_limits {
        new_objects_size: BUCKET_BYTES,
        new_objects_number: BUCKET_OBJECTS,
    });
    by_lead(Call::update_data_size_fee {
        new_data_size_fee: DATA_SIZE_FEE,
    });
    by_lead(Call::update_data_object_state_bloat_bond {
        state_bloat_bond: OBJECT_BOND,
    });
    by_lead(
        Call::update_number_of_storage_buckets_in_dynamic_bag_creation_policy {
            dynamic_bag_type: DynamicBagType::Channel,
            number_of_storage_buckets: CHANNEL_STORAGE_BUCKETS,
        },
    );
}

fn open_storage_bucket(storage_bucket_id: Id, worker_id: Id) {
    by_lead(Call::create_storage_bucket {
        invite_worker: Some(worker_id),
        accepting_new_bags: true,
        size_limit: BUCKET_BYTES,
        objects_limit: BUCKET_OBJECTS,
    });
    // Worker 0 is the lead, so the first of the list is worker 1.
    let operator = &accounts::storage_workers()[worker_id as usize - 1].role;
    let transactor_account_id = accounts::account(&accounts::transactor(operator));
    let accept = Call::<Runtime>::accept_storage_bucket_invitation {
        worker_id,
        storage_bucket_id,
        transactor_account_id,
    };
    call(signed(operator), accept);
}

fn open_distribution() {
    by_lead(Call::update_distribution_buckets_per_bag_limit {
        new_limit: DISTRIBUTION_BUCKETS_PER_BAG,
    });
    by_lead(Call::create_distribution_bucket_family {});
    for (index, operator) in (0..).zip(accounts::distribution_workers()) {
        open_distribution_bucket(index, index + 1, &operator.role);
    }
    by_lead(Call::update_families_in_dynamic_bag_creation_policy {
        dynamic_bag_type: DynamicBagType::Channel,
        families: [(FAMILY, CHANNEL_DISTRIBUTION_BUCKETS)].into(),
    });
}

fn open_distribution_bucket(index: Id, worker_id: Id, operator: &str) {
    let bucket_id = DistributionBucketIdRecord {
        distribution_bucket_family_id: FAMILY,
        distribution_bucket_index: index,
    };
    by_lead(Call::create_distribution_bucket {
        family_id: FAMILY,
        accepting_new_bags: true,
    });
    by_lead(Call::invite_distribution_bucket_operator {
        bucket_id,
        operator_worker_id: worker_id,
    });
    let accept = Call::<Runtime>::accept_distribution_bucket_invitation {
        worker_id,
        bucket_id,
    };
    call(signed(operator), accept);
}

fn set_bonds() {
    let lead = || signed(accounts::LEAD);
    let new_channel_state_bloat_bond = CHANNEL_BOND;
    call(
        lead(),
        ContentCall::update_channel_state_bloat_bond {
            new_channel_state_bloat_bond,
        },
    );
    let new_video_state_bloat_bond = VIDEO_BOND;
    call(
        lead(),
        ContentCall::update_video_state_bloat_bond {
            new_video_state_bloat_bond,
        },
    );
}
