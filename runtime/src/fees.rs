//! What a transaction costs: linear in its weight and in its length.
//!
//! With these rates an ordinary call costs 0.001 to 0.01 JOY. The fee is burnt.

use frame_support::weights::{Weight, WeightToFee};

use crate::Balance;

/// Picoseconds of computation that one unit of the currency pays for.
const PICOSECONDS_PER_UNIT: u64 = 10;
/// Units of the currency per byte of an encoded transaction.
const UNITS_PER_BYTE: Balance = 10_000;

/// The price of computation. The size of proofs costs nothing: this chain makes none.
pub struct WeightFee;

impl WeightToFee for WeightFee {
    type Balance = Balance;

    fn weight_to_fee(weight: &Weight) -> Balance {
        Balance::from(weight.ref_time() / PICOSECONDS_PER_UNIT)
    }
}

/// The price of length, which arrives as `ref_time`.
pub struct LengthFee;

impl WeightToFee for LengthFee {
    type Balance = Balance;

    fn weight_to_fee(length: &Weight) -> Balance {
        Balance::from(length.ref_time()).saturating_mul(UNITS_PER_BYTE)
    }
}
