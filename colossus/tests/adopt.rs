//! A reference node's uploads directory, taken over on a real file system: linked, moved, copied,
//! killed in the middle, across devices.
#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests are tests, which fail by panicking"
)]

mod harness;

use std::{
    collections::BTreeMap,
    fs,
    os::unix::{fs::MetadataExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use colossus::adopt::{
    self, AdoptError, Mode, Options, Outcome, Progress, Report, listing::Candidate,
};
use harness::*;
use shared::{
    chain::{
        event::{ChainEvent, StorageEvent},
        memory::MemoryChain,
    },
    ids::ObjectId,
};
use tempfile::TempDir;

/// Counts what was read.
#[derive(Default)]
struct Count(AtomicU64);

impl Progress for Count {
    fn begins(&self, _: u64, _: u64) {}
    fn read(&self, bytes: u64) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }
    fn done(&self, _: &Candidate, _: &Outcome) {}
}

fn options(dir: &Path, mode: Mode) -> Options {
    Options {
        dir: dir.into(),
        pending_dir: None,
        mode,
        dry_run: false,
        jobs: 2,
    }
}

/// Everything below a directory: its bytes, and when it was changed.
fn files_in(dir: &Path) -> BTreeMap<PathBuf, (Vec<u8>, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let changed = fs::metadata(&path).unwrap().modified().unwrap();
        let mut bytes = Vec::new();
        match path.is_dir() {
            true => found.extend(files_in(&path)),
            false => bytes = fs::read(&path).unwrap(),
        }
        found.insert(path, (bytes, changed));
    }
    found
}

/// Adopts for worker 1; the report, and the bytes that were read.
async fn adopt(
    chain: &Arc<MemoryChain>,
    data_dir: &Path,
    options: &Options,
) -> Result<(Report, u64), AdoptError> {
    let count = Arc::new(Count::default());
    let config = config(1, data_dir);
    let report = adopt::adopt(&config, chain.clone(), options, count.clone()).await?;
    Ok((report, count.0.load(Ordering::Relaxed)))
}

fn accept(chain: &MemoryChain, ids: &[u64]) {
    chain.push([ChainEvent::Storage(StorageEvent::ObjectsAccepted {
        worker: shared::ids::WorkerId(1),
        bucket: bucket_of(1),
        bag: BAG,
        objects: ids.iter().copied().map(ObjectId).collect(),
    })]);
}

/// An uploads directory: 1 and 2 accepted, 3 pending, 4 of a bag of worker 2, 5 torn, 6 with other
/// bytes, 7 not on chain, an unfinished one and a stray file.
struct Uploads {
    dir: TempDir,
    chain: Arc<MemoryChain>,
}

impl Uploads {
    fn in_dir(dir: TempDir) -> Self {
        let chain = chain(2);
        let path = dir.path();
        for sub in ["pending", "temp"] {
            fs::create_dir(path.join(sub)).unwrap();
        }
        for id in 1..=6 {
            let bytes = content(id);
            match id {
                4 => create(
                    &chain,
                    id,
                    OTHER_BAG,
                    shared::hash::ContentHash::of(&bytes).to_string(),
                    bytes.len() as u64,
                ),
                _ => create_for(&chain, id, &bytes),
            }
            let file = match id {
                3 => path.join("pending/3"),
                _ => path.join(id.to_string()),
            };
            let mut stored = bytes;
            match id {
                5 => stored.truncate(100),
                6 => stored[70_000] ^= 1,
                _ => {}
            }
            fs::write(file, stored).unwrap();
        }
        fs::write(path.join("7"), "seven").unwrap();
        fs::write(path.join("temp/upload-1"), "half").unwrap();
        fs::write(path.join("readme.txt"), "stray").unwrap();
        accept(&chain, &[1, 2, 5, 6]);
        Self { dir, chain }
    }

    fn new() -> Self {
        Self::in_dir(tempfile::tempdir().unwrap())
    }

    fn has(&self, name: &str) -> bool {
        self.dir.path().join(name).exists()
    }

    /// What is left of it must be what it was.
    fn check_the_left(&self) {
        assert_eq!(
            fs::read(self.dir.path().join("5")).unwrap(),
            content(5)[..100]
        );
        let mut sixth = content(6);
        sixth[70_000] ^= 1;
        assert_eq!(fs::read(self.dir.path().join("6")).unwrap(), sixth);
        for name in ["4", "7", "temp/upload-1", "readme.txt"] {
            assert!(self.has(name), "{name}");
        }
    }
}

fn content(id: u64) -> Vec<u8> {
    bytes(id, 100_000 + usize::try_from(id).unwrap() * 1_000)
}

fn left(report: &Report) -> Vec<(u64, &Outcome)> {
    report
        .left
        .iter()
        .map(|left| (left.object.0, &left.why))
        .collect()
}

fn check_report(report: &Report) {
    assert_eq!(
        (report.adopted, report.pending, report.already_held),
        (3, 1, 0)
    );
    assert_eq!(report.ignored, 2);
    let left = left(report);
    assert_eq!(
        left.iter().map(|(id, _)| *id).collect::<Vec<_>>(),
        [4, 5, 6, 7]
    );
    assert_eq!(*left[0].1, Outcome::NotOwed);
    let (expected, found) = (content(5).len() as u64, 100);
    assert_eq!(*left[1].1, Outcome::WrongSize { expected, found });
    assert!(matches!(left[2].1, Outcome::WrongHash { .. }));
    assert_eq!(*left[3].1, Outcome::Unknown);
}

/// A node over the directory serves what was adopted, and accepts what was pending.
async fn check_served(chain: &Arc<MemoryChain>, data_dir: TempDir) -> TempDir {
    let node = TestNode::start_in(data_dir, chain, 1, |_| {}).await;
    eventually("the pending object is accepted", async || node.accepted(3)).await;
    for id in 1..=3 {
        let answer = node.get(&format!("files/{id}")).await;
        assert_eq!(answer.status(), 200, "{id}");
        assert_eq!(answer.bytes().await.unwrap(), content(id), "{id}");
        let outboard = node.get(&format!("files/{id}/outboard")).await;
        assert_eq!(outboard.status(), 200, "{id}");
        assert!(!outboard.bytes().await.unwrap().is_empty());
    }
    for id in 4..=7 {
        assert!(!node.holds(id), "{id}");
    }
    node.stop().await
}

#[actix_web::test]
async fn links_take_no_space_and_leave_the_old_names() {
    let uploads = Uploads::new();
    let data = tempfile::tempdir().unwrap();
    let options = options(uploads.dir.path(), Mode::Link);

    let dry = Options {
        dry_run: true,
        ..options.clone()
    };
    let nowhere = data.path().join("not/made/yet");
    let (report, read) = adopt(&uploads.chain, &nowhere, &dry).await.unwrap();
    assert!(files_in(data.path()).is_empty(), "nothing was made");
    assert_eq!(
        (report.adopted, report.pending, read),
        (4, 1, 0),
        "6 was not read"
    );
    assert!(report.dry_run);

    let (report, _) = adopt(&uploads.chain, data.path(), &options).await.unwrap();
    check_report(&report);
    for name in ["1", "2", "pending/3"] {
        let meta = fs::metadata(uploads.dir.path().join(name)).unwrap();
        assert_eq!(meta.nlink(), 2, "{name}");
    }
    uploads.check_the_left();

    let before = files_in(data.path());
    let (planned, _) = adopt(&uploads.chain, data.path(), &dry).await.unwrap();
    assert_eq!((planned.adopted, planned.already_held), (1, 3));
    assert_eq!(files_in(data.path()), before, "nothing was touched");

    let (again, read) = adopt(&uploads.chain, data.path(), &options).await.unwrap();
    assert_eq!((again.adopted, again.already_held), (0, 3));
    assert_eq!(
        read,
        content(6).len() as u64,
        "only the bad file is read again"
    );

    // A node that runs has the store.
    let data = check_served(&uploads.chain, data).await;
    let node = TestNode::start_in(data, &uploads.chain, 1, |_| {}).await;
    let refused = adopt(&uploads.chain, node.dir.path(), &options).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("in use"), "{refused}");
    node.stop().await;
}

#[actix_web::test]
async fn a_store_inside_the_uploads_directory_is_fine() {
    let uploads = Uploads::new();
    let options = options(uploads.dir.path(), Mode::Link);
    let (report, _) = adopt(&uploads.chain, uploads.dir.path(), &options)
        .await
        .unwrap();
    check_report(&report);
    uploads.check_the_left();
    let Uploads { dir, chain } = uploads;
    check_served(&chain, dir).await;
}

#[actix_web::test]
async fn moving_removes_the_old_names_of_what_is_good_only() {
    let uploads = Uploads::new();
    let data = tempfile::tempdir().unwrap();
    let options = options(uploads.dir.path(), Mode::Move);
    let (report, _) = adopt(&uploads.chain, data.path(), &options).await.unwrap();
    check_report(&report);
    for name in ["1", "2", "pending/3"] {
        assert!(!uploads.has(name), "{name}");
    }
    uploads.check_the_left();

    // As after a crash before the old name went, and a copy that is no longer good.
    fs::write(uploads.dir.path().join("1"), content(1)).unwrap();
    let mut torn = content(2);
    torn[5] ^= 1;
    fs::write(uploads.dir.path().join("2"), torn).unwrap();
    let (again, _) = adopt(&uploads.chain, data.path(), &options).await.unwrap();
    assert!(!uploads.has("1"), "it is held");
    assert!(uploads.has("2"), "it is not what is held");
    assert_eq!((again.adopted, again.already_held), (0, 1));
    check_served(&uploads.chain, data).await;
}

#[actix_web::test]
async fn another_device_is_never_linked_and_can_be_moved_or_copied() {
    // Every Linux has a file system of its own there.
    let device = |path: &Path| fs::metadata(path).unwrap().dev();
    for mode in [Mode::Move, Mode::Copy] {
        let uploads = Uploads::in_dir(tempfile::tempdir_in("/dev/shm").unwrap());
        let data = tempfile::tempdir().unwrap();
        assert_ne!(device(uploads.dir.path()), device(data.path()));
        let linking = options(uploads.dir.path(), Mode::Link);
        let refused = adopt(&uploads.chain, data.path(), &linking).await;
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("--mode move"), "{refused}");

        let options = options(uploads.dir.path(), mode);
        let (report, _) = adopt(&uploads.chain, data.path(), &options).await.unwrap();
        check_report(&report);
        assert_eq!(uploads.has("1"), mode == Mode::Copy);
        uploads.check_the_left();
        check_served(&uploads.chain, data).await;
    }
}

#[actix_web::test]
async fn another_chain_or_a_worker_without_buckets_is_refused() {
    let uploads = Uploads::new();
    let data = tempfile::tempdir().unwrap();
    let options = options(uploads.dir.path(), Mode::Link);
    let mut config = config(9, data.path());
    config.worker = shared::ids::WorkerId(9);
    let count = Arc::new(Count::default());
    let refused = adopt::adopt(&config, uploads.chain.clone(), &options, count).await;
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("worker 9 operates no"), "{refused}");
}

/// Objects of the run that is killed.
const KILLED_OBJECTS: u64 = 20;

/// By which the test below makes a process of itself.
const VICTIM: &str = "COLOSSUS_ADOPT_VICTIM";

fn large(id: u64) -> Vec<u8> {
    bytes(id, 2_000_000)
}

fn chain_of_killed() -> Arc<MemoryChain> {
    let chain = chain(1);
    for id in 1..=KILLED_OBJECTS {
        create_for(&chain, id, &large(id));
    }
    chain
}

/// Not a test of its own: the process that is killed.
#[actix_web::test]
async fn victim() {
    let Some(dir) = std::env::var_os(VICTIM) else {
        return;
    };
    let dir = Path::new(&dir);
    let options = options(&dir.join("uploads"), Mode::Move);
    adopt(&chain_of_killed(), &dir.join("data"), &options)
        .await
        .unwrap();
}

#[actix_web::test]
async fn a_run_that_is_killed_is_continued() {
    let dir = tempfile::tempdir().unwrap();
    let (uploads, data) = (dir.path().join("uploads"), dir.path().join("data"));
    fs::create_dir_all(&uploads).unwrap();
    for id in 1..=KILLED_OBJECTS {
        fs::write(uploads.join(id.to_string()), large(id)).unwrap();
    }
    let left = || fs::read_dir(&uploads).unwrap().count();
    let mut kills = 0;
    // Later and later, so that it ends whatever the machine's speed.
    for round in 1_u64.. {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture"])
            .env(VICTIM, dir.path())
            .spawn()
            .unwrap();
        let before = left();
        // Until it is at work, and then a little.
        let deadline = Duration::from_secs(60);
        let begun = tokio::time::Instant::now();
        while left() == before && child.try_wait().unwrap().is_none() {
            assert!(begun.elapsed() < deadline, "it does nothing");
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        // The first two are killed at once, or a fast machine would leave nothing to kill.
        tokio::time::sleep(Duration::from_millis(40 * round.saturating_sub(2))).await;
        child.kill().unwrap();
        let status = child.wait().unwrap();
        if status.success() {
            break;
        }
        assert_eq!(status.signal(), Some(9), "{status}");
        kills += 1;
    }
    assert!(kills >= 2, "it was killed {kills} times");
    assert_eq!(left(), 0);

    let chain = chain_of_killed();
    let mut config = config(1, &data);
    config.keys.transactor_uri = None;
    let node = colossus::app::Colossus::start(config, chain.clone())
        .await
        .unwrap();
    let http = reqwest::Client::new();
    for id in 1..=KILLED_OBJECTS {
        let url = format!("http://{}/api/v1/files/{id}", node.address());
        let asked = http.get(url).header("X-COLOSSUS-HOST-ID", "somebody-else");
        let bytes = asked.send().await.unwrap().bytes().await.unwrap();
        assert!(bytes == large(id), "object {id}");
    }
    let owed = node.node().holdings.outbox().await.unwrap().len() as u64;
    assert_eq!(owed, KILLED_OBJECTS, "each owes its acceptance");
    node.stop().await;
}
