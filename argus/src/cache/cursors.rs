//! [`Cursors`]: where the readers of a growing object stand. Readers in the same extent who will stop in the
//! same one are one cursor, so a crowd costs the fill no more than a single viewer, and the fill is called
//! only when there is something that it has not seen.

use std::collections::BTreeMap;

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::fill::plan::Cursor;

/// The cursors of one object, with how many readers each of them stands for.
#[derive(Default)]
pub struct Cursors {
    places: Mutex<Places>,
    moved: Notify,
}

#[derive(Default)]
struct Places {
    readers: BTreeMap<Cursor, usize>,
    /// Has something changed since the fill looked?
    changed: bool,
}

impl Places {
    fn enter(&mut self, cursor: Cursor) {
        let readers = self.readers.entry(cursor).or_default();
        *readers += 1;
        self.changed |= *readers == 1;
    }

    fn leave(&mut self, cursor: Cursor) {
        if let Some(readers) = self.readers.get_mut(&cursor) {
            *readers -= 1;
            if *readers == 0 {
                self.readers.remove(&cursor);
                self.changed = true;
            }
        }
    }
}

impl Cursors {
    /// A reader comes.
    pub fn enter(&self, cursor: Cursor) {
        self.places.lock().enter(cursor);
    }

    /// A reader leaves; true if it was the last.
    pub fn leave(&self, cursor: Cursor) -> bool {
        let mut places = self.places.lock();
        places.leave(cursor);
        places.readers.is_empty()
    }

    /// A reader has gone on.
    pub fn step(&self, from: Cursor, to: Cursor) {
        if from != to {
            let mut places = self.places.lock();
            places.enter(to);
            places.leave(from);
        }
    }

    /// Is nobody there?
    pub fn is_empty(&self) -> bool {
        self.places.lock().readers.is_empty()
    }

    /// Where readers stand, for the fill: from now on it has seen this.
    pub fn look(&self) -> Vec<Cursor> {
        let mut places = self.places.lock();
        places.changed = false;
        places.readers.keys().copied().collect()
    }

    /// Calls the fill if there is something it has not seen.
    pub fn call(&self) {
        if self.places.lock().changed {
            self.moved.notify_one();
        }
    }

    /// Resolves when the fill is called.
    pub async fn called(&self) {
        self.moved.notified().await;
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;
    use crate::cache::extents::EXTENT_GROUPS;

    fn at(group: u64) -> Cursor {
        Cursor::new(group, 1_000)
    }

    fn is_called(cursors: &Cursors) -> bool {
        cursors.called().now_or_never().is_some()
    }

    #[test]
    fn a_crowd_in_one_extent_is_one_cursor_and_calls_once() {
        let cursors = Cursors::default();
        for group in 0..EXTENT_GROUPS {
            cursors.enter(at(group));
            cursors.call();
        }
        assert!(is_called(&cursors));
        assert_eq!(cursors.look(), [at(0)]);
        cursors.enter(at(5));
        cursors.call();
        assert!(!is_called(&cursors), "the fill knows of it");

        cursors.step(at(5), at(EXTENT_GROUPS));
        assert!(!is_called(&cursors), "it does not wait there yet");
        cursors.call();
        assert!(is_called(&cursors));
        assert_eq!(cursors.look(), [at(0), at(EXTENT_GROUPS)]);

        for _ in 0..EXTENT_GROUPS {
            assert!(!cursors.leave(at(0)));
        }
        assert_eq!(cursors.look(), [at(EXTENT_GROUPS)]);
        assert!(cursors.leave(at(EXTENT_GROUPS)));
        assert!(cursors.is_empty());
    }
}
