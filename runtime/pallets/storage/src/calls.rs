//! The calls: who may make them is checked here, the rest is in the module of their subject.

use frame_support::pallet_macros::pallet_section;

/// Part of the pallet's module.
#[pallet_section]
mod calls {
    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Deletes an empty storage bucket that stores no bags.
        #[pallet::call_index(0)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn delete_storage_bucket(
            origin: OriginFor<T>,
            storage_bucket_id: Id,
        ) -> DispatchResult {
            Self::ensure_storage_lead(origin)?;
            Self::do_delete_storage_bucket(storage_bucket_id)
        }

        /// Blocks or unblocks uploads.
        #[pallet::call_index(1)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn update_uploading_blocked_status(
            origin: OriginFor<T>,
            new_status: bool,
        ) -> DispatchResult {
            Self::ensure_storage_lead(origin)?;
            Self::do_update_uploading_blocked_status(new_status)
        }

        /// Sets the fee per started megabyte of an upload.
        #[pallet::call_index(2)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn update_data_size_fee(
            origin: OriginFor<T>,
            new_data_size_fee: Balance,
        ) -> DispatchResult {
            Self::ensure_storage_lead(origin)?;
            Self::do_update_data_size_fee(new_data_size_fee)
        }

        /// Sets how many storage buckets a bag can have.
        #[pallet::call_index(3)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn update_storage_buckets_per_bag_limit(
            origin: OriginFor<T>,
            new_limit: u32,
        ) -> DispatchResult {
            Self::ensure_storage_lead(origin)?;
            Self::do_update_storage_buckets_per_bag_limit(new_limit)
        }

        /// Sets the greatest limits that vouchers can have.
        #[pallet::call_index(4)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn update_storage_buckets_voucher_max_limits(
            origin: OriginFor<T>,
            new_objects_size: u64,
            new_objects_number: u64,
        ) -> DispatchResult {
            Self::ensure_storage_lead(origin)?;
            Self::do_update_storage_buckets_voucher_max_limits(new_objects_size, new_objects_number)
        }

        /// Sets the bond per new object.
        #[pallet::call_index(5)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn update_data_object_state_bloat_bond(
            origin: OriginFor<T>,
            state_bloat_bond: Balance,
        ) -> DispatchResult {
            Self::ensure_storage_lead(origin)?;
            Self::do_update_data_object_state_bloat_bond(state_bloat_bond)
        }

        /// Sets how many storage buckets a new bag of a kind must have.
        #[pallet::call_index(6)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn update_number_of_storage_buckets_in_dynamic_bag_creation_policy(
            origin: OriginFor<T>,
            dynamic_bag_type: DynamicBagType,
            number_of_storage_buckets: u32,
        ) -> DispatchResult {
            Self::ensure_storage_lead(origin)?;
            Self::do_update_number_of_storage_buckets_in_dynamic_bag_creation_policy(
                dynamic_bag_type,
                number_of_storage_buckets,
            )
        }

        /// Takes content ids from the blacklist and adds others.
        #[pallet::call_index(7)]
        #[pallet::weight(Weights::<T>::of_items(remove_hashes.len() + add_hashes.len()))]
        pub fn update_blacklist(
            origin: OriginFor<T>,
            remove_hashes: BTreeSet<Vec<u8>>,
            add_hashes: BTreeSet<Vec<u8>>,
        ) -> DispatchResult {
            Self::ensure_storage_lead(origin)?;
            Self::do_update_blacklist(remove_hashes, add_hashes)
        }

        /// Creates a storage bucket, with an invited operator or none.
        #[pallet::call_index(8)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn create_storage_bucket(
            origin: OriginFor<T>,
            invite_worker: Option<Id>,
            accepting_new_bags: bool,
            size_limit: u64,
            objects_limit: u64,
        ) -> DispatchResult {
            Self::ensure_storage_lead(origin)?;
            Self::do_create_storage_bucket(
                invite_worker,
                accepting_new_bags,
                size_limit,
                objects_limit,
            )
        }

        /// Changes which storage buckets store a bag.
        #[pallet::call_index(9)]
        #[pallet::weight(Weights::<T>::of_items(add_buckets.len() + remove_buckets.len()))]
        pub fn update_storage_buckets_for_bag(
            origin: OriginFor<T>,
            bag_id: BagIdType,
            add_buckets: BTreeSet<Id>,
            remove_buckets: BTreeSet<Id>,
        ) -> DispatchResult {
            Self::ensure_storage_lead(origin)?;
            Self::do_update_storage_buckets_for_bag(bag_id, add_buckets, remove_buckets)
        }

        /// Withdraws an invitation to operate a storage bucket.
        #[pallet::call_index(10)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn cancel_storage_bucket_operator_invite(
            origin: OriginFor<T>,
            storage_bucket_id: Id,
        ) -> DispatchResult {
            Self::ensure_storage_lead(origin)?;
            Self::do_cancel_storage_bucket_operator_invite(storage_bucket_id)
        }

        /// Invites a worker to operate a storage bucket that has no operator.
        #[pallet::call_index(11)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn invite_storage_bucket_operator(
            origin: OriginFor<T>,
            storage_bucket_id: Id,
            operator_id: Id,
        ) -> DispatchResult {
            Self::ensure_storage_lead(origin)?;
            Self::do_invite_storage_bucket_operator(storage_bucket_id, operator_id)
        }

        /// Takes a storage bucket from its operator.
        #[pallet::call_index(12)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn remove_storage_bucket_operator(
            origin: OriginFor<T>,
            storage_bucket_id: Id,
        ) -> DispatchResult {
            Self::ensure_storage_lead(origin)?;
            Self::do_remove_storage_bucket_operator(storage_bucket_id)
        }

        /// Says whether a storage bucket accepts new bags.
        #[pallet::call_index(13)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn update_storage_bucket_status(
            origin: OriginFor<T>,
            storage_bucket_id: Id,
            accepting_new_bags: bool,
        ) -> DispatchResult {
            Self::ensure_storage_lead(origin)?;
            Self::do_update_storage_bucket_status(storage_bucket_id, accepting_new_bags)
        }

        /// Sets the limits of a storage bucket; what it has taken already may exceed them.
        #[pallet::call_index(14)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn set_storage_bucket_voucher_limits(
            origin: OriginFor<T>,
            storage_bucket_id: Id,
            new_objects_size_limit: u64,
            new_objects_number_limit: u64,
        ) -> DispatchResult {
            Self::ensure_storage_lead(origin)?;
            Self::do_set_storage_bucket_voucher_limits(
                storage_bucket_id,
                new_objects_size_limit,
                new_objects_number_limit,
            )
        }

        /// Makes the invited worker the operator, and names the account that accepts objects.
        #[pallet::call_index(15)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn accept_storage_bucket_invitation(
            origin: OriginFor<T>,
            worker_id: Id,
            storage_bucket_id: Id,
            transactor_account_id: T::AccountId,
        ) -> DispatchResult {
            Self::ensure_storage_worker(origin, worker_id)?;
            Self::do_accept_storage_bucket_invitation(
                worker_id,
                storage_bucket_id,
                transactor_account_id,
            )
        }

        /// Announces metadata (endpoints) of a storage bucket; it lives in the event.
        #[pallet::call_index(16)]
        #[pallet::weight(Weights::<T>::of_bytes(metadata.len()))]
        pub fn set_storage_operator_metadata(
            origin: OriginFor<T>,
            worker_id: Id,
            storage_bucket_id: Id,
            metadata: Vec<u8>,
        ) -> DispatchResult {
            Self::ensure_storage_worker(origin, worker_id)?;
            Self::do_set_storage_operator_metadata(worker_id, storage_bucket_id, metadata)
        }

        /// Confirms that the bucket holds these objects. Signed by its transactor account.
        #[pallet::call_index(17)]
        #[pallet::weight(Weights::<T>::of_items(data_objects.len()))]
        pub fn accept_pending_data_objects(
            origin: OriginFor<T>,
            worker_id: Id,
            storage_bucket_id: Id,
            bag_id: BagIdType,
            data_objects: BTreeSet<Id>,
        ) -> DispatchResult {
            let transactor = ensure_signed(origin)?;
            Self::do_accept_pending_data_objects(
                transactor,
                worker_id,
                storage_bucket_id,
                bag_id,
                data_objects,
            )
        }

        /// Creates a family of distribution buckets.
        #[pallet::call_index(18)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn create_distribution_bucket_family(origin: OriginFor<T>) -> DispatchResult {
            Self::ensure_distribution_lead(origin)?;
            Self::do_create_distribution_bucket_family()
        }

        /// Deletes a family whose buckets distribute nothing, and those buckets.
        #[pallet::call_index(19)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn delete_distribution_bucket_family(
            origin: OriginFor<T>,
            family_id: Id,
        ) -> DispatchResult {
            Self::ensure_distribution_lead(origin)?;
            Self::do_delete_distribution_bucket_family(family_id)
        }

        /// Creates a distribution bucket.
        #[pallet::call_index(20)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn create_distribution_bucket(
            origin: OriginFor<T>,
            family_id: Id,
            accepting_new_bags: bool,
        ) -> DispatchResult {
            Self::ensure_distribution_lead(origin)?;
            Self::do_create_distribution_bucket(family_id, accepting_new_bags)
        }

        /// Says whether a distribution bucket accepts new bags.
        #[pallet::call_index(21)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn update_distribution_bucket_status(
            origin: OriginFor<T>,
            bucket_id: DistributionBucketIdRecord,
            accepting_new_bags: bool,
        ) -> DispatchResult {
            Self::ensure_distribution_lead(origin)?;
            Self::do_update_distribution_bucket_status(bucket_id, accepting_new_bags)
        }

        /// Deletes a distribution bucket that has neither bags nor operators.
        #[pallet::call_index(22)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn delete_distribution_bucket(
            origin: OriginFor<T>,
            bucket_id: DistributionBucketIdRecord,
        ) -> DispatchResult {
            Self::ensure_distribution_lead(origin)?;
            Self::do_delete_distribution_bucket(bucket_id)
        }

        /// Changes which buckets of a family distribute a bag.
        #[pallet::call_index(23)]
        #[pallet::weight(Weights::<T>::of_items(add_buckets_indices.len() + remove_buckets_indices.len()))]
        pub fn update_distribution_buckets_for_bag(
            origin: OriginFor<T>,
            bag_id: BagIdType,
            family_id: Id,
            add_buckets_indices: BTreeSet<Id>,
            remove_buckets_indices: BTreeSet<Id>,
        ) -> DispatchResult {
            Self::ensure_distribution_lead(origin)?;
            Self::do_update_distribution_buckets_for_bag(
                bag_id,
                family_id,
                add_buckets_indices,
                remove_buckets_indices,
            )
        }

        /// Sets how many distribution buckets a bag can have.
        #[pallet::call_index(24)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn update_distribution_buckets_per_bag_limit(
            origin: OriginFor<T>,
            new_limit: u32,
        ) -> DispatchResult {
            Self::ensure_distribution_lead(origin)?;
            Self::do_update_distribution_buckets_per_bag_limit(new_limit)
        }

        /// Says whether the operators of a distribution bucket should serve its bags.
        #[pallet::call_index(25)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn update_distribution_bucket_mode(
            origin: OriginFor<T>,
            bucket_id: DistributionBucketIdRecord,
            distributing: bool,
        ) -> DispatchResult {
            Self::ensure_distribution_lead(origin)?;
            Self::do_update_distribution_bucket_mode(bucket_id, distributing)
        }

        /// Sets how many buckets of which families a new bag of a kind must have.
        #[pallet::call_index(26)]
        #[pallet::weight(Weights::<T>::of_items(families.len()))]
        pub fn update_families_in_dynamic_bag_creation_policy(
            origin: OriginFor<T>,
            dynamic_bag_type: DynamicBagType,
            families: BTreeMap<Id, u32>,
        ) -> DispatchResult {
            Self::ensure_distribution_lead(origin)?;
            Self::do_update_families_in_dynamic_bag_creation_policy(dynamic_bag_type, families)
        }

        /// Invites a worker to operate a distribution bucket.
        #[pallet::call_index(27)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn invite_distribution_bucket_operator(
            origin: OriginFor<T>,
            bucket_id: DistributionBucketIdRecord,
            operator_worker_id: Id,
        ) -> DispatchResult {
            Self::ensure_distribution_lead(origin)?;
            Self::do_invite_distribution_bucket_operator(bucket_id, operator_worker_id)
        }

        /// Withdraws an invitation to operate a distribution bucket.
        #[pallet::call_index(28)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn cancel_distribution_bucket_operator_invite(
            origin: OriginFor<T>,
            bucket_id: DistributionBucketIdRecord,
            operator_worker_id: Id,
        ) -> DispatchResult {
            Self::ensure_distribution_lead(origin)?;
            Self::do_cancel_distribution_bucket_operator_invite(bucket_id, operator_worker_id)
        }

        /// Takes a distribution bucket from one of its operators.
        #[pallet::call_index(29)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn remove_distribution_bucket_operator(
            origin: OriginFor<T>,
            bucket_id: DistributionBucketIdRecord,
            operator_worker_id: Id,
        ) -> DispatchResult {
            Self::ensure_distribution_lead(origin)?;
            Self::do_remove_distribution_bucket_operator(bucket_id, operator_worker_id)
        }

        /// Announces metadata (areas, latency targets) of a family; it lives in the event.
        #[pallet::call_index(30)]
        #[pallet::weight(Weights::<T>::of_bytes(metadata.len()))]
        pub fn set_distribution_bucket_family_metadata(
            origin: OriginFor<T>,
            family_id: Id,
            metadata: Vec<u8>,
        ) -> DispatchResult {
            Self::ensure_distribution_lead(origin)?;
            Self::do_set_distribution_bucket_family_metadata(family_id, metadata)
        }

        /// Makes the invited worker an operator.
        #[pallet::call_index(31)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn accept_distribution_bucket_invitation(
            origin: OriginFor<T>,
            worker_id: Id,
            bucket_id: DistributionBucketIdRecord,
        ) -> DispatchResult {
            Self::ensure_distribution_worker(origin, worker_id)?;
            Self::do_accept_distribution_bucket_invitation(worker_id, bucket_id)
        }

        /// Announces metadata (endpoints) of an operator of a distribution bucket; it lives in the event.
        #[pallet::call_index(32)]
        #[pallet::weight(Weights::<T>::of_bytes(metadata.len()))]
        pub fn set_distribution_operator_metadata(
            origin: OriginFor<T>,
            worker_id: Id,
            bucket_id: DistributionBucketIdRecord,
            metadata: Vec<u8>,
        ) -> DispatchResult {
            Self::ensure_distribution_worker(origin, worker_id)?;
            Self::do_set_distribution_operator_metadata(worker_id, bucket_id, metadata)
        }

        /// A message from the operator of a storage bucket; it lives in the event.
        #[pallet::call_index(33)]
        #[pallet::weight(Weights::<T>::of_bytes(msg.len()))]
        pub fn storage_operator_remark(
            origin: OriginFor<T>,
            worker_id: Id,
            storage_bucket_id: Id,
            msg: Vec<u8>,
        ) -> DispatchResult {
            Self::ensure_storage_worker(origin, worker_id)?;
            Self::do_storage_operator_remark(worker_id, storage_bucket_id, msg)
        }

        /// A message from an operator of a distribution bucket; it lives in the event.
        #[pallet::call_index(34)]
        #[pallet::weight(Weights::<T>::of_bytes(msg.len()))]
        pub fn distribution_operator_remark(
            origin: OriginFor<T>,
            worker_id: Id,
            distribution_bucket_id: DistributionBucketIdRecord,
            msg: Vec<u8>,
        ) -> DispatchResult {
            Self::ensure_distribution_worker(origin, worker_id)?;
            Self::do_distribution_operator_remark(worker_id, distribution_bucket_id, msg)
        }
    }
}
