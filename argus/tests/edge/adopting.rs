//! `argus adopt` takes over the cache of a reference node: what is right is served without asking anybody,
//! what is not stays where it was.

use std::{
    collections::BTreeMap,
    fs::{self, File, FileTimes},
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use argus::adopt::{AdoptError, Mode, Options, Outcome, Progress, Report, adopt};
use shared::{adopt::Candidate, ids::ObjectId};
use tempfile::TempDir;

use crate::support::{Manner, Origin, Setup, content, edge::disk_bytes};

const MIB: usize = 1 << 20;

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

/// A reference node's cache, and the chain's objects.
struct Given {
    old: TempDir,
    objects: Vec<(u64, Vec<u8>)>,
    origin: Origin,
    setup: Setup,
}

impl Given {
    /// Objects 1 to 5, of which 2 rotted, 3 is unfinished and 5 was read longest ago; and a few other files.
    fn new() -> Self {
        let sizes = [3 * MIB + 5, 50_000, 2 * MIB, 1, 4 * MIB];
        let objects: Vec<_> = (1..)
            .zip(sizes)
            .map(|(id, len)| (id, content(id, len)))
            .collect();
        let origin = Origin::start(Manner::Honest, &objects);
        let mut setup = Setup::new(&[&origin], &objects);
        // Without 5 there is room.
        setup.cache_limit = 4 << 20;
        let old = tempfile::tempdir().unwrap();
        for (id, bytes) in &objects {
            let mut bytes = bytes.clone();
            match id {
                2 => bytes[40_000] ^= 1,
                3 => bytes.truncate(MIB),
                _ => {}
            }
            write(old.path(), &id.to_string(), &bytes, 100 - id);
        }
        write(old.path(), "77", b"of another chain", 0);
        write(old.path(), "notes.txt", b"mine", 0);
        Self {
            old,
            objects,
            origin,
            setup,
        }
    }

    async fn adopt(&self, mode: Mode, dry_run: bool) -> Result<(Report, u64), AdoptError> {
        let options = Options {
            dir: self.old.path().to_owned(),
            mode,
            dry_run,
        };
        let count = Arc::new(Count::default());
        let config = self.setup.config(self.setup.dir.path());
        let report = adopt(&config, self.setup.chain.clone(), options, count.clone()).await?;
        Ok((report, count.0.load(Ordering::Relaxed)))
    }

    /// Names and lengths of the old files.
    fn old_files(&self) -> BTreeMap<String, u64> {
        let entries = fs::read_dir(self.old.path()).unwrap().map(Result::unwrap);
        let file = |entry: fs::DirEntry| {
            let name = entry.file_name().to_string_lossy().into_owned();
            (name, entry.metadata().unwrap().len())
        };
        entries.map(file).collect()
    }

    /// An edge over what was adopted serves it without a byte from its origin.
    async fn serves_without_origin(&self, ids: &[u64], words: &[&str]) {
        let edge = self.setup.start().await;
        for (id, bytes) in self.objects.iter().filter(|(id, _)| ids.contains(id)) {
            let got = edge.get(id).await;
            assert!(words.contains(&got.header("x-cache")), "{id}");
            assert!(got.body == *bytes, "{id}");
        }
        assert_eq!(self.origin.data_bytes(), 0);
        edge.node.stop().await;
    }
}

/// Everything below a directory: its length, and when it was changed.
fn files_in(dir: &Path) -> BTreeMap<PathBuf, (u64, SystemTime)> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let meta = fs::metadata(&path).unwrap();
        if path.is_dir() {
            found.extend(files_in(&path));
        }
        found.insert(path, (meta.len(), meta.modified().unwrap()));
    }
    found
}

fn write(dir: &Path, name: &str, bytes: &[u8], age_rank: u64) {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000 + age_rank);
    let times = FileTimes::new().set_accessed(at).set_modified(at);
    File::options()
        .write(true)
        .open(path)
        .unwrap()
        .set_times(times)
        .unwrap();
}

fn outcomes(report: &Report) -> BTreeMap<u64, Outcome> {
    let stays = report.stays.iter();
    stays.map(|it| (it.object.0, it.why.clone())).collect()
}

#[actix_web::test]
async fn what_is_right_is_moved_and_served_and_the_rest_stays() {
    let given = Given::new();
    let before = given.old_files();
    let (planned, read) = given.adopt(Mode::Move, true).await.unwrap();
    // 2 looks right until it is read.
    assert_eq!((planned.adopted, read), (3, 0));
    assert_eq!(given.old_files(), before);
    let cache = given.setup.dir.path().to_owned();
    assert!(files_in(&cache).is_empty(), "nothing was made");

    let (report, read) = given.adopt(Mode::Move, false).await.unwrap();
    assert_eq!(
        (report.adopted, report.already_here, report.ignored),
        (2, 0, 1)
    );
    assert_eq!(report.adopted_bytes, 3 * MIB as u64 + 6);
    assert_eq!(read, 3 * MIB as u64 + 6 + 50_000);
    let stays = outcomes(&report);
    assert!(matches!(stays[&2], Outcome::WrongHash { .. }));
    let (expected, found) = (2 * MIB as u64, MIB as u64);
    assert_eq!(stays[&3], Outcome::WrongSize { expected, found });
    assert_eq!(stays[&5], Outcome::TooLarge);
    assert_eq!(stays[&77], Outcome::Unknown);
    assert_eq!(stays.len(), 4);
    assert!(report.has_bad());
    let names: Vec<String> = given.old_files().into_keys().collect();
    assert_eq!(names, ["2", "3", "5", "77", "notes.txt"]);
    assert!(disk_bytes(given.setup.dir.path()) <= given.setup.cache_limit);

    // Of no use to a cache that opens; a dry run leaves it to that.
    fs::create_dir_all(cache.join("objects/00")).unwrap();
    fs::write(cache.join("objects/00/left"), "over").unwrap();
    let before = files_in(&cache);
    let (planned, _) = given.adopt(Mode::Move, true).await.unwrap();
    assert_eq!(
        (planned.adopted, planned.already_here),
        (1, 0),
        "2 looks right"
    );
    assert_eq!(files_in(&cache), before, "nothing was touched");
    given.serves_without_origin(&[1, 4], &["hit"]).await;
}

#[actix_web::test]
async fn the_limit_holds_and_what_was_read_last_comes_first() {
    let mut given = Given::new();
    // The file of 5 is of the right size and there is room for it or for 1.
    given.setup.cache_limit = 5 << 20;
    let (report, _) = given.adopt(Mode::Copy, false).await.unwrap();
    assert_eq!(report.adopted, 2);
    assert_eq!(outcomes(&report)[&5], Outcome::NoRoom);
    let before = given.old_files();
    // Again: nothing is read twice, but what was not taken.
    let (again, read) = given.adopt(Mode::Copy, false).await.unwrap();
    assert_eq!((again.adopted, again.already_here, read), (0, 2, 50_000));
    assert_eq!(given.old_files(), before, "copies leave the old files");
    given.setup.cache_limit = 10 << 20;
    let (more, _) = given.adopt(Mode::Copy, false).await.unwrap();
    assert_eq!((more.adopted, more.already_here), (1, 2));
    given.serves_without_origin(&[1, 4, 5], &["hit"]).await;
}

#[actix_web::test]
async fn a_run_that_was_killed_is_continued() {
    let given = Given::new();
    let shelf = |id: u64, suffix: &str| {
        let bytes = &given.objects[id as usize - 1].1;
        let hash = shared::hash::ContentHash::of(bytes);
        let objects = given.setup.dir.path().join("objects");
        let dir = objects.join(format!("{:02x}", hash.0[0]));
        fs::create_dir_all(&dir).unwrap();
        dir.join(format!("{hash}-{}{suffix}", bytes.len()))
    };
    given.adopt(Mode::Copy, false).await.unwrap();
    // Killed after the map and before the data, and in the middle of a copy; without an orderly end.
    fs::remove_file(shelf(1, "")).unwrap();
    fs::write(shelf(5, ".copy"), b"half").unwrap();
    fs::remove_file(given.setup.dir.path().join("stopped")).unwrap();
    let (report, _) = given.adopt(Mode::Move, false).await.unwrap();
    assert_eq!((report.adopted, report.already_here), (1, 1));
    assert!(!shelf(5, ".copy").exists());
    // What was here before was not noted by an orderly end: it is verified again when it is read.
    given
        .serves_without_origin(&[1, 4], &["hit", "pending"])
        .await;
}

#[actix_web::test]
async fn a_cache_in_use_and_a_worker_without_buckets_are_refused() {
    let mut given = Given::new();
    let edge = given.setup.start().await;
    let refused = given.adopt(Mode::Move, false).await.unwrap_err();
    assert!(
        refused.to_string().contains("used by another process"),
        "{refused}"
    );
    edge.node.stop().await;
    given.setup.dir = Arc::new(tempfile::tempdir().unwrap());
    given.setup.worker = shared::ids::WorkerId(9);
    let refused = given.adopt(Mode::Move, false).await.unwrap_err();
    assert!(
        refused.to_string().contains("worker 9 distributes nothing"),
        "{refused}"
    );
    assert!(given.old_files().contains_key(&ObjectId(1).to_string()));
}
