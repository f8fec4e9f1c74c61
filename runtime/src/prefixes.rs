//! Storage prefixes that differ from pallet names.
//!
//! On the live chain some pallets store under an older name: `Members` under `Membership`, the
//! working groups under `Instance<n>WorkingGroup`. FRAME takes the prefix (in keys and in the
//! metadata) from [`frame_support::traits::PalletInfo::name`] and the pallet's name in the metadata
//! from the composition, so wrapping the former is all it takes.

use std::any::TypeId;

use frame_support::traits::{CrateVersion, PalletInfo};

use crate::{ContentWorkingGroup, DistributionWorkingGroup, Members, StorageWorkingGroup};

/// The generated pallet information with the live chain's storage prefixes.
pub struct LivePalletInfo;

/// The prefix of a pallet that does not store under its own name.
fn odd_prefix(pallet: TypeId) -> Option<&'static str> {
    let odd = [
        (TypeId::of::<Members>(), "Membership"),
        (TypeId::of::<StorageWorkingGroup>(), "Instance2WorkingGroup"),
        (TypeId::of::<ContentWorkingGroup>(), "Instance3WorkingGroup"),
        (
            TypeId::of::<DistributionWorkingGroup>(),
            "Instance9WorkingGroup",
        ),
    ];
    odd.into_iter()
        .find(|(other, _)| *other == pallet)
        .map(|(_, prefix)| prefix)
}

impl PalletInfo for LivePalletInfo {
    fn index<P: 'static>() -> Option<usize> {
        <crate::PalletInfo as PalletInfo>::index::<P>()
    }

    fn name<P: 'static>() -> Option<&'static str> {
        odd_prefix(TypeId::of::<P>()).or_else(<crate::PalletInfo as PalletInfo>::name::<P>)
    }

    fn name_hash<P: 'static>() -> Option<[u8; 16]> {
        Self::name::<P>().map(|name| sp_io::hashing::twox_128(name.as_bytes()))
    }

    fn module_name<P: 'static>() -> Option<&'static str> {
        <crate::PalletInfo as PalletInfo>::module_name::<P>()
    }

    fn crate_version<P: 'static>() -> Option<CrateVersion> {
        <crate::PalletInfo as PalletInfo>::crate_version::<P>()
    }
}
