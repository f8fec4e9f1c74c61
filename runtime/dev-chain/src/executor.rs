//! Running the runtime: reading a block's state, calling its interface, building a block.
//!
//! The runtime is called natively through its dispatcher, inside externalities over one state. A
//! runtime that panics (as on undecodable arguments) is an error here, not the end of the process.

use std::panic::{AssertUnwindSafe, catch_unwind};

use codec::{Decode, Encode};
use joystream_runtime::{Header, Moment, api};
use sp_core::{Blake2Hasher, H256};
use sp_externalities::set_and_run_with_externalities;
use sp_runtime::transaction_validity::{
    InvalidTransaction, TransactionSource, TransactionValidity, TransactionValidityError,
};
use sp_runtime::{ApplyExtrinsicResult, StateVersion};
use sp_state_machine::backend::Backend as _;
use sp_state_machine::{Ext, IterArgs, OverlayedChanges};

use crate::trie::{Archive, Backend, TrieNode, added_nodes};

type Overlay = OverlayedChanges<Blake2Hasher>;

/// The trie lock and the log both rely on it: a node that a root leads to is never missing.
const COMPLETE: &str = "the archive holds every node of every state it was given";

/// Why a call into the runtime gave no result.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ExecutionError {
    /// The runtime has no such interface function.
    #[error("the runtime has no function {0}")]
    NoSuchFunction(String),
    /// The runtime panicked.
    #[error("{function} panicked: {reason}")]
    Panicked {
        /// The interface function.
        function: String,
        /// The panic's message.
        reason: String,
    },
    /// The runtime's answer is not of the type expected.
    #[error("the answer of {function} cannot be decoded: {reason}")]
    Undecodable {
        /// The interface function.
        function: &'static str,
        /// What the decoder said.
        reason: String,
    },
    /// The runtime refused the inherent that sets the time.
    #[error("the block's timestamp was refused: {0}")]
    TimestampRefused(String),
    /// The state computed is not the one that the header names.
    #[error("the state root {computed:?} differs from the header's {stated:?}")]
    StateRoot {
        /// What the changes add up to.
        computed: H256,
        /// What the runtime wrote into the header.
        stated: H256,
    },
}

/// The state of one block. Cheap to make; unaffected by blocks that follow.
pub struct State<'a> {
    backend: Backend<'a>,
}

impl<'a> State<'a> {
    /// The state with this root.
    pub fn new(archive: &'a Archive, root: H256) -> Self {
        Self {
            backend: archive.backend(root),
        }
    }

    /// The value of a storage key.
    pub fn get(&self, key: &[u8]) -> Option<Vec<u8>> {
        self.backend.storage(key).expect(COMPLETE)
    }

    /// At most `count` keys that begin with `prefix` and come after `after`.
    pub fn keys(&self, prefix: &[u8], count: usize, after: Option<&[u8]>) -> Vec<Vec<u8>> {
        let mut range = IterArgs::default();
        range.prefix = Some(prefix);
        range.start_at = after;
        range.start_at_exclusive = true;
        let keys = self.backend.keys(range).expect(COMPLETE);
        keys.take(count).map(|key| key.expect(COMPLETE)).collect()
    }

    /// Calls an interface function; changes it makes to the state are dropped.
    pub fn call(&self, function: &str, arguments: &[u8]) -> Result<Vec<u8>, ExecutionError> {
        run(&self.backend, &mut Overlay::default(), function, arguments)
    }

    /// Would the next block take this transaction?
    pub fn validate(
        &self,
        transaction: &[u8],
        block_hash: H256,
    ) -> Result<TransactionValidity, ExecutionError> {
        let mut arguments = TransactionSource::External.encode();
        arguments.extend(transaction);
        arguments.extend(block_hash.encode());
        let function = "TaggedTransactionQueue_validate_transaction";
        decode(function, &self.call(function, &arguments)?)
    }
}

/// What became of a transaction that was tried in a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It is in the block (its call may have failed; that is an event).
    Included,
    /// Not now: an earlier nonce is missing.
    TooEarly,
    /// Not now: the block is full.
    BlockFull,
    /// Never.
    Refused(String),
}

/// A block in the making on top of a parent.
pub struct BlockBuilder<'a> {
    backend: Backend<'a>,
    overlay: Overlay,
    extrinsics: Vec<Vec<u8>>,
}

/// A finished block that is not yet part of the chain.
pub struct BuiltBlock {
    /// The header with its roots.
    pub header: Header,
    /// The extrinsics, encoded; the first sets the time.
    pub extrinsics: Vec<Vec<u8>>,
    /// The trie nodes it adds.
    pub nodes: Vec<TrieNode>,
}

impl<'a> BlockBuilder<'a> {
    /// Starts a block and sets its time.
    pub fn start(
        archive: &'a Archive,
        parent: &Header,
        now: Moment,
    ) -> Result<Self, ExecutionError> {
        let header = Header {
            parent_hash: parent.hash(),
            number: parent.number + 1,
            state_root: H256::zero(),
            extrinsics_root: H256::zero(),
            digest: Default::default(),
        };
        let backend = archive.backend(parent.state_root);
        let mut overlay = Overlay::default();
        run(
            &backend,
            &mut overlay,
            "Core_initialize_block",
            &header.encode(),
        )?;
        let mut builder = Self {
            backend,
            overlay,
            extrinsics: Vec::new(),
        };
        match builder.apply(&api::timestamp_inherent(now).encode())? {
            Applied::Included => Ok(builder),
            other => Err(ExecutionError::TimestampRefused(format!("{other:?}"))),
        }
    }

    /// Tries a transaction. Whatever does not end in [`Applied::Included`] leaves no trace.
    pub fn apply(&mut self, extrinsic: &[u8]) -> Result<Applied, ExecutionError> {
        let function = "BlockBuilder_apply_extrinsic";
        self.overlay.start_transaction();
        let applied = match run(&self.backend, &mut self.overlay, function, extrinsic) {
            Ok(answer) => outcome(decode(function, &answer)?),
            // A transaction that makes the runtime panic must not keep the chain from going on.
            Err(error) => Applied::Refused(error.to_string()),
        };
        const PAIRED: &str = "a storage transaction was started above";
        if applied == Applied::Included {
            self.overlay.commit_transaction().expect(PAIRED);
            self.extrinsics.push(extrinsic.to_vec());
        } else {
            self.overlay.rollback_transaction().expect(PAIRED);
        }
        Ok(applied)
    }

    /// The encoded result of applying a transaction; the block is dropped.
    pub fn dry_run(mut self, extrinsic: &[u8]) -> Result<Vec<u8>, ExecutionError> {
        run(
            &self.backend,
            &mut self.overlay,
            "BlockBuilder_apply_extrinsic",
            extrinsic,
        )
    }

    /// Finishes the block.
    pub fn finish(mut self) -> Result<BuiltBlock, ExecutionError> {
        let function = "BlockBuilder_finalize_block";
        let header: Header = decode(
            function,
            &run(&self.backend, &mut self.overlay, function, &[])?,
        )?;
        let changes = self
            .overlay
            .drain_storage_changes(&self.backend, StateVersion::V1)
            .map_err(|reason| ExecutionError::Panicked {
                function: function.into(),
                reason,
            })?;
        let computed = changes.transaction_storage_root;
        if computed != header.state_root {
            return Err(ExecutionError::StateRoot {
                computed,
                stated: header.state_root,
            });
        }
        let nodes = added_nodes(changes.transaction);
        Ok(BuiltBlock {
            header,
            extrinsics: self.extrinsics,
            nodes,
        })
    }
}

/// Block 0 of a given state: its header and its trie nodes.
pub fn genesis_block(archive: &Archive, state: sp_core::storage::Storage) -> BuiltBlock {
    let backend = archive.backend(Archive::empty_root());
    let mut overlay = Overlay::default();
    for (key, value) in state.top {
        overlay.set_storage(key, Some(value));
    }
    let changes = overlay
        .drain_storage_changes(&backend, StateVersion::V1)
        .expect("the empty state is known");
    let header = Header {
        parent_hash: H256::zero(),
        number: 0,
        state_root: changes.transaction_storage_root,
        extrinsics_root: Archive::empty_root(),
        digest: Default::default(),
    };
    BuiltBlock {
        header,
        extrinsics: Vec::new(),
        nodes: added_nodes(changes.transaction),
    }
}

/// Executes a whole block again on its parent's state; the runtime compares all roots.
pub fn execute_again(
    archive: &Archive,
    parent: &Header,
    header: &Header,
    extrinsics: &[Vec<u8>],
) -> Result<(), ExecutionError> {
    let mut block = header.encode();
    let count = u32::try_from(extrinsics.len()).expect("a block holds far fewer extrinsics");
    codec::Compact(count).encode_to(&mut block);
    block.extend(extrinsics.iter().flatten());
    State::new(archive, parent.state_root).call("Core_execute_block", &block)?;
    Ok(())
}

fn outcome(result: ApplyExtrinsicResult) -> Applied {
    use TransactionValidityError::Invalid;
    match result {
        Ok(_) => Applied::Included,
        Err(Invalid(InvalidTransaction::Future)) => Applied::TooEarly,
        Err(Invalid(InvalidTransaction::ExhaustsResources)) => Applied::BlockFull,
        Err(error) => Applied::Refused(<&'static str>::from(error).to_owned()),
    }
}

fn run(
    backend: &Backend<'_>,
    overlay: &mut Overlay,
    function: &str,
    arguments: &[u8],
) -> Result<Vec<u8>, ExecutionError> {
    let mut externalities = Ext::new(overlay, backend, None);
    // What a panic leaves behind is the overlay, which callers roll back or drop.
    let answer = catch_unwind(AssertUnwindSafe(|| {
        set_and_run_with_externalities(&mut externalities, || api::dispatch(function, arguments))
    }));
    match answer {
        Ok(Some(answer)) => Ok(answer),
        Ok(None) => Err(ExecutionError::NoSuchFunction(function.to_owned())),
        Err(panic) => {
            let reason = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| {
                    panic
                        .downcast_ref::<&str>()
                        .map(|reason| (*reason).to_owned())
                })
                .unwrap_or_else(|| "no reason given".to_owned());
            Err(ExecutionError::Panicked {
                function: function.to_owned(),
                reason,
            })
        }
    }
}

fn decode<T: Decode>(function: &'static str, mut answer: &[u8]) -> Result<T, ExecutionError> {
    T::decode(&mut answer).map_err(|error| ExecutionError::Undecodable {
        function,
        reason: error.to_string(),
    })
}
