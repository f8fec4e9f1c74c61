//! Faults that are put into the worlds on purpose: each must be found by some seed. A world that finds
//! one no longer has gone blind.

use super::{News, World};

/// What is done wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// An account's turn is taken when its batch is sent, after the state was read.
    TurnTakenLast,
    /// Whoever owes an object is believed to hold it.
    ProofLeftOut,
    /// Only those that owe an object are asked for it. (This was so once.)
    OnlyDebtorsAsked,
    /// Only the bucket that an object was uploaded to accepts it. (This was so once.)
    NobodyStepsIn,
    /// What a round does not tell again is wanted all the same. (This was so once.)
    DeletionUnheard,
    /// What is held is not compared in rounds. (This was so once.)
    RoundsLeftOut,
}

/// The first seed that finds it, of as many as are run without it.
fn finds(fault: Fault) {
    let found = (0..1_000).find(|seed| {
        let run = || World::new(*seed, false, Some(fault), News::All).run();
        std::panic::catch_unwind(run).is_err()
    });
    println!("{fault:?} is found by seed {found:?}");
    let seed = found.unwrap_or_else(|| panic!("the world is blind to {fault:?}"));
    // It is the fault that is found, not the seed's own trouble.
    super::run(seed, News::All);
}

#[test]
fn a_turn_taken_after_the_state_is_found() {
    finds(Fault::TurnTakenLast);
}

#[test]
fn letting_go_without_proof_is_found() {
    finds(Fault::ProofLeftOut);
}

#[test]
fn a_moved_bag_whose_holders_nobody_asks_is_found() {
    finds(Fault::OnlyDebtorsAsked);
}

#[test]
fn a_pending_object_that_only_its_first_bucket_would_accept_is_found() {
    finds(Fault::NobodyStepsIn);
}

#[test]
fn a_deletion_that_nobody_heard_of_is_found() {
    finds(Fault::DeletionUnheard);
}

#[test]
fn a_loss_that_nobody_noticed_is_found() {
    finds(Fault::RoundsLeftOut);
}
