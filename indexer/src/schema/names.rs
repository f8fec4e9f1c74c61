//! The names of the API that follow from an entity's name.

/// `StorageBag` → `storageBag`.
pub fn lower_first(name: &str) -> String {
    let mut letters = name.chars();
    letters
        .next()
        .map(|first| first.to_lowercase().chain(letters).collect())
        .unwrap_or_default()
}

/// `StorageBag` → `StorageBags`, `DistributionBucketFamily` → `DistributionBucketFamilies`;
/// "metadata" has no plural.
pub fn plural(name: &str) -> String {
    if name.ends_with("Metadata") {
        return name.to_owned();
    }
    match name.strip_suffix('y') {
        Some(stem) if !stem.ends_with(['a', 'e', 'o', 'u']) => format!("{stem}ies"),
        _ => format!("{name}s"),
    }
}

/// The root field that lists an entity.
pub fn list_field(entity: &str) -> String {
    lower_first(&plural(entity))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_clients_use() {
        for (entity, list) in [
            ("StorageBag", "storageBags"),
            (
                "StorageBucketOperatorMetadata",
                "storageBucketOperatorMetadata",
            ),
            ("DistributionBucketFamily", "distributionBucketFamilies"),
            ("VideoCategory", "videoCategories"),
            ("Event", "events"),
            ("OwnedNft", "ownedNfts"),
            ("Key", "keys"),
        ] {
            assert_eq!(list_field(entity), list);
        }
    }
}
