//! The calls, at the live chain's indexes: who may make them is checked here or in the module of
//! their subject. The file is long because the pallet's macro wants all of them in one block.

use frame_support::pallet_macros::pallet_section;

/// Part of the pallet's module.
#[pallet_section]
mod calls {
    #[pallet::call]
    impl<T: Config> Pallet<T> {
        /// The lead forms a group of curators.
        #[pallet::call_index(0)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn create_curator_group(
            origin: OriginFor<T>,
            is_active: bool,
            permissions_by_level: PermissionsByLevel,
        ) -> DispatchResult {
            Self::ensure_lead_origin(origin)?;
            Self::do_create_curator_group(is_active, permissions_by_level)
        }

        /// The lead says what a group may moderate.
        #[pallet::call_index(1)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn update_curator_group_permissions(
            origin: OriginFor<T>,
            curator_group_id: Id,
            permissions_by_level: PermissionsByLevel,
        ) -> DispatchResult {
            Self::ensure_lead_origin(origin)?;
            Self::do_update_curator_group_permissions(curator_group_id, permissions_by_level)
        }

        /// The lead lets a group act, or stops it.
        #[pallet::call_index(2)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn set_curator_group_status(
            origin: OriginFor<T>,
            curator_group_id: Id,
            is_active: bool,
        ) -> DispatchResult {
            Self::ensure_lead_origin(origin)?;
            Self::do_set_curator_group_status(curator_group_id, is_active)
        }

        /// The lead puts a content worker into a group.
        #[pallet::call_index(3)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn add_curator_to_group(
            origin: OriginFor<T>,
            curator_group_id: Id,
            curator_id: Id,
            permissions: AgentPermissions,
        ) -> DispatchResult {
            Self::ensure_lead_origin(origin)?;
            Self::do_add_curator_to_group(curator_group_id, curator_id, permissions)
        }

        /// The lead takes a content worker out of a group.
        #[pallet::call_index(4)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn remove_curator_from_group(
            origin: OriginFor<T>,
            curator_group_id: Id,
            curator_id: Id,
        ) -> DispatchResult {
            Self::ensure_lead_origin(origin)?;
            Self::do_remove_curator_from_group(curator_group_id, curator_id)
        }

        /// A member, or the lead for a curator group, opens a channel.
        #[pallet::call_index(5)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn create_channel(
            origin: OriginFor<T>,
            channel_owner: ChannelOwner,
            params: ChannelCreationParametersRecord,
        ) -> DispatchResult {
            let sender = Self::authenticate_owner(origin, &channel_owner)?;
            Self::do_create_channel(sender, channel_owner, params)
        }

        /// The owner or an agent changes metadata, objects or collaborators.
        #[pallet::call_index(6)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn update_channel(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            params: ChannelUpdateParametersRecord,
        ) -> DispatchResult {
            Self::do_update_channel(origin, actor, channel_id, params)
        }

        /// The lead says which moderation permissions apply to a channel.
        #[pallet::call_index(7)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn update_channel_privilege_level(
            origin: OriginFor<T>,
            channel_id: Id,
            new_privilege_level: u8,
        ) -> DispatchResult {
            Self::ensure_lead_origin(origin)?;
            Self::do_update_channel_privilege_level(channel_id, new_privilege_level)
        }

        /// A moderator switches features of a channel off or on.
        #[pallet::call_index(8)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn set_channel_paused_features_as_moderator(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            new_paused_features: BTreeSet<PausableChannelFeature>,
            rationale: Vec<u8>,
        ) -> DispatchResult {
            Self::do_set_channel_paused_features(
                origin,
                actor,
                channel_id,
                new_paused_features,
                rationale,
            )
        }

        /// The owner or an agent deletes a channel without videos.
        #[pallet::call_index(9)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn delete_channel(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            channel_bag_witness: ChannelBagWitness,
            num_objects_to_delete: u64,
        ) -> DispatchResult {
            Self::do_delete_channel(
                origin,
                actor,
                channel_id,
                channel_bag_witness,
                num_objects_to_delete,
            )
        }

        /// A moderator deletes objects of a channel that belong to no video.
        #[pallet::call_index(10)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn delete_channel_assets_as_moderator(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            assets_to_remove: BTreeSet<Id>,
            storage_buckets_num_witness: u32,
            rationale: Vec<u8>,
        ) -> DispatchResult {
            Self::do_delete_channel_assets(
                origin,
                actor,
                channel_id,
                assets_to_remove,
                storage_buckets_num_witness,
                rationale,
            )
        }

        /// A moderator hides or shows a channel.
        #[pallet::call_index(11)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn set_channel_visibility_as_moderator(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            is_hidden: bool,
            rationale: Vec<u8>,
        ) -> DispatchResult {
            Self::do_set_channel_visibility(origin, actor, channel_id, is_hidden, rationale)
        }

        /// The owner or an agent adds a video.
        #[pallet::call_index(12)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn create_video(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            params: VideoCreationParametersRecord,
        ) -> DispatchResult {
            Self::do_create_video(origin, actor, channel_id, params)
        }

        /// The owner or an agent changes metadata or objects of a video.
        #[pallet::call_index(13)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn update_video(
            origin: OriginFor<T>,
            actor: ContentActor,
            video_id: Id,
            params: VideoUpdateParametersRecord,
        ) -> DispatchResult {
            Self::do_update_video(origin, actor, video_id, params)
        }

        /// The owner or an agent deletes a video.
        #[pallet::call_index(14)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn delete_video(
            origin: OriginFor<T>,
            actor: ContentActor,
            video_id: Id,
            num_objects_to_delete: u64,
            storage_buckets_num_witness: Option<u32>,
        ) -> DispatchResult {
            Self::do_delete_video(
                origin,
                actor,
                video_id,
                num_objects_to_delete,
                storage_buckets_num_witness,
            )
        }

        /// A moderator deletes objects of a video.
        #[pallet::call_index(15)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn delete_video_assets_as_moderator(
            origin: OriginFor<T>,
            actor: ContentActor,
            video_id: Id,
            storage_buckets_num_witness: u32,
            assets_to_remove: BTreeSet<Id>,
            rationale: Vec<u8>,
        ) -> DispatchResult {
            Self::do_delete_video_assets(
                origin,
                actor,
                video_id,
                storage_buckets_num_witness,
                assets_to_remove,
                rationale,
            )
        }

        /// A moderator hides or shows a video.
        #[pallet::call_index(16)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn set_video_visibility_as_moderator(
            origin: OriginFor<T>,
            actor: ContentActor,
            video_id: Id,
            is_hidden: bool,
            rationale: Vec<u8>,
        ) -> DispatchResult {
            Self::do_set_video_visibility(origin, actor, video_id, is_hidden, rationale)
        }

        /// Root publishes what channels have earned. Not available here.
        #[pallet::call_index(17)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn update_channel_payouts(
            origin: OriginFor<T>,
            params: UpdateChannelPayoutsParametersRecord,
            uploader_account: T::AccountId,
        ) -> DispatchResult {
            let _ = (params, uploader_account);
            ensure_root(origin)?;
            Err(DispatchError::Unavailable)
        }

        /// A channel claims what it has earned. Nothing can be claimed here.
        #[pallet::call_index(18)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn claim_channel_reward(
            origin: OriginFor<T>,
            actor: ContentActor,
            proof: Vec<ProofElementRecord>,
            item: PullPaymentElement,
        ) -> DispatchResult {
            let _ = (actor, proof, item);
            Self::refuse_claim(origin)
        }

        /// The owner or an agent moves a channel's funds to the owner.
        #[pallet::call_index(19)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn withdraw_from_channel_balance(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            amount: Balance,
        ) -> DispatchResult {
            Self::do_withdraw_from_channel_balance(origin, actor, channel_id, amount)
        }

        /// The lead sets the bond of future channels.
        #[pallet::call_index(20)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn update_channel_state_bloat_bond(
            origin: OriginFor<T>,
            new_channel_state_bloat_bond: Balance,
        ) -> DispatchResult {
            Self::ensure_lead_origin(origin)?;
            Self::do_update_channel_bond(new_channel_state_bloat_bond)
        }

        /// The lead sets the bond of future videos.
        #[pallet::call_index(21)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn update_video_state_bloat_bond(
            origin: OriginFor<T>,
            new_video_state_bloat_bond: Balance,
        ) -> DispatchResult {
            Self::ensure_lead_origin(origin)?;
            VideoStateBloatBondValue::<T>::put(new_video_state_bloat_bond);
            Self::deposit_event(Event::VideoStateBloatBondValueUpdated(
                new_video_state_bloat_bond,
            ));
            Ok(())
        }

        /// Issues an NFT for a video. Not available here.
        #[pallet::call_index(22)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn issue_nft(
            origin: OriginFor<T>,
            actor: ContentActor,
            video_id: Id,
            params: NftIssuanceParametersRecord,
        ) -> DispatchResult {
            let _ = (actor, video_id, params);
            Self::refuse(origin)
        }

        /// Destroys an NFT. There is none here.
        #[pallet::call_index(23)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn destroy_nft(
            origin: OriginFor<T>,
            actor: ContentActor,
            video_id: Id,
        ) -> DispatchResult {
            let _ = actor;
            Self::refuse_nft_action(origin, video_id)
        }

        /// Starts an open auction of an NFT. There is none here.
        #[pallet::call_index(24)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn start_open_auction(
            origin: OriginFor<T>,
            owner_id: ContentActor,
            video_id: Id,
            auction_params: OpenAuctionParamsRecord,
        ) -> DispatchResult {
            let _ = (owner_id, auction_params);
            Self::refuse_nft_action(origin, video_id)
        }

        /// Starts an English auction of an NFT. There is none here.
        #[pallet::call_index(25)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn start_english_auction(
            origin: OriginFor<T>,
            owner_id: ContentActor,
            video_id: Id,
            auction_params: EnglishAuctionParamsRecord,
        ) -> DispatchResult {
            let _ = (owner_id, auction_params);
            Self::refuse_nft_action(origin, video_id)
        }

        /// Cancels an English auction. There is none here.
        #[pallet::call_index(26)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn cancel_english_auction(
            origin: OriginFor<T>,
            owner_id: ContentActor,
            video_id: Id,
        ) -> DispatchResult {
            let _ = owner_id;
            Self::refuse_nft_action(origin, video_id)
        }

        /// Cancels an open auction. There is none here.
        #[pallet::call_index(27)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn cancel_open_auction(
            origin: OriginFor<T>,
            owner_id: ContentActor,
            video_id: Id,
        ) -> DispatchResult {
            let _ = owner_id;
            Self::refuse_nft_action(origin, video_id)
        }

        /// Cancels the offer of an NFT. There is none here.
        #[pallet::call_index(28)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn cancel_offer(
            origin: OriginFor<T>,
            owner_id: ContentActor,
            video_id: Id,
        ) -> DispatchResult {
            let _ = owner_id;
            Self::refuse_nft_action(origin, video_id)
        }

        /// Takes an NFT off the market. There is none here.
        #[pallet::call_index(29)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn cancel_buy_now(
            origin: OriginFor<T>,
            owner_id: ContentActor,
            video_id: Id,
        ) -> DispatchResult {
            let _ = owner_id;
            Self::refuse_nft_action(origin, video_id)
        }

        /// Changes the price of an NFT. There is none here.
        #[pallet::call_index(30)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn update_buy_now_price(
            origin: OriginFor<T>,
            owner_id: ContentActor,
            video_id: Id,
            new_price: Balance,
        ) -> DispatchResult {
            let _ = (owner_id, new_price);
            Self::refuse_nft_action(origin, video_id)
        }

        /// Bids in an open auction. There is none here.
        #[pallet::call_index(31)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn make_open_auction_bid(
            origin: OriginFor<T>,
            participant_id: Id,
            video_id: Id,
            bid_amount: Balance,
        ) -> DispatchResult {
            let _ = (participant_id, bid_amount);
            Self::refuse_nft_action(origin, video_id)
        }

        /// Bids in an English auction. There is none here.
        #[pallet::call_index(32)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn make_english_auction_bid(
            origin: OriginFor<T>,
            participant_id: Id,
            video_id: Id,
            bid_amount: Balance,
        ) -> DispatchResult {
            let _ = (participant_id, bid_amount);
            Self::refuse_nft_action(origin, video_id)
        }

        /// Takes a bid back. There is none here.
        #[pallet::call_index(33)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn cancel_open_auction_bid(
            origin: OriginFor<T>,
            participant_id: Id,
            video_id: Id,
        ) -> DispatchResult {
            let _ = participant_id;
            Self::refuse_nft_action(origin, video_id)
        }

        /// Ends an English auction. There is none here.
        #[pallet::call_index(34)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn settle_english_auction(origin: OriginFor<T>, video_id: Id) -> DispatchResult {
            Self::refuse_nft_action(origin, video_id)
        }

        /// Ends an open auction. There is none here.
        #[pallet::call_index(35)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn pick_open_auction_winner(
            origin: OriginFor<T>,
            owner_id: ContentActor,
            video_id: Id,
            winner_id: Id,
            commit: Balance,
        ) -> DispatchResult {
            let _ = (owner_id, winner_id, commit);
            Self::refuse_nft_action(origin, video_id)
        }

        /// Offers an NFT to a member. There is none here.
        #[pallet::call_index(36)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn offer_nft(
            origin: OriginFor<T>,
            video_id: Id,
            owner_id: ContentActor,
            to: Id,
            price: Option<Balance>,
        ) -> DispatchResult {
            let _ = (owner_id, to, price);
            Self::refuse_nft_action(origin, video_id)
        }

        /// Gives an NFT back to its channel. There is none here.
        #[pallet::call_index(37)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sling_nft_back(
            origin: OriginFor<T>,
            video_id: Id,
            owner_id: ContentActor,
        ) -> DispatchResult {
            let _ = owner_id;
            Self::refuse_nft_action(origin, video_id)
        }

        /// Accepts the offer of an NFT. There is none here.
        #[pallet::call_index(38)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn accept_incoming_offer(
            origin: OriginFor<T>,
            video_id: Id,
            witness_price: Option<Balance>,
        ) -> DispatchResult {
            let _ = witness_price;
            Self::refuse_nft_action(origin, video_id)
        }

        /// Puts an NFT on the market. There is none here.
        #[pallet::call_index(39)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn sell_nft(
            origin: OriginFor<T>,
            video_id: Id,
            owner_id: ContentActor,
            price: Balance,
        ) -> DispatchResult {
            let _ = (owner_id, price);
            Self::refuse_nft_action(origin, video_id)
        }

        /// Buys an NFT. There is none here.
        #[pallet::call_index(40)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn buy_nft(
            origin: OriginFor<T>,
            video_id: Id,
            participant_id: Id,
            witness_price: Balance,
        ) -> DispatchResult {
            let _ = (participant_id, witness_price);
            Self::refuse_nft_action(origin, video_id)
        }

        /// Root switches the limits of issuances on or off.
        #[pallet::call_index(41)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn toggle_nft_limits(origin: OriginFor<T>, enabled: bool) -> DispatchResult {
            ensure_root(origin)?;
            NftLimitsEnabled::<T>::put(enabled);
            Self::deposit_event(Event::ToggledNftLimits(enabled));
            Ok(())
        }

        /// The owner says something in the chain's record.
        #[pallet::call_index(42)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn channel_owner_remark(
            origin: OriginFor<T>,
            channel_id: Id,
            msg: Vec<u8>,
        ) -> DispatchResult {
            Self::do_channel_owner_remark(origin, channel_id, msg)
        }

        /// The owner or an agent says something in the chain's record.
        #[pallet::call_index(43)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn channel_agent_remark(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            msg: Vec<u8>,
        ) -> DispatchResult {
            Self::do_channel_agent_remark(origin, actor, channel_id, msg)
        }

        /// The owner of an NFT says something in the chain's record. There is none here.
        #[pallet::call_index(44)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn nft_owner_remark(
            origin: OriginFor<T>,
            actor: ContentActor,
            video_id: Id,
            msg: Vec<u8>,
        ) -> DispatchResult {
            let _ = (actor, msg);
            Self::refuse_nft_action(origin, video_id)
        }

        /// Offers a channel to a new owner. Not available here.
        #[pallet::call_index(45)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn initialize_channel_transfer(
            origin: OriginFor<T>,
            channel_id: Id,
            actor: ContentActor,
            transfer_params: InitTransferParameters,
        ) -> DispatchResult {
            let _ = (channel_id, actor, transfer_params);
            Self::refuse(origin)
        }

        /// Takes that offer back. There is none here.
        #[pallet::call_index(46)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn cancel_channel_transfer(
            origin: OriginFor<T>,
            channel_id: Id,
            actor: ContentActor,
        ) -> DispatchResult {
            let _ = actor;
            Self::refuse_transfer_action(origin, channel_id)
        }

        /// Accepts that offer. There is none here.
        #[pallet::call_index(47)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn accept_channel_transfer(
            origin: OriginFor<T>,
            channel_id: Id,
            commitment_params: TransferCommitmentParameters<Collaborators>,
        ) -> DispatchResult {
            let _ = commitment_params;
            Self::refuse_transfer_action(origin, channel_id)
        }

        /// Root sets a limit of issuances of all channels.
        #[pallet::call_index(48)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn update_global_nft_limit(
            origin: OriginFor<T>,
            nft_limit_period: NftLimitPeriod,
            limit: u64,
        ) -> DispatchResult {
            ensure_root(origin)?;
            match nft_limit_period {
                NftLimitPeriod::Daily => GlobalDailyNftLimit::<T>::mutate(|it| it.limit = limit),
                NftLimitPeriod::Weekly => GlobalWeeklyNftLimit::<T>::mutate(|it| it.limit = limit),
            }
            Self::deposit_event(Event::GlobalNftLimitUpdated(nft_limit_period, limit));
            Ok(())
        }

        /// A moderator sets a limit of issuances of a channel.
        #[pallet::call_index(49)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn update_channel_nft_limit(
            origin: OriginFor<T>,
            actor: ContentActor,
            nft_limit_period: NftLimitPeriod,
            channel_id: Id,
            limit: u64,
        ) -> DispatchResult {
            Self::do_update_channel_nft_limit(origin, actor, nft_limit_period, channel_id, limit)
        }

        /// Issues a channel's token. Not available here.
        #[pallet::call_index(50)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn issue_creator_token(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            params: TokenIssuanceParameters,
        ) -> DispatchResult {
            let _ = (actor, channel_id, params);
            Self::refuse(origin)
        }

        /// Announces a sale of the channel's token. There is none here.
        #[pallet::call_index(51)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn init_creator_token_sale(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            params: TokenSaleParams,
        ) -> DispatchResult {
            let _ = (actor, params);
            Self::refuse_token_action(origin, channel_id)
        }

        /// Changes an announced sale. There is none here.
        #[pallet::call_index(52)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn update_upcoming_creator_token_sale(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            new_start_block: Option<BlockNumber>,
            new_duration: Option<BlockNumber>,
        ) -> DispatchResult {
            let _ = (actor, new_start_block, new_duration);
            Self::refuse_token_action(origin, channel_id)
        }

        /// Transfers tokens of the issuer. There are none here.
        #[pallet::call_index(53)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn creator_token_issuer_transfer(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            outputs: TransferOutputs,
            metadata: Vec<u8>,
        ) -> DispatchResult {
            let _ = (actor, outputs, metadata);
            Self::refuse_token_action(origin, channel_id)
        }

        /// Lets everyone receive the channel's token. There is none here.
        #[pallet::call_index(54)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn make_creator_token_permissionless(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
        ) -> DispatchResult {
            let _ = actor;
            Self::refuse_token_action(origin, channel_id)
        }

        /// Reduces what the issuer earns from the token. There is none here.
        #[pallet::call_index(55)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn reduce_creator_token_patronage_rate_to(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            target_rate: YearlyRate,
        ) -> DispatchResult {
            let _ = (actor, target_rate);
            Self::refuse_token_action(origin, channel_id)
        }

        /// Claims what the issuer earned from the token. There is none here.
        #[pallet::call_index(56)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn claim_creator_token_patronage_credit(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
        ) -> DispatchResult {
            let _ = actor;
            Self::refuse_token_action(origin, channel_id)
        }

        /// Starts to share revenue with holders of the token. There are none here.
        #[pallet::call_index(57)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn issue_revenue_split(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            start: Option<BlockNumber>,
            duration: BlockNumber,
        ) -> DispatchResult {
            let _ = (actor, start, duration);
            Self::refuse_token_action(origin, channel_id)
        }

        /// Ends the sharing of revenue. There is none here.
        #[pallet::call_index(58)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn finalize_revenue_split(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
        ) -> DispatchResult {
            let _ = actor;
            Self::refuse_token_action(origin, channel_id)
        }

        /// Ends a sale of the channel's token. There is none here.
        #[pallet::call_index(59)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn finalize_creator_token_sale(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
        ) -> DispatchResult {
            let _ = actor;
            Self::refuse_token_action(origin, channel_id)
        }

        /// Withdraws the channel's token. There is none here.
        #[pallet::call_index(60)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn deissue_creator_token(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
        ) -> DispatchResult {
            let _ = actor;
            Self::refuse_token_action(origin, channel_id)
        }

        /// Starts the market maker of the channel's token. There is none here.
        #[pallet::call_index(61)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn activate_amm(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            params: AmmParams,
        ) -> DispatchResult {
            let _ = (actor, params);
            Self::refuse_token_action(origin, channel_id)
        }

        /// Stops that market maker. There is none here.
        #[pallet::call_index(62)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn deactivate_amm(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
        ) -> DispatchResult {
            let _ = actor;
            Self::refuse_token_action(origin, channel_id)
        }

        /// The issuer of a token says something in the chain's record. There is none here.
        #[pallet::call_index(63)]
        #[pallet::weight(CALL_WEIGHT)]
        pub fn creator_token_issuer_remark(
            origin: OriginFor<T>,
            actor: ContentActor,
            channel_id: Id,
            remark: Vec<u8>,
        ) -> DispatchResult {
            let _ = (actor, remark);
            Self::refuse_token_action(origin, channel_id)
        }
    }
}
