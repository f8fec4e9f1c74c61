//! The content directory: channels and videos.
//!
//! A *channel* belongs to a member or to a group of curators; *videos* belong to channels. Their
//! files are data objects in the channel's bag, so every change of files goes through the data
//! directory ([`pallet_storage`]) first and its events come first; metadata is opaque and lives in
//! events only. Collaborators act for a channel as far as they were permitted; moderators (the
//! content lead and curators) watch over all channels.
//!
//! | module | what it owns |
//! |---|---|
//! | this file | configuration, state, genesis |
//! | [`types`] | the shapes of channels and videos |
//! | [`params`] | the shapes of the arguments of calls |
//! | [`permissions`] | actors, and who may do what |
//! | `channels`, `videos` | their lives |
//! | `assets` | their objects in the data directory |
//! | `treasury` | bonds and channel accounts |
//! | [`curators`] | groups of curators |
//! | `moderation` | what moderators do |
//! | `outside` | the calls that begin nothing here: NFTs, auctions, creator tokens, transfers, payouts |
//! | [`nft_types`], [`token_types`] | the shapes of those |
//! | [`constants`] | what metadata shows as constants |
//! | `calls`, `events`, `errors` | the interface to the outside, the live chain's own |
//!
//! Read `types`, `permissions`, then `channels`.

mod assets;
mod calls;
mod channels;
pub mod constants;
pub mod curators;
mod errors;
mod events;
mod moderation;
pub mod nft_types;
mod outside;
pub mod params;
pub mod permissions;
pub mod token_types;
mod treasury;
pub mod types;
mod videos;

#[cfg(test)]
mod mock;
#[cfg(test)]
mod tests;

pub use curators::CuratorGroupRecord;
pub use pallet::*;
pub use permissions::ContentActor;

use frame_support::pallet_macros::import_section;
use frame_support::weights::Weight;
use pallet_common::Id;

/// What a call costs: a fixed charge of 400 µs and 64 KiB of proof, an upper bound for calls that
/// touch a channel, its bag and the vouchers of its buckets.
pub const CALL_WEIGHT: Weight = Weight::from_parts(400_000_000, 64 * 1024);

/// Hands out an id and moves on.
pub(crate) fn next_id(next: &mut Id) -> Id {
    let id = *next;
    *next = next.saturating_add(1);
    id
}

#[import_section(calls::calls)]
#[import_section(events::events)]
#[import_section(errors::errors)]
#[frame_support::pallet]
pub mod pallet {
    use crate::constants::*;
    use crate::curators::{
        CuratorGroupRecord, PermissionsByLevel, MAX_CURATORS_PER_GROUP, MAX_LEVELS_PER_GROUP,
    };
    use crate::nft_types::*;
    use crate::params::*;
    use crate::permissions::{ContentActor, PausableChannelFeature};
    use crate::token_types::*;
    use crate::types::*;
    use crate::CALL_WEIGHT;
    use frame_support::pallet_prelude::*;
    use frame_support::traits::fungible::{Inspect, Mutate};
    use frame_support::PalletId;
    use frame_system::pallet_prelude::*;
    use pallet_common::{Id, MemberAuth, WorkingGroupAuth};
    use pallet_storage::DataObjectStorage;
    use sp_core::H256;
    use sp_runtime::Perbill;
    use std::collections::BTreeSet;

    /// The pallet.
    #[pallet::pallet]
    #[pallet::without_storage_info]
    pub struct Pallet<T>(_);

    /// What the runtime provides.
    #[pallet::config]
    pub trait Config: frame_system::Config<RuntimeEvent: From<Event<Self>>> {
        /// The chain's token.
        type Currency: Mutate<Self::AccountId, Balance = Balance>;
        /// Who may act for a member.
        type Members: MemberAuth<Self::AccountId>;
        /// The lead and the curators.
        type ContentGroup: WorkingGroupAuth<Self::AccountId>;
        /// Where the objects of channels and videos are.
        type Storage: DataObjectStorage<Self::AccountId>;
        /// Gives the account that keeps the bonds of videos, and those of channels.
        type ModuleId: Get<PalletId>;
    }

    #[pallet::extra_constants]
    impl<T: Config> Pallet<T> {
        /// The most curators of a group.
        #[pallet::constant_name(MaxNumberOfCuratorsPerGroup)]
        fn max_number_of_curators_per_group() -> u32 {
            MAX_CURATORS_PER_GROUP
        }

        /// The most privilege levels for which a group may have permissions.
        #[pallet::constant_name(MaxKeysPerCuratorGroupPermissionsByLevelMap)]
        fn max_keys_per_curator_group_permissions_by_level_map() -> u32 {
            MAX_LEVELS_PER_GROUP
        }

        /// The most members on an auction's white list.
        #[pallet::constant_name(MaxNftAuctionWhitelistLength)]
        fn max_nft_auction_whitelist_length() -> u32 {
            MAX_NFT_AUCTION_WHITELIST_LENGTH
        }

        /// Issuances of all channels per day.
        #[pallet::constant_name(DefaultGlobalDailyNftLimit)]
        fn default_global_daily_nft_limit() -> LimitPerPeriod {
            DEFAULT_GLOBAL_DAILY_NFT_LIMIT
        }

        /// Issuances of all channels per week.
        #[pallet::constant_name(DefaultGlobalWeeklyNftLimit)]
        fn default_global_weekly_nft_limit() -> LimitPerPeriod {
            DEFAULT_GLOBAL_WEEKLY_NFT_LIMIT
        }

        /// Issuances of a channel per day.
        #[pallet::constant_name(DefaultChannelDailyNftLimit)]
        fn default_channel_daily_nft_limit() -> LimitPerPeriod {
            DEFAULT_CHANNEL_DAILY_NFT_LIMIT
        }

        /// Issuances of a channel per week.
        #[pallet::constant_name(DefaultChannelWeeklyNftLimit)]
        fn default_channel_weekly_nft_limit() -> LimitPerPeriod {
            DEFAULT_CHANNEL_WEEKLY_NFT_LIMIT
        }

        /// The least value of `MinCashoutAllowed`.
        #[pallet::constant_name(MinimumCashoutAllowedLimit)]
        fn minimum_cashout_allowed_limit() -> Balance {
            MINIMUM_CASHOUT_ALLOWED_LIMIT
        }

        /// The greatest value of `MaxCashoutAllowed`.
        #[pallet::constant_name(MaximumCashoutAllowedLimit)]
        fn maximum_cashout_allowed_limit() -> Balance {
            MAXIMUM_CASHOUT_ALLOWED_LIMIT
        }
    }

    /// Channels.
    #[pallet::storage]
    pub type ChannelById<T: Config> =
        StorageMap<_, Blake2_128Concat, Id, ChannelRecord<T::AccountId>, ValueQuery>;
    /// Videos.
    #[pallet::storage]
    pub type VideoById<T: Config> =
        StorageMap<_, Blake2_128Concat, Id, VideoRecord<T::AccountId>, ValueQuery>;
    /// The id of the next channel.
    #[pallet::storage]
    pub type NextChannelId<T> = StorageValue<_, Id, ValueQuery>;
    /// The id of the next video.
    #[pallet::storage]
    pub type NextVideoId<T> = StorageValue<_, Id, ValueQuery>;
    /// The id of the next transfer.
    #[pallet::storage]
    pub type NextTransferId<T> = StorageValue<_, Id, ValueQuery>;
    /// The id of the next curator group.
    #[pallet::storage]
    pub type NextCuratorGroupId<T> = StorageValue<_, Id, ValueQuery>;
    /// Curator groups.
    #[pallet::storage]
    pub type CuratorGroupById<T> =
        StorageMap<_, Blake2_128Concat, Id, CuratorGroupRecord, ValueQuery>;
    /// The root of the tree of rewards.
    #[pallet::storage]
    pub type Commitment<T> = StorageValue<_, H256, ValueQuery>;
    /// The bond of future channels.
    #[pallet::storage]
    pub type ChannelStateBloatBondValue<T> = StorageValue<_, Balance, ValueQuery>;
    /// The bond of future videos.
    #[pallet::storage]
    pub type VideoStateBloatBondValue<T> = StorageValue<_, Balance, ValueQuery>;
    /// The greatest reward that may be claimed.
    #[pallet::storage]
    pub type MaxCashoutAllowed<T> = StorageValue<_, Balance, ValueQuery>;
    /// The least reward that may be claimed.
    #[pallet::storage]
    pub type MinCashoutAllowed<T> = StorageValue<_, Balance, ValueQuery>;
    /// May rewards be claimed?
    #[pallet::storage]
    pub type ChannelCashoutsEnabled<T> = StorageValue<_, bool, ValueQuery>;
    /// The shortest auction.
    #[pallet::storage]
    pub type MinAuctionDuration<T> = StorageValue<_, BlockNumber, ValueQuery>;
    /// The longest auction.
    #[pallet::storage]
    pub type MaxAuctionDuration<T> = StorageValue<_, BlockNumber, ValueQuery>;
    /// The shortest extension of an auction.
    #[pallet::storage]
    pub type MinAuctionExtensionPeriod<T> = StorageValue<_, BlockNumber, ValueQuery>;
    /// The longest extension of an auction.
    #[pallet::storage]
    pub type MaxAuctionExtensionPeriod<T> = StorageValue<_, BlockNumber, ValueQuery>;
    /// The shortest lock of a bid.
    #[pallet::storage]
    pub type MinBidLockDuration<T> = StorageValue<_, BlockNumber, ValueQuery>;
    /// The longest lock of a bid.
    #[pallet::storage]
    pub type MaxBidLockDuration<T> = StorageValue<_, BlockNumber, ValueQuery>;
    /// The least first bid.
    #[pallet::storage]
    pub type MinStartingPrice<T> = StorageValue<_, Balance, ValueQuery>;
    /// The greatest first bid.
    #[pallet::storage]
    pub type MaxStartingPrice<T> = StorageValue<_, Balance, ValueQuery>;
    /// The least share of the creator.
    #[pallet::storage]
    pub type MinCreatorRoyalty<T> = StorageValue<_, Perbill, ValueQuery>;
    /// The greatest share of the creator.
    #[pallet::storage]
    pub type MaxCreatorRoyalty<T> = StorageValue<_, Perbill, ValueQuery>;
    /// The least step between bids.
    #[pallet::storage]
    pub type MinBidStep<T> = StorageValue<_, Balance, ValueQuery>;
    /// The greatest step between bids.
    #[pallet::storage]
    pub type MaxBidStep<T> = StorageValue<_, Balance, ValueQuery>;
    /// The platform's share of sales (spelled as on the live chain).
    #[pallet::storage]
    pub type PlatfromFeePercentage<T> = StorageValue<_, Perbill, ValueQuery>;
    /// How far in the future an auction may start.
    #[pallet::storage]
    pub type AuctionStartsAtMaxDelta<T> = StorageValue<_, BlockNumber, ValueQuery>;
    /// Bids in open auctions.
    #[pallet::storage]
    pub type OpenAuctionBidByVideoAndMember<T> = StorageDoubleMap<
        _,
        Blake2_128Concat,
        Id,
        Blake2_128Concat,
        Id,
        OpenAuctionBidRecord,
        ValueQuery,
    >;
    /// Issuances of all channels today.
    #[pallet::storage]
    pub type GlobalDailyNftCounter<T> = StorageValue<_, NftCounter, ValueQuery>;
    /// Issuances of all channels this week.
    #[pallet::storage]
    pub type GlobalWeeklyNftCounter<T> = StorageValue<_, NftCounter, ValueQuery>;
    /// The most issuances of all channels per day.
    #[pallet::storage]
    pub type GlobalDailyNftLimit<T> = StorageValue<_, LimitPerPeriod, ValueQuery>;
    /// The most issuances of all channels per week.
    #[pallet::storage]
    pub type GlobalWeeklyNftLimit<T> = StorageValue<_, LimitPerPeriod, ValueQuery>;
    /// Are issuances limited?
    #[pallet::storage]
    pub type NftLimitsEnabled<T> = StorageValue<_, bool, ValueQuery>;

    /// The values from which the directory starts. Ids start at 1, as on the live chain.
    #[pallet::genesis_config]
    pub struct GenesisConfig<T: Config> {
        /// See [`ChannelStateBloatBondValue`]; at least the existential deposit.
        pub channel_state_bloat_bond: Balance,
        /// See [`VideoStateBloatBondValue`].
        pub video_state_bloat_bond: Balance,
        /// See [`GlobalDailyNftLimit`]: how many issuances.
        pub global_daily_nft_limit: u64,
        /// See [`GlobalWeeklyNftLimit`]: how many issuances.
        pub global_weekly_nft_limit: u64,
        /// See [`NftLimitsEnabled`].
        pub nft_limits_enabled: bool,
        /// The type of the runtime.
        #[serde(skip)]
        pub marker: PhantomData<T>,
    }

    impl<T: Config> Default for GenesisConfig<T> {
        fn default() -> Self {
            let minimum = T::Currency::minimum_balance();
            Self {
                channel_state_bloat_bond: minimum,
                video_state_bloat_bond: minimum,
                global_daily_nft_limit: DEFAULT_GLOBAL_DAILY_NFT_LIMIT.limit,
                global_weekly_nft_limit: DEFAULT_GLOBAL_WEEKLY_NFT_LIMIT.limit,
                nft_limits_enabled: true,
                marker: PhantomData,
            }
        }
    }

    #[pallet::genesis_build]
    impl<T: Config> BuildGenesisConfig for GenesisConfig<T> {
        fn build(&self) {
            let minimum = T::Currency::minimum_balance();
            assert!(
                self.channel_state_bloat_bond >= minimum,
                "genesis: the channel bond must keep a channel's account alive, so it is at least {minimum}"
            );
            NextChannelId::<T>::put(1);
            NextVideoId::<T>::put(1);
            NextTransferId::<T>::put(1);
            NextCuratorGroupId::<T>::put(1);
            ChannelStateBloatBondValue::<T>::put(self.channel_state_bloat_bond);
            VideoStateBloatBondValue::<T>::put(self.video_state_bloat_bond);
            GlobalDailyNftLimit::<T>::put(LimitPerPeriod {
                limit: self.global_daily_nft_limit,
                ..DEFAULT_GLOBAL_DAILY_NFT_LIMIT
            });
            GlobalWeeklyNftLimit::<T>::put(LimitPerPeriod {
                limit: self.global_weekly_nft_limit,
                ..DEFAULT_GLOBAL_WEEKLY_NFT_LIMIT
            });
            NftLimitsEnabled::<T>::put(self.nft_limits_enabled);
            // Bonds smaller than the existential deposit could not be kept by an empty account.
            let treasury = Pallet::<T>::treasury_account();
            if T::Currency::balance(&treasury) < minimum {
                T::Currency::mint_into(&treasury, minimum)
                    .expect("the existential deposit fits into an empty account");
            }
        }
    }
}
