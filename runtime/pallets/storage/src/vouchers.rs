//! What a storage bucket may still take.

use crate::{BagRecord, Config, Error, Event, Pallet, StorageBucketById, Voucher};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use pallet_common::Id;
use sp_runtime::DispatchError;
use std::collections::BTreeSet;

/// A number of objects and the bytes of all of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub objects: u64,
    pub bytes: u64,
}

impl Totals {
    /// With one object more.
    pub fn checked_add_object<T: Config>(self, bytes: u64) -> Result<Self, DispatchError> {
        Ok(Self {
            objects: self
                .objects
                .checked_add(1)
                .ok_or(Error::<T>::ArithmeticError)?,
            bytes: self
                .bytes
                .checked_add(bytes)
                .ok_or(Error::<T>::ArithmeticError)?,
        })
    }

    /// Everything in a bag.
    pub fn of_bag<T: Config>(bag: &BagRecord<T>) -> Self {
        Self {
            objects: bag.objects_number,
            bytes: bag.objects_total_size,
        }
    }
}

/// A change of what a bag and its storage buckets hold: first something goes, then something comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Change {
    pub removed: Totals,
    pub added: Totals,
}

impl Change {
    /// Only growth.
    pub fn grow(added: Totals) -> Self {
        Self {
            added,
            ..Self::default()
        }
    }

    /// Only shrinkage.
    pub fn shrink(removed: Totals) -> Self {
        Self {
            removed,
            ..Self::default()
        }
    }

    /// What `objects` and `bytes` become.
    pub fn apply<T: Config>(&self, before: Totals) -> Result<Totals, DispatchError> {
        let one = |before: u64, removed: u64, added: u64| {
            before
                .checked_sub(removed)
                .and_then(|rest| rest.checked_add(added))
        };
        Ok(Totals {
            objects: one(before.objects, self.removed.objects, self.added.objects)
                .ok_or(Error::<T>::ArithmeticError)?,
            bytes: one(before.bytes, self.removed.bytes, self.added.bytes)
                .ok_or(Error::<T>::ArithmeticError)?,
        })
    }
}

impl Voucher {
    /// An unused voucher.
    pub(crate) fn with_limits(size_limit: u64, objects_limit: u64) -> Self {
        Self {
            size_limit,
            objects_limit,
            size_used: 0,
            objects_used: 0,
        }
    }

    fn used(&self) -> Totals {
        Totals {
            objects: self.objects_used,
            bytes: self.size_used,
        }
    }
}

impl<T: Config> Pallet<T> {
    /// Limits of a voucher are within the greatest allowed.
    pub(crate) fn ensure_voucher_limits(size_limit: u64, objects_limit: u64) -> DispatchResult {
        ensure!(
            size_limit <= crate::VoucherMaxObjectsSizeLimit::<T>::get(),
            Error::<T>::VoucherMaxObjectSizeLimitExceeded
        );
        ensure!(
            objects_limit <= crate::VoucherMaxObjectsNumberLimit::<T>::get(),
            Error::<T>::VoucherMaxObjectNumberLimitExceeded
        );
        Ok(())
    }

    /// Every one of these buckets can take the change. Shrinking is always possible, even for a
    /// bucket whose limits were lowered below what it holds.
    pub(crate) fn ensure_vouchers_allow<'a>(
        buckets: impl IntoIterator<Item = &'a Id>,
        change: &Change,
    ) -> DispatchResult {
        for bucket_id in buckets {
            let voucher = Self::storage_bucket(*bucket_id)?.voucher;
            let used = voucher.used();
            let after = change.apply::<T>(used)?;
            ensure!(
                after.objects <= used.objects.max(voucher.objects_limit),
                Error::<T>::StorageBucketObjectNumberLimitReached
            );
            ensure!(
                after.bytes <= used.bytes.max(voucher.size_limit),
                Error::<T>::StorageBucketObjectSizeLimitReached
            );
        }
        Ok(())
    }

    /// Makes the change to the voucher of each of these buckets. Event `VoucherChanged` each.
    pub(crate) fn change_vouchers(buckets: &BTreeSet<Id>, change: &Change) -> DispatchResult {
        for bucket_id in buckets {
            let mut bucket = Self::storage_bucket(*bucket_id)?;
            let after = change.apply::<T>(bucket.voucher.used())?;
            bucket.voucher.objects_used = after.objects;
            bucket.voucher.size_used = after.bytes;
            StorageBucketById::<T>::insert(bucket_id, &bucket);
            Self::deposit_event(Event::VoucherChanged(*bucket_id, bucket.voucher));
        }
        Ok(())
    }
}
