//! The shapes of NFTs and auctions. They are part of the interface of videos; nothing here issues one.

use crate::types::{Balance, BlockNumber};
use codec::{Decode, DecodeWithMemTracking, Encode, MaxEncodedLen};
use frame_support::traits::ConstU32;
use frame_support::BoundedBTreeSet;
use pallet_common::Id;
use scale_info::TypeInfo;
use sp_runtime::Perbill;
use std::collections::BTreeSet;

/// The most members on an auction's white list.
pub const MAX_NFT_AUCTION_WHITELIST_LENGTH: u32 = 20;

/// An auction's white list, as state keeps it.
pub type Whitelist = BoundedBTreeSet<Id, ConstU32<MAX_NFT_AUCTION_WHITELIST_LENGTH>>;

/// The terms of an English auction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct EnglishAuctionParamsRecord {
    /// The first bid.
    pub starting_price: Balance,
    /// A bid that ends it.
    pub buy_now_price: Option<Balance>,
    /// Who may bid; everyone if empty.
    pub whitelist: BTreeSet<Id>,
    /// When it starts; at once if absent.
    pub starts_at: Option<BlockNumber>,
    /// How many blocks it takes.
    pub duration: BlockNumber,
    /// By how much a late bid extends it.
    pub extension_period: BlockNumber,
    /// The least step between bids.
    pub min_bid_step: Balance,
}

/// The terms of an open auction.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct OpenAuctionParamsRecord {
    /// The first bid.
    pub starting_price: Balance,
    /// A bid that ends it.
    pub buy_now_price: Option<Balance>,
    /// When it starts; at once if absent.
    pub starts_at: Option<BlockNumber>,
    /// Who may bid; everyone if empty.
    pub whitelist: BTreeSet<Id>,
    /// How long a bid stands.
    pub bid_lock_duration: BlockNumber,
}

/// In which state an NFT is issued.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub enum InitTransactionalStatusRecord {
    /// Not for sale.
    Idle,
    /// For sale at a price.
    BuyNow(Balance),
    /// Offered to a member.
    InitiatedOfferToMember(Id, Option<Balance>),
    /// In an English auction.
    EnglishAuction(EnglishAuctionParamsRecord),
    /// In an open auction.
    OpenAuction(OpenAuctionParamsRecord),
}

/// The terms of an issuance.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, TypeInfo)]
pub struct NftIssuanceParametersRecord {
    /// The creator's share of each sale.
    pub royalty: Option<Perbill>,
    /// Metadata; opaque here.
    pub nft_metadata: Vec<u8>,
    /// The first owner, if not the channel's owner.
    pub non_channel_owner: Option<Id>,
    /// The first state.
    pub init_transactional_status: InitTransactionalStatusRecord,
}

/// The highest bid of an English auction.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct EnglishAuctionBid {
    /// How much.
    pub amount: Balance,
    /// Whose.
    pub bidder_id: Id,
}

/// An English auction.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct EnglishAuctionRecord {
    /// The first bid.
    pub starting_price: Balance,
    /// A bid that ends it.
    pub buy_now_price: Option<Balance>,
    /// Who may bid; everyone if empty.
    pub whitelist: Whitelist,
    /// When it ends.
    pub end: BlockNumber,
    /// When it starts.
    pub start: BlockNumber,
    /// By how much a late bid extends it.
    pub extension_period: BlockNumber,
    /// The least step between bids.
    pub min_bid_step: Balance,
    /// The highest bid.
    pub top_bid: Option<EnglishAuctionBid>,
}

/// An open auction.
#[derive(
    Clone, Debug, PartialEq, Eq, Encode, Decode, DecodeWithMemTracking, MaxEncodedLen, TypeInfo,
)]
pub struct OpenAuctionRecord {
    /// The first bid.
    pub starting_price: Balance,
    /// A bid that ends it.
    pub buy_now_price: Option<Balance>,
    /// Who may bid; everyone if empty.
    pub whitelist: Whitelist,
    /// How long a bid stands.
    pub bid_lock_duration: BlockNumber,
    /// Which of the NFT's auctions it is.
    pub auction_id: u64,
    /// When it starts.
    pub start: BlockNumber,
}

/// A bid in an open auction.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct OpenAuctionBidRecord {
    /// How much.
    pub amount: Balance,
    /// When.
    pub made_at_block: BlockNumber,
    /// In which of the NFT's auctions.
    pub auction_id: u64,
}

/// What is going on with an NFT.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum TransactionalStatusRecord {
    /// Nothing.
    #[default]
    Idle,
    /// It is offered to a member.
    InitiatedOfferToMember(Id, Option<Balance>),
    /// It is in an English auction.
    EnglishAuction(EnglishAuctionRecord),
    /// It is in an open auction.
    OpenAuction(OpenAuctionRecord),
    /// It is for sale at a price.
    BuyNow(Balance),
}

/// Whom an NFT belongs to.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub enum NftOwner {
    /// The owner of the video's channel.
    #[default]
    ChannelOwner,
    /// A member.
    Member(Id),
}

/// An NFT.
#[derive(
    Clone,
    Debug,
    Default,
    PartialEq,
    Eq,
    Encode,
    Decode,
    DecodeWithMemTracking,
    MaxEncodedLen,
    TypeInfo,
)]
pub struct OwnedNft {
    /// Whom it belongs to.
    pub owner: NftOwner,
    /// What is going on with it.
    pub transactional_status: TransactionalStatusRecord,
    /// The creator's share of each sale.
    pub creator_royalty: Option<Perbill>,
    /// How many open auctions there were.
    pub open_auctions_nonce: u64,
}
