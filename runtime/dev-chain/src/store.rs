//! The chain itself: blocks in order, their states in the archive, both rebuilt from the log.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use joystream_runtime::{Header, genesis, interface};
use parking_lot::{Mutex, RwLock};
use sp_core::H256;
use sp_crypto_hashing::blake2_256;

use crate::executor::{self, BuiltBlock, ExecutionError, State};
use crate::log::{BlockLog, LogError, Record, Stamp};
use crate::trie::Archive;

/// A block of the chain.
#[derive(Debug)]
pub struct StoredBlock {
    /// Hash of the header.
    pub hash: H256,
    /// The header.
    pub header: Header,
    /// The extrinsics, encoded.
    pub extrinsics: Vec<Vec<u8>>,
}

/// All blocks and all states. Readers never wait for a block being executed.
pub struct Store {
    archive: Archive,
    blocks: RwLock<Blocks>,
    /// `None` for a chain that lives in memory only.
    log: Mutex<Option<BlockLog>>,
}

#[derive(Default)]
struct Blocks {
    by_number: Vec<Arc<StoredBlock>>,
    number_by_hash: HashMap<H256, u32>,
}

/// Why a stored block does not verify.
#[derive(Debug, thiserror::Error)]
#[error("block {number} does not verify: {source}")]
pub struct VerifyError {
    /// Height of the block.
    pub number: u32,
    /// What the runtime said.
    pub source: ExecutionError,
}

impl Store {
    /// Opens the chain kept in a directory, or begins it; without a directory it lives in memory.
    pub fn open(directory: Option<&Path>) -> Result<Self, LogError> {
        let archive = Archive::new();
        let genesis = executor::genesis_block(&archive, genesis::development());
        let stamp = Stamp {
            genesis: genesis.header.hash(),
            interface: H256(blake2_256(&interface::metadata())),
        };
        let store = Self {
            archive,
            blocks: Default::default(),
            log: Mutex::new(None),
        };
        store.add(genesis);
        if let Some(directory) = directory {
            let log = BlockLog::open(directory, stamp, |record| store.add_logged(record))?;
            *store.log.lock() = Some(log);
        }
        Ok(store)
    }

    /// Makes a block durable, then part of the chain.
    pub fn commit(&self, block: BuiltBlock) -> Result<Arc<StoredBlock>, LogError> {
        let BuiltBlock {
            header,
            extrinsics,
            nodes,
        } = block;
        let record = Record {
            header,
            extrinsics,
            nodes,
        };
        if let Some(log) = self.log.lock().as_mut() {
            log.append(&record)?;
        }
        let Record {
            header,
            extrinsics,
            nodes,
        } = record;
        Ok(self.add(BuiltBlock {
            header,
            extrinsics,
            nodes,
        }))
    }

    /// The newest block.
    pub fn best(&self) -> Arc<StoredBlock> {
        let blocks = self.blocks.read();
        blocks
            .by_number
            .last()
            .cloned()
            .expect("the chain begins with its genesis block")
    }

    /// The block of this height.
    pub fn block(&self, number: u32) -> Option<Arc<StoredBlock>> {
        self.blocks.read().by_number.get(number as usize).cloned()
    }

    /// The block of this hash.
    pub fn block_by_hash(&self, hash: &H256) -> Option<Arc<StoredBlock>> {
        let blocks = self.blocks.read();
        let number = *blocks.number_by_hash.get(hash)?;
        blocks.by_number.get(number as usize).cloned()
    }

    /// The state after a block.
    pub fn state(&self, block: &StoredBlock) -> State<'_> {
        State::new(&self.archive, block.header.state_root)
    }

    /// Where states are kept.
    pub fn archive(&self) -> &Archive {
        &self.archive
    }

    /// Executes a block again and compares all roots.
    pub fn verify(&self, number: u32) -> Result<(), VerifyError> {
        let (Some(parent), Some(block)) =
            (self.block(number.saturating_sub(1)), self.block(number))
        else {
            return Ok(());
        };
        if number == 0 {
            return Ok(());
        }
        executor::execute_again(
            &self.archive,
            &parent.header,
            &block.header,
            &block.extrinsics,
        )
        .map_err(|source| VerifyError { number, source })
    }

    fn add(&self, block: BuiltBlock) -> Arc<StoredBlock> {
        let BuiltBlock {
            header,
            extrinsics,
            nodes,
        } = block;
        let stored = Arc::new(StoredBlock {
            hash: header.hash(),
            header,
            extrinsics,
        });
        // The state first: a block that can be found can be read.
        self.archive.insert(nodes);
        let mut blocks = self.blocks.write();
        blocks
            .number_by_hash
            .insert(stored.hash, stored.header.number);
        blocks.by_number.push(stored.clone());
        stored
    }

    fn add_logged(&self, record: Record) -> Result<(), &'static str> {
        let parent = self.best();
        if record.header.number != parent.header.number + 1 {
            return Err("its number does not follow its predecessor's");
        }
        if record.header.parent_hash != parent.hash {
            return Err("its parent is not its predecessor");
        }
        let Record {
            header,
            extrinsics,
            nodes,
        } = record;
        self.add(BuiltBlock {
            header,
            extrinsics,
            nodes,
        });
        Ok(())
    }
}
