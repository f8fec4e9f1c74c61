//! The first block of a development chain.
//!
//! Balances and the sudo key are configured. Everything else, members, working groups, buckets,
//! comes about by the pallets' own calls, so that it is exactly what it would be on a running
//! chain, and so that its events stand in block 0 for those who follow events.
//!
//! | module | what it sets up |
//! |---|---|
//! | [`groups`] | members, and the leads and workers of the working groups |
//! | [`directory`] | limits, fees, buckets and their operators |

use frame_support::traits::UnfilteredDispatchable;
use sp_core::storage::Storage;
use sp_runtime::BuildStorage;
use sp_state_machine::BasicExternalities;

use crate::accounts::{self, Post};
use crate::{Balance, RuntimeCall, RuntimeGenesisConfig, RuntimeOrigin, System, JOY};

pub mod directory;
pub mod groups;

/// What every account that signs owns at the start.
pub const ENDOWMENT: Balance = 10_000_000 * JOY;
/// What every account that holds a stake owns at the start.
pub const STAKE_ENDOWMENT: Balance = 100_000 * JOY;

/// The state of block 0. Always the same.
pub fn development() -> Storage {
    let config = initial_config();
    let mut storage = config
        .build_storage()
        .expect("the constants above make a valid state");
    BasicExternalities::execute_with_storage(&mut storage, || {
        // Events of block 0 are not recorded, so this is block 1 for a moment.
        System::set_block_number(1);
        groups::set_up();
        directory::set_up();
        System::set_block_number(0);
    });
    storage
}

fn initial_config() -> RuntimeGenesisConfig {
    let endow = |uri: String, amount| (accounts::account(&uri), amount);
    let signers = signing_accounts()
        .into_iter()
        .map(|uri| endow(uri, ENDOWMENT));
    let stakes = posts()
        .into_iter()
        .map(|post| endow(post.stake, STAKE_ENDOWMENT));
    RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig {
            balances: signers.chain(stakes).collect(),
            ..Default::default()
        },
        sudo: pallet_sudo::GenesisConfig {
            key: Some(accounts::account(accounts::LEAD)),
        },
        ..Default::default()
    }
}

fn signing_accounts() -> Vec<String> {
    let members = accounts::MEMBERS.iter().map(|(uri, _)| (*uri).to_owned());
    let storage = accounts::storage_workers();
    let transactors = storage.iter().map(|post| accounts::transactor(&post.role));
    let roles = storage
        .iter()
        .chain(&accounts::distribution_workers())
        .map(|p| p.role.clone())
        .collect::<Vec<_>>();
    members.chain(transactors).chain(roles).collect()
}

/// Every post of every group.
fn posts() -> Vec<Post> {
    let leads = ["Storage", "Content", "Distribution"].map(accounts::lead);
    let workers = accounts::storage_workers()
        .into_iter()
        .chain(accounts::distribution_workers());
    leads.into_iter().chain(workers).collect()
}

/// Makes a call that must succeed.
fn call(origin: RuntimeOrigin, call: impl Into<RuntimeCall>) {
    let call = call.into();
    if let Err(error) = call.clone().dispatch_bypass_filter(origin) {
        panic!("the development chain cannot begin: {call:?} failed: {error:?}");
    }
}

fn signed(uri: &str) -> RuntimeOrigin {
    RuntimeOrigin::signed(accounts::account(uri))
}
