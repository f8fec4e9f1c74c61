//! Who may do what: origins, and the rules an opening's terms must obey.

use crate::types::{GroupWorker, OpeningType, StakePolicy};
use crate::{Config, CurrentLead, Error, Pallet, WorkerById};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_system::pallet_prelude::OriginFor;
use frame_system::{ensure_root, ensure_signed};
use pallet_common::Id;
use sp_runtime::DispatchError;

impl<T: Config<I>, I: 'static> Pallet<T, I> {
    /// The worker, if there is one.
    pub(crate) fn worker(worker_id: Id) -> Result<GroupWorker<T::AccountId>, DispatchError> {
        WorkerById::<T, I>::get(worker_id).ok_or(Error::<T, I>::WorkerDoesNotExist.into())
    }

    /// The lead's id and record.
    pub(crate) fn lead() -> Result<(Id, GroupWorker<T::AccountId>), DispatchError> {
        let lead_id = CurrentLead::<T, I>::get().ok_or(Error::<T, I>::CurrentLeadNotSet)?;
        Ok((lead_id, Self::worker(lead_id)?))
    }

    /// The lead's role account signs.
    pub(crate) fn ensure_lead_account(account: &T::AccountId) -> DispatchResult {
        let (_, lead) = Self::lead()?;
        ensure!(
            lead.role_account_id == *account,
            Error::<T, I>::IsNotLeadAccount
        );
        Ok(())
    }

    /// The lead signs.
    pub(crate) fn ensure_lead_origin(origin: OriginFor<T>) -> DispatchResult {
        Self::ensure_lead_account(&ensure_signed(origin)?)
    }

    /// This worker's role account signs.
    pub(crate) fn ensure_worker_account(
        account: &T::AccountId,
        worker_id: Id,
    ) -> Result<GroupWorker<T::AccountId>, DispatchError> {
        let worker = Self::worker(worker_id)?;
        ensure!(
            worker.role_account_id == *account,
            Error::<T, I>::SignerIsNotWorkerRoleAccount
        );
        Ok(worker)
    }

    /// This worker signs.
    pub(crate) fn ensure_worker_origin(
        origin: OriginFor<T>,
        worker_id: Id,
    ) -> Result<GroupWorker<T::AccountId>, DispatchError> {
        Self::ensure_worker_account(&ensure_signed(origin)?, worker_id)
    }

    /// Leader openings belong to root, the others to the lead.
    pub(crate) fn ensure_opening_origin(
        origin: OriginFor<T>,
        opening_type: OpeningType,
    ) -> DispatchResult {
        match opening_type {
            OpeningType::Leader => Ok(ensure_root(origin)?),
            OpeningType::Regular => Self::ensure_lead_origin(origin),
        }
    }

    /// Root manages the lead, the lead manages everyone else. Returns the managed worker.
    pub(crate) fn ensure_manager_origin(
        origin: OriginFor<T>,
        worker_id: Id,
    ) -> Result<GroupWorker<T::AccountId>, DispatchError> {
        let worker = Self::worker(worker_id)?;
        if Self::is_lead(worker_id) {
            ensure_root(origin)?;
        } else {
            Self::ensure_lead_origin(origin)?;
        }
        Ok(worker)
    }

    /// Is this worker the lead?
    pub(crate) fn is_lead(worker_id: Id) -> bool {
        CurrentLead::<T, I>::get() == Some(worker_id)
    }

    /// The worker has not announced to leave.
    pub(crate) fn ensure_stays(worker: &GroupWorker<T::AccountId>) -> DispatchResult {
        ensure!(!worker.is_leaving(), Error::<T, I>::WorkerIsLeaving);
        Ok(())
    }

    /// The stake asked for is worth having and stays locked long enough.
    pub(crate) fn ensure_stake_policy(policy: &StakePolicy) -> DispatchResult {
        use frame_support::traits::Get;
        ensure!(
            policy.stake_amount >= T::MinimumApplicationStake::get(),
            Error::<T, I>::BelowMinimumStakes
        );
        ensure!(
            policy.leaving_unstaking_period >= T::MinUnstakingPeriodLimit::get(),
            Error::<T, I>::UnstakingPeriodLessThanMinimum
        );
        Ok(())
    }

    /// A reward is either absent or worth something.
    pub(crate) fn ensure_reward(reward_per_block: Option<u128>) -> DispatchResult {
        ensure!(
            reward_per_block != Some(0),
            Error::<T, I>::CannotRewardWithZero
        );
        Ok(())
    }
}
