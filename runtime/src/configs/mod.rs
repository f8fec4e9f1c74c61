//! The constants and types each pallet is configured with: the live chain's, where it has them.

pub mod directory;
pub mod groups;
pub mod members;

use frame_support::derive_impl;
use frame_support::dispatch::DispatchClass;
use frame_support::parameter_types;
use frame_support::traits::{ConstU128, ConstU16, ConstU32, ConstU64, ConstU8};
use frame_support::weights::constants::WEIGHT_REF_TIME_PER_SECOND;
use frame_support::weights::{RuntimeDbWeight, Weight};
use frame_system::limits::{BlockLength, BlockWeights};
use sp_runtime::traits::IdentityLookup;
use sp_runtime::Perbill;
use sp_version::RuntimeVersion;

use crate::account_data::{AccountData, AccountStore};
use crate::fees::{LengthFee, WeightFee};
use crate::prefixes::LivePalletInfo;
use crate::{
    AccountId, Balance, Balances, Block, Moment, OriginCaller, Runtime, RuntimeCall, RuntimeEvent,
    RuntimeFreezeReason, RuntimeHoldReason, RuntimeOrigin, RuntimeTask, SS58_PREFIX, VERSION,
};

/// The smallest balance an account can have.
pub const EXISTENTIAL_DEPOSIT: Balance = 266_666_560;
/// Normal transactions may fill this part of a block.
const NORMAL_RATIO: Perbill = Perbill::from_percent(75);
/// What the start of a block is assumed to take of it.
const INITIALIZATION_RATIO: Perbill = Perbill::from_percent(10);
/// The computing time of one block; the size of proofs is unlimited.
const BLOCK_WEIGHT_MAX: Weight = Weight::from_parts(2 * WEIGHT_REF_TIME_PER_SECOND, u64::MAX);
/// The weight of an empty block.
const BASE_BLOCK_WEIGHT: Weight = Weight::from_parts(441_686_000, 0);
/// The weight of an extrinsic that does nothing.
const BASE_EXTRINSIC_WEIGHT: Weight = Weight::from_parts(110_530_000, 0);

parameter_types! {
    /// The version, as `System.Version`.
    pub const Version: RuntimeVersion = VERSION;
    /// The live chain's cost of one read and one write.
    pub const DbWeight: RuntimeDbWeight = RuntimeDbWeight { read: 4_968_000, write: 64_373_000 };
    /// 5 MiB, of which normal transactions may take their part.
    pub LengthLimits: BlockLength = length_limits();
    /// The live chain's weight limits.
    pub WeightLimits: BlockWeights = weight_limits();
}

fn length_limits() -> BlockLength {
    BlockLength::builder()
        .max_length(5 * 1024 * 1024)
        .modify_max_length_for_class(DispatchClass::Normal, |max| *max = NORMAL_RATIO * *max)
        .build()
}

fn weight_limits() -> BlockWeights {
    BlockWeights::builder()
        .base_block(BASE_BLOCK_WEIGHT)
        .for_class(DispatchClass::all(), |weights| {
            weights.base_extrinsic = BASE_EXTRINSIC_WEIGHT;
        })
        .for_class(DispatchClass::Normal, |weights| {
            weights.max_total = Some(NORMAL_RATIO * BLOCK_WEIGHT_MAX);
        })
        .for_class(DispatchClass::Operational, |weights| {
            weights.max_total = Some(BLOCK_WEIGHT_MAX);
            weights.reserved = Some(BLOCK_WEIGHT_MAX - NORMAL_RATIO * BLOCK_WEIGHT_MAX);
        })
        .avg_block_initialization(INITIALIZATION_RATIO)
        .build_or_panic()
}

#[derive_impl(frame_system::config_preludes::SolochainDefaultConfig)]
impl frame_system::Config for Runtime {
    type Block = Block;
    type AccountId = AccountId;
    type Lookup = IdentityLookup<AccountId>;
    type AccountData = AccountData;
    type SS58Prefix = ConstU16<{ SS58_PREFIX }>;
    type BlockHashCount = ConstU32<2400>;
    type BlockWeights = WeightLimits;
    type BlockLength = LengthLimits;
    type DbWeight = DbWeight;
    type Version = Version;
    type MaxConsumers = ConstU32<16>;
    type PalletInfo = LivePalletInfo;
}

impl pallet_timestamp::Config for Runtime {
    type Moment = Moment;
    type OnTimestampSet = ();
    // The live chain's 3000 suits its 6-second blocks. Here blocks follow transactions within a
    // fraction of a second, and a larger minimum would push the clock ahead of the world's.
    type MinimumPeriod = ConstU64<1>;
    type WeightInfo = ();
}

#[derive_impl(pallet_balances::config_preludes::TestDefaultConfig)]
impl pallet_balances::Config for Runtime {
    type Balance = Balance;
    type ExistentialDeposit = ConstU128<EXISTENTIAL_DEPOSIT>;
    type AccountStore = AccountStore;
    type MaxLocks = ConstU32<50>;
    type MaxReserves = ConstU32<50>;
    type ReserveIdentifier = [u8; 8];
}

impl pallet_transaction_payment::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type OnChargeTransaction = pallet_transaction_payment::FungibleAdapter<Balances, ()>;
    type WeightToFee = WeightFee;
    type LengthToFee = LengthFee;
    type FeeMultiplierUpdate = ();
    type OperationalFeeMultiplier = ConstU8<5>;
    type WeightInfo = ();
}

impl pallet_utility::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type PalletsOrigin = OriginCaller;
    type WeightInfo = ();
}

impl pallet_sudo::Config for Runtime {
    type RuntimeEvent = RuntimeEvent;
    type RuntimeCall = RuntimeCall;
    type WeightInfo = ();
}
