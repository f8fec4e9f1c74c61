//! A crash at every step of files and tables together, in the life of a node and again in its restart: what was
//! acknowledged is held with all its bytes, its receipt and its debt to the chain, what was let go of
//! stays gone, and nothing is left lying about.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};
use shared::{
    blob::crashing::CrashingDisk,
    chain::{BlockRef, directory::Directory},
    ids::ChannelId,
    table::{Change, Key, Watch},
};

use super::*;

/// The tables that are written here; all have objects as keys.
const TABLES: [&str; 3] = ["objects", "outbox", "taken"];
const CRASH_POINTS_MIN: usize = 3_000;
const BAG: BagId = BagId::Channel(ChannelId(1));
const BUCKET: StorageBucketId = StorageBucketId(3);

type Place = (String, Vec<u8>);
type Outcome = Result<(), HoldingsError>;

/// What of the tables is durable, and what is only written.
#[derive(Default)]
struct Ledger {
    durable: BTreeMap<Place, Vec<u8>>,
    pending: Vec<(Place, Option<Vec<u8>>)>,
}

impl Ledger {
    fn make_durable(&mut self, changes: usize) {
        for (place, value) in self.pending.drain(..changes) {
            match value {
                Some(value) => drop(self.durable.insert(place, value)),
                None => drop(self.durable.remove(&place)),
            }
        }
    }
}

/// Files and tables of which the power goes at once.
struct Machine {
    dir: tempfile::TempDir,
    disk: Arc<CrashingDisk>,
    ledger: Arc<Mutex<Ledger>>,
}

struct Watching(Arc<CrashingDisk>, Arc<Mutex<Ledger>>);

impl Watch for Watching {
    fn before(&self, change: Change<'_>) -> std::io::Result<()> {
        self.0.count()?;
        let mut ledger = self.1.lock();
        let place = |table: &str, key: &[u8]| (table.to_owned(), key.to_vec());
        match change {
            Change::Put { table, key, value } => {
                let value = Some(value.to_vec());
                ledger.pending.push((place(table, key), value));
            }
            Change::Remove { table, key } => ledger.pending.push((place(table, key), None)),
            Change::Flush => {
                let all = ledger.pending.len();
                ledger.make_durable(all);
            }
            Change::Clear { table } => panic!("nothing clears {table}"),
        }
        Ok(())
    }
}

impl Machine {
    fn new(dir: tempfile::TempDir, disk: CrashingDisk, ledger: Ledger) -> Self {
        let (disk, ledger) = (Arc::new(disk), Arc::new(Mutex::new(ledger)));
        Self { dir, disk, ledger }
    }

    fn store(&self) -> PathBuf {
        self.dir.path().join("store")
    }

    /// Opens what is durable, as the node does. The database only gives it a place to lie in.
    fn start(&self, database: &Database) -> Result<Holdings, HoldingsError> {
        for name in TABLES {
            let table: Table<ObjectId, serde_json::Value> = database.table(name)?;
            table.clear()?;
            for ((of, key), value) in &self.ledger.lock().durable {
                if of == name {
                    let value = serde_json::from_slice(value).unwrap();
                    table.put(&ObjectId::from_key(key).unwrap(), &value)?;
                }
            }
        }
        let blobs = BlobStore::open_on(&self.store(), self.disk.clone())?;
        let watching = Watching(self.disk.clone(), self.ledger.clone());
        Holdings::open(blobs, &database.clone().watched(Arc::new(watching)))
    }

    /// The same machine when the power is back. The tables are a log: of what was not flushed the first
    /// part may be there.
    fn after_crash(&self, any_order: bool, random: &mut StdRng) -> Self {
        let dir = scratch_dir();
        let landed = self
            .disk
            .after_crash(self.dir.path(), dir.path(), any_order, random);
        landed.unwrap();
        let ledger = self.ledger.lock();
        let mut left = Ledger {
            durable: ledger.durable.clone(),
            pending: ledger.pending.clone(),
        };
        left.make_durable(random.random_range(0..=ledger.pending.len()));
        left.pending.clear();
        let mut dirs: Vec<_> = files_below(&dir.path().join("store"))
            .iter()
            .map(|file| file.parent().unwrap().to_path_buf())
            .collect();
        dirs.dedup();
        Self::new(dir, CrashingDisk::power_on(dirs).unwrap(), left)
    }
}

/// The crash is simulated, so memory will do where a disk would make thousands of runs slow.
fn scratch_dir() -> tempfile::TempDir {
    let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir());
    dir.unwrap()
}

/// All files below a directory, those of one directory together.
fn files_below(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    let (dirs, mut files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    files.extend(dirs.iter().flat_map(|dir| files_below(dir)));
    files
}

/// What the chain and the clients know.
#[derive(Default)]
struct Truth {
    /// Objects on chain: their bytes, and whether they are accepted.
    chain: BTreeMap<ObjectId, (Vec<u8>, bool)>,
    /// Whose upload was answered.
    acknowledged: BTreeSet<ObjectId>,
    /// Whose removal was answered.
    removed: BTreeSet<ObjectId>,
}

impl Truth {
    fn view(&self) -> DirectoryView {
        let object = |(id, (bytes, accepted)): (&ObjectId, &(Vec<u8>, bool))| DataObject {
            id: *id,
            bag: BAG,
            size: bytes.len() as u64,
            content_id: ContentHash::of(bytes).into(),
            accepted: *accepted,
        };
        let directory = Directory {
            objects: self.chain.iter().map(object).collect(),
            ..Directory::default()
        };
        DirectoryView::new(directory, BlockRef::NOWHERE)
    }
}

/// A node that lives.
struct Life<'a> {
    holdings: &'a Holdings,
    truth: &'a mut Truth,
}

impl Life<'_> {
    /// An upload as the HTTP handler makes it.
    async fn upload(&mut self, id: u64, bytes: &[u8]) -> Outcome {
        let (object, hash) = (ObjectId(id), ContentHash::of(bytes));
        self.truth.chain.insert(object, (bytes.to_vec(), false));
        let blobs = self.holdings.blobs();
        let mut partial = blobs.begin(hash, bytes.len() as u64).await?;
        for piece in bytes.chunks(30_000) {
            partial.write(piece.to_vec().into()).await?;
        }
        let verified = partial.finish().await?;
        let taken = Taken {
            bucket: BUCKET,
            time_ms: 5,
            accepted_block: None,
        };
        self.holdings.note_taken(object, taken).await?;
        let debt = OutboxEntry {
            bucket: BUCKET,
            bag: BAG,
            stored_ms: 5,
        };
        self.holdings
            .store(object, verified, Some(debt), Way::Upload)
            .await?;
        self.truth.acknowledged.insert(object);
        Ok(())
    }

    /// The chain accepts it, and the node hears of that.
    async fn accept(&mut self, id: u64) -> Outcome {
        let object = ObjectId(id);
        let on_chain = self.truth.chain.get_mut(&object);
        on_chain.expect("uploaded").1 = true;
        self.holdings.leave_outbox(object).await?;
        self.holdings.note_accepted(vec![object], 7).await
    }

    /// The chain deletes it, and cleanup lets go of it.
    async fn delete(&mut self, id: u64) -> Outcome {
        let object = ObjectId(id);
        self.truth.chain.remove(&object);
        self.truth.acknowledged.remove(&object);
        let removed = self.holdings.remove(object).await?;
        assert!(removed.is_some(), "object {object} was held");
        self.truth.removed.insert(object);
        Ok(())
    }

    /// A small and a large object, the same bytes under two ids, acceptances and removals, in an order
    /// that depends on the seed.
    async fn live(&mut self, seed: u64) -> Outcome {
        let (small, large) = (bytes(seed, 9_000), bytes(seed + 1, 70_000));
        self.upload(1, &small).await?;
        if seed.is_multiple_of(2) {
            self.accept(1).await?;
        }
        self.upload(2, &large).await?;
        self.upload(3, &small).await?;
        self.delete(1 + seed % 3).await?;
        self.upload(4, &bytes(seed + 2, 20_000)).await?;
        self.accept(4).await?;
        for id in self.truth.acknowledged.clone() {
            if (seed + id.0).is_multiple_of(2) {
                self.delete(id.0).await?;
            }
        }
        Ok(())
    }
}

fn bytes(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    StdRng::seed_from_u64(seed).fill_bytes(&mut bytes);
    bytes
}

/// The node is started again and looks at the chain.
async fn restart(
    machine: &Machine,
    database: &Database,
    view: &DirectoryView,
) -> Result<Holdings, HoldingsError> {
    let holdings = machine.start(database)?;
    holdings.reconcile(view).await?;
    holdings.forget_partials(view).await?;
    Ok(holdings)
}

async fn check(holdings: &Holdings, truth: &Truth, store: &Path, point: &str) {
    let outbox: BTreeMap<_, _> = holdings.outbox().await.unwrap().into_iter().collect();
    for object in &truth.acknowledged {
        let (bytes, accepted) = &truth.chain[object];
        let held = holdings.get(*object);
        let held = held.unwrap_or_else(|| panic!("{point}: object {object} is lost"));
        let stored = holdings.open_files(&held).await.unwrap();
        let stored = stored.unwrap_or_else(|| panic!("{point}: no file of object {object}"));
        let size = bytes.len();
        assert_eq!(stored.size(), size as u64, "{point}: object {object}");
        let mut found = vec![0; size];
        let file = stored.file().expect("no object store here");
        file.read_exact_at(&mut found, 0).unwrap();
        assert!(found == *bytes, "{point}: other bytes of object {object}");
        let is_owed = outbox.contains_key(object);
        assert!(is_owed || *accepted, "{point}: debt of {object} is lost");
        let taken = holdings.taken(*object).await.unwrap();
        assert!(taken.is_some(), "{point}: receipt of {object} is lost");
    }
    for object in &truth.removed {
        let is_back = holdings.contains(*object) || outbox.contains_key(object);
        assert!(!is_back, "{point}: object {object} came back");
    }
    for entry in holdings.inner.taken.scan() {
        let (object, _) = entry.unwrap();
        let is_held = holdings.contains(object);
        assert!(is_held, "{point}: an upload of {object} is noted");
    }
    let held = holdings.ids().into_iter().filter_map(|id| holdings.get(id));
    let held: HashSet<String> = held.map(|held| held.hash.to_string()).collect();
    for file in files_below(store) {
        let name = file.file_name().unwrap().to_string_lossy();
        let hash = name.strip_suffix(".ob").unwrap_or(&name);
        let is_ours = held.contains(hash) && file.starts_with(store.join("blobs"));
        // The lock and the marker.
        let is_above = file.parent() == Some(store);
        assert!(is_ours || is_above, "{point}: {} is left", file.display());
    }
}

/// Lets the power go after so many steps of a life, and then at each step of the restart. Says at how many
/// points it went; 0 if the life ended before.
async fn crash(steps: usize, seed: u64, any_order: bool, database: &Database) -> usize {
    let random = &mut StdRng::seed_from_u64(seed + 1_000 * steps as u64);
    let point = format!("step {steps} of life {seed}, any order {any_order}");
    let mut truth = Truth::default();
    let first = Machine::new(scratch_dir(), CrashingDisk::new(), Ledger::default());
    let lived = {
        let holdings = &first.start(database).unwrap();
        first.disk.crash_after(steps);
        let truth = &mut truth;
        Life { holdings, truth }.live(seed).await
    };
    let crashed = first.disk.crashed();
    assert!(lived.is_ok() || crashed, "{point}: {lived:?}");
    let view = truth.view();
    for again in 0.. {
        let point = format!("{point}, then step {again} of the restart");
        // The same every time.
        let second = first.after_crash(any_order, &mut random.clone());
        second.disk.crash_after(again);
        let restarted = restart(&second, database, &view).await.map(drop);
        let crashed_again = second.disk.crashed();
        assert!(restarted.is_ok() || crashed_again, "{point}: {restarted:?}");
        let third = second.after_crash(any_order, random);
        let holdings = restart(&third, database, &view).await.unwrap();
        check(&holdings, &truth, &third.store(), &point).await;
        if !crashed_again {
            return if crashed { 1 + again } else { 0 };
        }
    }
    unreachable!("a restart has an end")
}

#[tokio::test]
async fn a_crash_at_any_step_of_files_and_tables_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let database = Database::open(dir.path()).unwrap();
    let mut points = 0;
    for seed in 0.. {
        for any_order in [false, true] {
            let mut steps = 0;
            loop {
                match crash(steps, seed, any_order, &database).await {
                    0 => break,
                    visited => points += visited,
                }
                steps += 1;
            }
            assert!(steps > 40, "life {seed} has {steps} steps");
        }
        println!("{points} crash points in {} lives", 2 * (seed + 1));
        if points >= CRASH_POINTS_MIN {
            break;
        }
    }
}
