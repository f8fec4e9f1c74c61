//! What is kept: across restarts, crashes and evictions, within the limit.

use std::path::{Path, PathBuf};

use crate::support::{
    Manner, Origin, Setup, content,
    edge::{copy_dir, disk_bytes},
};

const MIB: usize = 1 << 20;

#[actix_web::test]
async fn an_orderly_restart_keeps_the_cache_without_a_source() {
    let bytes = content(1, 2 * MIB + 5);
    let objects = [(1, bytes.clone()), (2, content(2, 500))];
    let origin = Origin::start(Manner::Honest, &objects);
    let setup = Setup::new(&[&origin], &objects);
    let edge = setup.start().await;
    for (id, _) in &objects {
        edge.get(id).await;
        edge.until_hit(*id).await;
    }
    edge.node.stop().await;
    origin.stop().await;

    let edge = setup.start().await;
    assert_eq!(edge.status().await["objectsInCache"], 2);
    for (id, bytes) in &objects {
        let got = edge.get(id).await;
        assert_eq!((got.status, got.header("x-cache")), (200, "hit"), "{id}");
        assert!(got.body == *bytes);
    }
    edge.node.stop().await;
}

fn data_file(dir: &Path) -> PathBuf {
    let mut files = Vec::new();
    for shelf in std::fs::read_dir(dir.join("objects")).unwrap() {
        for file in std::fs::read_dir(shelf.unwrap().path()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_none() {
                files.push(path);
            }
        }
    }
    assert_eq!(files.len(), 1);
    files.remove(0)
}

#[actix_web::test]
async fn after_a_crash_the_cache_is_kept_and_what_the_disk_spoilt_is_fetched_again() {
    use std::os::unix::fs::FileExt;
    let bytes = content(1, 20 * MIB + 5);
    let objects = [(1, bytes.clone())];
    let origin = Origin::start(Manner::Honest, &objects);
    let setup = Setup::new(&[&origin], &objects);
    let edge = setup.start().await;
    edge.get(1).await;
    edge.until_hit(1).await;
    let crashed = tempfile::tempdir().unwrap();
    copy_dir(setup.dir.path(), crashed.path());
    edge.node.stop().await;
    let file = std::fs::File::options()
        .write(true)
        .open(data_file(crashed.path()))
        .unwrap();
    file.write_all_at(b"spoilt", 3_000_000).unwrap();
    let before = origin.data_bytes();

    let edge = setup.start_in(crashed.path()).await;
    assert_eq!(edge.status().await["objectsInCache"], 1);
    assert!(edge.get(1).await.body == bytes);
    edge.until_hit(1).await;
    assert_eq!(origin.data_bytes() - before, 16_384, "just the bad group");
    edge.node.stop().await;
    origin.stop().await;

    // From here on it is known to be right.
    let edge = setup.start_in(crashed.path()).await;
    let got = edge.get(1).await;
    assert!(got.header("x-cache") == "hit" && got.body == bytes);
    edge.node.stop().await;
}

#[actix_web::test]
async fn the_limit_is_never_exceeded_and_the_least_used_goes_first() {
    let objects: Vec<(u64, Vec<u8>)> = (0..12).map(|id| (id, content(id, MIB))).collect();
    let origin = Origin::start(Manner::Honest, &objects);
    let mut setup = Setup::new(&[&origin], &objects);
    setup.cache_limit = 4 * (MIB as u64 + 64 * 1024);
    let edge = setup.start().await;
    for (id, bytes) in &objects {
        // An object is passed through while those before it are still being made durable.
        while edge.get(id).await.header("x-cache") != "hit" {
            tokio::task::yield_now().await;
        }
        assert!(edge.get(id).await.body == *bytes);
        let used = edge.status().await["storageUsed"].as_u64().unwrap();
        assert!(used <= setup.cache_limit, "{used} bytes in use");
        let on_disk = disk_bytes(setup.dir.path());
        assert!(on_disk <= setup.cache_limit, "{on_disk} bytes on disk");
    }
    assert_eq!(edge.status().await["objectsInCache"], 4);
    for (id, kept) in [(11, "hit"), (8, "hit"), (7, "miss"), (0, "miss")] {
        assert_eq!(
            edge.ask("HEAD", id, &[]).await.unwrap().header("x-cache"),
            kept,
            "{id}"
        );
    }
    edge.node.stop().await;
}

#[actix_web::test]
async fn the_end_of_a_large_object_makes_room_and_its_beginning_is_still_served() {
    let objects: Vec<(u64, Vec<u8>)> = (1..4).map(|id| (id, content(id, 20 * MIB))).collect();
    let origin = Origin::start(Manner::Honest, &objects);
    let mut setup = Setup::new(&[&origin], &objects);
    // Room for two and a quarter: whether the second is still being read when the third comes or not,
    // the first gives the most of what it has and not all of it.
    setup.cache_limit = 45 * MIB as u64;
    let edge = setup.start().await;
    for (id, bytes) in &objects {
        assert!(edge.get(id).await.body == *bytes, "{id}");
        edge.until_hit(*id).await;
        let on_disk = disk_bytes(setup.dir.path());
        assert!(on_disk <= setup.cache_limit, "{on_disk} bytes on disk");
    }
    assert_eq!(edge.status().await["objectsInCache"], 3);
    let head = edge.ask("HEAD", 1, &[]).await.unwrap();
    assert_eq!(head.header("x-cache"), "pending", "a part of it");
    // What is there is served without a source.
    origin.stop().await;
    let got = edge.range(1, "bytes=1000-2000000").await;
    assert!(got.body == objects[0].1[1000..=2_000_000]);
    edge.node.stop().await;

    // After a restart the same parts are there, and the whole can be had again.
    let origin = Origin::start(Manner::Honest, &objects);
    let mut again = Setup::new(&[&origin], &objects);
    again.cache_limit = setup.cache_limit;
    let edge = again.start_in(setup.dir.path()).await;
    for (id, bytes) in &objects {
        assert!(edge.get(id).await.body == *bytes, "{id}");
        let on_disk = disk_bytes(setup.dir.path());
        assert!(on_disk <= setup.cache_limit, "{on_disk} bytes on disk");
    }
    edge.node.stop().await;
    origin.stop().await;
}

#[actix_web::test]
async fn more_viewers_than_the_cache_has_room_for_all_get_their_bytes() {
    let objects: Vec<(u64, Vec<u8>)> = (1..7).map(|id| (id, content(id, 20 * MIB))).collect();
    let origin = Origin::start(Manner::Honest, &objects);
    let mut setup = Setup::new(&[&origin], &objects);
    setup.cache_limit = 25 * MIB as u64;
    // Twelve at once on a busy machine: slowness is not what this is about.
    setup.stall_timeout = std::time::Duration::from_secs(20);
    let edge = setup.start().await;
    let viewers = objects.iter().chain(&objects).map(|(id, bytes)| {
        let edge = &edge;
        async move {
            let got = edge.get(id).await;
            assert_eq!(got.status, 200, "{id}: {}", got.message());
            assert!(got.body == *bytes, "{id}");
        }
    });
    futures::future::join_all(viewers).await;
    let on_disk = disk_bytes(setup.dir.path());
    assert!(on_disk <= setup.cache_limit, "{on_disk} bytes on disk");
    edge.node.stop().await;
    origin.stop().await;
}

#[actix_web::test]
async fn a_directory_serves_one_process_only() {
    let objects = [(1, content(1, 10))];
    let origin = Origin::start(Manner::Honest, &objects);
    let setup = Setup::new(&[&origin], &objects);
    let edge = setup.start().await;
    let second = argus::cache::Shelf::open(setup.dir.path());
    let error = second.err().unwrap().to_string();
    assert!(error.contains("another process"), "{error}");
    edge.node.stop().await;
}
