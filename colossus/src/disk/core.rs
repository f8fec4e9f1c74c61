//! Decides from free space what the node still does. No IO, no clock.
//!
//! A level is entered below its mark and left only when the margin more than the mark is free, so
//! that a disk at a mark does not make the node change its mind with every object.

use serde::Serialize;
use shared::{
    api::{ApiError, ErrorKind},
    blob::{Condition, Measured, PlaceKind, Space},
    config::ByteSize,
};
use std::path::PathBuf;

use crate::config::Share;

/// Seconds after which a refused upload may come again.
const RETRY_AFTER_S: u32 = 30;

/// From where on there is little room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Marks {
    /// Below it no uploads.
    pub low: Share,
    /// Below it no writes.
    pub critical: Share,
    /// So much above a mark its level is left.
    pub margin: Share,
}

/// How much room there is, in words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Enough.
    #[default]
    Roomy,
    /// Below the low mark.
    Low,
    /// Below the critical mark.
    Critical,
}

/// Why nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReadOnly {
    /// The operator wants it so.
    ByHand,
    /// Free space is below the critical mark.
    Critical,
    /// No directory can be written to.
    NoDirectory,
    /// The object store is out.
    NoObjectStore,
}

/// What replication may fetch.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Admits {
    /// Everything that is owed.
    #[default]
    All,
    /// What the chain has not accepted yet: of that there may be one copy only.
    PendingOnly,
    /// Nothing.
    Nothing,
}

/// How one directory stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DirectoryStanding {
    /// The directory.
    pub dir: PathBuf,
    /// What it is good for.
    pub state: DirectoryState,
    /// What is wrong with it, in words.
    pub trouble: Option<String>,
    /// Bytes that can still be written, as seen last.
    pub free_bytes: u64,
    /// Bytes of the disk, as seen last.
    pub total_bytes: u64,
}

/// What a directory is good for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum DirectoryState {
    /// Takes new objects.
    Roomy,
    /// Below the low mark: takes new objects when no other does.
    Low,
    /// Below the critical mark: nothing is written.
    Critical,
    /// Its file system or device takes no writes; what it holds is served.
    ReadOnly,
    /// What it holds is unavailable.
    Out,
    /// No directory but an object store, in order. Its room is not known.
    ObjectStore,
}

impl DirectoryState {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Roomy,
        Self::Low,
        Self::Critical,
        Self::ReadOnly,
        Self::Out,
        Self::ObjectStore,
    ];

    /// As a metric's label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Roomy => "roomy",
            Self::Low => "low",
            Self::Critical => "critical",
            Self::ReadOnly => "read_only",
            Self::Out => "out",
            Self::ObjectStore => "object_store",
        }
    }
}

/// How it stands: the level, and the figures of the directory with the most room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Standing {
    /// How much room there is.
    pub level: Level,
    /// Why nothing is written, if so.
    pub read_only: Option<ReadOnly>,
    /// Bytes that can still be written.
    pub free_bytes: u64,
    /// Bytes of the disk.
    pub total_bytes: u64,
    /// Uploads leave so much free.
    pub low_bytes: u64,
    /// Everything else leaves so much free.
    pub critical_bytes: u64,
    /// All directories, in the order of the configuration.
    pub directories: Vec<DirectoryStanding>,
}

impl Standing {
    /// What replication may fetch.
    pub fn admits(&self) -> Admits {
        match (self.read_only, self.level) {
            (Some(_), _) => Admits::Nothing,
            (None, Level::Roomy) => Admits::All,
            (None, _) => Admits::PendingOnly,
        }
    }

    /// Why nothing that is held can be served, if so. Whether anything can be written is another matter.
    pub fn cannot_serve(&self) -> Option<&'static str> {
        let is_out = |directory: &DirectoryStanding| directory.state == DirectoryState::Out;
        if self.read_only == Some(ReadOnly::NoObjectStore) {
            return Some("the object store does not answer");
        }
        let all_out = !self.directories.is_empty() && self.directories.iter().all(is_out);
        all_out.then_some("no directory of objects can be read")
    }

    /// Why no upload is taken now, if so; names the figures and the remedy.
    pub fn refuses_uploads(&self) -> Option<ApiError> {
        let elsewhere = "upload to another bucket of the bag";
        let free = self.free_bytes;
        let (kind, message) = match (self.read_only, self.level) {
            (Some(ReadOnly::ByHand), _) => {
                let message = format!("this node is in read-only mode: {elsewhere}");
                (ErrorKind::ReadOnly, message)
            }
            (Some(ReadOnly::NoDirectory), _) => {
                let message = format!("no disk of this node can be written to: {elsewhere}");
                (ErrorKind::ReadOnly, message)
            }
            (Some(ReadOnly::NoObjectStore), _) => {
                let message = format!("the object store of this node does not answer: {elsewhere}");
                (ErrorKind::ReadOnly, message)
            }
            (Some(ReadOnly::Critical), _) | (None, Level::Low | Level::Critical) => {
                let low = ByteSize(self.low_bytes);
                let message = format!(
                    "{free} bytes are free on this node, which takes no uploads below its mark of {low}: {elsewhere}, or free space here"
                );
                (ErrorKind::OutOfSpace, message)
            }
            (None, Level::Roomy) => return None,
        };
        Some(ApiError::new(kind, message).retry_after(RETRY_AFTER_S))
    }

    /// Why an upload of so many bytes is not taken beside others that still write so many, if so.
    pub fn refuses_upload_of(&self, bytes: u64, others_bytes: u64) -> Option<ApiError> {
        if let Some(refusal) = self.refuses_uploads() {
            return Some(refusal);
        }
        let (free, low) = (self.free_bytes, ByteSize(self.low_bytes));
        let needed = bytes
            .saturating_add(others_bytes)
            .saturating_add(self.low_bytes);
        let message = format!(
            "no room for {bytes} bytes: {free} are free on this node, {others_bytes} are set aside for other uploads and for fetches and {low} stay free: upload to another bucket of the bag"
        );
        let refusal = ApiError::new(ErrorKind::OutOfSpace, message).retry_after(RETRY_AFTER_S);
        (needed > free).then_some(refusal)
    }

    /// The figures measured a moment ago, the level as decided.
    pub fn with_free_bytes(self, free_bytes: u64) -> Self {
        Self { free_bytes, ..self }
    }
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// How all directories are.
    Measured(Vec<Measured>),
    /// The operator switches read-only mode on or off.
    ByHand(bool),
}

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Level or mode changed: tell it once.
    Changed,
}

/// Level and mode.
pub struct Disk {
    marks: Marks,
    by_hand: bool,
    has_directory: bool,
    has_object_store: bool,
    standing: Standing,
}

impl Disk {
    /// Roomy until measured.
    pub fn new(marks: Marks, by_hand: bool) -> Self {
        Self {
            marks,
            by_hand,
            has_directory: true,
            has_object_store: true,
            standing: Standing {
                read_only: by_hand.then_some(ReadOnly::ByHand),
                ..Standing::default()
            },
        }
    }

    /// How it stands.
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// Takes in what happened and says what to do.
    pub fn handle(&mut self, event: Event) -> Vec<Effect> {
        let was = (self.standing.level, self.standing.read_only);
        match event {
            Event::ByHand(on) => self.by_hand = on,
            Event::Measured(directories) => self.measure(directories),
        }
        self.standing.read_only = match self.standing.level {
            _ if self.by_hand => Some(ReadOnly::ByHand),
            _ if !self.has_directory => Some(ReadOnly::NoDirectory),
            _ if !self.has_object_store => Some(ReadOnly::NoObjectStore),
            Level::Critical => Some(ReadOnly::Critical),
            Level::Roomy | Level::Low => None,
        };
        match was == (self.standing.level, self.standing.read_only) {
            true => Vec::new(),
            false => vec![Effect::Changed],
        }
    }

    fn measure(&mut self, measured: Vec<Measured>) {
        self.has_object_store = measured
            .iter()
            .all(|place| place.kind == PlaceKind::Directory || place.condition == Condition::Good);
        let judge = |directory: Measured| self.judge(directory);
        let directories: Vec<_> = measured.into_iter().map(judge).collect();
        let roomiest = directories
            .iter()
            .filter_map(|directory| Some((level_of(directory.state)?, directory)))
            .min_by_key(|(level, directory)| (*level, u64::MAX - directory.free_bytes));
        self.has_directory = roomiest.is_some();
        // Without a directory the figures of the last one stay: there is nothing better to say.
        if let Some((level, directory)) = roomiest {
            let total = directory.total_bytes;
            self.standing = Standing {
                level,
                read_only: self.standing.read_only,
                free_bytes: directory.free_bytes,
                total_bytes: total,
                low_bytes: self.marks.low.of(total),
                critical_bytes: self.marks.critical.of(total),
                directories: Vec::new(),
            };
        }
        self.standing.directories = directories;
    }

    fn judge(&self, measured: Measured) -> DirectoryStanding {
        let Measured {
            dir,
            kind,
            condition,
            space,
        } = measured;
        let before = self.standing.directories.iter();
        let before = before.filter(|directory| directory.dir == dir);
        let before = before
            .filter_map(|directory| level_of(directory.state))
            .next();
        let state = match (&condition, space) {
            (Condition::Good, None) if kind == PlaceKind::ObjectStore => {
                DirectoryState::ObjectStore
            }
            (Condition::Out(_), _) | (_, None) => DirectoryState::Out,
            (Condition::ReadOnly(_), _) => DirectoryState::ReadOnly,
            (Condition::Good, Some(space)) => self.state_of(space, before.unwrap_or_default()),
        };
        DirectoryStanding {
            dir,
            state,
            trouble: condition.trouble().map(ToString::to_string),
            free_bytes: space.map_or(0, |space| space.free_bytes),
            total_bytes: space.map_or(0, |space| space.total_bytes),
        }
    }

    /// By its marks; a level is left with the margin.
    fn state_of(&self, space: Space, before: Level) -> DirectoryState {
        let (total, free) = (space.total_bytes, space.free_bytes);
        let is_below = |mark: Share, level: Level| {
            let margin = match before >= level {
                true => self.marks.margin.of(total),
                false => 0,
            };
            free < mark.of(total).saturating_add(margin)
        };
        if is_below(self.marks.critical, Level::Critical) {
            DirectoryState::Critical
        } else if is_below(self.marks.low, Level::Low) {
            DirectoryState::Low
        } else {
            DirectoryState::Roomy
        }
    }
}

/// The level of a directory that can be written to but for its room.
fn level_of(state: DirectoryState) -> Option<Level> {
    match state {
        DirectoryState::Roomy => Some(Level::Roomy),
        DirectoryState::Low => Some(Level::Low),
        DirectoryState::Critical => Some(Level::Critical),
        DirectoryState::ReadOnly | DirectoryState::Out | DirectoryState::ObjectStore => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use shared::blob::Trouble;

    use super::*;

    fn marks() -> Marks {
        Marks {
            low: Share::Bytes(ByteSize(100)),
            critical: Share::Percent(3),
            margin: Share::Bytes(ByteSize(10)),
        }
    }

    fn directory(name: &str, free_bytes: u64, condition: Condition) -> Measured {
        let space = Space {
            free_bytes,
            total_bytes: 1_000,
        };
        Measured {
            dir: name.into(),
            kind: PlaceKind::Directory,
            condition,
            space: Some(space),
        }
    }

    fn space(free_bytes: u64) -> Measured {
        directory("one", free_bytes, Condition::Good)
    }

    #[test]
    fn levels_are_entered_at_their_marks_and_left_with_a_margin() {
        use Level::{Critical, Low, Roomy};
        let mut disk = Disk::new(marks(), false);
        let table = [
            (500, Roomy, false),
            (100, Roomy, false),
            (99, Low, true),
            (105, Low, false),
            (30, Low, false),
            (29, Critical, true),
            (39, Critical, false),
            (40, Low, true),
            (109, Low, false),
            (110, Roomy, true),
            (0, Critical, true),
            (1_000, Roomy, true),
        ];
        for (free, level, changes) in table {
            let effects = disk.handle(Event::Measured(vec![space(free)]));
            assert_eq!(disk.standing().level, level, "{free} free");
            assert_eq!(!effects.is_empty(), changes, "{free} free");
            let read_only = (level == Critical).then_some(ReadOnly::Critical);
            assert_eq!(disk.standing().read_only, read_only);
            assert_eq!(disk.standing().refuses_uploads().is_some(), level != Roomy);
        }
    }

    #[test]
    fn the_roomiest_directory_decides_and_none_is_read_only() {
        let good = |name, free| directory(name, free, Condition::Good);
        let mut disk = Disk::new(marks(), false);
        let three = vec![good("one", 5), good("two", 400), good("three", 50)];
        disk.handle(Event::Measured(three));
        assert_eq!(disk.standing().level, Level::Roomy);
        assert_eq!(disk.standing().free_bytes, 400);
        assert_eq!(disk.handle(Event::Measured(vec![])), [Effect::Changed]);
        assert_eq!(disk.standing().read_only, Some(ReadOnly::NoDirectory));
        disk.handle(Event::Measured(vec![space(400)]));
        assert_eq!(disk.standing().read_only, None);
    }

    #[test]
    fn each_directory_has_its_own_state_and_margin() {
        use DirectoryState::{Critical, Low, Out, ReadOnly, Roomy};
        let mut disk = Disk::new(marks(), false);
        let states = |disk: &Disk| -> Vec<_> {
            let directories = disk.standing().directories.iter();
            directories.map(|directory| directory.state).collect()
        };
        let mut measure = |frees: [u64; 2], conditions: [Condition; 2]| {
            let [first, second] = conditions;
            let one = directory("one", frees[0], first);
            let two = directory("two", frees[1], second);
            disk.handle(Event::Measured(vec![one, two]));
            (states(&disk), disk.standing().clone())
        };
        let good = || [Condition::Good, Condition::Good];
        assert_eq!(measure([29, 500], good()).0, [Critical, Roomy]);
        // The one that was critical leaves it with its margin, the other has none to heed.
        assert_eq!(measure([35, 35], good()).0, [Critical, Low]);
        let out = Condition::Out(Trouble::Vanished);
        let (states, standing) = measure([900, 40], [out.clone(), Condition::Good]);
        assert_eq!(states, [Out, Low]);
        assert_eq!((standing.level, standing.free_bytes), (Level::Low, 40));
        let told = standing.directories[0].trouble.clone().unwrap();
        assert!(told.contains("its marker is not there"), "{told}");
        let read_only = Condition::ReadOnly(Trouble::FileSystemReadOnly);
        let (states, standing) = measure([900, 900], [out, read_only]);
        assert_eq!(states, [Out, ReadOnly]);
        assert_eq!(standing.read_only, Some(super::ReadOnly::NoDirectory));
        assert_eq!(standing.cannot_serve(), None, "the second can be read");
        let out = || Condition::Out(Trouble::Vanished);
        let (_, standing) = measure([0, 0], [out(), out()]);
        let why = standing.cannot_serve().unwrap();
        assert!(why.contains("can be read"), "{why}");
    }

    #[test]
    fn the_operators_word_holds_whatever_is_free() {
        let mut disk = Disk::new(marks(), true);
        assert_eq!(disk.standing().admits(), Admits::Nothing);
        assert!(disk.handle(Event::Measured(vec![space(900)])).is_empty());
        assert_eq!(disk.standing().read_only, Some(ReadOnly::ByHand));
        assert_eq!(disk.handle(Event::ByHand(false)), [Effect::Changed]);
        assert_eq!(disk.standing().admits(), Admits::All);
        disk.handle(Event::Measured(vec![space(50)]));
        assert_eq!(disk.standing().admits(), Admits::PendingOnly);
        assert!(disk.handle(Event::ByHand(false)).is_empty());
    }

    #[test]
    fn refusals_name_the_figures() {
        let mut disk = Disk::new(marks(), false);
        disk.handle(Event::Measured(vec![space(300)]));
        let standing = disk.standing().clone();
        assert_eq!(standing.refuses_upload_of(150, 50), None);
        let refusal = standing.refuses_upload_of(150, 51).unwrap();
        assert_eq!(refusal.status, 507);
        for figure in ["150", "300", "51", "100B"] {
            assert!(refusal.message.contains(figure), "{}", refusal.message);
        }
        assert!(standing.refuses_upload_of(u64::MAX, u64::MAX).is_some());
        disk.handle(Event::Measured(vec![space(99)]));
        let refusal = disk.standing().refuses_upload_of(1, 0).unwrap();
        assert!(refusal.message.contains("99 bytes") && refusal.message.contains("100B"));
    }

    proptest! {
        /// Whatever happened before: well above a mark its level is left, below it it holds.
        #[test]
        fn the_past_matters_within_the_margin_only(frees in prop::collection::vec(0u64..1_000, 1..50)) {
            let mut disk = Disk::new(marks(), false);
            for free in frees {
                disk.handle(Event::Measured(vec![space(free)]));
                let level = disk.standing().level;
                prop_assert_eq!(level == Level::Critical, free < 30 || (free < 40 && level == Level::Critical));
                prop_assert!(free >= 100 || level >= Level::Low);
                prop_assert!(free < 110 || level == Level::Roomy);
            }
        }
    }
}
