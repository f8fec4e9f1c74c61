//! What the data directory offers to other pallets.
//!
//! Every function that changes state checks everything first; on an error the caller must fail too,
//! so that the dispatch rolls back. The `can_…` functions make the same checks and change nothing.
//! Events stand in `System.Events` in the order of the calls.

use crate::{
    BagIdType, Balance, DataObjectCreationParameters, DynBagCreationParametersRecord,
    DynamicBagIdType, UploadParametersRecord,
};
use frame_support::dispatch::DispatchResult;
use pallet_common::Id;
use sp_runtime::DispatchError;
use std::collections::BTreeSet;

/// The data directory as other pallets see it. Implemented by `pallet_storage::Pallet`.
pub trait DataObjectStorage<AccountId> {
    /// Could these objects be uploaded?
    fn can_upload_data_objects(params: &UploadParametersRecord<AccountId>) -> DispatchResult;

    /// Adds objects to a bag and returns their ids, in the order of the list.
    /// Event `DataObjectsUploaded`.
    fn upload_data_objects(
        params: UploadParametersRecord<AccountId>,
    ) -> Result<BTreeSet<Id>, DispatchError>;

    /// Could these objects be uploaded and those deleted at once?
    fn can_upload_and_delete_data_objects(
        params: &UploadParametersRecord<AccountId>,
        objects_to_remove: &BTreeSet<Id>,
    ) -> DispatchResult;

    /// Replaces objects of one bag, with the net effect on vouchers, and returns the new ids. The
    /// bonds of the removed objects go to the payer. Neither collection may be empty.
    /// Event `DataObjectsUpdated`.
    fn upload_and_delete_data_objects(
        params: UploadParametersRecord<AccountId>,
        objects_to_remove: BTreeSet<Id>,
    ) -> Result<BTreeSet<Id>, DispatchError>;

    /// Could these objects be deleted?
    fn can_delete_data_objects(bag_id: &BagIdType, objects: &BTreeSet<Id>) -> DispatchResult;

    /// Deletes objects; their bonds go to `deletion_account` unless restricted to another.
    /// Event `DataObjectsDeleted`.
    fn delete_data_objects(
        deletion_account: AccountId,
        bag_id: BagIdType,
        objects: BTreeSet<Id>,
    ) -> DispatchResult;

    /// Could these objects be moved?
    fn can_move_data_objects(
        source: &BagIdType,
        destination: &BagIdType,
        objects: &BTreeSet<Id>,
    ) -> DispatchResult;

    /// Moves objects from one bag to another. Event `DataObjectsMoved`.
    fn move_data_objects(
        source: BagIdType,
        destination: BagIdType,
        objects: BTreeSet<Id>,
    ) -> DispatchResult;

    /// Could this bag be created?
    fn can_create_dynamic_bag(params: &DynBagCreationParametersRecord<AccountId>)
        -> DispatchResult;

    /// Creates a bag with its first objects (an empty list is fine, and then the expected prices
    /// are not looked at) and returns the objects' ids. Event `DynamicBagCreated`.
    fn create_dynamic_bag(
        params: DynBagCreationParametersRecord<AccountId>,
    ) -> Result<BTreeSet<Id>, DispatchError>;

    /// Could this bag be deleted?
    fn can_delete_dynamic_bag(bag_id: &DynamicBagIdType) -> DispatchResult;

    /// Deletes a bag with all its objects; their bonds go to `deletion_account` unless restricted
    /// to another. Event `DynamicBagDeleted`.
    fn delete_dynamic_bag(deletion_account: AccountId, bag_id: DynamicBagIdType) -> DispatchResult;

    /// The bag exists (`DynamicBagDoesntExist`). Static bags always do.
    fn ensure_bag_exists(bag_id: &BagIdType) -> DispatchResult;

    /// How many storage buckets store the bag; 0 if there is no such bag.
    fn number_of_storage_buckets(bag_id: &BagIdType) -> u32;

    /// How many distribution buckets distribute the bag; 0 if there is no such bag.
    fn number_of_distribution_buckets(bag_id: &BagIdType) -> u32;

    /// How many objects the bag has; 0 if there is no such bag.
    fn number_of_data_objects(bag_id: &BagIdType) -> u64;

    /// The ids of the bag's objects.
    fn data_object_ids(bag_id: &BagIdType) -> BTreeSet<Id>;

    /// The fee per started megabyte of an upload.
    fn data_object_per_megabyte_fee() -> Balance;

    /// The bond per object.
    fn data_object_state_bloat_bond() -> Balance;

    /// What uploading these objects costs now: bonds and fee (saturating).
    fn upload_cost(objects: &[DataObjectCreationParameters]) -> Balance;
}
