//! [`Follower`]: one reader of a growing object. It takes what was verified a moment ago from memory, what
//! was verified before from the file, and waits for what is not there yet.

use std::{fs::File, io, ops::Range, sync::Arc};

use bytes::Bytes;
use shared::{
    serve::{
        self,
        hold::{self, Hold},
    },
    verified::GROUP_LEN,
};

use super::{Lease, object::NotComing};
use crate::fill::plan::Cursor;

/// Most bytes handed out at once.
const PIECE_BYTES_MAX: u64 = serve::body::WARM_SLICE_BYTES;

/// Reads a range of a growing object. Its place tells the fill what to fetch next.
pub struct Follower {
    lease: Lease,
    cursor: Cursor,
    position: u64,
    end: u64,
}

/// A reader of a growing object cannot go on.
#[derive(Debug)]
pub enum ReadError {
    /// What it needs will not be there.
    NotComing(NotComing),
    /// The disk says no.
    Disk(io::Error),
}

impl Follower {
    /// Reads `range`; an empty range reads nothing.
    pub fn new(lease: Lease, range: Range<u64>) -> Self {
        let cursor = cursor_at(range.start, range.end);
        lease.cursors().enter(cursor);
        lease.cursors().call();
        Self {
            lease,
            cursor,
            position: range.start,
            end: range.end,
        }
    }

    /// What has not been read yet.
    pub fn left(&self) -> Range<u64> {
        self.position..self.end
    }

    /// The next piece, or `None` at the end.
    pub async fn next(&mut self) -> Result<Option<Bytes>, ReadError> {
        let left = self.end - self.position;
        if left == 0 {
            return Ok(None);
        }
        let want = left.min(PIECE_BYTES_MAX);
        let bytes = match self.recent(want) {
            Some(bytes) => bytes,
            None => self.wait_and_read(want).await?,
        };
        self.position += bytes.len() as u64;
        // Read-ahead follows the reader; what it lacks next is asked for when it gets there.
        let cursor = cursor_at(self.position, self.end);
        self.lease.cursors().step(self.cursor, cursor);
        self.cursor = cursor;
        Ok(Some(bytes))
    }

    async fn wait_and_read(&self, want: u64) -> Result<Bytes, ReadError> {
        let mut there = self.lease.available(self.position, want);
        if there == 0 {
            self.lease.cursors().call();
            let group = self.position / GROUP_LEN as u64;
            let waited = self.lease.wait_for(group).await;
            waited.map_err(ReadError::NotComing)?;
            if let Some(bytes) = self.recent(want) {
                return Ok(bytes);
            }
            there = self.lease.available(self.position, want);
        }
        let bytes = read(self.lease.file(), self.position, there).await;
        bytes.map_err(ReadError::Disk)
    }

    fn recent(&self, want: u64) -> Option<Bytes> {
        let piece = self.lease.recent()?.slice(self.position, want)?;
        // The tier counts it until it has been sent.
        Some(hold::mark(piece, Hold::InPlace))
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        let is_last = self.lease.cursors().leave(self.cursor);
        if let Some(recent) = self.lease.recent().filter(|_| is_last) {
            recent.clear();
        }
    }
}

fn cursor_at(position: u64, end: u64) -> Cursor {
    Cursor::new(position / GROUP_LEN as u64, end.div_ceil(GROUP_LEN as u64))
}

/// Bytes that are in the file: from the page cache at once, else on the blocking pool.
async fn read(file: &Arc<File>, position: u64, want: u64) -> io::Result<Bytes> {
    match serve::body::read_now(file, position, want as usize) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
            let file = file.clone();
            let read = move || serve::body::read(&file, position, want as usize);
            tokio::task::spawn_blocking(read)
                .await
                .map_err(io::Error::other)?
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;

    use futures::FutureExt;
    use prometheus::IntGauge;
    use shared::{
        hash::ContentHash,
        verified::{Builder, Present, Run, Segment, Top},
    };

    use super::*;
    use crate::{
        cache::{Object, recent::RecentTier},
        content::Content,
    };

    const GROUP: u64 = GROUP_LEN as u64;
    const GROUPS: u64 = 20;

    /// A growing object without a byte, and what fills it.
    struct Filled {
        object: Arc<Object>,
        bytes: Vec<u8>,
        segment: Segment,
        in_memory: IntGauge,
    }

    impl Filled {
        fn new(recent_bytes: u64) -> Self {
            let bytes: Vec<u8> = (0..GROUPS * GROUP - 9).map(|at| (at / 5) as u8).collect();
            let size = bytes.len() as u64;
            let mut builder = Builder::new(size);
            builder.update(&bytes).unwrap();
            let built = builder.finish().unwrap();
            let top = Top::check(built.hash, size, &[]).unwrap();
            let segment = top.segment(0, &built.into_outboard()).unwrap();
            let content = Content {
                hash: ContentHash::of(&bytes),
                size,
            };
            let file = Arc::new(tempfile::tempfile().unwrap());
            let in_memory = IntGauge::new("x", "x").unwrap();
            let recent = RecentTier::new(recent_bytes, in_memory.clone()).of_object();
            let object = Object::new(content, (file.clone(), file), Present::new(GROUPS));
            Self {
                object: Arc::new(object.with_recent(recent)),
                bytes,
                segment,
                in_memory,
            }
        }

        fn verified(&self, groups: Range<u64>) -> Run {
            let end = (groups.end * GROUP).min(self.bytes.len() as u64);
            let of = (groups.start * GROUP) as usize..end as usize;
            let bytes = Bytes::copy_from_slice(&self.bytes[of]);
            self.segment.verify_run(groups, bytes).unwrap()
        }

        fn fill(&self, groups: Range<u64>) {
            let run = self.verified(groups);
            let file = self.object.file();
            file.write_all_at(run.bytes(), run.offset()).unwrap();
            self.object.publish_run(&run);
        }

        fn follow(&self, range: Range<u64>) -> Follower {
            Follower::new(Lease::new(&self.object).unwrap(), range)
        }
    }

    async fn rest(follower: &mut Follower) -> Vec<u8> {
        let mut all = Vec::new();
        while let Some(bytes) = follower.next().await.unwrap() {
            assert!(bytes.len() as u64 <= PIECE_BYTES_MAX);
            all.extend_from_slice(&bytes);
        }
        all
    }

    #[tokio::test]
    async fn everybody_gets_the_same_bytes_from_memory_and_from_the_file() {
        for recent_bytes in [0, 3 * GROUP, 1 << 20] {
            let filled = Filled::new(recent_bytes);
            let size = filled.bytes.len() as u64;
            let mut whole = filled.follow(0..size);
            let mut part = filled.follow(5 * GROUP - 3..7 * GROUP + 1);
            assert!(
                whole.next().now_or_never().is_none(),
                "nothing is there yet"
            );
            filled.fill(4..9);
            assert!(
                whole.next().now_or_never().is_none(),
                "its beginning is not"
            );
            let wanted = 5 * GROUP as usize - 3..7 * GROUP as usize + 1;
            assert_eq!(rest(&mut part).await, filled.bytes[wanted]);
            filled.fill(0..2);
            filled.fill(2..4);
            filled.fill(9..GROUPS);
            assert!(filled.in_memory.get() as u64 <= recent_bytes);
            assert_eq!(rest(&mut whole).await, filled.bytes);
            assert_eq!(rest(&mut filled.follow(0..size)).await, filled.bytes);
            drop((whole, part));
            assert_eq!(filled.in_memory.get(), 0, "nobody follows any more");
            assert!(filled.object.is_complete());
        }
    }

    #[tokio::test]
    async fn bytes_come_from_memory_while_somebody_follows() {
        let filled = Filled::new(1 << 20);
        let mut follower = filled.follow(0..filled.bytes.len() as u64);
        // Not written: there is no other place these could come from.
        filled.object.publish_run(&filled.verified(0..GROUPS));
        assert_eq!(rest(&mut follower).await, filled.bytes);
    }

    #[tokio::test]
    async fn who_waits_for_what_will_not_come_is_told_why() {
        let filled = Filled::new(0);
        let mut follower = filled.follow(0..GROUP);
        let mut late = filled.follow(3 * GROUP..4 * GROUP);
        let wait = async {
            let other = late.next().await;
            (follower.next().await, other)
        };
        let fail = async {
            filled.fill(3..4);
            filled.object.fail("the sources failed");
        };
        let ((failed, came), ()) = futures::join!(wait, fail);
        let failed = failed.unwrap_err();
        let ReadError::NotComing(NotComing::Failed(why)) = failed else {
            panic!("{failed:?}");
        };
        assert_eq!(&*why, "the sources failed");
        assert_eq!(came.unwrap().unwrap().len() as u64, GROUP, "it came before");

        let filled = Filled::new(0);
        let mut follower = filled.follow(0..GROUP);
        filled.object.say_no_room(true);
        let no_room = follower.next().await.unwrap_err();
        assert!(matches!(no_room, ReadError::NotComing(NotComing::NoRoom)));
        assert_eq!(follower.left(), 0..GROUP);
        filled.object.say_no_room(false);
        assert!(follower.next().now_or_never().is_none());
        filled.fill(0..1);
        assert_eq!(rest(&mut follower).await, filled.bytes[..GROUP as usize]);
    }
}
