//! The group's purse and what it pays: rewards, debts to workers, spending.

use crate::types::{Balance, GroupWorker, RewardPaymentType};
use crate::{Budget, Config, Event, Pallet, WorkerById};
use frame_support::traits::{Currency, Get};
use pallet_common::Id;

impl<T: Config<I>, I: 'static> Pallet<T, I> {
    /// Pays every worker for the reward period that just ended.
    pub(crate) fn reward_workers() {
        let workers: Vec<_> = WorkerById::<T, I>::iter().collect();
        for (worker_id, mut worker) in workers {
            let before = worker.missed_reward;
            Self::pay_missed_reward(worker_id, &mut worker);
            Self::pay_regular_reward(worker_id, &mut worker);
            if worker.missed_reward != before {
                Self::deposit_event(Event::NewMissedRewardLevelReached(
                    worker_id,
                    worker.missed_reward,
                ));
                WorkerById::<T, I>::insert(worker_id, worker);
            }
        }
    }

    /// Pays a debt to a worker as far as the budget goes.
    pub(crate) fn pay_missed_reward(worker_id: Id, worker: &mut GroupWorker<T::AccountId>) {
        let owed = worker.missed_reward.unwrap_or(0);
        let paid = owed.min(Budget::<T, I>::get());
        if paid > 0 {
            Self::pay_reward(worker_id, worker, paid, RewardPaymentType::MissedReward);
            worker.missed_reward = Some(owed - paid).filter(|rest| *rest > 0);
        }
    }

    fn pay_regular_reward(worker_id: Id, worker: &mut GroupWorker<T::AccountId>) {
        let Some(per_block) = worker.reward_per_block else {
            return;
        };
        let reward = per_block.saturating_mul(Balance::from(T::RewardPeriod::get().max(1)));
        if Budget::<T, I>::get() >= reward {
            Self::pay_reward(worker_id, worker, reward, RewardPaymentType::RegularReward);
        } else {
            let owed = worker.missed_reward.unwrap_or(0).saturating_add(reward);
            worker.missed_reward = Some(owed);
        }
    }

    fn pay_reward(
        worker_id: Id,
        worker: &GroupWorker<T::AccountId>,
        amount: Balance,
        kind: RewardPaymentType,
    ) {
        Self::pay_from_budget(&worker.reward_account_id, amount);
        Self::deposit_event(Event::RewardPaid(
            worker_id,
            worker.reward_account_id.clone(),
            amount,
            kind,
        ));
    }

    /// Mints what the budget stood for; the caller has checked that the budget covers it.
    pub(crate) fn pay_from_budget(account: &T::AccountId, amount: Balance) {
        Budget::<T, I>::mutate(|budget| *budget = budget.saturating_sub(amount));
        drop(pallet_balances::Pallet::<T>::deposit_creating(
            account, amount,
        ));
    }
}
