//! The import rules of `docs/architecture.md`, checked against what cargo sees.

use std::collections::{BTreeMap, BTreeSet};

use cargo_metadata::{DependencyKind, Metadata, MetadataCommand};

fn metadata() -> Metadata {
    MetadataCommand::new()
        .manifest_path(concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata of this workspace")
}

/// Every member with the members it imports (tests and build scripts aside).
fn imports() -> BTreeMap<String, BTreeSet<String>> {
    let metadata = metadata();
    let members: BTreeSet<String> = metadata
        .workspace_packages()
        .iter()
        .map(|package| package.name.to_string())
        .collect();
    metadata
        .workspace_packages()
        .iter()
        .map(|package| {
            let imports = package
                .dependencies
                .iter()
                .filter(|dependency| dependency.kind == DependencyKind::Normal)
                .map(|dependency| dependency.name.clone())
                .filter(|name| members.contains(name))
                .collect();
            (package.name.to_string(), imports)
        })
        .collect()
}

#[test]
fn members_import_only_what_the_architecture_allows() {
    let imports = imports();
    let only = |member: &str, allowed: &[&str]| {
        let found = imports
            .get(member)
            .unwrap_or_else(|| panic!("{member} is a member"));
        let extra: Vec<_> = found
            .iter()
            .filter(|name| !allowed.contains(&name.as_str()))
            .collect();
        assert!(extra.is_empty(), "{member} must not import {extra:?}");
    };
    only("shared", &[]);
    for node in ["colossus", "argus", "indexer", "gateway"] {
        only(node, &["shared"]);
    }
    only("pallet-common", &[]);
    only(
        "joystream-runtime",
        &[
            "pallet-common",
            "pallet-members",
            "pallet-working-group",
            "pallet-storage",
            "pallet-content",
        ],
    );
    only("dev-chain", &["joystream-runtime"]);
}

#[test]
fn nothing_imports_devnet_or_benches_but_the_top() {
    for (member, found) in imports() {
        for bench in ["benches", "edge-bench"] {
            assert!(!found.contains(bench), "{member} must not import {bench}");
        }
        assert!(
            !found.contains("devnet") || member == "benches",
            "{member} must not import devnet"
        );
    }
}

#[test]
fn every_member_has_the_workspace_licence_and_is_not_published() {
    for package in metadata().workspace_packages() {
        assert_eq!(
            package.license.as_deref(),
            Some("Apache-2.0"),
            "{}",
            package.name
        );
        assert_eq!(
            package.publish.as_deref(),
            Some(&[][..]),
            "{}",
            package.name
        );
    }
}
