//! What a million obligations cost a storage node: memory per object, time to start again from disk,
//! work per block. Prints a table; nothing is asserted.
//!
//! `obligations` measures; each measurement is a process of its own, because memory that one gave
//! back would be lent to the next.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use colossus::{
    holdings::Holdings,
    obligations::core::{Round, Scene},
};
use shared::{
    blob::BlobStore,
    chain::{
        BlockRef,
        directory::{Changes, Directory, StorageBucket, StorageOperator, snapshot},
        event::{ChainEvent, NewObject, StorageEvent},
        follower::DirectoryView,
    },
    hash::ContentHash,
    ids::{
        AccountId, BagId, BlockHash, ChannelId, DistributionBucketId, DistributionFamilyId,
        ObjectId, StorageBucketId, WorkerId,
    },
    table::{Database, Table},
};
use tokio::time::Instant;

/// Storage buckets; each bag is in three of them.
const BUCKETS: u64 = 10;
/// Blocks over which the work per block is averaged.
const BLOCKS: u64 = 1_000;
/// Digests asked for.
const QUESTIONS: u64 = 100_000;
/// Objects that one step of a full comparison looks at, as in the node.
const LOOK_AT_ONCE: usize = 2_000;

/// What a million obligations cost a storage node: memory per object, time to start again from disk,
/// work per block. Prints a table; nothing is asserted. What it writes on disk goes to TMPDIR, and is
/// removed.
#[derive(Debug, Parser)]
#[command(name = "obligations")]
struct Arguments {
    #[command(subcommand)]
    step: Option<Step>,
}

/// One measurement: what this program starts itself with.
#[derive(Debug, Subcommand)]
#[command(disable_help_subcommand = true)]
enum Step {
    /// The directory, grown event by event.
    #[command(hide = true)]
    Grow { objects: u64, per_bag: u64 },
    /// A directory is written to a file,
    #[command(hide = true)]
    Keep { objects: u64, file: PathBuf },
    /// and read from it.
    #[command(hide = true)]
    Resume { file: PathBuf },
    /// The table of held objects is written,
    #[command(hide = true)]
    Fill { objects: u64, dir: PathBuf },
    /// opened,
    #[command(hide = true)]
    Open { dir: PathBuf },
    /// and counted in the digests of bags.
    #[command(hide = true)]
    Count {
        objects: u64,
        per_bag: u64,
        dir: PathBuf,
    },
}

fn main() -> Result<()> {
    match Arguments::parse().step {
        None => all(),
        Some(Step::Grow { objects, per_bag }) => grow(objects, per_bag),
        Some(Step::Keep { objects, file }) => keep(objects, &file),
        Some(Step::Resume { file }) => resume(&file),
        Some(Step::Fill { objects, dir }) => fill(objects, &dir),
        Some(Step::Open { dir }) => open(&dir),
        Some(Step::Count {
            objects,
            per_bag,
            dir,
        }) => count(objects, per_bag, &dir),
    }
}

fn all() -> Result<()> {
    println!("directory, grown event by event:");
    for (objects, per_bag) in [(10_000, 20), (100_000, 20), (1_000_000, 20), (1_000_000, 4)] {
        again(&["grow", &u64::to_string(&objects), &u64::to_string(&per_bag)])?;
    }
    let dir = std::env::temp_dir().join(format!("obligations-{}", std::process::id()));
    fs::create_dir_all(&dir)?;
    let measured = on_disk(&dir);
    fs::remove_dir_all(&dir)?;
    measured
}

fn on_disk(dir: &Path) -> Result<()> {
    let (file, holdings) = (dir.join("directory.snapshot"), dir.join("holdings"));
    let (file, holdings) = (file.to_string_lossy(), holdings.to_string_lossy());
    println!("directory, kept on disk and taken up again:");
    again(&["keep", "1000000", &file])?;
    again(&["resume", &file])?;
    println!("objects held, their table opened again:");
    again(&["fill", "1000000", &holdings])?;
    again(&["open", &holdings])?;
    println!("objects held, counted in the digests of their bags:");
    for per_bag in ["20", "1000000"] {
        again(&["count", "1000000", per_bag, &holdings])?;
    }
    Ok(())
}

fn again(args: &[&str]) -> Result<()> {
    let status = Command::new(std::env::current_exe()?).args(args).status()?;
    anyhow::ensure!(status.success(), "{args:?} ended with {status}");
    Ok(())
}

fn grow(objects: u64, per_bag: u64) -> Result<()> {
    let before = resident_bytes()?;
    let mut directory = grown(objects, per_bag);
    let bytes = resident_bytes()?.saturating_sub(before) / objects;

    let started = Instant::now();
    for block in 0..BLOCKS {
        one_block(&mut directory, objects, per_bag, block);
    }
    let block_us = started.elapsed().as_secs_f64() * 1e6 / BLOCKS as f64;

    let ours = [StorageBucketId(0)].into();
    let scene = Scene {
        directory: &directory,
        ours: &ours,
        holds: &|object| object.0 % 2 == 0,
    };
    let (mut round, mut whole_s, mut longest_s) = (Round::START, 0.0, 0.0f64);
    while round != Round::Done {
        let started = Instant::now();
        let (_, next) = scene.look_further(round, LOOK_AT_ONCE, |_, _| Vec::new());
        let took = started.elapsed().as_secs_f64();
        (round, whole_s, longest_s) = (next, whole_s + took, longest_s.max(took));
    }
    println!(
        "  {objects:>9} objects, {per_bag:>2} per bag: {bytes:>4} bytes of RAM per object, {block_us:>6.1} us per block of 10 new objects, \
         full comparison {:.0} ms in steps of {:.2} ms at most",
        whole_s * 1e3,
        longest_s * 1e3
    );
    Ok(())
}

fn keep(objects: u64, file: &Path) -> Result<()> {
    let directory = grown(objects, 20);
    let started = Instant::now();
    snapshot::save(file, BlockHash([1; 32]), BlockRef::NOWHERE, &directory)?;
    let size = fs::metadata(file)?.len();
    println!(
        "  {objects:>9} objects written in {:.2} s, {} bytes per object",
        started.elapsed().as_secs_f64(),
        size / objects
    );
    Ok(())
}

fn resume(file: &Path) -> Result<()> {
    let before = resident_bytes()?;
    let started = Instant::now();
    let found = snapshot::load(file)?.context("a snapshot")?;
    let took = started.elapsed().as_secs_f64();
    let objects = found.directory.objects.len() as u64;
    let bytes = resident_bytes()?.saturating_sub(before) / objects;
    println!("  {objects:>9} objects read in {took:.2} s, {bytes} bytes of RAM per object");
    Ok(())
}

/// The table that the node writes, without the files.
fn fill(objects: u64, dir: &Path) -> Result<()> {
    let database = Database::open(&dir.join("index"))?;
    let table: Table<ObjectId, serde_json::Value> = database.table("objects")?;
    for id in 0..objects {
        let hash = ContentHash::of(&id.to_le_bytes()).to_string();
        let record = serde_json::json!({"hash": hash, "size": 1 + id, "media_type": "video/mp4"});
        table.put(&ObjectId(id), &record)?;
    }
    database.flush_blocking()?;
    Ok(())
}

fn open(dir: &Path) -> Result<()> {
    let before = resident_bytes()?;
    let started = Instant::now();
    let blobs = BlobStore::open(&dir.join("objects"))?;
    let database = Database::open(&dir.join("index"))?;
    let database_s = started.elapsed().as_secs_f64();
    let holdings = Holdings::open(blobs, &database)?;
    let took = started.elapsed().as_secs_f64();
    let (objects, _) = holdings.totals();
    let bytes = resident_bytes()?.saturating_sub(before);
    println!(
        "  {objects:>9} objects read in {took:.2} s ({database_s:.2} s until the database was open), {} bytes of RAM per object \
         with the database's cache",
        bytes / objects
    );
    Ok(())
}

/// All that is held is counted, as at the start of the node; then a bag's digest is asked for.
fn count(objects: u64, per_bag: u64, dir: &Path) -> Result<()> {
    let view = DirectoryView::new(grown(objects, per_bag), BlockRef::NOWHERE);
    let blobs = BlobStore::open(&dir.join("objects"))?;
    let holdings = Holdings::open(blobs, &Database::open(&dir.join("index"))?)?;
    let before = resident_bytes()?;
    let started = Instant::now();
    tokio::runtime::Runtime::new()?.block_on(holdings.count_all(&view))?;
    let took = started.elapsed().as_secs_f64();
    let bytes = resident_bytes()?.saturating_sub(before) as f64 / objects as f64;
    let started = Instant::now();
    for question in 0..QUESTIONS {
        let of = bag(question % (objects / per_bag));
        anyhow::ensure!(holdings.digest_of(of).count == per_bag, "{of}");
    }
    let question_us = started.elapsed().as_secs_f64() * 1e6 / QUESTIONS as f64;
    println!(
        "  {objects:>9} objects, {per_bag:>7} per bag: counted in {took:.2} s, {bytes:.1} bytes of RAM per object, \
         {question_us:.2} us per digest"
    );
    Ok(())
}

fn bag(number: u64) -> BagId {
    BagId::Channel(ChannelId(number))
}

fn object(id: u64) -> NewObject {
    NewObject {
        id: ObjectId(id),
        size: 1 + id,
        content_id: ContentHash::of(&id.to_le_bytes()).to_string(),
    }
}

fn edge(family: u64, index: u64) -> DistributionBucketId {
    DistributionBucketId {
        family: DistributionFamilyId(family),
        index,
    }
}

fn grown(objects: u64, per_bag: u64) -> Directory {
    let mut directory = Directory::default();
    for number in 0..BUCKETS {
        let operator = StorageOperator::Active {
            worker: WorkerId(number),
            transactor: AccountId([0; 32]),
            endpoint: Some(format!("https://storage-{number}.example/")),
        };
        let bucket = StorageBucket {
            operator,
            ..StorageBucket::default()
        };
        directory
            .storage_buckets
            .insert(StorageBucketId(number), bucket);
    }
    for number in 0..objects / per_bag {
        let ids = number * per_bag..(number + 1) * per_bag;
        let storage = (0..3).map(|n| StorageBucketId((number + n) % BUCKETS));
        let created = StorageEvent::DynamicBagCreated {
            bag: bag(number),
            objects: ids.clone().map(object).collect(),
            state_bloat_bond: 1,
            storage_buckets: storage.collect(),
            distribution_buckets: (0..2).map(|n| edge(n, number % BUCKETS)).collect(),
        };
        let accepted = StorageEvent::ObjectsAccepted {
            bucket: StorageBucketId(number % BUCKETS),
            worker: WorkerId(0),
            bag: bag(number),
            objects: ids.map(ObjectId).collect(),
        };
        for event in [created, accepted] {
            directory.apply(&ChainEvent::Storage(event));
        }
    }
    directory
}

/// Ten objects come and are accepted, five go, and what changed is looked at.
fn one_block(directory: &mut Directory, objects: u64, per_bag: u64, block: u64) {
    let into = bag(block * 7_919 % (objects / per_bag));
    let new: Vec<u64> = (0..10).map(|n| objects + block * 10 + n).collect();
    let ids: BTreeSet<ObjectId> = new.iter().copied().map(ObjectId).collect();
    let gone = (0..5).map(|n| ObjectId((block * 104_729 + n * 31) % objects));
    let uploaded = StorageEvent::ObjectsUploaded {
        bag: into,
        objects: new.into_iter().map(object).collect(),
        state_bloat_bond: 1,
    };
    let accepted = StorageEvent::ObjectsAccepted {
        bucket: StorageBucketId(0),
        worker: WorkerId(0),
        bag: into,
        objects: ids,
    };
    let deleted = StorageEvent::ObjectsDeleted {
        bag: into,
        objects: gone.collect(),
    };
    let mut changes = Changes::default();
    for event in [uploaded, accepted, deleted] {
        changes.absorb(directory.apply(&ChainEvent::Storage(event)));
    }
    let ours = [StorageBucketId(0)].into();
    let scene = Scene {
        directory,
        ours: &ours,
        holds: &|object| object.0 % 2 == 0,
    };
    std::hint::black_box(scene.look_at_changes(&changes));
}

fn resident_bytes() -> Result<u64> {
    let status = fs::read_to_string(PathBuf::from("/proc/self/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next());
    Ok(kib.context("resident memory")?.parse::<u64>()? * 1024)
}
