//! Decides from free space what the node still does. No IO, no clock.
//!
//! A level is entered below its mark and left only when the margin more than the mark is free, so
//! that a disk at a mark does not make the node change its mind with every object.

use serde::Serialize;
use shared::{
    api::{ApiError, ErrorKind},
    blob::Space,
    config::ByteSize,
};

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
            "no room for {bytes} bytes: {free} are free on this node, {others_bytes} are set aside for other uploads and {low} stay free: upload to another bucket of the bag"
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
    /// Free space of all directories that can be written to.
    Measured(Vec<Space>),
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
    standing: Standing,
}

impl Disk {
    /// Roomy until measured.
    pub fn new(marks: Marks, by_hand: bool) -> Self {
        Self {
            marks,
            by_hand,
            has_directory: true,
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
            Event::Measured(spaces) => self.measure(&spaces),
        }
        self.standing.read_only = match (self.by_hand, self.has_directory, self.standing.level) {
            (true, _, _) => Some(ReadOnly::ByHand),
            (_, false, _) => Some(ReadOnly::NoDirectory),
            (_, _, Level::Critical) => Some(ReadOnly::Critical),
            _ => None,
        };
        match was == (self.standing.level, self.standing.read_only) {
            true => Vec::new(),
            false => vec![Effect::Changed],
        }
    }

    fn measure(&mut self, spaces: &[Space]) {
        self.has_directory = !spaces.is_empty();
        let level_of = |space: &Space| self.level_of(space);
        let roomiest = spaces
            .iter()
            .min_by_key(|space| (level_of(space), u64::MAX - space.free_bytes));
        // Without a directory the figures of the last one stay: there is nothing better to say.
        let Some(space) = roomiest else { return };
        let total = space.total_bytes;
        self.standing = Standing {
            level: self.level_of(space),
            read_only: self.standing.read_only,
            free_bytes: space.free_bytes,
            total_bytes: total,
            low_bytes: self.marks.low.of(total),
            critical_bytes: self.marks.critical.of(total),
        };
    }

    fn level_of(&self, space: &Space) -> Level {
        let (total, free) = (space.total_bytes, space.free_bytes);
        let is_below = |mark: Share, level: Level| {
            let margin = match self.standing.level >= level {
                true => self.marks.margin.of(total),
                false => 0,
            };
            free < mark.of(total).saturating_add(margin)
        };
        if is_below(self.marks.critical, Level::Critical) {
            Level::Critical
        } else if is_below(self.marks.low, Level::Low) {
            Level::Low
        } else {
            Level::Roomy
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn marks() -> Marks {
        Marks {
            low: Share::Bytes(ByteSize(100)),
            critical: Share::Percent(3),
            margin: Share::Bytes(ByteSize(10)),
        }
    }

    fn space(free_bytes: u64) -> Space {
        Space {
            free_bytes,
            total_bytes: 1_000,
        }
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
        let mut disk = Disk::new(marks(), false);
        disk.handle(Event::Measured(vec![space(5), space(400), space(50)]));
        assert_eq!(disk.standing().level, Level::Roomy);
        assert_eq!(disk.standing().free_bytes, 400);
        assert_eq!(disk.handle(Event::Measured(vec![])), [Effect::Changed]);
        assert_eq!(disk.standing().read_only, Some(ReadOnly::NoDirectory));
        disk.handle(Event::Measured(vec![space(400)]));
        assert_eq!(disk.standing().read_only, None);
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
