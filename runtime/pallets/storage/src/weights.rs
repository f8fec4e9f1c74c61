//! What each call costs: so many records read and written, at the runtime's price per record.
//!
//! A plain choice for a chain without benchmarks: a call touches a handful of records, plus some for
//! every item in its arguments, plus time in proportion to the bytes it only copies into an event.

use crate::Config;
use frame_support::traits::Get;
use frame_support::weights::Weight;
use std::marker::PhantomData;

/// Records that any call reads and writes at most, items aside.
const RECORDS_PER_CALL: u64 = 5;
/// Records that a call reads and writes per item (an object, a bucket, a hash).
const RECORDS_PER_ITEM: u64 = 2;
/// Picoseconds to copy one byte.
const PICOSECONDS_PER_BYTE: u64 = 1_000;

/// Weights with the runtime's prices.
pub struct Weights<T>(PhantomData<T>);

impl<T: Config> Weights<T> {
    /// A call without collections.
    pub fn fixed() -> Weight {
        T::DbWeight::get().reads_writes(RECORDS_PER_CALL, RECORDS_PER_CALL)
    }

    /// A call with `items` items in all its collections.
    pub fn of_items(items: usize) -> Weight {
        let records = RECORDS_PER_ITEM.saturating_mul(items as u64);
        Self::fixed().saturating_add(T::DbWeight::get().reads_writes(records, records))
    }

    /// A call that repeats `bytes` bytes in an event.
    pub fn of_bytes(bytes: usize) -> Weight {
        let time = PICOSECONDS_PER_BYTE.saturating_mul(bytes as u64);
        Self::fixed().saturating_add(Weight::from_parts(time, 0))
    }
}
