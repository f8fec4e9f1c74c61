//! The well-known accounts of a development chain. Their keys are public: never use them elsewhere.

use pallet_common::Id;
use sp_core::{sr25519, Pair};

use crate::AccountId;

/// Sudo, and the role account of every working group's lead. The lead is member 0.
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

/// A post in a working group: who fills it, and with which accounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// The member.
    pub member: Id,
    /// The account that signs for the role.
    pub role: String,
    /// The account that holds the stake.
    pub stake: String,
}

/// The leads' post in a group ("Storage").
pub fn lead(group: &str) -> Post {
    Post {
        member: 0,
        role: LEAD.to_owned(),
        stake: format!("{LEAD}//{group}Stake"),
    }
}

fn worker(member: Id, role: &str) -> Post {
    Post {
        member,
        role: role.to_owned(),
        stake: format!("{role}//Stake"),
    }
}

/// Workers 1, 2 and 3 of the storage group (worker 0 is the lead).
pub fn storage_workers() -> [Post; 3] {
    [
        worker(2, "//Colossus1"),
        worker(3, "//Colossus2"),
        worker(4, "//Colossus3"),
    ]
}

/// Workers 1 and 2 of the distribution group (worker 0 is the lead).
pub fn distribution_workers() -> [Post; 2] {
    [worker(5, "//Argus1"), worker(2, "//Argus2")]
}

/// The account that accepts objects for the buckets of a storage worker.
pub fn transactor(role: &str) -> String {
    format!("{role}//Transactor")
}

/// The account of a secret URI.
pub fn account(uri: &str) -> AccountId {
    pair(uri).public().into()
}

/// The key pair of a secret URI.
pub fn pair(uri: &str) -> sr25519::Pair {
    sr25519::Pair::from_string(uri, None).expect("the URIs of this module are valid")
}
