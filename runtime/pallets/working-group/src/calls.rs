//! The calls, at the live chain's indexes: who may make them is checked here or in `checks`.

use frame_support::pallet_macros::pallet_section;

/// Part of the pallet's module.
#[pallet_section]
mod calls {
    #[pallet::call]
    impl<T: Config<I>, I: 'static> Pallet<T, I> {
        /// Calls for applications: root for the lead's post, the lead for the others.
        #[pallet::call_index(0)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn add_opening(
            origin: OriginFor<T>,
            description: Vec<u8>,
            opening_type: OpeningType,
            stake_policy: StakePolicy,
            reward_per_block: Option<Balance>,
        ) -> DispatchResult {
            Self::ensure_opening_origin(origin, opening_type)?;
            Self::ensure_stake_policy(&stake_policy)?;
            Self::ensure_reward(reward_per_block)?;
            let creation_stake = Self::lock_creation_stake(opening_type)?;

            let opening_id = NextOpeningId::<T, I>::mutate(next_id);
            OpeningById::<T, I>::insert(
                opening_id,
                Opening {
                    opening_type,
                    created: Self::now(),
                    description_hash: Self::text_hash(&description),
                    stake_policy: stake_policy.clone(),
                    reward_per_block,
                    creation_stake,
                },
            );
            Self::deposit_event(Event::OpeningAdded(
                opening_id,
                description,
                opening_type,
                stake_policy,
                reward_per_block,
            ));
            Ok(())
        }

        /// A member applies and stakes.
        #[pallet::call_index(1)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn apply_on_opening(
            origin: OriginFor<T>,
            p: ApplyOnOpeningParams<T::AccountId>,
        ) -> DispatchResult {
            Self::ensure_member_origin(origin, p.member_id)?;
            Self::apply(p)
        }

        /// Hires the successful applicants and closes the opening.
        #[pallet::call_index(2)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn fill_opening(
            origin: OriginFor<T>,
            opening_id: Id,
            successful_application_ids: BTreeSet<Id>,
        ) -> DispatchResult {
            let opening = Self::opening(opening_id)?;
            Self::ensure_opening_origin(origin, opening.opening_type)?;
            Self::fill(opening_id, &opening, successful_application_ids)
        }

        /// The member behind a worker changes the account that signs as the worker.
        #[pallet::call_index(3)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn update_role_account(
            origin: OriginFor<T>,
            worker_id: Id,
            new_role_account_id: T::AccountId,
        ) -> DispatchResult {
            let mut worker = Self::worker(worker_id)?;
            Self::ensure_member_origin(origin, worker.member_id)?;
            worker.role_account_id = new_role_account_id.clone();
            WorkerById::<T, I>::insert(worker_id, worker);
            Self::deposit_event(Event::WorkerRoleAccountUpdated(
                worker_id,
                new_role_account_id,
            ));
            Ok(())
        }

        /// A worker announces to leave; the stake is free after the unstaking period.
        #[pallet::call_index(4)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn leave_role(
            origin: OriginFor<T>,
            worker_id: Id,
            rationale: Option<Vec<u8>>,
        ) -> DispatchResult {
            let mut worker = Self::ensure_worker_origin(origin, worker_id)?;
            Self::ensure_stays(&worker)?;
            worker.started_leaving_at = Some(Self::now());
            WorkerById::<T, I>::insert(worker_id, worker);
            Self::deposit_event(Event::WorkerStartedLeaving(worker_id, rationale));
            Ok(())
        }

        /// Dismisses a worker at once, with or without a penalty.
        #[pallet::call_index(5)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn terminate_role(
            origin: OriginFor<T>,
            worker_id: Id,
            penalty: Option<Balance>,
            rationale: Option<Vec<u8>>,
        ) -> DispatchResult {
            let worker = Self::ensure_manager_origin(origin, worker_id)?;
            let leader = Self::is_lead(worker_id);
            if let Some(penalty) = penalty {
                Self::slash(worker_id, &worker.staking_account_id, penalty, None);
            }
            Self::remove_worker(worker_id, worker);
            Self::deposit_event(if leader {
                Event::TerminatedLeader(worker_id, penalty, rationale)
            } else {
                Event::TerminatedWorker(worker_id, penalty, rationale)
            });
            Ok(())
        }

        /// Burns a part of a worker's stake.
        #[pallet::call_index(6)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn slash_stake(
            origin: OriginFor<T>,
            worker_id: Id,
            penalty: Balance,
            rationale: Option<Vec<u8>>,
        ) -> DispatchResult {
            let worker = Self::ensure_manager_origin(origin, worker_id)?;
            ensure!(penalty > 0, Error::<T, I>::StakeBalanceCannotBeZero);
            Self::slash(worker_id, &worker.staking_account_id, penalty, rationale);
            Ok(())
        }

        /// Frees a part of a worker's stake.
        #[pallet::call_index(7)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn decrease_stake(
            origin: OriginFor<T>,
            worker_id: Id,
            stake_balance_delta: Balance,
        ) -> DispatchResult {
            let worker = Self::ensure_manager_origin(origin, worker_id)?;
            Self::ensure_stays(&worker)?;
            ensure!(
                stake_balance_delta > 0,
                Error::<T, I>::StakeBalanceCannotBeZero
            );
            let stake = Self::staked(&worker.staking_account_id)
                .checked_sub(stake_balance_delta)
                .ok_or(Error::<T, I>::CannotDecreaseStakeDeltaGreaterThanStake)?;
            Self::set_stake(&worker.staking_account_id, stake);
            Self::deposit_event(Event::StakeDecreased(worker_id, stake_balance_delta));
            Ok(())
        }

        /// A worker stakes more.
        #[pallet::call_index(8)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn increase_stake(
            origin: OriginFor<T>,
            worker_id: Id,
            stake_balance_delta: Balance,
        ) -> DispatchResult {
            let worker = Self::ensure_worker_origin(origin, worker_id)?;
            Self::ensure_stays(&worker)?;
            ensure!(
                stake_balance_delta > 0,
                Error::<T, I>::StakeBalanceCannotBeZero
            );
            let stake = Self::staked(&worker.staking_account_id)
                .checked_add(stake_balance_delta)
                .ok_or(Error::<T, I>::ArithmeticError)?;
            Self::ensure_covers_stake(&worker.staking_account_id, stake)?;
            Self::set_stake(&worker.staking_account_id, stake);
            Self::deposit_event(Event::StakeIncreased(worker_id, stake_balance_delta));
            Ok(())
        }

        /// An applicant (by the role account of the application) gives up; the stake is free.
        #[pallet::call_index(9)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn withdraw_application(origin: OriginFor<T>, application_id: Id) -> DispatchResult {
            let signer = ensure_signed(origin)?;
            let application = ApplicationById::<T, I>::get(application_id)
                .ok_or(Error::<T, I>::WorkerApplicationDoesNotExist)?;
            ensure!(
                application.role_account_id == signer,
                Error::<T, I>::OriginIsNotApplicant
            );
            Self::set_stake(&application.staking_account_id, 0);
            ApplicationById::<T, I>::remove(application_id);
            Self::deposit_event(Event::ApplicationWithdrawn(application_id));
            Ok(())
        }

        /// Closes an opening without hiring.
        #[pallet::call_index(10)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn cancel_opening(origin: OriginFor<T>, opening_id: Id) -> DispatchResult {
            let opening = Self::opening(opening_id)?;
            Self::ensure_opening_origin(origin, opening.opening_type)?;
            Self::release_creation_stake(&opening);
            OpeningById::<T, I>::remove(opening_id);
            Self::deposit_event(Event::OpeningCanceled(opening_id));
            Ok(())
        }

        /// Root says what the group may spend.
        #[pallet::call_index(11)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn set_budget(origin: OriginFor<T>, new_budget: Balance) -> DispatchResult {
            ensure_root(origin)?;
            Budget::<T, I>::put(new_budget);
            Self::deposit_event(Event::BudgetSet(new_budget));
            Ok(())
        }

        /// A worker says where its rewards go.
        #[pallet::call_index(12)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn update_reward_account(
            origin: OriginFor<T>,
            worker_id: Id,
            new_reward_account_id: T::AccountId,
        ) -> DispatchResult {
            let mut worker = Self::ensure_worker_origin(origin, worker_id)?;
            Self::ensure_stays(&worker)?;
            ensure!(
                worker.reward_per_block.is_some(),
                Error::<T, I>::WorkerHasNoReward
            );
            worker.reward_account_id = new_reward_account_id.clone();
            WorkerById::<T, I>::insert(worker_id, worker);
            Self::deposit_event(Event::WorkerRewardAccountUpdated(
                worker_id,
                new_reward_account_id,
            ));
            Ok(())
        }

        /// Changes what a worker earns.
        #[pallet::call_index(13)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn update_reward_amount(
            origin: OriginFor<T>,
            worker_id: Id,
            reward_per_block: Option<Balance>,
        ) -> DispatchResult {
            let mut worker = Self::ensure_manager_origin(origin, worker_id)?;
            Self::ensure_stays(&worker)?;
            Self::ensure_reward(reward_per_block)?;
            worker.reward_per_block = reward_per_block;
            WorkerById::<T, I>::insert(worker_id, worker);
            Self::deposit_event(Event::WorkerRewardAmountUpdated(
                worker_id,
                reward_per_block,
            ));
            Ok(())
        }

        /// The lead says how the group is doing; state keeps the hash.
        #[pallet::call_index(14)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn set_status_text(
            origin: OriginFor<T>,
            status_text: Option<Vec<u8>>,
        ) -> DispatchResult {
            Self::ensure_lead_origin(origin)?;
            let hash = Self::text_hash(status_text.as_deref().unwrap_or_default());
            StatusTextHash::<T, I>::put(hash);
            Self::deposit_event(Event::StatusTextChanged(hash, status_text));
            Ok(())
        }

        /// The lead spends from the budget.
        #[pallet::call_index(15)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn spend_from_budget(
            origin: OriginFor<T>,
            account_id: T::AccountId,
            amount: Balance,
            rationale: Option<Vec<u8>>,
        ) -> DispatchResult {
            Self::ensure_lead_origin(origin)?;
            Self::ensure_spendable(amount)?;
            Self::pay_from_budget(&account_id, amount);
            Self::deposit_event(Event::BudgetSpending(account_id, amount, rationale));
            Ok(())
        }

        /// The lead spends from the budget with a vesting schedule. This chain has no vesting:
        /// a valid request ends with `Unavailable` rather than with tokens that are free at once.
        #[pallet::call_index(16)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn vested_spend_from_budget(
            origin: OriginFor<T>,
            account_id: T::AccountId,
            vesting_schedule: VestingInfo,
            rationale: Option<Vec<u8>>,
        ) -> DispatchResult {
            let _ = (account_id, rationale);
            Self::ensure_lead_origin(origin)?;
            Self::ensure_spendable(vesting_schedule.locked)?;
            Err(DispatchError::Unavailable)
        }

        /// A member gives to the budget.
        #[pallet::call_index(17)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn fund_working_group_budget(
            origin: OriginFor<T>,
            member_id: Id,
            amount: Balance,
            rationale: Vec<u8>,
        ) -> DispatchResult {
            let signer = Self::ensure_member_origin(origin, member_id)?;
            ensure!(amount > 0, Error::<T, I>::ZeroTokensFunding);
            let burnt = pallet_balances::Pallet::<T>::withdraw(
                &signer,
                amount,
                WithdrawReasons::TRANSFER,
                ExistenceRequirement::AllowDeath,
            )
            .map_err(|_| Error::<T, I>::InsufficientTokensForFunding)?;
            drop(burnt);
            <Self as pallet_common::WorkingGroupBudget<Balance>>::fund(amount);
            Self::deposit_event(Event::WorkingGroupBudgetFunded(
                member_id, amount, rationale,
            ));
            Ok(())
        }

        /// The lead says something in the chain's record.
        #[pallet::call_index(18)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn lead_remark(origin: OriginFor<T>, msg: Vec<u8>) -> DispatchResult {
            Self::ensure_lead_origin(origin)?;
            Self::deposit_event(Event::LeadRemarked(msg));
            Ok(())
        }

        /// A worker says something in the chain's record.
        #[pallet::call_index(19)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn worker_remark(origin: OriginFor<T>, worker_id: Id, msg: Vec<u8>) -> DispatchResult {
            Self::ensure_worker_origin(origin, worker_id)?;
            Self::deposit_event(Event::WorkerRemarked(worker_id, msg));
            Ok(())
        }
    }
}
