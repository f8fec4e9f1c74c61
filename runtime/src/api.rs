//! The runtime interface that nodes call, and its native dispatcher.
//!
//! The runtime is not compiled to WASM here: [`dispatch`] runs an interface function by its name
//! inside the externalities of the calling thread.

use frame_support::inherent::ProvideInherent;
use frame_support::weights::Weight;
use pallet_transaction_payment_rpc_runtime_api::{FeeDetails, RuntimeDispatchInfo};
use sp_core::OpaqueMetadata;
use sp_inherents::{CheckInherentsResult, InherentData};
use sp_runtime::traits::Block as BlockT;
use sp_runtime::transaction_validity::{TransactionSource, TransactionValidity};
use sp_runtime::{ApplyExtrinsicResult, ExtrinsicInclusionMode};
use sp_version::RuntimeVersion;

use crate::{
    AccountId, Balance, Block, Executive, Moment, Nonce, Runtime, RuntimeCall, System, Timestamp,
    TransactionPayment, UncheckedExtrinsic, VERSION,
};

/// The one metadata version that the live chain serves.
const METADATA_VERSION: u32 = 14;

/// Runs an interface function ("Core_version") with SCALE-encoded arguments; `None` if there is no
/// such function. Must run inside externalities; panics on arguments that cannot be decoded, as the
/// compiled runtime would.
pub fn dispatch(function: &str, arguments: &[u8]) -> Option<Vec<u8>> {
    generated::api::dispatch(function, arguments)
}

/// The interfaces and their versions, as part of [`VERSION`].
pub const RUNTIME_API_VERSIONS: sp_version::ApisVec = generated::RUNTIME_API_VERSIONS;

/// The metadata (V14) of this runtime, SCALE-encoded.
pub fn metadata() -> Vec<u8> {
    codec::Encode::encode(&Runtime::metadata())
}

/// The first extrinsic of every block, in extrinsic format 4, the only one that the live chain and
/// older clients know.
pub fn timestamp_inherent(now: Moment) -> UncheckedExtrinsic {
    let call = RuntimeCall::Timestamp(pallet_timestamp::Call::set { now });
    UncheckedExtrinsic::new_bare_legacy(call)
}

mod generated {
    use super::*;

    sp_api::impl_runtime_apis! {
        impl sp_api::Core<Block> for Runtime {
            fn version() -> RuntimeVersion {
                VERSION
            }
            fn execute_block(block: <Block as BlockT>::LazyBlock) {
                Executive::execute_block(block)
            }
            fn initialize_block(header: &<Block as BlockT>::Header) -> ExtrinsicInclusionMode {
                Executive::initialize_block(header)
            }
        }

        impl sp_api::Metadata<Block> for Runtime {
            fn metadata() -> OpaqueMetadata {
                OpaqueMetadata::new(Runtime::metadata().into())
            }
            fn metadata_at_version(version: u32) -> Option<OpaqueMetadata> {
                (version == METADATA_VERSION)
                    .then(|| OpaqueMetadata::new(Runtime::metadata().into()))
            }
            fn metadata_versions() -> Vec<u32> {
                vec![METADATA_VERSION]
            }
        }

        impl sp_block_builder::BlockBuilder<Block> for Runtime {
            fn apply_extrinsic(extrinsic: <Block as BlockT>::Extrinsic) -> ApplyExtrinsicResult {
                Executive::apply_extrinsic(extrinsic)
            }
            fn finalize_block() -> <Block as BlockT>::Header {
                Executive::finalize_block()
            }
            fn inherent_extrinsics(data: InherentData) -> Vec<<Block as BlockT>::Extrinsic> {
                let set_time = Timestamp::create_inherent(&data);
                set_time.map(|call| UncheckedExtrinsic::new_bare_legacy(call.into())).into_iter().collect()
            }
            fn check_inherents(
                _block: <Block as BlockT>::LazyBlock,
                _data: InherentData,
            ) -> CheckInherentsResult {
                // One author makes every block of this chain, so there is no one to distrust.
                CheckInherentsResult::new()
            }
        }

        impl sp_transaction_pool::runtime_api::TaggedTransactionQueue<Block> for Runtime {
            fn validate_transaction(
                source: TransactionSource,
                transaction: <Block as BlockT>::Extrinsic,
                block_hash: <Block as BlockT>::Hash,
            ) -> TransactionValidity {
                Executive::validate_transaction(source, transaction, block_hash)
            }
        }

        impl frame_system_rpc_runtime_api::AccountNonceApi<Block, AccountId, Nonce> for Runtime {
            fn account_nonce(account: AccountId) -> Nonce {
                System::account_nonce(account)
            }
        }

        impl pallet_transaction_payment_rpc_runtime_api::TransactionPaymentApi<Block, Balance>
            for Runtime
        {
            fn query_info(
                extrinsic: <Block as BlockT>::Extrinsic,
                length: u32,
            ) -> RuntimeDispatchInfo<Balance> {
                TransactionPayment::query_info(extrinsic, length)
            }
            fn query_fee_details(
                extrinsic: <Block as BlockT>::Extrinsic,
                length: u32,
            ) -> FeeDetails<Balance> {
                TransactionPayment::query_fee_details(extrinsic, length)
            }
            fn query_weight_to_fee(weight: Weight) -> Balance {
                TransactionPayment::weight_to_fee(weight)
            }
            fn query_length_to_fee(length: u32) -> Balance {
                TransactionPayment::length_to_fee(length)
            }
        }
    }
}
