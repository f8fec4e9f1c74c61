//! The values that the live chain shows as constants of this pallet.

use crate::types::{Balance, LimitPerPeriod};

const BLOCKS_PER_DAY: u32 = 14_400;
const BLOCKS_PER_WEEK: u32 = 100_800;

/// Issuances of all channels per day.
pub const DEFAULT_GLOBAL_DAILY_NFT_LIMIT: LimitPerPeriod = LimitPerPeriod {
    limit: 100,
    block_number_period: BLOCKS_PER_DAY,
};
/// Issuances of all channels per week.
pub const DEFAULT_GLOBAL_WEEKLY_NFT_LIMIT: LimitPerPeriod = LimitPerPeriod {
    limit: 400,
    block_number_period: BLOCKS_PER_WEEK,
};
/// Issuances of a channel per day.
pub const DEFAULT_CHANNEL_DAILY_NFT_LIMIT: LimitPerPeriod = LimitPerPeriod {
    limit: 10,
    block_number_period: BLOCKS_PER_DAY,
};
/// Issuances of a channel per week.
pub const DEFAULT_CHANNEL_WEEKLY_NFT_LIMIT: LimitPerPeriod = LimitPerPeriod {
    limit: 40,
    block_number_period: BLOCKS_PER_WEEK,
};
/// The least value of `MinCashoutAllowed`.
pub const MINIMUM_CASHOUT_ALLOWED_LIMIT: Balance = 1_666_666_666_660;
/// The greatest value of `MaxCashoutAllowed`.
pub const MAXIMUM_CASHOUT_ALLOWED_LIMIT: Balance = 16_666_666_666_600_000;
