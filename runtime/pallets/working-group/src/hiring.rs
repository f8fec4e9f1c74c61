//! How people come and go: openings, applications, hiring, and the end of a role.

use crate::types::{
    ApplicationIdToWorkerId, ApplyOnOpeningParams, GroupWorker, JobApplication, Opening,
    OpeningType,
};
use crate::{
    ActiveWorkerCount, ApplicationById, Config, CurrentLead, Error, Event, NextApplicationId,
    NextWorkerId, OpeningById, Pallet, WorkerById,
};
use frame_support::dispatch::DispatchResult;
use frame_support::ensure;
use frame_support::traits::Get;
use pallet_common::Id;
use sp_runtime::traits::Hash;
use sp_runtime::DispatchError;
use std::collections::BTreeSet;

type Applications<T> = Vec<(Id, JobApplication<<T as frame_system::Config>::AccountId>)>;

impl<T: Config<I>, I: 'static> Pallet<T, I> {
    /// The opening, if there is one.
    pub(crate) fn opening(opening_id: Id) -> Result<Opening, DispatchError> {
        OpeningById::<T, I>::try_get(opening_id)
            .map_err(|()| Error::<T, I>::OpeningDoesNotExist.into())
    }

    /// A lead guarantees each regular opening with a stake of its own.
    pub(crate) fn lock_creation_stake(opening_type: OpeningType) -> Result<u128, DispatchError> {
        if opening_type == OpeningType::Leader {
            return Ok(0);
        }
        let (_, lead) = Self::lead()?;
        let creation_stake = T::LeaderOpeningStake::get();
        let stake = Self::staked(&lead.staking_account_id).saturating_add(creation_stake);
        Self::ensure_covers_stake(&lead.staking_account_id, stake)?;
        Self::set_stake(&lead.staking_account_id, stake);
        Ok(creation_stake)
    }

    /// Releases that stake when the opening is over.
    pub(crate) fn release_creation_stake(opening: &Opening) {
        if let (OpeningType::Regular, Ok((_, lead))) = (opening.opening_type, Self::lead()) {
            let staked = Self::staked(&lead.staking_account_id);
            Self::set_stake(
                &lead.staking_account_id,
                staked.saturating_sub(opening.creation_stake),
            );
        }
    }

    /// Checks an application and its stake, locks the stake, and keeps the application.
    pub(crate) fn apply(params: ApplyOnOpeningParams<T::AccountId>) -> DispatchResult {
        use pallet_common::StakingAccountValidator as _;
        let opening = Self::opening(params.opening_id)?;
        let stake = &params.stake_parameters;
        ensure!(
            stake.stake >= opening.stake_policy.stake_amount,
            Error::<T, I>::ApplicationStakeDoesntMatchOpening
        );
        ensure!(
            T::StakingAccounts::is_confirmed_for(params.member_id, &stake.staking_account_id),
            Error::<T, I>::InvalidStakingAccountForMember
        );
        Self::ensure_no_rival_stake(&stake.staking_account_id)?;
        Self::ensure_covers_stake(&stake.staking_account_id, stake.stake)?;

        Self::set_stake(&stake.staking_account_id, stake.stake);
        let application_id = NextApplicationId::<T, I>::mutate(next_id);
        ApplicationById::<T, I>::insert(
            application_id,
            JobApplication {
                role_account_id: params.role_account_id.clone(),
                reward_account_id: params.reward_account_id.clone(),
                staking_account_id: stake.staking_account_id.clone(),
                member_id: params.member_id,
                description_hash: Self::text_hash(&params.description),
                opening_id: params.opening_id,
            },
        );
        Self::deposit_event(Event::AppliedOnOpening(params, application_id));
        Ok(())
    }

    /// Hires the successful applicants of an opening and closes it.
    pub(crate) fn fill(
        opening_id: Id,
        opening: &Opening,
        successful_application_ids: BTreeSet<Id>,
    ) -> DispatchResult {
        let leader = opening.opening_type == OpeningType::Leader;
        ensure!(
            !(leader && CurrentLead::<T, I>::exists()),
            Error::<T, I>::CannotHireLeaderWhenLeaderExists
        );
        let applications = Self::successful(opening_id, &successful_application_ids)?;
        ensure!(
            !leader || applications.len() == 1,
            Error::<T, I>::CannotHireMultipleLeaders
        );

        Self::release_creation_stake(opening);
        let mut hired = ApplicationIdToWorkerId::new();
        for (application_id, application) in applications {
            let worker_id = Self::hire(opening, application);
            ApplicationById::<T, I>::remove(application_id);
            hired.insert(application_id, worker_id);
            if leader {
                CurrentLead::<T, I>::put(worker_id);
                Self::deposit_event(Event::LeaderSet(worker_id));
            }
        }
        OpeningById::<T, I>::remove(opening_id);
        Self::deposit_event(Event::OpeningFilled(
            opening_id,
            hired,
            successful_application_ids,
        ));
        Ok(())
    }

    fn successful(opening_id: Id, ids: &BTreeSet<Id>) -> Result<Applications<T>, DispatchError> {
        ensure!(!ids.is_empty(), Error::<T, I>::NoApplicationsProvided);
        let workers = ActiveWorkerCount::<T, I>::get() as usize;
        ensure!(
            workers + ids.len() <= T::MaxWorkerNumberLimit::get() as usize,
            Error::<T, I>::MaxActiveWorkerNumberExceeded
        );
        ids.iter()
            .map(|id| {
                let application = ApplicationById::<T, I>::get(id)
                    .ok_or(Error::<T, I>::SuccessfulWorkerApplicationDoesNotExist)?;
                ensure!(
                    application.opening_id == opening_id,
                    Error::<T, I>::ApplicationsNotForOpening
                );
                Ok((*id, application))
            })
            .collect()
    }

    fn hire(opening: &Opening, application: JobApplication<T::AccountId>) -> Id {
        let worker_id = NextWorkerId::<T, I>::mutate(next_id);
        WorkerById::<T, I>::insert(
            worker_id,
            GroupWorker {
                member_id: application.member_id,
                role_account_id: application.role_account_id,
                staking_account_id: application.staking_account_id,
                reward_account_id: application.reward_account_id,
                started_leaving_at: None,
                job_unstaking_period: opening.stake_policy.leaving_unstaking_period,
                reward_per_block: opening.reward_per_block,
                missed_reward: None,
                created_at: Self::now(),
            },
        );
        ActiveWorkerCount::<T, I>::mutate(|count| *count = count.saturating_add(1));
        worker_id
    }

    /// Ends a role: what is owed is paid as far as possible, the stake is free again.
    pub(crate) fn remove_worker(worker_id: Id, mut worker: GroupWorker<T::AccountId>) {
        Self::pay_missed_reward(worker_id, &mut worker);
        Self::set_stake(&worker.staking_account_id, 0);
        WorkerById::<T, I>::remove(worker_id);
        ActiveWorkerCount::<T, I>::mutate(|count| *count = count.saturating_sub(1));
        if Self::is_lead(worker_id) {
            CurrentLead::<T, I>::kill();
            // The former lead's stake is free, also what stood for openings: the next lead owes nothing for them.
            OpeningById::<T, I>::translate_values(|mut opening: Opening| {
                opening.creation_stake = 0;
                Some(opening)
            });
            Self::deposit_event(Event::LeaderUnset);
        }
    }

    /// Lets those go whose unstaking period is over.
    pub(crate) fn release_leavers() {
        let now = Self::now();
        let leavers: Vec<_> = WorkerById::<T, I>::iter()
            .filter(|(_, worker)| worker.may_go_at(now))
            .collect();
        for (worker_id, worker) in leavers {
            Self::remove_worker(worker_id, worker);
            Self::deposit_event(Event::WorkerExited(worker_id));
        }
    }

    /// The hash under which state remembers a text.
    pub(crate) fn text_hash(text: &[u8]) -> sp_core::H256 {
        sp_runtime::traits::BlakeTwo256::hash(text)
    }
}

/// Hands out an id and moves on.
pub(crate) fn next_id(next: &mut Id) -> Id {
    let id = *next;
    *next = next.saturating_add(1);
    id
}
