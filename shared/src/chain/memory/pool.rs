//! Transactions on their way into a block: nonces, and on demand a transaction that nobody hears of
//! again until it gets into a block late.

use std::collections::BTreeMap;

use tokio::sync::oneshot;

use super::{FEE, FIRST_EXTRINSIC, MemoryChain, State, calls};
use crate::{
    chain::{ChainError, Included, call::Call},
    ids::AccountId,
};

type Answer = Result<Included, ChainError>;

/// Nonces, and what waits.
#[derive(Default)]
pub(super) struct Pool {
    nonces: BTreeMap<AccountId, u64>,
    held: Vec<Held>,
    hold: Hold,
}

/// What becomes of the next transaction.
#[derive(Default, Clone, Copy, PartialEq, Eq)]
enum Hold {
    #[default]
    No,
    UntilTold,
    UntilTheNextLook,
}

struct Held {
    account: AccountId,
    nonce: u64,
    call: Call,
    answer: oneshot::Sender<Answer>,
    until: Hold,
}

impl Pool {
    /// The nonce after the account's last transaction.
    pub(super) fn nonce(&self, account: AccountId) -> u64 {
        self.nonces.get(&account).copied().unwrap_or(0)
    }
}

impl MemoryChain {
    /// Lets the next transaction wait in the pool until [`Self::include_held`].
    pub fn hold_next(&self) {
        self.state.lock().pool.hold = Hold::UntilTold;
    }

    /// Lets the next transaction wait in the pool, and get into a block right after somebody has read
    /// the state of an object.
    pub fn hold_next_until_a_look(&self) {
        self.state.lock().pool.hold = Hold::UntilTheNextLook;
    }

    /// How many transactions wait in the pool.
    pub fn held(&self) -> usize {
        self.state.lock().pool.held.len()
    }

    /// Puts what waits in the pool into blocks, or out of the pool if its nonce is used up.
    pub fn include_held(&self) {
        self.include(&mut self.state.lock(), |_| true);
    }

    /// The same for one account.
    pub(super) fn include_held_of(&self, state: &mut State, account: AccountId) {
        self.include(state, |held| held.account == account);
    }

    /// Somebody has read the state of an object.
    pub(super) fn looked_at(&self, state: &mut State) {
        self.include(state, |held| held.until == Hold::UntilTheNextLook);
    }

    fn include(&self, state: &mut State, which: impl Fn(&Held) -> bool) {
        let (now, later) = std::mem::take(&mut state.pool.held)
            .into_iter()
            .partition(which);
        state.pool.held = later;
        for held in now as Vec<Held> {
            let answer = self.execute(state, held.account, held.nonce, held.call);
            // Who sent it may have given it up.
            let _told = held.answer.send(answer);
        }
    }

    /// Takes a transaction: into a block at once, or into the pool.
    pub(super) fn take(
        &self,
        state: &mut State,
        account: AccountId,
        nonce: u64,
        call: Call,
    ) -> Result<oneshot::Receiver<Answer>, ChainError> {
        if let Some(message) = state.refusal_to_come.take() {
            return Err(ChainError::NotTaken(message));
        }
        let waits = |held: &Held| held.account == account && held.nonce == nonce;
        if state.pool.held.iter().any(waits) {
            let message = "1014: Priority is too low".to_owned();
            return Err(ChainError::NotTaken(message));
        }
        let (answer, receiver) = oneshot::channel();
        match std::mem::take(&mut state.pool.hold) {
            Hold::No => {
                let executed = self.execute(state, account, nonce, call);
                let _told = answer.send(executed);
            }
            until => state.pool.held.push(Held {
                account,
                nonce,
                call,
                answer,
                until,
            }),
        }
        Ok(receiver)
    }

    fn execute(&self, state: &mut State, account: AccountId, nonce: u64, call: Call) -> Answer {
        if nonce != state.pool.nonce(account) {
            let message = "1010: Invalid Transaction: Transaction is outdated";
            return Err(ChainError::NotTaken(message.to_owned()));
        }
        let balance = state.balances.entry(account).or_default();
        *balance = balance.checked_sub(FEE).ok_or_else(|| {
            ChainError::NotTaken("Inability to pay some fees (e.g. account balance too low)".into())
        })?;
        state.pool.nonces.insert(account, nonce + 1);
        // A transaction that fails is in a block too: it has no events.
        let (events, failure) = match calls::dispatch(state, account, call) {
            Ok(events) => (events, None),
            Err(failure) => (Vec::new(), Some(failure)),
        };
        let block = self.make_block(state, events, Some(FIRST_EXTRINSIC));
        match failure {
            Some(failure) => Err(failure.into()),
            None => Ok(Included {
                block,
                events: state
                    .blocks
                    .last()
                    .map(|block| block.events.clone())
                    .unwrap_or_default(),
            }),
        }
    }
}
