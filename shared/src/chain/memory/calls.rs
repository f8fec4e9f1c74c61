//! The transactions that nodes send, with the chain's checks in the chain's order.

use std::collections::BTreeSet;

use super::State;
use crate::{
    chain::{
        ChainError,
        call::Call,
        directory::StorageOperator,
        event::{ChainEvent, StorageEvent},
    },
    ids::{
        AccountId, BagId, DistributionBucketId, ObjectId, StorageBucketId, WorkerId, WorkingGroup,
    },
};

/// Why a call failed: the chain's names.
pub(super) struct Failure {
    pallet: &'static str,
    error: &'static str,
}

impl From<Failure> for ChainError {
    fn from(failure: Failure) -> Self {
        Self::Refused {
            pallet: failure.pallet.to_owned(),
            error: failure.error.to_owned(),
        }
    }
}

/// An error of the storage pallet.
fn storage(error: &'static str) -> Failure {
    Failure {
        pallet: "Storage",
        error,
    }
}

fn ensure(holds: bool, error: &'static str) -> Result<(), Failure> {
    if holds { Ok(()) } else { Err(storage(error)) }
}

/// Checks a call and says which events it causes. What is not for nodes is filtered, as a chain may
/// filter calls.
pub(super) fn dispatch(
    state: &mut State,
    signer: AccountId,
    call: Call,
) -> Result<Vec<ChainEvent>, Failure> {
    let event = match call {
        Call::ForceBatch(calls) => return Ok(force_batch(state, signer, calls)),
        Call::Transfer { to, amount } => {
            transfer(state, signer, to, amount)?;
            return Ok(Vec::new());
        }
        Call::AcceptPendingDataObjects {
            worker,
            bucket,
            bag,
            objects,
        } => {
            check_accept(state, signer, worker, bucket, bag, &objects)?;
            StorageEvent::ObjectsAccepted {
                bucket,
                worker,
                bag,
                objects,
            }
        }
        Call::SetStorageOperatorMetadata {
            worker,
            bucket,
            metadata,
        } => {
            check_worker(state, WorkingGroup::Storage, worker, signer)?;
            check_storage_operator(state, bucket, worker)?;
            StorageEvent::OperatorMetadataSet {
                bucket,
                worker,
                metadata,
            }
        }
        Call::SetDistributionOperatorMetadata {
            worker,
            bucket,
            metadata,
        } => {
            check_worker(state, WorkingGroup::Distribution, worker, signer)?;
            check_distribution_operator(state, bucket, worker)?;
            StorageEvent::DistributionOperatorMetadataSet {
                bucket,
                worker,
                metadata,
            }
        }
        Call::SetDistributionFamilyMetadata { .. }
        | Call::Distribution(_)
        | Call::BuyMembership { .. }
        | Call::CreateChannel { .. }
        | Call::UpdateChannel { .. }
        | Call::CreateVideo { .. }
        | Call::DeleteVideo { .. }
        | Call::UpdateDistributionBucketMode { .. }
        | Call::UpdateStorageBucketsForBag { .. }
        | Call::RemoveStorageBucketOperator { .. }
        | Call::InviteStorageBucketOperator { .. }
        | Call::AcceptStorageBucketInvitation { .. }
        | Call::UpdateBlacklist { .. } => {
            return Err(Failure {
                pallet: "System",
                error: "CallFiltered",
            });
        }
    };
    Ok(vec![ChainEvent::Storage(event)])
}

/// Every call is tried; what failed leaves no event.
fn force_batch(state: &mut State, signer: AccountId, calls: Vec<Call>) -> Vec<ChainEvent> {
    let tried = calls.into_iter().map(|call| dispatch(state, signer, call));
    tried.filter_map(Result::ok).flatten().collect()
}

fn transfer(
    state: &mut State,
    from: AccountId,
    to: AccountId,
    amount: u128,
) -> Result<(), Failure> {
    let balance = state.balances.entry(from).or_default();
    *balance = balance.checked_sub(amount).ok_or(Failure {
        pallet: "Balances",
        error: "InsufficientBalance",
    })?;
    *state.balances.entry(to).or_default() += amount;
    Ok(())
}

fn check_worker(
    state: &State,
    group: WorkingGroup,
    worker: WorkerId,
    signer: AccountId,
) -> Result<(), Failure> {
    let pallet = match group {
        WorkingGroup::Distribution => "DistributionWorkingGroup",
        _ => "StorageWorkingGroup",
    };
    let fail = |error| Err(Failure { pallet, error });
    match state.workers.get(&(group, worker)) {
        None => fail("WorkerDoesNotExist"),
        Some(worker) if worker.role_account != signer => fail("SignerIsNotWorkerRoleAccount"),
        Some(_) => Ok(()),
    }
}

/// The transactor of the bucket that this worker operates.
fn check_storage_operator(
    state: &State,
    bucket: StorageBucketId,
    operator: WorkerId,
) -> Result<AccountId, Failure> {
    let bucket = state.directory.storage_buckets.get(&bucket);
    match bucket.map(|bucket| &bucket.operator) {
        None => Err(storage("StorageBucketDoesntExist")),
        Some(StorageOperator::Active {
            worker, transactor, ..
        }) => {
            ensure(*worker == operator, "InvalidStorageProvider")?;
            Ok(*transactor)
        }
        Some(_) => Err(storage("StorageProviderMustBeSet")),
    }
}

fn check_distribution_operator(
    state: &State,
    bucket: DistributionBucketId,
    worker: WorkerId,
) -> Result<(), Failure> {
    let bucket = state.directory.distribution_buckets.get(&bucket);
    let bucket = bucket.ok_or_else(|| storage("DistributionBucketDoesntExist"))?;
    ensure(
        bucket.operators.contains_key(&worker),
        "MustBeDistributionProviderOperatorForBucket",
    )
}

fn check_accept(
    state: &State,
    signer: AccountId,
    worker: WorkerId,
    bucket: StorageBucketId,
    bag: BagId,
    objects: &BTreeSet<ObjectId>,
) -> Result<(), Failure> {
    let transactor = check_storage_operator(state, bucket, worker)?;
    ensure(transactor == signer, "InvalidTransactorAccount")?;
    let known = state.directory.bags.get(&bag);
    let is_static = matches!(bag, BagId::Council | BagId::WorkingGroup(_));
    ensure(is_static || known.is_some(), "DynamicBagDoesntExist")?;
    ensure(!objects.is_empty(), "DataObjectIdParamsAreEmpty")?;
    let known = known.cloned().unwrap_or_default();
    ensure(
        known.stored_by.contains(&bucket),
        "StorageBucketIsNotBoundToBag",
    )?;
    ensure(
        objects.iter().all(|id| known.objects.contains(*id)),
        "DataObjectDoesntExist",
    )
}
