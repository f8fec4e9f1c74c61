//! The runtime's interface is the live chain's, item by item.
//!
//! `live-interface.txt` lists what the live chain's metadata says about the pallets that this
//! runtime has; `examples/list_interface.rs` makes it. Intended differences are in
//! `interface/differences.rs`, each with its reason; one that no longer exists fails the test too.

use std::collections::{BTreeMap, BTreeSet};

use describe::{describe, Interface};
use differences::{Difference, ADDED, CHANGED};

#[path = "interface/describe.rs"]
mod describe;
#[path = "interface/differences.rs"]
mod differences;

const LIVE: &str = include_str!("live-interface.txt");

fn ours() -> Interface {
    describe(&joystream_runtime::api::metadata())
}

fn live() -> BTreeMap<&'static str, &'static str> {
    LIVE.lines()
        .map(|line| line.split_once(" = ").expect("key = facts"))
        .collect()
}

fn covers(difference: &Difference, key: &str) -> bool {
    match difference.0.strip_suffix('*') {
        Some(prefix) => key.starts_with(prefix),
        None => difference.0 == key,
    }
}

/// The items that no difference covers, and the differences that cover none.
fn unexplained<'a>(
    keys: &'a [String],
    differences: &'a [Difference],
) -> (Vec<&'a str>, Vec<&'a str>) {
    let is_explained = |key: &str| differences.iter().any(|difference| covers(difference, key));
    let is_used = |d: &Difference| keys.iter().any(|key| covers(d, key));
    let items = keys
        .iter()
        .map(String::as_str)
        .filter(|key| !is_explained(key))
        .collect();
    let stale = differences
        .iter()
        .filter(|d| !is_used(d))
        .map(|d| d.0)
        .collect();
    (items, stale)
}

#[test]
fn every_item_of_the_live_chain_is_here_and_the_same() {
    let ours = ours();
    let changed: Vec<String> = live()
        .into_iter()
        .filter(|(key, facts)| ours.get(*key).is_none_or(|item| item.facts != *facts))
        .map(|(key, _)| key.to_owned())
        .collect();
    let (items, stale) = unexplained(&changed, CHANGED);
    for key in &items {
        let here = ours.get(*key).map_or("absent", |item| item.detail.as_str());
        println!("{key}\n  here: {here}");
    }
    assert!(items.is_empty(), "differ from the live chain: {items:#?}");
    assert!(
        stale.is_empty(),
        "listed as different, but are not: {stale:#?}"
    );
}

#[test]
fn nothing_is_here_that_the_live_chain_does_not_have() {
    let live = live();
    let added: Vec<String> = ours()
        .into_keys()
        .filter(|key| !live.contains_key(key.as_str()))
        .collect();
    let (items, stale) = unexplained(&added, ADDED);
    assert!(items.is_empty(), "not on the live chain: {items:#?}");
    assert!(
        stale.is_empty(),
        "listed as added, but are not here: {stale:#?}"
    );
}

#[test]
fn the_list_covers_the_pallets_that_clients_rely_on() {
    let pallets: BTreeSet<&str> = live()
        .into_keys()
        .filter_map(|key| key.strip_prefix("pallet "))
        .collect();
    for pallet in [
        "System",
        "Balances",
        "Members",
        "Content",
        "Storage",
        "StorageWorkingGroup",
        "DistributionWorkingGroup",
    ] {
        assert!(
            pallets.contains(pallet),
            "{pallet} is not in live-interface.txt"
        );
    }
}

#[test]
fn the_exported_interface_lacks_nothing_but_words() {
    let exported = describe(&joystream_runtime::interface::metadata());
    assert_eq!(exported, ours());
    assert!(
        joystream_runtime::interface::metadata().len() < joystream_runtime::api::metadata().len()
    );
}

#[test]
fn the_exported_metadata_is_up_to_date() {
    // Tests run in their package's directory.
    let exported = std::fs::read("../shared/chain/metadata.scale")
        .expect("shared/chain/metadata.scale exists");
    assert!(
        exported == joystream_runtime::interface::metadata(),
        "shared/chain/metadata.scale is stale: run `cargo run -p dev-chain -- export-metadata shared/chain/metadata.scale`"
    );
}
