//! Signing and sending transactions: own nonces per account, a mortal era, and watching until the
//! transaction is final.

use std::{collections::HashMap, sync::Arc};

use ::subxt::{
    client::OnlineClientAtBlockImpl,
    config::DefaultExtrinsicParamsBuilder,
    error::{
        BackendError, DispatchError, ExtrinsicError, RpcError, TransactionEventsError,
        TransactionProgressError,
    },
    extrinsics::ExtrinsicEvents,
    rpcs,
    tx::{TransactionInBlock, TransactionProgress},
    utils::AccountId32,
};
use parking_lot::Mutex;

use super::{
    calls,
    connection::{AtBlock, Connection, JoyConfig, unreachable_text, unreadable},
    events,
    storage::State,
};
use crate::{
    chain::{BlockRef, ChainError, Included, Signer, Turn, call::Call},
    ids::{AccountId, BlockHash},
};

/// For how many blocks a transaction is valid.
const MORTAL_BLOCKS: u64 = 64;

type Progress = TransactionProgress<JoyConfig, OnlineClientAtBlockImpl<JoyConfig>>;
type InBlock = TransactionInBlock<JoyConfig, OnlineClientAtBlockImpl<JoyConfig>>;

/// One lock per account: between asking for a nonce and using it nobody else asks.
#[derive(Default)]
pub(super) struct Nonces(Mutex<HashMap<AccountId, Arc<tokio::sync::Mutex<()>>>>);

impl Nonces {
    fn of(&self, account: AccountId) -> Arc<tokio::sync::Mutex<()>> {
        self.0.lock().entry(account).or_default().clone()
    }
}

/// Which nonce a transaction takes.
pub(super) enum Nonce<'a> {
    /// The next that is free, those in the node's pool counted.
    Next(&'a Nonces),
    /// This one, valid from the block at which it was read.
    Of(Turn),
}

impl Connection {
    /// Signs, sends and waits until the transaction is final.
    pub(super) async fn submit(
        &self,
        nonce: Nonce<'_>,
        signer: &Signer,
        call: Call,
    ) -> Result<Included, ChainError> {
        let head = match nonce {
            Nonce::Next(_) => self.finalized_head().await?,
            Nonce::Of(turn) => turn.at,
        };
        let at = self.at(head.hash, head.number).await?;
        let progress = match nonce {
            Nonce::Next(nonces) => {
                let lock = nonces.of(signer.account());
                let _held = lock.lock().await;
                let account = AccountId32(signer.account().0);
                let nonce = self.rpc.system_account_next_index(&account).await;
                let nonce = nonce.map_err(|error| self.failed("an account's nonce", error))?;
                self.send(&at, head, signer, call, nonce).await?
            }
            Nonce::Of(turn) => self.send(&at, head, signer, call, turn.nonce).await?,
        };
        let in_block = progress.wait_for_finalized().await;
        let in_block = in_block.map_err(|error| self.not_included(error))?;
        let transaction = in_block.wait_for_success().await;
        let transaction = transaction.map_err(|error| self.failed_transaction(error))?;
        self.included(&in_block, &transaction).await
    }

    /// The account's turn at the newest finalised block.
    pub(super) async fn turn(&self, account: AccountId) -> Result<Turn, ChainError> {
        let head = self.finalized_head().await?;
        let at = self.at(head.hash, head.number).await?;
        let nonce = State::of(self, &at).nonce(account).await?.into();
        Ok(Turn { at: head, nonce })
    }

    async fn send(
        &self,
        at: &AtBlock,
        head: BlockRef,
        signer: &Signer,
        call: Call,
        nonce: u64,
    ) -> Result<Progress, ChainError> {
        let payload = calls::payload(call, at.metadata_ref())?;
        let hash = ::subxt::utils::H256(head.hash.0);
        let params = DefaultExtrinsicParamsBuilder::<JoyConfig>::new()
            .nonce(nonce)
            .mortal_from_unchecked(MORTAL_BLOCKS, head.number.into(), hash)
            .build();
        let signed = at
            .tx()
            .create_v4_signable_offline(&payload, params)
            .and_then(|mut transaction| transaction.sign(&signer.pair))
            .map_err(|error| unreadable("a transaction", error))?;
        let watched = signed.submit_and_watch().await;
        watched.map_err(|error| self.not_taken(error))
    }

    /// The transaction's own events and its place.
    async fn included(
        &self,
        in_block: &InBlock,
        transaction: &ExtrinsicEvents<JoyConfig>,
    ) -> Result<Included, ChainError> {
        let at = in_block.at().await;
        let at = at.map_err(|error| self.failed_at_block(error))?;
        let number = u32::try_from(at.block_number()).unwrap_or(u32::MAX);
        let ours = u32::try_from(transaction.extrinsic_index()).ok();
        let mut indexed = events::indexed(number, transaction.all_events_in_block())?;
        indexed.retain(|event| event.extrinsic == ours);
        Ok(Included {
            block: BlockRef {
                number,
                hash: BlockHash(in_block.block_hash().0),
            },
            events: indexed,
        })
    }

    /// The node's pool said no, or could not be asked.
    fn not_taken(&self, error: ExtrinsicError) -> ChainError {
        match error {
            ExtrinsicError::ErrorSubmittingTransaction(BackendError::Rpc(
                RpcError::ClientError(rpcs::Error::User(error)),
            )) => {
                let data = error
                    .data
                    .as_ref()
                    .map(|data| data.get())
                    .unwrap_or_default();
                ChainError::NotTaken(format!("{}: {} {data}", error.code, error.message))
            }
            ExtrinsicError::ErrorSubmittingTransaction(error) => {
                self.failed_backend("a transaction", error)
            }
            other => unreadable("a transaction", other),
        }
    }

    /// The transaction left the pool without being final, or the connection broke meanwhile.
    fn not_included(&self, error: TransactionProgressError) -> ChainError {
        match error {
            TransactionProgressError::CannotGetNextProgressUpdate(error) => {
                self.failed_backend("a transaction", error)
            }
            TransactionProgressError::TransactionStatusError(error) => {
                ChainError::NotTaken(error.to_string())
            }
            other => unreachable_text(&self.endpoint, other.to_string()),
        }
    }

    fn failed_transaction(&self, error: TransactionEventsError) -> ChainError {
        match error {
            TransactionEventsError::ExtrinsicFailed(error) => refused(error),
            TransactionEventsError::CannotFetchBlockBody { error, .. } => {
                self.failed_backend("the block of a transaction", error)
            }
            TransactionEventsError::CannotInstantiateClientAtBlock(error) => {
                self.failed_at_block(error)
            }
            other => unreadable("the events of a transaction", other),
        }
    }
}

/// The chain's own names of what went wrong.
fn refused(error: DispatchError) -> ChainError {
    let named = match &error {
        DispatchError::Module(module) => module.details().ok(),
        _ => None,
    };
    match named {
        Some(details) => ChainError::Refused {
            pallet: details.pallet.name().to_owned(),
            error: details.variant.name.clone(),
        },
        None => ChainError::Refused {
            pallet: "System".to_owned(),
            error: error.to_string(),
        },
    }
}
