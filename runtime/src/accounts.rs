//! The well-known accounts of a development chain. Their keys are public: never use them elsewhere.

use sp_core::{Pair, sr25519};

use crate::AccountId;

/// Sudo, and lead of every working group; member 0.
pub const LEAD: &str = "//Alice";

/// The first members' secret URIs and handles, in the order of their ids.
pub const MEMBERS: [(&str, &str); 6] = [
    ("//Alice", "alice"),
    ("//Bob", "bob"),
    ("//Charlie", "charlie"),
    ("//Dave", "dave"),
    ("//Eve", "eve"),
    ("//Ferdie", "ferdie"),
];

/// Role accounts of the storage group's workers 1, 2 and 3 (worker 0 is the lead).
pub const STORAGE_WORKERS: [&str; 3] = ["//Colossus1", "//Colossus2", "//Colossus3"];

/// Role accounts of the distribution group's workers 1 and 2 (worker 0 is the lead).
pub const DISTRIBUTION_WORKERS: [&str; 2] = ["//Argus1", "//Argus2"];

/// The account that accepts objects for the buckets of a storage worker.
pub fn transactor(role_uri: &str) -> String {
    format!("{role_uri}//Transactor")
}

/// The account of a secret URI.
pub fn account(uri: &str) -> AccountId {
    pair(uri).public().into()
}

/// The key pair of a secret URI.
pub fn pair(uri: &str) -> sr25519::Pair {
    sr25519::Pair::from_string(uri, None)
        .expect("the constants of this module are valid secret URIs")
}
