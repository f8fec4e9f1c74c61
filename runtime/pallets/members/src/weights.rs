//! What each call costs: a handful of records read and written, at the runtime's price per record,
//! and time in proportion to the bytes it only copies into an event.

use crate::Config;
use frame_support::traits::Get;
use frame_support::weights::Weight;
use std::marker::PhantomData;

/// Records that any call reads and writes at most.
const RECORDS_PER_CALL: u64 = 6;
/// Picoseconds to copy one byte.
const PICOSECONDS_PER_BYTE: u64 = 1_000;

/// Weights with the runtime's prices.
pub struct Weights<T>(PhantomData<T>);

impl<T: Config> Weights<T> {
    /// A call without metadata.
    pub fn fixed() -> Weight {
        T::DbWeight::get().reads_writes(RECORDS_PER_CALL, RECORDS_PER_CALL)
    }

    /// A call with `bytes` bytes of metadata or message.
    pub fn of_profile(bytes: usize) -> Weight {
        let time = PICOSECONDS_PER_BYTE.saturating_mul(bytes as u64);
        Self::fixed().saturating_add(Weight::from_parts(time, 0))
    }
}
