//! The block log: one append-only file from which a chain is rebuilt at start.
//!
//! ```text
//! header   magic (8) | genesis hash (32) | interface hash (32) | BLAKE2b-128 of these (16)
//! record   length (u32, little-endian) | BLAKE2b-128 of the body (16) | body: SCALE of `Record`
//! ```
//! A record is durable before [`BlockLog::append`] returns. What a crash left half-written at the
//! end is cut off when the log is opened. The header names the chain that the log belongs to: a log
//! of another genesis or another runtime interface is refused, because its states would be misread.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use codec::{Decode, Encode};
use joystream_runtime::Header;
use sp_core::H256;
use sp_crypto_hashing::blake2_128;

use crate::trie::TrieNode;

/// The log's file name within the data directory.
pub const FILE_NAME: &str = "blocks.log";

const MAGIC: &[u8; 8] = b"devchn01";
const CHECKSUM_BYTES: usize = 16;
const HEADER_BYTES: usize = MAGIC.len() + 2 * 32 + CHECKSUM_BYTES;
const RECORD_HEAD_BYTES: usize = 4 + CHECKSUM_BYTES;
/// No block comes near this; a larger length is a torn or foreign record.
const RECORD_BYTES_MAX: usize = 256 * 1024 * 1024;

/// Which chain a log belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Hash of block 0.
    pub genesis: H256,
    /// Hash of the runtime's metadata without its documentation.
    pub interface: H256,
}

/// A block and the trie nodes that it added.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
pub struct Record {
    /// The block's header.
    pub header: Header,
    /// The block's extrinsics, encoded.
    pub extrinsics: Vec<Vec<u8>>,
    /// Trie nodes that did not exist before.
    pub nodes: Vec<TrieNode>,
}

/// Why a log cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The file system refused.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Another process has it open.
    #[error("{} is in use by another process: stop it, or choose another --data-dir", .0.display())]
    InUse(PathBuf),
    /// Not a log of this program.
    #[error("{} is not a block log of this program: choose another --data-dir, or start with --fresh to drop it", .0.display())]
    NotALog(PathBuf),
    /// A log of another chain.
    #[error(
        "{} belongs to another chain: its genesis is {:?} with interface {:?}, this program's is {:?} with {:?}; \
         start with --fresh to drop it and begin a new chain, or choose another --data-dir",
        path.display(), found.genesis, found.interface, expected.genesis, expected.interface
    )]
    OtherChain {
        /// The file.
        path: PathBuf,
        /// What the log says.
        found: Box<Stamp>,
        /// What this program makes.
        expected: Box<Stamp>,
    },
    /// Whole records that do not make a chain.
    #[error("{} is damaged at block {number}: {reason}; start with --fresh to drop it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The height at which it goes wrong.
        number: u32,
        /// What is wrong.
        reason: &'static str,
    },
}

/// An open block log; no other process can open it meanwhile.
pub struct BlockLog {
    file: File,
    path: PathBuf,
}

impl BlockLog {
    /// Opens or creates the log in a directory and hands every whole record, in order, to `each`.
    pub fn open(
        directory: &Path,
        stamp: Stamp,
        mut each: impl FnMut(Record) -> Result<(), &'static str>,
    ) -> Result<Self, LogError> {
        let path = directory.join(FILE_NAME);
        std::fs::create_dir_all(directory).map_err(io_error("create the directory of", &path))?;
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io_error("open", &path))?;
        lock(&file, &path)?;
        let mut log = Self { file, path };
        if log.is_without_header()? {
            log.create(directory, stamp)?;
            return Ok(log);
        }
        log.check_stamp(stamp)?;
        let whole_bytes = log.read_records(&mut each)?;
        log.cut_off_after(whole_bytes)?;
        Ok(log)
    }

    /// Appends a block; it survives a crash once this returns.
    pub fn append(&mut self, record: &Record) -> Result<(), LogError> {
        let body = record.encode();
        let length = u32::try_from(body.len()).map_err(|_| LogError::Damaged {
            path: self.path.clone(),
            number: record.header.number,
            reason: "the block is too large for the log",
        })?;
        let mut bytes = Vec::with_capacity(RECORD_HEAD_BYTES + body.len());
        bytes.extend(length.to_le_bytes());
        bytes.extend(blake2_128(&body));
        bytes.extend(&body);
        self.file
            .write_all(&bytes)
            .map_err(io_error("append to", &self.path))?;
        self.file.sync_data().map_err(io_error("flush", &self.path))
    }

    /// New, or torn while it was created: no record can have followed.
    fn is_without_header(&self) -> Result<bool, LogError> {
        let length = self
            .file
            .metadata()
            .map_err(io_error("inspect", &self.path))?
            .len();
        Ok(length < HEADER_BYTES as u64)
    }

    fn create(&mut self, directory: &Path, stamp: Stamp) -> Result<(), LogError> {
        let failed = |action| io_error(action, &self.path);
        self.file.set_len(0).map_err(failed("truncate"))?;
        self.file
            .write_all(&header_bytes(stamp))
            .map_err(failed("write"))?;
        self.file.sync_all().map_err(failed("flush"))?;
        // The file's name must survive a crash as well as its content.
        File::open(directory)
            .and_then(|d| d.sync_all())
            .map_err(failed("flush the directory of"))
    }

    fn check_stamp(&mut self, expected: Stamp) -> Result<(), LogError> {
        let mut header = [0u8; HEADER_BYTES];
        self.file
            .read_exact(&mut header)
            .map_err(io_error("read", &self.path))?;
        let (content, checksum) = header.split_at(HEADER_BYTES - CHECKSUM_BYTES);
        if !content.starts_with(MAGIC) || blake2_128(content) != checksum {
            return Err(LogError::NotALog(self.path.clone()));
        }
        let (genesis, interface) = content[MAGIC.len()..].split_at(32);
        let found = Stamp {
            genesis: H256::from_slice(genesis),
            interface: H256::from_slice(interface),
        };
        if found == expected {
            Ok(())
        } else {
            Err(LogError::OtherChain {
                path: self.path.clone(),
                found: Box::new(found),
                expected: Box::new(expected),
            })
        }
    }

    /// Reads whole records; returns the position after the last of them.
    fn read_records(
        &mut self,
        each: &mut impl FnMut(Record) -> Result<(), &'static str>,
    ) -> Result<u64, LogError> {
        let mut reader = BufReader::with_capacity(1024 * 1024, &self.file);
        let mut position = HEADER_BYTES as u64;
        while let Some(body) = next_body(&mut reader).map_err(io_error("read", &self.path))? {
            let Ok(record) = Record::decode(&mut &body[..]) else {
                break;
            };
            let number = record.header.number;
            each(record).map_err(|reason| LogError::Damaged {
                path: self.path.clone(),
                number,
                reason,
            })?;
            position += (RECORD_HEAD_BYTES + body.len()) as u64;
        }
        Ok(position)
    }

    fn cut_off_after(&mut self, whole_bytes: u64) -> Result<(), LogError> {
        let length = self
            .file
            .metadata()
            .map_err(io_error("inspect", &self.path))?
            .len();
        if length > whole_bytes {
            tracing::warn!(
                path = %self.path.display(),
                bytes = length - whole_bytes,
                "the block log ends in a torn record: cut off"
            );
            self.file
                .set_len(whole_bytes)
                .map_err(io_error("truncate", &self.path))?;
            self.file
                .sync_all()
                .map_err(io_error("flush", &self.path))?;
        }
        self.file
            .seek(SeekFrom::Start(whole_bytes))
            .map_err(io_error("seek in", &self.path))?;
        Ok(())
    }
}

/// Drops the log of a directory, if there is one and no process has it open.
pub fn drop_log(directory: &Path) -> Result<(), LogError> {
    let path = directory.join(FILE_NAME);
    match File::open(&path) {
        Ok(file) => lock(&file, &path)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io_error("open", &path)(error)),
    }
    std::fs::remove_file(&path).map_err(io_error("remove", &path))
}

fn lock(file: &File, path: &Path) -> Result<(), LogError> {
    file.try_lock().map_err(|error| match error {
        TryLockError::WouldBlock => LogError::InUse(path.to_owned()),
        TryLockError::Error(source) => io_error("lock", path)(source),
    })
}

fn header_bytes(stamp: Stamp) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(HEADER_BYTES);
    bytes.extend(MAGIC);
    bytes.extend(stamp.genesis.as_bytes());
    bytes.extend(stamp.interface.as_bytes());
    bytes.extend(blake2_128(&bytes));
    bytes
}

/// The next whole record's body; `None` at the end and at a torn record.
fn next_body(reader: &mut impl Read) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0u8; 4];
    let mut checksum = [0u8; CHECKSUM_BYTES];
    if !fill(reader, &mut length)? || !fill(reader, &mut checksum)? {
        return Ok(None);
    }
    let length = u32::from_le_bytes(length) as usize;
    if length > RECORD_BYTES_MAX {
        return Ok(None);
    }
    let mut body = Vec::new();
    reader.take(length as u64).read_to_end(&mut body)?;
    Ok((body.len() == length && blake2_128(&body) == checksum).then_some(body))
}

/// Fills the buffer; `false` if the file ends before.
fn fill(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn io_error(action: &'static str, path: &Path) -> impl Fn(io::Error) -> LogError {
    move |source| LogError::Io {
        action,
        path: path.to_owned(),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use joystream_runtime::Hash;

    const STAMP: Stamp = Stamp {
        genesis: H256::repeat_byte(1),
        interface: H256::repeat_byte(2),
    };

    fn record(number: u32) -> Record {
        let header = Header {
            parent_hash: Hash::repeat_byte(3),
            number,
            state_root: Hash::repeat_byte(4),
            extrinsics_root: Hash::repeat_byte(5),
            digest: Default::default(),
        };
        let node = TrieNode {
            hash: Hash::repeat_byte(6),
            bytes: vec![7; 40],
        };
        Record {
            header,
            extrinsics: vec![vec![8; 100]],
            nodes: vec![node],
        }
    }

    /// The numbers of the records that the log holds when it is opened.
    fn numbers(directory: &Path) -> Vec<u32> {
        let mut numbers = Vec::new();
        BlockLog::open(directory, STAMP, |record| {
            numbers.push(record.header.number);
            Ok(())
        })
        .unwrap();
        numbers
    }

    fn three_records(directory: &Path) -> PathBuf {
        let mut log = BlockLog::open(directory, STAMP, |_| Ok(())).unwrap();
        for number in 1..=3 {
            log.append(&record(number)).unwrap();
        }
        directory.join(FILE_NAME)
    }

    #[test]
    fn a_log_cut_off_anywhere_holds_the_whole_records_before_and_goes_on() {
        let directory = tempfile::tempdir().unwrap();
        let bytes = std::fs::read(three_records(directory.path())).unwrap();
        let record_bytes = (bytes.len() - HEADER_BYTES) / 3;
        for length in (0..bytes.len()).step_by(7) {
            let cut = tempfile::tempdir().unwrap();
            std::fs::write(cut.path().join(FILE_NAME), &bytes[..length]).unwrap();
            let whole = length.saturating_sub(HEADER_BYTES) / record_bytes;
            let expected: Vec<u32> = (1..=3).take(whole).collect();
            assert_eq!(
                numbers(cut.path()),
                expected,
                "cut off after {length} bytes"
            );
            let mut log = BlockLog::open(cut.path(), STAMP, |_| Ok(())).unwrap();
            log.append(&record(9)).unwrap();
            drop(log);
            assert_eq!(numbers(cut.path()).last(), Some(&9));
        }
    }

    #[test]
    fn a_changed_byte_ends_the_log_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = three_records(directory.path());
        let mut bytes = std::fs::read(&path).unwrap();
        let in_the_last_body = bytes.len() - 5;
        bytes[in_the_last_body] ^= 1;
        std::fs::write(&path, bytes).unwrap();
        assert_eq!(numbers(directory.path()), [1, 2]);
    }

    #[test]
    fn foreign_files_are_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        let letter = vec![b'x'; 500];
        std::fs::write(&path, &letter).unwrap();
        let opened = BlockLog::open(directory.path(), STAMP, |_| Ok(()));
        assert!(matches!(opened, Err(LogError::NotALog(_))));
        assert_eq!(std::fs::read(&path).unwrap(), letter);
    }

    #[test]
    fn another_chain_is_named() {
        let directory = tempfile::tempdir().unwrap();
        three_records(directory.path());
        let other = Stamp {
            interface: H256::zero(),
            ..STAMP
        };
        let opened = BlockLog::open(directory.path(), other, |_| Ok(()));
        assert!(matches!(opened, Err(LogError::OtherChain { found, .. }) if *found == STAMP));
    }
}
