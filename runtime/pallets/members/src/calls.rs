//! The calls: who may make them is checked here, the rest is in the module of their subject.

use frame_support::pallet_macros::pallet_section;

/// Part of the pallet's module.
#[pallet_section]
mod calls {
    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// Buys a membership: the price is burnt, and a referrer gets a cut of it.
        #[pallet::call_index(0)]
        #[pallet::weight(Weights::<T>::of_profile(params.metadata.len()))]
        pub fn buy_membership(
            origin: OriginFor<T>,
            params: BuyMembershipParameters<T::AccountId>,
        ) -> DispatchResult {
            let buyer = ensure_signed(origin)?;
            Self::do_buy_membership(&buyer, params)
        }

        /// Changes handle, metadata or both.
        #[pallet::call_index(1)]
        #[pallet::weight(Weights::<T>::of_profile(metadata.as_ref().map_or(0, Vec::len)))]
        pub fn update_profile(
            origin: OriginFor<T>,
            member_id: Id,
            handle: Option<Vec<u8>>,
            metadata: Option<Vec<u8>>,
        ) -> DispatchResult {
            if handle.is_none() && metadata.is_none() {
                return Ok(());
            }
            Self::ensure_controller_origin(origin, member_id)?;
            Self::do_update_profile(member_id, handle, metadata)
        }

        /// Replaces root account, controller account or both. Signed by the root account.
        #[pallet::call_index(2)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn update_accounts(
            origin: OriginFor<T>,
            member_id: Id,
            new_root_account: Option<T::AccountId>,
            new_controller_account: Option<T::AccountId>,
        ) -> DispatchResult {
            if new_root_account.is_none() && new_controller_account.is_none() {
                return Ok(());
            }
            Self::ensure_root_account_origin(origin, member_id)?;
            Self::do_update_accounts(member_id, new_root_account, new_controller_account)
        }

        /// Says whether a member is verified. Signed by a worker of the membership group.
        #[pallet::call_index(3)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn update_profile_verification(
            origin: OriginFor<T>,
            worker_id: Id,
            target_member_id: Id,
            is_verified: bool,
        ) -> DispatchResult {
            T::WorkingGroup::ensure_worker(&ensure_signed(origin)?, worker_id)?;
            Self::change_member(target_member_id, |member| member.verified = is_verified)?;
            Self::deposit_event(Event::MemberVerificationStatusUpdated(
                target_member_id,
                is_verified,
                worker_id,
            ));
            Ok(())
        }

        /// Sets the referrer's part of the price. Root only.
        #[pallet::call_index(4)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn set_referral_cut(origin: OriginFor<T>, percent_value: u8) -> DispatchResult {
            ensure_root(origin)?;
            ensure!(
                percent_value <= T::ReferralCutMaximumPercent::get(),
                Error::<T>::CannotExceedReferralCutPercentLimit
            );
            ReferralCut::<T>::put(percent_value);
            Self::deposit_event(Event::ReferralCutUpdated(percent_value));
            Ok(())
        }

        /// Gives invites to another member.
        #[pallet::call_index(5)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn transfer_invites(
            origin: OriginFor<T>,
            source_member_id: Id,
            target_member_id: Id,
            number_of_invites: u32,
        ) -> DispatchResult {
            Self::ensure_controller_origin(origin, source_member_id)?;
            Self::do_transfer_invites(source_member_id, target_member_id, number_of_invites)
        }

        /// Makes someone a member for one invite; the membership group pays a first balance.
        #[pallet::call_index(6)]
        #[pallet::weight(Weights::<T>::of_profile(params.metadata.len()))]
        pub fn invite_member(
            origin: OriginFor<T>,
            params: InviteMembershipParameters<T::AccountId>,
        ) -> DispatchResult {
            Self::ensure_controller_origin(origin, params.inviting_member_id)?;
            Self::do_invite_member(params)
        }

        /// Buys a membership for someone, with balances. The giver need not be a member.
        #[pallet::call_index(7)]
        #[pallet::weight(Weights::<T>::of_profile(params.metadata.len()))]
        pub fn gift_membership(
            origin: OriginFor<T>,
            params: GiftMembershipParameters<T::AccountId>,
        ) -> DispatchResult {
            let giver = ensure_signed(origin)?;
            Self::do_gift_membership(&giver, params)
        }

        /// Sets the price. Root only.
        #[pallet::call_index(8)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn set_membership_price(origin: OriginFor<T>, new_price: Balance) -> DispatchResult {
            ensure_root(origin)?;
            MembershipPrice::<T>::put(new_price);
            Self::deposit_event(Event::MembershipPriceUpdated(new_price));
            Ok(())
        }

        /// Sets the invites of the membership group's lead. Root only.
        #[pallet::call_index(9)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn set_leader_invitation_quota(
            origin: OriginFor<T>,
            invitation_quota: u32,
        ) -> DispatchResult {
            ensure_root(origin)?;
            let lead =
                T::WorkingGroup::lead_member().ok_or(Error::<T>::WorkingGroupLeaderNotSet)?;
            Self::change_member(lead, |member| member.invites = invitation_quota)?;
            Self::deposit_event(Event::LeaderInvitationQuotaUpdated(invitation_quota));
            Ok(())
        }

        /// Sets the first balance of invited members. Root only.
        #[pallet::call_index(10)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn set_initial_invitation_balance(
            origin: OriginFor<T>,
            new_initial_balance: Balance,
        ) -> DispatchResult {
            ensure_root(origin)?;
            InitialInvitationBalance::<T>::put(new_initial_balance);
            Self::deposit_event(Event::InitialInvitationBalanceUpdated(new_initial_balance));
            Ok(())
        }

        /// Sets how many invites come with a membership. Root only.
        #[pallet::call_index(11)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn set_initial_invitation_count(
            origin: OriginFor<T>,
            new_invitation_count: u32,
        ) -> DispatchResult {
            ensure_root(origin)?;
            InitialInvitationCount::<T>::put(new_invitation_count);
            Self::deposit_event(Event::InitialInvitationCountUpdated(new_invitation_count));
            Ok(())
        }

        /// Offers the signer's account to a member for staking, with a stake.
        #[pallet::call_index(12)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn add_staking_account_candidate(
            origin: OriginFor<T>,
            member_id: Id,
        ) -> DispatchResult {
            let account = ensure_signed(origin)?;
            Self::do_add_staking_account_candidate(account, member_id)
        }

        /// Takes the signer's account back.
        #[pallet::call_index(13)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn remove_staking_account(origin: OriginFor<T>, member_id: Id) -> DispatchResult {
            let account = ensure_signed(origin)?;
            Self::do_remove_staking_account(account, member_id)
        }

        /// Accepts an offered account.
        #[pallet::call_index(14)]
        #[pallet::weight(Weights::<T>::fixed())]
        pub fn confirm_staking_account(
            origin: OriginFor<T>,
            member_id: Id,
            staking_account_id: T::AccountId,
        ) -> DispatchResult {
            Self::ensure_controller_origin(origin, member_id)?;
            Self::do_confirm_staking_account(member_id, staking_account_id)
        }

        /// A message from a member, with a payment if wanted; the message lives in the event.
        #[pallet::call_index(15)]
        #[pallet::weight(Weights::<T>::of_profile(msg.len()))]
        pub fn member_remark(
            origin: OriginFor<T>,
            member_id: Id,
            msg: Vec<u8>,
            payment: Option<(T::AccountId, Balance)>,
        ) -> DispatchResult {
            let payer = Self::ensure_controller_origin(origin, member_id)?;
            Self::do_member_remark(&payer, member_id, msg, payment)
        }

        /// Makes a member. Root only.
        #[pallet::call_index(16)]
        #[pallet::weight(Weights::<T>::of_profile(params.metadata.len()))]
        pub fn create_member(
            origin: OriginFor<T>,
            params: CreateMemberParameters<T::AccountId>,
        ) -> DispatchResult {
            ensure_root(origin)?;
            Self::do_create_member(params)
        }
    }
}
