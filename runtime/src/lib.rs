//! The chain's business logic: pallets composed into a runtime with the live chain's interface.
//!
//! Pallet indexes, call, event, error and storage names, transaction extensions, address type and
//! SS58 prefix are those of the live chain (spec `joystream-node` 2004), so that clients written
//! for it talk to this runtime unchanged. What differs on purpose is listed, with reasons, in
//! `tests/interface.rs`.
//!
//! | module | what it owns |
//! |---|---|
//! | this file | the block's types, the version, the composition of pallets |
//! | [`configs`] | the constants and types each pallet is configured with |
//! | [`fees`] | what a transaction costs |
//! | [`account_data`] | balances in the live chain's stored shape |
//! | [`prefixes`] | storage prefixes that differ from pallet names |
//! | [`api`] | the runtime interface that nodes call, and its native dispatcher |
//! | [`interface`] | the metadata that clients are generated from |
//! | [`accounts`] | the well-known accounts of a development chain |
//! | [`genesis`] | the first block of a development chain |
//!
//! Read this file, then [`configs`], then [`genesis`].

#![allow(missing_docs, reason = "FRAME writes most public items of this crate")]

pub mod account_data;
pub mod accounts;
pub mod api;
pub mod configs;
pub mod fees;
pub mod genesis;
pub mod interface;
pub mod prefixes;

use sp_runtime::generic;
use sp_runtime::traits::{BlakeTwo256, IdentifyAccount, Verify};
use sp_runtime::MultiSignature;
use sp_version::RuntimeVersion;

/// Height of a block.
pub type BlockNumber = u32;
/// sr25519, ed25519 or ECDSA.
pub type Signature = MultiSignature;
/// 32 bytes, the public key or its hash.
pub type AccountId = <<Signature as Verify>::Signer as IdentifyAccount>::AccountId;
/// Amounts in the smallest unit, 10^-10 JOY.
pub type Balance = u128;
/// Number of transactions an account has sent.
pub type Nonce = u32;
/// Milliseconds since the Unix epoch.
pub type Moment = u64;
/// BLAKE2b-256.
pub type Hash = sp_core::H256;
/// Header of a block.
pub type Header = generic::Header<BlockNumber, BlakeTwo256>;
/// The chain addresses accounts by bare account ids.
pub type Address = AccountId;

/// What a signature covers besides the call, in the live chain's order.
pub type TxExtension = (
    frame_system::CheckNonZeroSender<Runtime>,
    frame_system::CheckSpecVersion<Runtime>,
    frame_system::CheckTxVersion<Runtime>,
    frame_system::CheckGenesis<Runtime>,
    frame_system::CheckMortality<Runtime>,
    frame_system::CheckNonce<Runtime>,
    frame_system::CheckWeight<Runtime>,
    pallet_transaction_payment::ChargeTransactionPayment<Runtime>,
);

/// A transaction as it travels.
pub type UncheckedExtrinsic =
    generic::UncheckedExtrinsic<Address, RuntimeCall, Signature, TxExtension>;
/// What is signed when a transaction is made.
pub type SignedPayload = generic::SignedPayload<RuntimeCall, TxExtension>;
/// Header and transactions.
pub type Block = generic::Block<Header, UncheckedExtrinsic>;
/// Runs blocks.
pub type Executive = frame_executive::Executive<
    Runtime,
    Block,
    frame_system::ChainContext<Runtime>,
    Runtime,
    AllPalletsWithSystem,
>;

/// One JOY in the smallest unit.
pub const JOY: Balance = 10_000_000_000;
/// Prefix of addresses in text form ("j4…").
pub const SS58_PREFIX: u16 = 126;

/// The live chain's version; the list of interfaces is our own.
#[sp_version::runtime_version]
pub const VERSION: RuntimeVersion = RuntimeVersion {
    spec_name: std::borrow::Cow::Borrowed("joystream-node"),
    impl_name: std::borrow::Cow::Borrowed("joystream-node"),
    authoring_version: 12,
    spec_version: 2004,
    impl_version: 0,
    apis: api::RUNTIME_API_VERSIONS,
    transaction_version: 2,
    system_version: 1,
};

#[frame_support::runtime]
mod composition {
    #[runtime::runtime]
    #[runtime::derive(
        RuntimeCall,
        RuntimeEvent,
        RuntimeError,
        RuntimeOrigin,
        RuntimeFreezeReason,
        RuntimeHoldReason,
        RuntimeSlashReason,
        RuntimeLockId,
        RuntimeTask
    )]
    pub struct Runtime;

    #[runtime::pallet_index(0)]
    pub type System = frame_system;
    #[runtime::pallet_index(1)]
    pub type Utility = pallet_utility;
    #[runtime::pallet_index(3)]
    pub type Timestamp = pallet_timestamp;
    #[runtime::pallet_index(5)]
    pub type Balances = pallet_balances;
    #[runtime::pallet_index(6)]
    pub type TransactionPayment = pallet_transaction_payment;
    #[runtime::pallet_index(21)]
    pub type Members = pallet_members;
    #[runtime::pallet_index(26)]
    pub type Content = pallet_content;
    #[runtime::pallet_index(27)]
    pub type Storage = pallet_storage;
    #[runtime::pallet_index(33)]
    pub type StorageWorkingGroup = pallet_working_group<Instance2>;
    #[runtime::pallet_index(34)]
    pub type ContentWorkingGroup = pallet_working_group<Instance3>;
    #[runtime::pallet_index(40)]
    pub type DistributionWorkingGroup = pallet_working_group<Instance9>;
    #[runtime::pallet_index(100)]
    pub type Sudo = pallet_sudo;
}
