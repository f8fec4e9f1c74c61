//! A part of a stored object, or of its outboard, as a response body of which every byte is proved
//! against the content hash before it leaves: 16 KiB group by group, by the outboard that lies
//! beside the data and is checked itself from the root down.
//!
//! The byte path is that of [`super::body`]: what the page cache holds is read and hashed on the
//! worker's own thread (64 KiB take 15-30 us), anything else on the blocking pool. A body keeps the
//! chaining values of the one segment it is in, at most 32 KiB.

use std::{
    fmt,
    fs::File,
    io,
    os::unix::fs::FileExt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use actix_web::body::{BodySize, MessageBody};
use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::task::spawn_blocking;

mod segments;

pub use segments::Segments;

use super::body::{COLD_SLICE_BYTES, WARM_SLICE_BYTES, read_now};
use crate::{
    hash::ContentHash,
    range::ByteRange,
    verified::{CV_LEN, GROUP_LEN, Layout, OutboardError, SEGMENT, Segment, Top},
};

/// Why bytes cannot be given out. In a body it is inside the [`io::Error`] that ends it.
#[derive(Debug, thiserror::Error)]
pub enum Unproven {
    /// The data file is not as long as the object.
    #[error("the file has {got} bytes, the object {expected}")]
    Length {
        /// Bytes of the object.
        expected: u64,
        /// Bytes of the file.
        got: u64,
    },
    /// The outboard is missing, cannot be read or is not that of the hash.
    #[error("the outboard proves nothing: {0}")]
    Outboard(#[source] Flaw),
    /// A group of the data cannot be read or is not that of the hash.
    #[error("group {group} is not what it should be: {flaw}")]
    Group {
        /// Which group.
        group: u64,
        /// What is wrong with it.
        #[source]
        flaw: Flaw,
    },
}

/// What is wrong with something that was read.
#[derive(Debug, thiserror::Error)]
pub enum Flaw {
    /// It is not there, not all of it, or the disk fails.
    #[error("it cannot be read: {0}")]
    Read(#[from] io::Error),
    /// It is something else.
    #[error(transparent)]
    Content(#[from] OutboardError),
}

impl Unproven {
    /// What ended a body, if it was this.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }
}

impl From<Unproven> for io::Error {
    fn from(unproven: Unproven) -> Self {
        Self::new(io::ErrorKind::InvalidData, unproven)
    }
}

/// Where bytes of an object come from. None of them is trusted.
pub trait ReadAt: fmt::Debug + Send + Sync {
    /// Bytes there are.
    fn len(&self) -> io::Result<u64>;

    /// Are there none?
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Some of these bytes, the first of them among them, if they can be had without waiting.
    fn read_now(&self, position: u64, len: usize) -> Option<Bytes>;

    /// Fills the buffer; an error when the bytes end before. Blocks.
    fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()>;

    /// Do they lie so far away that they have to be fetched?
    fn is_far(&self) -> bool {
        false
    }

    /// What brings bytes from this position on near, when they lie so far away that no thread should
    /// wait for them. What goes wrong the read that follows meets.
    fn fetch(&self, _position: u64, _len: u64) -> Option<BoxFuture<'static, ()>> {
        None
    }
}

impl ReadAt for File {
    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn read_now(&self, position: u64, len: usize) -> Option<Bytes> {
        read_now(self, position, len).ok()
    }

    fn read_exact_at(&self, buffer: &mut [u8], position: u64) -> io::Result<()> {
        FileExt::read_exact_at(self, buffer, position)
    }
}

/// The open files of an object, of which the top of the outboard has been checked.
#[derive(Debug)]
pub struct Proven {
    data: Box<dyn ReadAt>,
    outboard: Option<Box<dyn ReadAt>>,
    top: Top,
    segments: Option<Arc<Segments>>,
}

/// What of an object a body gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Its bytes.
    Data,
    /// Its outboard.
    Outboard,
}

impl Proven {
    /// Checks the length of the data and the top of the outboard against hash and size, which are the
    /// chain's. `outboard` may be `None` for objects of one group. Blocks.
    pub fn open(
        hash: ContentHash,
        size: u64,
        data: Box<dyn ReadAt>,
        outboard: Option<Box<dyn ReadAt>>,
    ) -> Result<Self, Unproven> {
        let layout = Layout::new(size);
        let got = match data.len() {
            Ok(len) => len,
            Err(error) => {
                let flaw = Flaw::Read(error);
                return Err(Unproven::Group { group: 0, flaw });
            }
        };
        if got != size {
            let expected = size;
            return Err(Unproven::Length { expected, got });
        }
        let mut top = vec![0; layout.top_len() as usize];
        let mut read_top = || -> Result<Top, Flaw> {
            if layout.outboard_len() > 0 {
                let file = outboard.as_ref().ok_or(io::ErrorKind::NotFound);
                let file = file.map_err(io::Error::from)?;
                file.read_exact_at(&mut top, 0)?;
                if file.len()? != layout.outboard_len() {
                    return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
                }
            }
            Ok(Top::check(hash, size, &top)?)
        };
        let top = read_top().map_err(Unproven::Outboard)?;
        Ok(Self {
            data,
            outboard,
            top,
            segments: None,
        })
    }

    /// Keeps what of the outboard has been checked there, for other answers.
    pub fn keeping(mut self, segments: Arc<Segments>) -> Self {
        self.segments = Some(segments);
        self
    }

    /// Where everything lies.
    pub fn layout(&self) -> Layout {
        self.top.layout()
    }

    /// Does data lie so far away that it has to be fetched?
    pub fn is_far(&self) -> bool {
        self.data.is_far()
    }

    /// What brings the bytes from the beginning of a range on near, if they lie far away: see
    /// [`ReadAt::fetch`].
    pub fn fetch(&self, content: Content, range: ByteRange) -> Option<BoxFuture<'static, ()>> {
        if content == Content::Outboard || range.start >= range.end {
            return None;
        }
        let groups = self.layout().groups_of(range.start..range.end);
        let bytes = self.layout().bytes_of(groups);
        self.data.fetch(bytes.start, bytes.end - bytes.start)
    }
}

/// Whether a read may wait for the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// Only what the page cache holds. What does not prove right is read once more with the other
    /// patience, for it may have been mended in that moment.
    None,
    /// Until it is read.
    Disk,
}

/// Reads proved bytes, ascending.
#[derive(Debug)]
struct Reader {
    files: Arc<Proven>,
    content: Content,
    segment: Option<Arc<Segment>>,
}

impl Reader {
    /// At least one byte from `position` on, and no more than `want`; `None` if that needs the disk.
    fn read(
        &mut self,
        position: u64,
        want: u64,
        patience: Patience,
    ) -> Result<Option<Bytes>, Unproven> {
        match self.content {
            Content::Data => self.read_data(position, want, patience),
            Content::Outboard => self.read_outboard(position, want, patience),
        }
    }

    fn read_data(
        &mut self,
        position: u64,
        want: u64,
        patience: Patience,
    ) -> Result<Option<Bytes>, Unproven> {
        let slice = match patience {
            Patience::None => WARM_SLICE_BYTES,
            Patience::Disk => COLD_SLICE_BYTES,
        };
        let layout = self.files.layout();
        let mut groups = layout.groups_of(position..position.saturating_add(want));
        let Some(segment) = self.segment(Layout::segment_of(groups.start), patience)? else {
            return Ok(None);
        };
        let groups_max = slice / GROUP_LEN as u64;
        let end = groups.end.min(groups.start + groups_max);
        groups.end = end.min(segment.groups().end);
        let place = layout.bytes_of(groups.clone());
        let len = (place.end - place.start) as usize;
        let read = read(&*self.files.data, place.start, len, patience);
        let bytes = match read {
            Ok(Some(bytes)) => bytes,
            Ok(None) => return Ok(None),
            Err(error) => return Err(self.unreadable(groups.start, groups.end, error)),
        };
        let mut proved = 0;
        for group in groups {
            let len = layout.group_len(group).unwrap_or(0);
            let Some(data) = bytes.get(proved..proved + len) else {
                break;
            };
            if let Err(error) = self.prove(group, data) {
                // What is right before it is given, and the next read ends the body.
                if proved as u64 + place.start > position {
                    break;
                }
                return match patience {
                    Patience::None => Ok(None),
                    Patience::Disk => Err(error),
                };
            }
            proved += len;
        }
        let skipped = (position - place.start) as usize;
        let end = proved.min(skipped + usize::try_from(want).unwrap_or(usize::MAX));
        Ok((end > skipped).then(|| bytes.slice(skipped..end)))
    }

    fn prove(&self, group: u64, data: &[u8]) -> Result<(), Unproven> {
        let segment = self.segment.as_ref();
        let proved = match segment {
            Some(segment) => segment.verify_group(group, data),
            None => Err(OutboardError::Group { group }),
        };
        proved.map_err(|error| Unproven::Group {
            group,
            flaw: error.into(),
        })
    }

    /// Which of the groups it is that cannot be read.
    fn unreadable(&self, start: u64, end: u64, error: io::Error) -> Unproven {
        let layout = self.files.layout();
        let is_bad = |group: &u64| {
            let place = layout.bytes_of(*group..*group + 1);
            let mut buffer = vec![0; (place.end - place.start) as usize];
            let read = self.files.data.read_exact_at(&mut buffer, place.start);
            read.is_err()
        };
        let group = (start..end).find(is_bad).unwrap_or(start);
        let flaw = Flaw::Read(error);
        Unproven::Group { group, flaw }
    }

    fn read_outboard(
        &mut self,
        position: u64,
        want: u64,
        patience: Patience,
    ) -> Result<Option<Bytes>, Unproven> {
        let top_len = self.files.layout().top_len();
        let want = want.min(WARM_SLICE_BYTES) as usize;
        let cut = |part: &[u8], start: u64| {
            let rest = part.get((position - start) as usize..).unwrap_or_default();
            Some(Bytes::copy_from_slice(&rest[..want.min(rest.len())]))
        };
        if position < top_len {
            return Ok(cut(self.files.top.bytes(), 0));
        }
        let index = (position - top_len) / (SEGMENT * CV_LEN as u64);
        let start = self.files.layout().segment_range(index).start;
        let segment = self.segment(index, patience)?;
        Ok(segment.and_then(|segment| cut(segment.bytes(), start)))
    }

    /// The chaining values of a segment, checked; `None` if they need the disk.
    fn segment(&mut self, index: u64, patience: Patience) -> Result<Option<&Segment>, Unproven> {
        if self.segment.as_ref().map(|segment| segment.index()) != Some(index) {
            self.segment = self.kept_or_loaded(index, patience)?;
        }
        Ok(self.segment.as_deref())
    }

    fn kept_or_loaded(
        &self,
        index: u64,
        patience: Patience,
    ) -> Result<Option<Arc<Segment>>, Unproven> {
        let Some(kept) = &self.files.segments else {
            return Ok(self.load(index, patience)?.map(Arc::new));
        };
        let hash = self.files.top.hash();
        if let Some(segment) = kept.get(hash, index) {
            return Ok(Some(segment));
        }
        let loaded = self.load(index, patience)?.map(Arc::new);
        if let Some(segment) = &loaded {
            kept.put(hash, segment);
        }
        Ok(loaded)
    }

    fn load(&self, index: u64, patience: Patience) -> Result<Option<Segment>, Unproven> {
        let place = self.files.layout().segment_range(index);
        let len = (place.end - place.start) as usize;
        let bytes = match &self.files.outboard {
            Some(file) if len > 0 => match read(&**file, place.start, len, patience) {
                Ok(Some(bytes)) if bytes.len() == len => bytes,
                Ok(_) => return Ok(None),
                Err(error) => return Err(Unproven::Outboard(error.into())),
            },
            _ => Bytes::new(),
        };
        match (self.files.top.segment(index, &bytes), patience) {
            (Ok(segment), _) => Ok(Some(segment)),
            (Err(_), Patience::None) => Ok(None),
            (Err(error), Patience::Disk) => Err(Unproven::Outboard(error.into())),
        }
    }
}

/// With patience all of these bytes, without it those that the page cache has, `None` if it has none.
fn read(
    file: &dyn ReadAt,
    position: u64,
    len: usize,
    patience: Patience,
) -> io::Result<Option<Bytes>> {
    match patience {
        Patience::None => Ok(file.read_now(position, len)),
        Patience::Disk => {
            let mut buffer = vec![0; len];
            file.read_exact_at(&mut buffer, position)?;
            Ok(Some(buffer.into()))
        }
    }
}

type Read = (Reader, Result<Option<Bytes>, Unproven>);

/// Proved bytes of one range of an object or of its outboard. Ends with an error, which breaks the
/// connection, at the first byte that is not right.
pub struct ProvenBody {
    /// `None` while it is on the pool, and after an error.
    reader: Option<Reader>,
    /// Read and proved before the answer began.
    first: Option<Bytes>,
    total: u64,
    position: u64,
    end: u64,
    cold: Option<BoxFuture<'static, io::Result<Read>>>,
}

impl ProvenBody {
    /// The range must lie within the object, or its outboard.
    pub fn new(files: Arc<Proven>, content: Content, range: ByteRange) -> Self {
        Self {
            reader: Some(Reader {
                files,
                content,
                segment: None,
            }),
            first: None,
            total: range.len(),
            position: range.start,
            end: range.end,
            cold: None,
        }
    }

    /// The same with its first 64 KiB read and proved, or all if it is shorter: before those have left
    /// the server sends no head. Blocks: for the pool.
    pub fn begun(files: Arc<Proven>, content: Content, range: ByteRange) -> Result<Self, Unproven> {
        let mut body = Self::new(files, content, range);
        body.begin(Patience::Disk)?;
        Ok(body)
    }

    /// The same if it needs no disk; `None` also for what does not prove right at once.
    pub fn begun_now(files: Arc<Proven>, content: Content, range: ByteRange) -> Option<Self> {
        let mut body = Self::new(files, content, range);
        body.begin(Patience::None)
            .is_ok_and(|begun| begun)
            .then_some(body)
    }

    /// Reads the first piece; says whether that is all of it.
    fn begin(&mut self, patience: Patience) -> Result<bool, Unproven> {
        let want = self.left().min(WARM_SLICE_BYTES) as usize;
        let mut first = Bytes::new();
        while let Some(reader) = self.reader.as_mut().filter(|_| first.len() < want) {
            let (position, left) = (self.position + first.len() as u64, want - first.len());
            let Some(more) = reader.read(position, left as u64, patience)? else {
                break;
            };
            // Nearly always in one piece; two at the edge of a segment.
            first = match first.is_empty() {
                true => more,
                false => [first, more].concat().into(),
            };
        }
        let is_all = first.len() == want;
        self.first = (!first.is_empty()).then_some(first);
        Ok(is_all)
    }

    fn left(&self) -> u64 {
        self.end - self.position
    }

    fn give(&mut self, bytes: Bytes) -> Poll<Option<io::Result<Bytes>>> {
        self.position += bytes.len() as u64;
        Poll::Ready(Some(Ok(bytes)))
    }

    /// Ends it: after this it gives nothing any more.
    fn fail(&mut self, error: io::Error) -> Poll<Option<io::Result<Bytes>>> {
        (self.reader, self.cold) = (None, None);
        Poll::Ready(Some(Err(error)))
    }

    fn start_cold_read(&mut self, mut reader: Reader) -> &mut BoxFuture<'static, io::Result<Read>> {
        let (position, want, end) = (self.position, self.left(), self.end);
        let rest = ByteRange {
            start: position,
            end,
        };
        let fetch = reader.files.fetch(reader.content, rest);
        let read = move || {
            let read = reader.read(position, want, Patience::Disk);
            (reader, read)
        };
        self.cold.insert(Box::pin(async move {
            if let Some(fetch) = fetch {
                fetch.await;
            }
            spawn_blocking(read).await.map_err(io::Error::other)
        }))
    }
}

impl MessageBody for ProvenBody {
    type Error = io::Error;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.total)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Bytes>>> {
        let this = &mut *self;
        if this.left() == 0 {
            return Poll::Ready(None);
        }
        if let Some(bytes) = this.first.take() {
            return this.give(bytes);
        }
        let task = match (&mut this.cold, this.reader.take()) {
            (Some(task), _) => task,
            (None, Some(mut reader)) => {
                match reader.read(this.position, this.left(), Patience::None) {
                    Ok(Some(bytes)) => {
                        this.reader = Some(reader);
                        return this.give(bytes);
                    }
                    Ok(None) => this.start_cold_read(reader),
                    Err(unproven) => return this.fail(unproven.into()),
                }
            }
            (None, None) => return this.fail(io::ErrorKind::BrokenPipe.into()),
        };
        let read = ready!(task.as_mut().poll(cx));
        this.cold = None;
        match read {
            Ok((reader, Ok(Some(bytes)))) => {
                this.reader = Some(reader);
                this.give(bytes)
            }
            // With patience there is always a byte or an error.
            Ok((_, Ok(None))) => this.fail(io::ErrorKind::UnexpectedEof.into()),
            Ok((_, Err(unproven))) => this.fail(unproven.into()),
            Err(error) => this.fail(error),
        }
    }
}

#[cfg(test)]
mod tests;
