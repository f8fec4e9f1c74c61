//! The data directory and the keys in it.

use std::path::{Path, PathBuf};

use shared::{
    blob::{Places, Registry},
    doctor::disk::{existing, file_system, is_in_use, room, secret, writable},
};

use super::Finding;
use crate::config::{Config, Share};

/// What was seen of the disk.
pub struct Look {
    /// The findings.
    pub findings: Vec<Finding>,
    /// Does a node have the directory open?
    pub is_running: bool,
}

/// Looks. Blocking.
pub fn look(config: &Config) -> Look {
    let dir = &config.data_dir;
    let mut findings = vec![writable(dir)];
    let places = config.places();
    let is_running = places.dirs.iter().any(|dir| is_in_use(&dir.join("lock")));
    // A directory that is not there yet will be made on the disk of the one above.
    if let Some(existing) = existing(dir) {
        findings.push(file_system(existing));
        if config.disk.dirs.is_empty() {
            findings.push(free(existing, config.disk.low));
        }
    }
    findings.extend(directories(config, &places));
    findings.extend(secrets(config));
    Look {
        findings,
        is_running,
    }
}

/// The directories of objects: each of them, and those that were left out.
fn directories(config: &Config, places: &Places) -> Vec<Finding> {
    let name = "object directory";
    let registry = match Registry::read(&places.registry) {
        Ok(registry) => registry,
        Err(error) => {
            let remedy = "mend the file, or move it aside: the next start makes it again";
            return vec![Finding::bad(name, error.to_string(), remedy)];
        }
    };
    let known: Vec<&Path> = registry.iter().flat_map(Registry::dirs).collect();
    let mut findings = Vec::new();
    for dir in &config.disk.dirs {
        if dir.is_dir() {
            findings.extend([file_system(dir), free(dir, config.disk.low)]);
        }
    }
    for dir in &places.dirs {
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.clone());
        let has_marker = dir.join(Registry::MARKER).exists();
        findings.extend(match (has_marker, known.contains(&&*dir)) {
            (true, _) => Some(Finding::good(name, format!("{} is there", dir.display()))),
            (false, true) => Some(Finding::bad(
                name,
                format!("{} is out: it has no {}", dir.display(), Registry::MARKER),
                "mount the disk; if it is lost for good: colossus disks forget, and the node fetches what it held again",
            )),
            // A new one: the first start makes it.
            (false, false) => None,
        });
    }
    let is_left_out = |dir: &&&Path| {
        let given = places
            .dirs
            .iter()
            .filter_map(|given| std::path::absolute(given).ok());
        !given.collect::<Vec<_>>().contains(&dir.to_path_buf())
    };
    for dir in known.iter().filter(is_left_out) {
        findings.push(Finding::bad(
            name,
            format!("{} holds objects and is not in disk.dirs", dir.display()),
            "add it again, or give it up: colossus disks forget",
        ));
    }
    findings
}

/// Whether uploads are still taken.
fn free(dir: &Path, low: Share) -> Finding {
    let remedy = format!("uploads are refused below disk.low = {low}: free space or add a disk");
    room(dir, |total| low.of(total), &remedy)
}

/// Files with secrets must be the node's alone.
fn secrets(config: &Config) -> Vec<Finding> {
    let files = [
        ("node key", Some(config.data_dir.join("node.key"))),
        ("transactor file", config.keys.transactor_uri_file.clone()),
    ];
    let present = |(name, path): (&'static str, Option<PathBuf>)| {
        let path = path.filter(|path| path.exists())?;
        Some(secret(name, &path))
    };
    files.into_iter().filter_map(present).collect()
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use shared::{config::ByteSize, ids::WorkerId};

    use super::*;
    use crate::{config::Share, doctor::Verdict};

    fn verdict(look: &Look, name: &str) -> Verdict {
        let finding = look.findings.iter().find(|finding| finding.name == name);
        finding.unwrap_or_else(|| panic!("{name}")).verdict
    }

    #[test]
    fn a_fresh_directory_is_good_and_left_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::for_worker(WorkerId(1));
        config.data_dir = dir.path().into();
        config.disk.low = Share::Bytes(ByteSize(0));
        let seen = look(&config);
        assert_eq!(verdict(&seen, "data directory"), Verdict::Good);
        assert!(!seen.is_running);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);

        config.disk.low = Share::Bytes(ByteSize(u64::MAX));
        assert_eq!(verdict(&look(&config), "free space"), Verdict::Bad);
        config.data_dir = dir.path().join("not/there");
        assert_eq!(verdict(&look(&config), "data directory"), Verdict::Warning);
        config.data_dir = "/proc/1".into();
        let seen = look(&config);
        assert_eq!(verdict(&seen, "data directory"), Verdict::Bad);
    }

    #[test]
    fn a_store_that_is_open_is_noticed() {
        let dir = tempfile::tempdir().unwrap();
        let mut config = Config::for_worker(WorkerId(1));
        config.data_dir = dir.path().into();
        let store = shared::blob::BlobStore::open(&dir.path().join("objects")).unwrap();
        assert!(look(&config).is_running);
        drop(store);
        assert!(!look(&config).is_running);
    }

    #[test]
    fn a_key_that_others_can_read_is_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("uri");
        fs::write(&path, "//Colossus1").unwrap();
        let mut config = Config::for_worker(WorkerId(1));
        config.data_dir = dir.path().into();
        config.keys.transactor_uri_file = Some(path.clone());
        for (mode, expected) in [(0o644, Verdict::Warning), (0o600, Verdict::Good)] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(verdict(&look(&config), "transactor file"), expected);
        }
    }
}
