//! The first block of a development chain.

use sp_core::storage::Storage;
use sp_runtime::BuildStorage;

use crate::{AccountId, Balance, JOY, RuntimeGenesisConfig, accounts};

/// What every well-known account owns at the start.
const ENDOWMENT: Balance = 10_000_000 * JOY;

/// The state of block 0.
pub fn development() -> Storage {
    initial_config()
        .build_storage()
        .expect("the constants above make a valid configuration")
}

/// Balances and sudo: what is configured rather than called.
fn initial_config() -> RuntimeGenesisConfig {
    RuntimeGenesisConfig {
        balances: pallet_balances::GenesisConfig {
            balances: endowed_accounts()
                .into_iter()
                .map(|account| (account, ENDOWMENT))
                .collect(),
            ..Default::default()
        },
        sudo: pallet_sudo::GenesisConfig {
            key: Some(accounts::account(accounts::LEAD)),
        },
        ..Default::default()
    }
}

/// Every well-known account.
fn endowed_accounts() -> Vec<AccountId> {
    let members = accounts::MEMBERS.iter().map(|(uri, _)| (*uri).to_owned());
    let storage = accounts::STORAGE_WORKERS
        .iter()
        .flat_map(|uri| [(*uri).to_owned(), accounts::transactor(uri)]);
    let distribution = accounts::DISTRIBUTION_WORKERS
        .iter()
        .map(|uri| (*uri).to_owned());
    members
        .chain(storage)
        .chain(distribution)
        .map(|uri| accounts::account(&uri))
        .collect()
}
