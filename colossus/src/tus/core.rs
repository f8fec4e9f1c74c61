//! How many resumable uploads there may be, in total and per client, and when one has expired.

use std::collections::{BTreeMap, BTreeSet};

use shared::{blob::ResumableId, serve::server::clients::address::ClientKey};
use tokio::time::{Duration, Instant};

/// Limits of resumable uploads.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Unfinished ones in total.
    pub open_max: usize,
    /// Unfinished ones of one client.
    pub open_per_client_max: usize,
    /// Finished ones that are remembered; the oldest are forgotten first.
    pub finished_max: usize,
    /// One that nobody asked for during this time is forgotten.
    pub expiry: Duration,
}

/// Why a client may not begin another upload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many in total.
    #[error(
        "this node keeps {0} unfinished uploads, and there are as many: try another bucket of the bag"
    )]
    TooMany(usize),
    /// Too many of this client.
    #[error(
        "this node keeps {0} unfinished uploads of one client, and you have as many: finish one or end it with DELETE"
    )]
    TooManyOfClient(usize),
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    client: ClientKey,
    is_open: bool,
    seen: Instant,
}

/// All resumable uploads, by what limits and expiry need to know.
pub struct Book {
    limits: Limits,
    entries: BTreeMap<ResumableId, Entry>,
}

impl Book {
    /// None yet.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            entries: BTreeMap::new(),
        }
    }

    /// A client begins an upload, or is told why it may not.
    pub fn begin(
        &mut self,
        now: Instant,
        id: ResumableId,
        client: ClientKey,
    ) -> Result<(), Refusal> {
        let open = || self.entries.values().filter(|entry| entry.is_open);
        if open().count() >= self.limits.open_max {
            return Err(Refusal::TooMany(self.limits.open_max));
        }
        let of_client = open().filter(|entry| entry.client == client).count();
        if of_client >= self.limits.open_per_client_max {
            return Err(Refusal::TooManyOfClient(self.limits.open_per_client_max));
        }
        self.found(now, id, client, true);
        Ok(())
    }

    /// An upload of an earlier run is there, whatever the limits, and was last seen then; or one that
    /// was finished from the start.
    pub fn found(&mut self, seen: Instant, id: ResumableId, client: ClientKey, is_open: bool) {
        let entry = Entry {
            client,
            is_open,
            seen,
        };
        self.entries.insert(id, entry);
    }

    /// Is it one of them?
    pub fn knows(&self, id: ResumableId) -> bool {
        self.entries.contains_key(&id)
    }

    /// The names of all.
    pub fn ids(&self) -> BTreeSet<ResumableId> {
        self.entries.keys().copied().collect()
    }

    /// Somebody asked for it.
    pub fn seen(&mut self, now: Instant, id: ResumableId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.seen = now;
        }
    }

    /// It has become an object.
    pub fn finished(&mut self, now: Instant, id: ResumableId) {
        if let Some(entry) = self.entries.get_mut(&id) {
            entry.is_open = false;
            entry.seen = now;
        }
    }

    /// It is no more.
    pub fn ended(&mut self, id: ResumableId) {
        self.entries.remove(&id);
    }

    /// When it will have expired, if nobody asks for it.
    pub fn expires(&self, id: ResumableId) -> Option<Instant> {
        let entry = self.entries.get(&id)?;
        Some(entry.seen + self.limits.expiry)
    }

    /// Uploads whose time is over, and finished ones of which there are too many.
    pub fn expired(&self, now: Instant) -> Vec<ResumableId> {
        let is_over = |entry: &Entry| now.duration_since(entry.seen) >= self.limits.expiry;
        let (over, left): (Vec<_>, Vec<_>) =
            self.entries.iter().partition(|(_, entry)| is_over(entry));
        let mut finished: Vec<_> = left.into_iter().filter(|(_, it)| !it.is_open).collect();
        finished.sort_by_key(|(_, entry)| entry.seen);
        let too_many = finished.len().saturating_sub(self.limits.finished_max);
        let forgotten = finished.into_iter().take(too_many);
        over.into_iter()
            .chain(forgotten)
            .map(|(id, _)| *id)
            .collect()
    }

    /// Unfinished and finished ones.
    pub fn counts(&self) -> (usize, usize) {
        let open = self.entries.values().filter(|entry| entry.is_open).count();
        (open, self.entries.len() - open)
    }
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn book() -> Book {
        Book::new(Limits {
            open_max: 3,
            open_per_client_max: 2,
            finished_max: 2,
            expiry: HOUR,
        })
    }

    fn client(last: u8) -> ClientKey {
        IpAddr::from([10, 0, 0, last]).into()
    }

    #[test]
    fn unfinished_uploads_are_limited_per_client_and_in_total() {
        let (mut book, now) = (book(), Instant::now());
        let ids: [_; 4] = std::array::from_fn(|_| ResumableId::random());
        assert_eq!(book.begin(now, ids[0], client(1)), Ok(()));
        assert_eq!(book.begin(now, ids[1], client(1)), Ok(()));
        let too_many_of_client = Err(Refusal::TooManyOfClient(2));
        assert_eq!(book.begin(now, ids[2], client(1)), too_many_of_client);
        assert_eq!(book.begin(now, ids[2], client(2)), Ok(()));
        assert_eq!(book.begin(now, ids[3], client(2)), Err(Refusal::TooMany(3)));
        book.finished(now, ids[0]);
        assert_eq!(book.counts(), (2, 1));
        assert_eq!(book.begin(now, ids[3], client(1)), Ok(()));
        book.ended(ids[1]);
        assert_eq!(book.begin(now, ids[1], client(1)), Ok(()));
    }

    #[test]
    fn an_upload_expires_when_nobody_asks_for_it() {
        let (mut book, begun) = (book(), Instant::now());
        let (open, asked) = (ResumableId::random(), ResumableId::random());
        book.begin(begun, open, client(1)).unwrap();
        book.begin(begun, asked, client(1)).unwrap();
        assert_eq!(book.expires(open), Some(begun + HOUR));
        book.seen(begun + HOUR / 2, asked);
        let just_before = begun + HOUR - Duration::from_millis(1);
        assert_eq!(book.expired(just_before), []);
        assert_eq!(book.expired(begun + HOUR), [open]);
        book.ended(open);
        assert_eq!(book.expired(begun + HOUR), []);
        assert_eq!(book.expired(begun + HOUR * 3 / 2), [asked]);
    }

    #[test]
    fn of_too_many_finished_uploads_the_oldest_are_forgotten() {
        let (mut book, now) = (book(), Instant::now());
        let ids: [_; 4] = std::array::from_fn(|_| ResumableId::random());
        for (age, id) in [3, 1, 2, 0].into_iter().zip(ids) {
            let seen = now + Duration::from_secs(10 - age);
            book.found(seen, id, client(1), false);
        }
        let mut expired = book.expired(now + Duration::from_secs(10));
        expired.sort();
        let mut oldest = [ids[0], ids[2]];
        oldest.sort();
        assert_eq!(expired, oldest);
    }
}
