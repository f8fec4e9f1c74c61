//! [`Puts`]: which objects are on their way into the object store. A note of each is on disk before its
//! first byte is sent, and goes when the object is known here, durably. So what a crash or a failure
//! left in the store is found by its note, and removed there: it never gathers.

use std::{
    collections::{HashMap, HashSet},
    ffi::OsString,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use parking_lot::Mutex;

use super::{BlobError, Disk, dirs::read_dir};
use crate::hash::ContentHash;

/// The notes of one object store.
pub(super) struct Puts {
    dir: PathBuf,
    disk: Arc<dyn Disk>,
    known: Mutex<HashMap<ContentHash, State>>,
}

/// What is known of an object that has a note.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// It is being sent, by so many at once.
    Sending(usize),
    /// It may be in the store, and nobody waits for it.
    Doubtful,
    /// What may be in the store is being removed.
    Removing,
}

/// An object that is being sent. Unless it is [`done`](Self::done) it is in doubt afterwards.
pub(super) struct Put {
    puts: Arc<Puts>,
    hash: ContentHash,
    is_done: bool,
}

impl Puts {
    /// The notes in a directory, which is made if need be. Those of an earlier process are in doubt.
    pub(super) fn open(dir: &Path, disk: &Arc<dyn Disk>) -> Result<Self, BlobError> {
        match fs::create_dir(dir) {
            Ok(()) => {
                let parent = dir.parent().unwrap_or(dir);
                let synced = disk.sync_dir(parent);
                synced.map_err(|error| BlobError::io("make durable", parent, error))?;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(BlobError::io("create", dir, error)),
        }
        let names = read_dir(dir)?;
        let doubtful = hashes(&names).map(|hash| (hash, State::Doubtful));
        Ok(Self {
            dir: dir.into(),
            disk: disk.clone(),
            known: Mutex::new(doubtful.collect()),
        })
    }

    /// Before the first byte of an object is sent. Blocks.
    pub(super) fn begin(self: &Arc<Self>, hash: ContentHash) -> Result<Put, BlobError> {
        let is_first = {
            let mut known = self.known.lock();
            match known.get_mut(&hash) {
                Some(State::Removing) => return Err(BlobError::BrokenOff { hash }),
                Some(State::Sending(senders)) => {
                    *senders += 1;
                    false
                }
                Some(state) => {
                    *state = State::Sending(1);
                    false
                }
                None => {
                    known.insert(hash, State::Sending(1));
                    true
                }
            }
        };
        let put = Put {
            puts: self.clone(),
            hash,
            is_done: false,
        };
        if is_first {
            let path = self.path(&hash);
            let created = self.disk.create(&path);
            created.map_err(|error| BlobError::io("create", &path, error))?;
        }
        // Also when another one made the note: it may not be durable yet.
        let synced = self.disk.sync_dir(&self.dir);
        synced.map_err(|error| BlobError::io("make durable", &self.dir, error))?;
        Ok(put)
    }

    /// Some that are in doubt. Each is [`settled`](Self::settle) next, and not sent before.
    pub(super) fn doubtful(&self, max: usize) -> Vec<ContentHash> {
        let mut known = self.known.lock();
        let doubtful = known
            .iter_mut()
            .filter(|(_, state)| **state == State::Doubtful);
        let taken = doubtful.take(max).map(|(hash, state)| {
            *state = State::Removing;
            *hash
        });
        taken.collect()
    }

    /// Is there a note of it?
    pub(super) fn is_noted(&self, hash: &ContentHash) -> bool {
        self.known.lock().contains_key(hash)
    }

    /// The objects noted in a directory. Changes nothing; none if there is no directory.
    pub(super) fn noted_in(dir: &Path) -> Result<HashSet<ContentHash>, BlobError> {
        if !dir.exists() {
            return Ok(HashSet::new());
        }
        let names = read_dir(dir)?;
        Ok(hashes(&names).collect())
    }

    /// What became of one that was in doubt: the store has nothing that is not known here, or it could
    /// not be made so. Blocks.
    pub(super) fn settle(&self, hash: ContentHash, is_settled: bool) {
        if is_settled && self.remove_note(&hash) {
            self.known.lock().remove(&hash);
        } else {
            self.known.lock().insert(hash, State::Doubtful);
        }
    }

    /// A note that stays is looked at again by the next process: no harm is done.
    fn remove_note(&self, hash: &ContentHash) -> bool {
        let path = self.path(hash);
        match self.disk.remove(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(path = %path.display(), %error, "a note could not be removed");
                false
            }
            _ => true,
        }
    }

    fn path(&self, hash: &ContentHash) -> PathBuf {
        self.dir.join(hash.to_string())
    }

    fn ended(&self, hash: ContentHash, is_done: bool) {
        let mut known = self.known.lock();
        match known.get_mut(&hash) {
            Some(State::Sending(senders)) if *senders > 1 => *senders -= 1,
            // Under the lock: nobody makes a new note meanwhile.
            _ if is_done && self.remove_note(&hash) => {
                known.remove(&hash);
            }
            _ => {
                known.insert(hash, State::Doubtful);
            }
        }
    }
}

fn hashes(names: &[(OsString, PathBuf)]) -> impl Iterator<Item = ContentHash> {
    let names = names.iter();
    names.filter_map(|(name, _)| name.to_str()?.parse().ok())
}

impl Put {
    /// The object is known here, durably. Blocks.
    pub(super) fn done(mut self) {
        self.is_done = true;
    }
}

impl Drop for Put {
    fn drop(&mut self) {
        self.puts.ended(self.hash, self.is_done);
    }
}

#[cfg(test)]
mod tests {
    use super::{super::RealDisk, *};

    fn open(dir: &Path) -> Arc<Puts> {
        let disk: Arc<dyn Disk> = Arc::new(RealDisk);
        Arc::new(Puts::open(dir, &disk).unwrap())
    }

    #[test]
    fn what_was_not_done_is_in_doubt_until_it_is_settled_also_by_the_next_process() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path().join("putting");
        let [done, failed, twice] = [b"a", b"b", b"c"].map(|name| ContentHash::of(name));
        let puts = open(&dir);
        puts.begin(done).unwrap().done();
        drop(puts.begin(failed).unwrap());
        let (one, other) = (puts.begin(twice).unwrap(), puts.begin(twice).unwrap());
        one.done();
        assert!(puts.path(&twice).exists(), "another one still sends it");
        assert_eq!(puts.doubtful(9), [failed]);
        assert!(puts.doubtful(9).is_empty(), "somebody sees to it");
        assert!(puts.begin(failed).is_err(), "it is being removed");
        drop((other, puts));

        let puts = open(&dir);
        let mut left = puts.doubtful(9);
        left.sort();
        let mut expected = vec![failed, twice];
        expected.sort();
        assert_eq!(left, expected);
        puts.settle(failed, true);
        puts.settle(twice, false);
        assert_eq!(puts.doubtful(9), [twice]);
        puts.settle(twice, true);
        puts.begin(failed).unwrap().done();
        assert!(read_dir(&dir).unwrap().is_empty());
    }
}
