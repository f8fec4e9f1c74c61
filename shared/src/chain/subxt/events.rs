//! Events of a block in the words of this project.
//!
//! - `storage`: the data directory
//! - `content`: channels, videos, members

use ::subxt::{
    dynamic::Value,
    events::{Event, Events, Phase},
    ext::scale_decode::DecodeAsFields,
};

use super::connection::JoyConfig;
use crate::chain::{
    ChainError,
    event::{ChainEvent, IndexedEvent},
};

mod content;
mod storage;

type RawEvent<'a> = Event<'a, JoyConfig>;

/// A field of an event that nobody here reads.
type Anything = Value;

/// The events that this project follows, in order.
pub(super) fn indexed(
    block: u32,
    events: &Events<JoyConfig>,
) -> Result<Vec<IndexedEvent>, ChainError> {
    let unreadable = |cause: String| ChainError::Unreadable {
        what: format!("the events of block {block}"),
        cause,
    };
    let mut indexed = Vec::new();
    for event in events.iter() {
        let raw = event.map_err(|error| unreadable(error.to_string()))?;
        let known = match raw.pallet_name() {
            "Storage" => storage::storage(&raw).map(|event| event.map(ChainEvent::Storage)),
            "Content" => content::content(&raw).map(|event| event.map(ChainEvent::Content)),
            "Members" => content::members(&raw).map(|event| event.map(ChainEvent::Members)),
            _ => Ok(None),
        };
        if let Some(event) = known.map_err(unreadable)? {
            indexed.push(IndexedEvent {
                index: raw.index(),
                extrinsic: match raw.phase() {
                    Phase::ApplyExtrinsic(index) => Some(index),
                    Phase::Finalization | Phase::Initialization => None,
                },
                event,
            });
        }
    }
    Ok(indexed)
}

fn fields<F: DecodeAsFields>(event: &RawEvent<'_>) -> Result<F, String> {
    event
        .decode_fields_unchecked_as::<F>()
        .map_err(|error| error.to_string())
}
