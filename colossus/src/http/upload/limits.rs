//! Limits of the uploads being received, by whichever protocol: slots in total and per client, and
//! the disk space set aside for them.

use std::{collections::HashMap, sync::Arc};

use parking_lot::Mutex;
use shared::{
    api::{ApiError, ErrorKind},
    blob::BlobStore,
    serve::server::clients::address::ClientKey,
};

use super::super::errors;
use crate::{
    config::UploadsConfig,
    disk::{StandingCell, room::Ledger},
    metrics::Metrics,
};

/// Seconds after which an upload refused for want of a slot may come again.
pub const SLOT_RETRY_AFTER_S: u32 = 5;

/// Slots and disk space of the uploads under way. Cheap to clone; all clones are one.
#[derive(Clone)]
pub struct Uploads {
    taken: Arc<Mutex<Taken>>,
    ledger: Ledger,
    limits: UploadsConfig,
    standing: StandingCell,
    metrics: Metrics,
}

/// Slots in use.
#[derive(Default)]
struct Taken {
    total: usize,
    by_client: HashMap<ClientKey, usize>,
}

/// One upload being received; frees its slot when dropped.
pub struct Slot {
    client: ClientKey,
    taken: Arc<Mutex<Taken>>,
    metrics: Metrics,
}

/// Disk space set aside for one upload; given back when dropped.
pub struct Room {
    bytes: u64,
    ledger: Ledger,
    metrics: Metrics,
}

impl Uploads {
    /// All slots free.
    pub fn new(
        limits: UploadsConfig,
        ledger: Ledger,
        standing: StandingCell,
        metrics: Metrics,
    ) -> Self {
        Self {
            taken: Arc::default(),
            ledger,
            limits,
            standing,
            metrics,
        }
    }

    /// Bytes set aside for uploads under way.
    pub fn reserved_bytes(&self) -> u64 {
        self.ledger.uploads_bytes()
    }

    /// Bytes set aside for uploads, fetches and repairs under way.
    pub fn taken_bytes(&self) -> u64 {
        self.ledger.bytes()
    }

    /// A slot, or a polite refusal.
    pub fn take_slot(&self, client: ClientKey) -> Result<Slot, ApiError> {
        let mut taken = self.taken.lock();
        let refuse = |message: String| {
            Err(ApiError::new(ErrorKind::Overloaded, message).retry_after(SLOT_RETRY_AFTER_S))
        };
        let (max, per_client_max) = (self.limits.uploads_max, self.limits.uploads_per_client_max);
        if taken.total >= max {
            return refuse(format!(
                "this node receives {max} uploads at once, and all are taken: try again"
            ));
        }
        if taken.by_client.get(&client).copied().unwrap_or_default() >= per_client_max {
            return refuse(format!(
                "this node receives {per_client_max} uploads at once of one client, and you send as many: let one of them end"
            ));
        }
        taken.total += 1;
        *taken.by_client.entry(client).or_default() += 1;
        drop(taken);
        self.metrics.uploads_in_flight.inc();
        Ok(Slot {
            client,
            taken: self.taken.clone(),
            metrics: self.metrics.clone(),
        })
    }

    /// Is a slot free for anybody?
    pub fn has_slot(&self) -> bool {
        self.taken.lock().total < self.limits.uploads_max
    }

    /// Room for so many bytes beside what other uploads and fetches still have to write, above the low mark.
    pub fn reserve(&self, bytes: u64, blobs: &BlobStore) -> Result<Room, ApiError> {
        let room = self.hold(bytes);
        let others_bytes = self.taken_bytes().saturating_sub(bytes);
        self.check_room(bytes, others_bytes, blobs).map(|()| room)
    }

    /// Sets space aside for an upload that was begun in an earlier run, there or not.
    pub fn hold(&self, bytes: u64) -> Room {
        let mut room = Room {
            bytes: 0,
            ledger: self.ledger.clone(),
            metrics: self.metrics.clone(),
        };
        room.resize(bytes);
        room
    }

    fn check_room(&self, bytes: u64, others: u64, blobs: &BlobStore) -> Result<(), ApiError> {
        let standing = self.standing.get();
        if let Some(refusal) = standing.refuses_uploads() {
            return Err(refusal);
        }
        let free = blobs.free_bytes().map_err(errors::from_blob)?;
        let refusal = standing.with_free_bytes(free);
        refusal.refuses_upload_of(bytes, others).map_or(Ok(()), Err)
    }
}

impl Room {
    /// Sets aside so many bytes instead: what has been written is no longer free anyway.
    pub fn resize(&mut self, bytes: u64) {
        let reserved = self.ledger.resize_upload(self.bytes, bytes);
        self.bytes = bytes;
        let gauge = &self.metrics.uploads_reserved_bytes;
        gauge.set(i64::try_from(reserved).unwrap_or(i64::MAX));
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.resize(0);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.metrics.uploads_in_flight.dec();
        let mut taken = self.taken.lock();
        taken.total -= 1;
        if let Some(count) = taken.by_client.get_mut(&self.client) {
            *count -= 1;
            if *count == 0 {
                taken.by_client.remove(&self.client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use prometheus::Registry;

    use super::*;

    fn uploads(uploads_max: usize, uploads_per_client_max: usize) -> Uploads {
        let limits = UploadsConfig {
            uploads_max,
            uploads_per_client_max,
            ..UploadsConfig::default()
        };
        let metrics = Metrics::register(&Registry::new()).unwrap();
        Uploads::new(limits, Ledger::default(), StandingCell::default(), metrics)
    }

    fn client(address: &str) -> ClientKey {
        ClientKey::from(address.parse::<IpAddr>().unwrap())
    }

    #[test]
    fn slots_are_limited_per_client_and_in_total_and_come_back() {
        let uploads = uploads(3, 2);
        let (one, two) = (client("10.0.0.1"), client("10.0.0.2"));
        let first = uploads.take_slot(one).ok().unwrap();
        let _second = uploads.take_slot(one).ok().unwrap();
        let refused = uploads.take_slot(one).err().unwrap();
        assert_eq!(
            (refused.status.as_u16(), refused.retry_after_s),
            (503, Some(5))
        );
        assert!(refused.message.contains("2 uploads at once of one client"));
        let _third = uploads.take_slot(two).ok().unwrap();
        let refused = uploads.take_slot(two).err().unwrap();
        assert!(refused.message.contains("3 uploads at once, and all"));
        assert!(!uploads.has_slot());
        drop(first);
        assert!(uploads.has_slot());
        assert!(uploads.take_slot(one).is_ok());
        assert_eq!(uploads.metrics.uploads_in_flight.get(), 2);
    }

    #[test]
    fn room_shrinks_as_bytes_are_written_and_comes_back() {
        let uploads = uploads(1, 1);
        let mut room = uploads.hold(100);
        let _other = uploads.hold(7);
        assert_eq!(uploads.reserved_bytes(), 107);
        room.resize(40);
        assert_eq!(uploads.reserved_bytes(), 47);
        drop(room);
        assert_eq!(uploads.reserved_bytes(), 7);
        assert_eq!(uploads.metrics.uploads_reserved_bytes.get(), 7);
    }
}
