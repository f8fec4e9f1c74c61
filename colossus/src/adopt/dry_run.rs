//! What a run would do: told by the chain and by names and lengths of files. The store is not opened, for
//! that would make it, or tidy it up; so it is not seen whether its index is of another chain.

use std::{collections::HashSet, path::Path, sync::Arc};

use shared::{
    blob::{Inventory, Places, Space, is_on_device},
    hash::ContentHash,
};

use super::{
    report::{Outcome, Report},
    run::{AdoptError, Case, Options, Progress, Room, blocking},
};

/// What the directories of a store hold, and have room for.
pub(super) struct Unopened {
    /// Keep the store from being opened.
    _inventories: Vec<Inventory>,
    held: HashSet<ContentHash>,
}

impl Unopened {
    /// Looks through what is there. Refuses while a node has the store open.
    pub(super) async fn look(places: Places) -> Result<Self, AdoptError> {
        let look = move || {
            let there = places.dirs.iter().filter(|dir| dir.join("blobs").is_dir());
            let taken: Result<Vec<_>, _> = there.map(|dir| Inventory::take(dir)).collect();
            Ok(taken?)
        };
        let inventories = blocking(look).await?;
        let blobs = inventories.iter().flat_map(|it| &it.blobs);
        let remote = inventories.iter().flat_map(|it| &it.remote);
        let held = blobs.map(|(hash, _)| hash).chain(remote).copied();
        Ok(Self {
            held: held.collect(),
            _inventories: inventories,
        })
    }
}

/// The room where the store is or would be. What cannot be asked has none.
fn room_of(places: &Places, device: u64) -> Room {
    let there = |dir: &Path| dir.ancestors().find(|dir| dir.exists()).map(Path::to_owned);
    let dirs: Vec<_> = places.dirs.iter().filter_map(|dir| there(dir)).collect();
    let free = dirs.iter().filter_map(|dir| Space::of(dir).ok());
    Room {
        dir: places.dirs.first().cloned().unwrap_or_default(),
        free_bytes: free.map(|space| space.free_bytes).max().unwrap_or(0),
        is_same_device: dirs.iter().any(|dir| is_on_device(dir, device)),
    }
}

/// Judges every file.
pub(super) async fn judge_all(
    places: Places,
    unopened: &Unopened,
    case: &Case,
    options: &Options,
    progress: &Arc<dyn Progress>,
) -> Result<Report, AdoptError> {
    let device = case.listing.device;
    let room = blocking(move || Ok(room_of(&places, device))).await?;
    let is_held = |hash: &ContentHash| unopened.held.contains(hash);
    case.check_room(options, &room, |_, hash| is_held(hash))?;
    let files = &case.listing.candidates;
    let bytes = files.iter().map(|file| file.len).sum();
    progress.begins(files.len() as u64, bytes);
    let mut report = Report {
        dry_run: true,
        ignored: case.listing.ignored,
        ..Report::default()
    };
    for file in files {
        let outcome = match case.judge(file) {
            Err(outcome) => outcome,
            Ok(worthy) if is_held(&worthy.hash) => Outcome::AlreadyHeld,
            Ok(worthy) => Outcome::WouldAdopt {
                pending: worthy.debt.is_some(),
            },
        };
        progress.done(file, &outcome);
        report.add(file.object, file.len, outcome);
    }
    Ok(report)
}
