//! Mends one damaged blob: its outboard from its own data or from another holder, its groups from
//! other holders, each verified before it is written into place.

use std::{collections::BTreeSet, ops::Range, sync::Arc};

use shared::{
    api::FetchError,
    blob::BlobError,
    chain::follower::DirectoryView,
    hash::ContentHash,
    ids::{ObjectId, StorageBucketId},
    range::ByteRange,
    table::TableError,
    verified::{GROUP_LEN, Layout},
};

use super::{
    book::DamageBook,
    examine::{Damage, check_outboard, examine, examine_all, hash_data, read_segment, read_top},
    look::examine_there,
};
use crate::{
    disk::room::{Floor, NoRoom, Rooms, Single, object_bytes},
    holdings::Holdings,
    node::now_ms,
    peer::{Part, PeerError, Peers},
    replicate::core::Source,
};

/// Groups asked for in one request: 1 MiB.
const GROUPS_PER_REQUEST: u64 = 64;
/// Longest outboard that is fetched, in bytes: that of an object of 64 GiB and more.
const OUTBOARD_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Why a repair could not be tried; the disk or the process, never another node.
#[derive(Debug, thiserror::Error)]
pub enum RepairError {
    /// The blob store.
    #[error(transparent)]
    Blob(#[from] BlobError),
    /// The book.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The disk has no room for it.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// The blocking pool is gone.
    #[error("the node is stopping")]
    Stopping,
}

/// How a repair ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Mended,
    /// The object is not held any more.
    Gone,
    /// This is left: no other holder gave good bytes for it.
    NoGoodCopy(Damage),
    /// This is left: where the other holders listen is not known yet.
    NobodyToAsk(Damage),
    /// More damage was found while it was mended.
    NotDone,
}

/// What repairs need; cheap to clone.
#[derive(Clone)]
pub struct Repairer {
    /// What is held.
    pub holdings: Holdings,
    /// The client for other holders.
    pub peers: Peers,
    /// Who the other holders are.
    pub view: DirectoryView,
    /// What is damaged.
    pub book: DamageBook,
    /// This node's buckets, which are not asked.
    pub our_buckets: Arc<dyn Fn() -> BTreeSet<StorageBucketId> + Send + Sync>,
    /// Room for what is written anew.
    pub rooms: Rooms,
}

/// A blob under repair.
struct Patient {
    hash: ContentHash,
    size: u64,
    sources: Vec<(Source, ObjectId)>,
    /// Others owe it, and of none is known where it listens.
    are_silent: bool,
}

impl Repairer {
    /// Mends a blob as far as possible and notes in the book what is left.
    pub async fn repair(&self, hash: ContentHash) -> Result<Outcome, RepairError> {
        let Some(known) = self.book.get(&hash) else {
            return Ok(Outcome::Mended);
        };
        let _pin = self.holdings.pin(hash);
        self.holdings.blobs().check_writable()?;
        let objects = self.holdings.objects_of(&hash);
        if objects.is_empty() {
            self.settle(hash, known.findings, Damage::default(), true)
                .await?;
            return Ok(Outcome::Gone);
        }
        let (sources, are_silent) = self.sources(&objects);
        let patient = Patient {
            hash,
            size: known.size,
            sources,
            are_silent,
        };
        let mut damage = known.damage;
        if !damage.is_groups_only() {
            damage = self.mend_whole(&patient).await?;
        }
        let holdings = self.holdings.clone();
        let is_remote = blocking(move || Ok(holdings.blobs().is_remote(&hash)?)).await?;
        if is_remote {
            // Nothing is written into the middle of what an object store keeps: it is put there again.
            damage = self.examine_again(&patient).await?;
            if !damage.is_none() {
                self.fetch_whole(&patient).await?;
                damage = self.examine_again(&patient).await?;
            }
        } else if damage.is_groups_only() && !damage.groups.is_empty() {
            damage = self.mend_groups(&patient, damage.groups).await?;
        }
        let left = damage.clone();
        let was_asked = !patient.are_silent;
        let is_well = self.settle(hash, known.findings, damage, was_asked).await?;
        if !is_well && left.is_none() {
            return Ok(Outcome::NotDone);
        }
        Ok(match (left.is_none(), was_asked) {
            (true, _) => Outcome::Mended,
            (false, true) => Outcome::NoGoodCopy(left),
            (false, false) => Outcome::NobodyToAsk(left),
        })
    }

    async fn settle(
        &self,
        hash: ContentHash,
        findings: u64,
        left: Damage,
        was_asked: bool,
    ) -> Result<bool, RepairError> {
        // Its files may be others now.
        self.holdings.kept().close(&hash);
        let book = self.book.clone();
        blocking(move || Ok(book.settle(hash, findings, left, was_asked)?)).await
    }

    /// Other nodes that owe one of the objects, and whether there are such while of none is known
    /// where it listens.
    fn sources(&self, objects: &[ObjectId]) -> (Vec<(Source, ObjectId)>, bool) {
        let ours = (self.our_buckets)();
        let directory = self.view.read();
        let mut sources = Vec::new();
        let mut has_others = false;
        for object in objects {
            let Some(known) = directory.object(*object) else {
                continue;
            };
            let nodes = directory.storage_nodes_of(known.bag);
            for node in nodes
                .into_iter()
                .filter(|node| !ours.contains(&node.bucket))
            {
                has_others = true;
                if let Some(root) = node.endpoint {
                    sources.push((Source(root.into()), *object));
                }
            }
        }
        // One node may have several buckets.
        sources.sort();
        sources.dedup_by(|a, b| a.0 == b.0);
        let are_silent = has_others && sources.is_empty();
        (sources, are_silent)
    }

    /// Mends everything that is not a matter of single groups; gives the damage that is left.
    async fn mend_whole(&self, patient: &Patient) -> Result<Damage, RepairError> {
        let (hash, size) = (patient.hash, patient.size);
        // It may be made anew from the data, or fetched, beside the one that is there.
        let outboard_len = Layout::new(size).outboard_len();
        let _room = self.rooms.take(outboard_len, Floor::Critical).await?;
        let holdings = self.holdings.clone();
        let (mut damage, missing) = blocking(move || {
            let blobs = holdings.blobs();
            blobs.believe_damage(&hash)?;
            if blobs.raw_files(&hash)?.data.is_none() {
                return Ok((Damage::default(), true));
            }
            blobs.cut(&hash, size)?;
            let files = blobs.raw_files(&hash)?;
            let damage = examine_all(&files, hash, size);
            if damage.outboard
                && let Some((found, outboard)) = files.data.as_ref().and_then(hash_data)
                && found == hash
            {
                blobs.replace_outboard(&hash, &outboard)?;
                return Ok((examine_all(&blobs.raw_files(&hash)?, hash, size), false));
            }
            Ok((damage, false))
        })
        .await?;
        if missing {
            self.fetch_whole(patient).await?;
        } else if damage.outboard {
            self.fetch_outboard(patient).await?;
        }
        if missing || damage.outboard {
            damage = self.examine_again(patient).await?;
        }
        // A file that is only too short has its groups fetched as any others.
        damage.wrong_length &= damage.groups.is_empty();
        Ok(damage)
    }

    async fn examine_again(&self, patient: &Patient) -> Result<Damage, RepairError> {
        let (hash, size, holdings) = (patient.hash, patient.size, self.holdings.clone());
        let groups = 0..Layout::new(size).groups();
        blocking(move || Ok(examine_there(&holdings, hash, size, groups)?)).await
    }

    /// Fetches the object whole from the first holder that gives it.
    async fn fetch_whole(&self, patient: &Patient) -> Result<bool, RepairError> {
        let bytes = object_bytes(patient.size);
        let _room = self.rooms.take(bytes, Floor::Critical).await?;
        for (source, object) in &patient.sources {
            let (peers, holdings) = (&self.peers, &self.holdings);
            let fetched = peers.fetch_again(source, *object, patient.hash, patient.size, holdings);
            match fetched.await {
                Ok(_) => return Ok(true),
                Err(error) => refused(patient, source, &error),
            }
        }
        Ok(false)
    }

    /// Fetches the outboard from the first holder that gives a genuine one.
    async fn fetch_outboard(&self, patient: &Patient) -> Result<(), RepairError> {
        let (hash, size) = (patient.hash, patient.size);
        let end = Layout::new(size).outboard_len();
        if end == 0 || end > OUTBOARD_BYTES_MAX {
            return Ok(());
        }
        for (source, object) in &patient.sources {
            let range = ByteRange { start: 0, end };
            let fetched = self.peers.part(source, *object, Part::Outboard, range);
            let bytes = match fetched.await {
                Ok(bytes) => bytes,
                Err(error) => {
                    refused(patient, source, &error);
                    continue;
                }
            };
            let holdings = self.holdings.clone();
            let checked = blocking(move || {
                let checked = check_outboard(hash, size, &bytes);
                if checked.is_ok() {
                    holdings.blobs().replace_outboard(&hash, &bytes)?;
                }
                Ok(checked)
            });
            match checked.await? {
                Ok(()) => return Ok(()),
                Err(error) => {
                    tracing::warn!(%hash, %source, %error, "a node gave an outboard that is not the object's");
                }
            }
        }
        Ok(())
    }

    /// Fetches damaged groups; gives the damage that is left of them.
    async fn mend_groups(
        &self,
        patient: &Patient,
        groups: Vec<Range<u64>>,
    ) -> Result<Damage, RepairError> {
        let layout = Layout::new(patient.size);
        let _room = self.room_to_grow(patient).await?;
        let mut left = Damage::default();
        let mut no_ranges = false;
        for range in groups {
            let mut start = range.start;
            while start < range.end {
                // One request lies within one segment of the outboard.
                let segment_end = layout.segment_groups(Layout::segment_of(start)).end;
                let end = range.end.min(start + GROUPS_PER_REQUEST).min(segment_end);
                left.merge(&self.mend_range(patient, start..end, &mut no_ranges).await?);
                start = end.max(start + 1);
            }
        }
        let is_left = !left.is_none();
        if is_left && no_ranges && self.fetch_whole(patient).await? {
            left = self.examine_again(patient).await?;
        }
        Ok(left)
    }

    /// Room for what a file that was cut short lacks.
    async fn room_to_grow(&self, patient: &Patient) -> Result<Option<Single>, RepairError> {
        let (hash, size, holdings) = (patient.hash, patient.size, self.holdings.clone());
        let len = blocking(move || {
            let data = holdings.blobs().raw_files(&hash)?.data;
            Ok(data.map_or(0, |data| data.len()))
        });
        match size.saturating_sub(len.await?) {
            0 => Ok(None),
            lacking => Ok(Some(self.rooms.take(lacking, Floor::Critical).await?)),
        }
    }

    async fn mend_range(
        &self,
        patient: &Patient,
        groups: Range<u64>,
        no_ranges: &mut bool,
    ) -> Result<Damage, RepairError> {
        // What is well by now needs no bytes: an upload or an earlier attempt may have mended it.
        let mut left = self.write_groups(patient, &groups, Vec::new()).await?;
        for (source, object) in &patient.sources {
            if left.groups.is_empty() || left.data_missing || left.outboard {
                break;
            }
            let bytes = Layout::new(patient.size).bytes_of(groups.clone());
            if bytes.is_empty() {
                break;
            }
            let wanted = ByteRange {
                start: bytes.start,
                end: bytes.end,
            };
            match self.peers.part(source, *object, Part::Data, wanted).await {
                Ok(bytes) => left = self.write_groups(patient, &groups, bytes).await?,
                Err(error) => {
                    *no_ranges |= matches!(&error, PeerError::Fetch(FetchError::Wrong { .. }));
                    refused(patient, source, &error);
                }
            }
        }
        left.wrong_length &= !left.groups.is_empty();
        Ok(left)
    }

    /// Writes those groups of these bytes that are right where the blob's are not, and examines the
    /// groups again. The bytes begin with the first of the groups.
    async fn write_groups(
        &self,
        patient: &Patient,
        groups: &Range<u64>,
        bytes: Vec<u8>,
    ) -> Result<Damage, RepairError> {
        let (hash, size, groups) = (patient.hash, patient.size, groups.clone());
        let holdings = self.holdings.clone();
        blocking(move || {
            let blobs = holdings.blobs();
            let files = blobs.raw_files(&hash)?;
            let damage = examine(&files, hash, size, groups.clone());
            let segment = read_top(&files, hash, size)
                .and_then(|top| read_segment(&files, &top, Layout::segment_of(groups.start)));
            let Some(segment) = segment.filter(|_| !bytes.is_empty()) else {
                return Ok(damage);
            };
            for group in damage.groups.into_iter().flatten() {
                let offset = group * GROUP_LEN as u64;
                let at = (offset - groups.start * GROUP_LEN as u64) as usize;
                let len = Layout::new(size).group_len(group).unwrap_or(0);
                let piece = bytes.get(at..at + len).unwrap_or_default();
                if segment.group_ok(group, piece) {
                    blobs.patch(&hash, piece, offset)?;
                }
            }
            Ok(examine(&blobs.raw_files(&hash)?, hash, size, groups))
        })
        .await
    }

    /// Notes damage, durably; says whether it was not known before.
    pub async fn note(
        &self,
        hash: ContentHash,
        size: u64,
        damage: Damage,
    ) -> Result<bool, RepairError> {
        let book = self.book.clone();
        blocking(move || Ok(book.add(hash, size, &damage, now_ms())?)).await
    }
}

fn refused(patient: &Patient, source: &Source, error: &PeerError) {
    tracing::warn!(hash = %patient.hash, %source, %error, "a holder could not help with a repair");
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RepairError> + Send + 'static,
) -> Result<T, RepairError> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or(Err(RepairError::Stopping))
}
