//! A directory as a file: a node that starts again goes on from it instead of reading everything
//! from the chain's state.
//!
//! Format, SCALE unless said otherwise: the bytes of [`MAGIC`]; genesis hash; number and hash of the
//! block; storage buckets, families, distribution buckets, blacklist, upload switch; the bags, each
//! with its storage and distribution buckets, the highest object id so far, and the objects, each list as a `u64` count and its
//! entries; at the end the BLAKE3 hash of everything before, 32 bytes.
//!
//! The file is written beside its place, synced and renamed, so that there is always a whole one.

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use codec::{Decode, Encode};

use super::{Bag, DataObject, Directory, ObjectIds};
use crate::{
    chain::BlockRef,
    hash::{ContentHash, ContentId},
    ids::BlockHash,
};

/// First bytes of the file; the last of them is the version of the format.
const MAGIC: &[u8; 6] = b"JSDIR\x01";
/// Bytes of the hash at the end.
const HASH_BYTES: usize = 32;
/// Bytes that are encoded before they are hashed and written.
const PIECE_BYTES: usize = 256 * 1024;

/// A directory and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Block 0 of the chain.
    pub genesis: BlockHash,
    /// The block at which the directory stands.
    pub at: BlockRef,
    /// The directory, endpoints included.
    pub directory: Directory,
}

/// Why a snapshot cannot be written or used.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The file system refused.
    #[error("directory snapshot {}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        cause: io::Error,
    },
    /// The file is not what was written.
    #[error("directory snapshot {} is damaged: {reason}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Writes the file. Blocking; needs little memory beside the directory.
pub fn save(
    path: &Path,
    genesis: BlockHash,
    at: BlockRef,
    directory: &Directory,
) -> Result<(), SnapshotError> {
    let beside = path.with_extension("new");
    let written = write(&beside, genesis, at, directory)
        .and_then(|()| fs::rename(&beside, path))
        .and_then(|()| match path.parent() {
            Some(dir) => File::open(dir)?.sync_all(),
            None => Ok(()),
        });
    written.map_err(|cause| SnapshotError::Io {
        path: path.to_owned(),
        cause,
    })
}

/// Reads the file; `None` if there is none. Blocking.
pub fn load(path: &Path) -> Result<Option<Snapshot>, SnapshotError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(cause) => {
            let path = path.to_owned();
            return Err(SnapshotError::Io { path, cause });
        }
    };
    let read = read(&bytes).map_err(|reason| SnapshotError::Damaged {
        path: path.to_owned(),
        reason,
    });
    read.map(Some)
}

fn write(path: &Path, genesis: BlockHash, at: BlockRef, directory: &Directory) -> io::Result<()> {
    let mut out = Pieces {
        file: BufWriter::new(File::create(path)?),
        hasher: blake3::Hasher::new(),
        piece: Vec::with_capacity(PIECE_BYTES * 2),
    };
    out.piece.extend_from_slice(MAGIC);
    out.put(&(genesis, at.number, at.hash))?;
    out.put(&directory.storage_buckets)?;
    out.put(&directory.families)?;
    out.put(&directory.distribution_buckets)?;
    out.put(&(&directory.blacklist, directory.uploading_blocked))?;
    out.put(&(directory.bags.len() as u64))?;
    for (id, bag) in &directory.bags {
        out.put(&(id, &bag.stored_by, &bag.distributed_by))?;
    }
    out.put(&directory.objects.newest())?;
    out.put(&(directory.objects.len() as u64))?;
    for object in directory.objects.iter() {
        let (hash, other) = match &object.content_id {
            ContentId::Blake3(hash) => (Some(hash.0), None),
            ContentId::Other(text) => (None, Some(text.to_string())),
        };
        let about = (object.id, object.bag, object.size, object.accepted);
        out.put(&(about, hash, other))?;
    }
    out.finish()
}

/// Encodes into pieces that are hashed and written.
struct Pieces {
    file: BufWriter<File>,
    hasher: blake3::Hasher,
    piece: Vec<u8>,
}

impl Pieces {
    fn put(&mut self, value: &impl Encode) -> io::Result<()> {
        value.encode_to(&mut self.piece);
        match self.piece.len() >= PIECE_BYTES {
            true => self.flush(),
            false => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.hasher.update(&self.piece);
        self.file.write_all(&self.piece)?;
        self.piece.clear();
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.file.write_all(self.hasher.finalize().as_bytes())?;
        self.file.flush()?;
        self.file.get_ref().sync_all()
    }
}

fn read(bytes: &[u8]) -> Result<Snapshot, String> {
    let Some((content, hash)) = bytes.split_last_chunk::<HASH_BYTES>() else {
        return Err(format!("it has {} bytes", bytes.len()));
    };
    if blake3::hash(content).as_bytes() != hash {
        return Err("its checksum is wrong".to_owned());
    }
    let Some(mut rest) = content.strip_prefix(MAGIC) else {
        return Err("it is of another version".to_owned());
    };
    decode(&mut rest).map_err(|error| error.to_string())
}

fn decode(bytes: &mut &[u8]) -> Result<Snapshot, codec::Error> {
    let (genesis, number, hash) = Decode::decode(bytes)?;
    let mut directory = Directory {
        storage_buckets: Decode::decode(bytes)?,
        families: Decode::decode(bytes)?,
        distribution_buckets: Decode::decode(bytes)?,
        blacklist: Decode::decode(bytes)?,
        uploading_blocked: Decode::decode(bytes)?,
        ..Directory::default()
    };
    for _ in 0..u64::decode(bytes)? {
        let (id, stored_by, distributed_by) = Decode::decode(bytes)?;
        let bag = Bag {
            stored_by,
            distributed_by,
            objects: ObjectIds::default(),
        };
        directory.bags.insert(id, bag);
    }
    if let Some(newest) = Decode::decode(bytes)? {
        directory.objects.note_created(newest);
    }
    for _ in 0..u64::decode(bytes)? {
        let (about, hash, other) = <(_, Option<[u8; 32]>, Option<String>)>::decode(bytes)?;
        let (id, bag, size, accepted) = about;
        let content_id = match (hash, other) {
            (Some(hash), _) => ContentId::Blake3(ContentHash(hash)),
            (None, other) => ContentId::Other(other.unwrap_or_default().into()),
        };
        directory.bags.entry(bag).or_default().objects.insert(id);
        directory.objects.insert(DataObject {
            id,
            bag,
            size,
            content_id,
            accepted,
        });
    }
    Ok(Snapshot {
        genesis,
        at: BlockRef { number, hash },
        directory,
    })
}
