//! Questions to the chain's state: the whole data directory, single objects, workers, prices.

use std::collections::BTreeSet;

use ::subxt::ext::scale_decode::DecodeAsType;

use super::{
    storage::{State, key},
    types::{RawAccount, RawBag, RawBagType, RawDistributionBucket, RawVoucher, text, wrap},
};
use crate::{
    chain::{
        ChainError, UploadTerms, Worker,
        directory::{
            Bag, DataObject, Directory, DistributionBucket, Family, ObjectIds, StorageBucket,
            StorageOperator,
        },
    },
    ids::{
        AccountId, BagId, DistributionBucketId, DistributionFamilyId, ObjectId, StorageBucketId,
        WorkerId, WorkingGroup,
    },
};

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct RawObject {
    accepted: bool,
    size: u64,
    ipfs_content_id: Vec<u8>,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct RawBagRecord {
    stored_by: BTreeSet<u64>,
    distributed_by: BTreeSet<RawDistributionBucket>,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
enum RawOperator {
    Missing,
    InvitedStorageWorker(u64),
    StorageWorker(u64, RawAccount),
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct RawStorageBucket {
    operator_status: RawOperator,
    accepting_new_bags: bool,
    voucher: RawVoucher,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct RawBucketOfFamily {
    accepting_new_bags: bool,
    distributing: bool,
    pending_invitations: BTreeSet<u64>,
    operators: BTreeSet<u64>,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct RawWorker {
    role_account_id: RawAccount,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct RawPolicy {
    number_of_storage_buckets: u32,
    families: Vec<(u64, u32)>,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct RawAccountInfo {
    nonce: u32,
    data: RawAccountData,
}

#[derive(DecodeAsType)]
#[decode_as_type(crate_path = "::subxt::ext::scale_decode")]
struct RawAccountData {
    free: u128,
}

/// What a value of a map that is used as a set decodes to.
type Nothing = ();

impl RawObject {
    fn named(self, bag: BagId, id: ObjectId) -> DataObject {
        DataObject {
            id,
            bag,
            size: self.size,
            content_id: text(&self.ipfs_content_id).as_str().into(),
            accepted: self.accepted,
        }
    }
}

impl From<RawOperator> for StorageOperator {
    fn from(operator: RawOperator) -> Self {
        match operator {
            RawOperator::Missing => Self::Missing,
            RawOperator::InvitedStorageWorker(worker) => Self::Invited(WorkerId(worker)),
            RawOperator::StorageWorker(worker, transactor) => Self::Active {
                worker: WorkerId(worker),
                transactor: transactor.into(),
                endpoint: None,
            },
        }
    }
}

impl State<'_> {
    /// The whole data directory; endpoints stand in events only.
    pub(super) async fn directory(&self) -> Result<Directory, ChainError> {
        let mut directory = Directory {
            uploading_blocked: self.value("Storage", "UploadingBlocked").await?,
            ..Directory::default()
        };
        self.read_buckets(&mut directory).await?;
        self.read_bags(&mut directory).await?;
        let next: u64 = self.value("Storage", "NextDataObjectId").await?;
        if let Some(newest) = next.checked_sub(1) {
            directory.objects.note_created(ObjectId(newest));
        }
        self.entries("Storage", "Blacklist", |content_id, _: Nothing| {
            let content_id: Vec<u8> = content_id.first;
            directory.blacklist.insert(text(&content_id));
        })
        .await?;
        Ok(directory)
    }

    async fn read_buckets(&self, directory: &mut Directory) -> Result<(), ChainError> {
        let buckets = &mut directory.storage_buckets;
        self.entries(
            "Storage",
            "StorageBucketById",
            |id, raw: RawStorageBucket| {
                let bucket = StorageBucket {
                    operator: raw.operator_status.into(),
                    accepting_new_bags: raw.accepting_new_bags,
                    voucher: raw.voucher.into(),
                };
                buckets.insert(StorageBucketId(id.first), bucket);
            },
        )
        .await?;
        let families = &mut directory.families;
        self.entries(
            "Storage",
            "DistributionBucketFamilyById",
            |id, _: ::subxt::dynamic::Value| {
                families.insert(DistributionFamilyId(id.first), Family::default());
            },
        )
        .await?;
        let buckets = &mut directory.distribution_buckets;
        let name = "DistributionBucketByFamilyIdById";
        self.entries("Storage", name, |id, raw: RawBucketOfFamily| {
            let Some(index) = id.second() else {
                return;
            };
            let operators = raw.operators.into_iter().map(|id| (WorkerId(id), None));
            let bucket = DistributionBucket {
                accepting_new_bags: raw.accepting_new_bags,
                distributing: raw.distributing,
                invited: wrap(raw.pending_invitations, WorkerId),
                operators: operators.collect(),
            };
            let family = DistributionFamilyId(id.first);
            buckets.insert(DistributionBucketId { family, index }, bucket);
        })
        .await
    }

    async fn read_bags(&self, directory: &mut Directory) -> Result<(), ChainError> {
        let bags = &mut directory.bags;
        self.entries("Storage", "Bags", |id, raw: RawBagRecord| {
            let id: RawBag = id.first;
            let bag = Bag {
                stored_by: raw.stored_by.into_iter().map(StorageBucketId).collect(),
                distributed_by: raw.distributed_by.into_iter().map(Into::into).collect(),
                objects: ObjectIds::default(),
            };
            bags.insert(id.into(), bag);
        })
        .await?;
        let objects = &mut directory.objects;
        self.entries("Storage", "DataObjectsById", |id, raw: RawObject| {
            let Some(object) = id.second().map(ObjectId) else {
                return;
            };
            let bag: RawBag = id.first;
            let bag = BagId::from(bag);
            bags.entry(bag).or_default().objects.insert(object);
            objects.insert(raw.named(bag, object));
        })
        .await
    }

    pub(super) async fn data_object(
        &self,
        bag: BagId,
        id: ObjectId,
    ) -> Result<Option<DataObject>, ChainError> {
        let keys = [key(RawBag::from(bag)), key(id.0)];
        let raw: Option<RawObject> = self.entry("Storage", "DataObjectsById", &keys).await?;
        Ok(raw.map(|raw| raw.named(bag, id)))
    }

    pub(super) async fn worker(
        &self,
        group: WorkingGroup,
        id: WorkerId,
    ) -> Result<Option<Worker>, ChainError> {
        let pallet = match group {
            WorkingGroup::Storage => "StorageWorkingGroup",
            WorkingGroup::Distribution => "DistributionWorkingGroup",
            other => {
                return Err(ChainError::Unreadable {
                    what: format!("a worker of the group {}", other.name()),
                    cause: "only storage and distribution workers run nodes".to_owned(),
                });
            }
        };
        let raw: Option<RawWorker> = self.entry(pallet, "WorkerById", &[key(id.0)]).await?;
        Ok(raw.map(|raw| Worker {
            id,
            role_account: raw.role_account_id.into(),
        }))
    }

    pub(super) async fn upload_terms(&self) -> Result<UploadTerms, ChainError> {
        let policy_key = [key(RawBagType::Channel)];
        let policies = "DynamicBagCreationPolicies";
        let policy: Option<RawPolicy> = self.entry("Storage", policies, &policy_key).await?;
        let (storage_buckets, families) = match policy {
            Some(policy) => (policy.number_of_storage_buckets, policy.families),
            None => (
                self.constant("Storage", "DefaultChannelDynamicBagNumberOfStorageBuckets")?,
                Vec::new(),
            ),
        };
        let families = families.into_iter();
        Ok(UploadTerms {
            data_size_fee: self.value("Storage", "DataObjectPerMegabyteFee").await?,
            data_object_state_bloat_bond: self
                .value("Storage", "DataObjectStateBloatBondValue")
                .await?,
            channel_state_bloat_bond: self.value("Content", "ChannelStateBloatBondValue").await?,
            video_state_bloat_bond: self.value("Content", "VideoStateBloatBondValue").await?,
            membership_price: self.value("Members", "MembershipPrice").await?,
            channel_storage_buckets: storage_buckets,
            channel_distribution_buckets: families
                .map(|(family, count)| (DistributionFamilyId(family), count))
                .collect(),
            object_size_max: self.constant("Storage", "MaxDataObjectSize")?,
        })
    }

    pub(super) async fn free_balance(&self, account: AccountId) -> Result<u128, ChainError> {
        let info: Option<RawAccountInfo> =
            self.entry("System", "Account", &[key(account.0)]).await?;
        Ok(info.map_or(0, |info| info.data.free))
    }

    /// The nonce of an account's next transaction, at this block.
    pub(super) async fn nonce(&self, account: AccountId) -> Result<u32, ChainError> {
        let info: Option<RawAccountInfo> =
            self.entry("System", "Account", &[key(account.0)]).await?;
        Ok(info.map_or(0, |info| info.nonce))
    }

    /// The chain's clock in milliseconds.
    pub(super) async fn timestamp_ms(&self) -> Result<u64, ChainError> {
        self.value("Timestamp", "Now").await
    }
}
