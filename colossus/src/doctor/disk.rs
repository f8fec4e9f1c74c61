//! The data directory and the keys in it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use super::Finding;
use crate::config::{Config, Share};
use rustix::fs::{FlockOperation, flock, statfs};
use shared::blob::{Places, Registry};

/// File systems by their magic number, and what is to be said against them.
const FILE_SYSTEMS: [(u64, &str, Option<&str>); 10] = [
    (0xEF53, "ext4", None),
    (0x5846_5342, "xfs", None),
    (0x9123_683E, "btrfs", None),
    (0x2FC1_2FC1, "zfs", None),
    (0xF2F5_2010, "f2fs", None),
    (
        0x0102_1994,
        "tmpfs",
        Some("its files are gone after a restart: give --data-dir on a disk"),
    ),
    (
        0x8584_58F6,
        "ramfs",
        Some("its files are gone after a restart: give --data-dir on a disk"),
    ),
    (
        0x794C_7630,
        "overlayfs",
        Some("a container's own layer is gone with the container: mount a volume there"),
    ),
    (
        0x6969,
        "nfs",
        Some("a lost line stalls the node and locks may not hold: a local disk is better"),
    ),
    (
        0x6573_5546,
        "fuse",
        Some("make sure that it keeps what was synced through a power loss"),
    ),
];

/// Part of the disk below which operators should act, as a divisor.
const LOW_PART: u64 = 20;

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
    let existing = dir.ancestors().find(|above| above.is_dir());
    if let Some(existing) = existing.map(|path| {
        if path.as_os_str().is_empty() {
            Path::new(".")
        } else {
            path
        }
    }) {
        findings.push(file_system(existing));
        if config.disk.dirs.is_empty() {
            findings.push(room(existing, config.disk.low));
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
            findings.extend([file_system(dir), room(dir, config.disk.low)]);
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

fn writable(dir: &Path) -> Finding {
    let name = "data directory";
    if !dir.exists() {
        let seen = format!("{} is not there yet", dir.display());
        return Finding::warning(
            name,
            seen,
            "the first start makes it; is this the directory you mean?",
        );
    }
    let probe = dir.join(format!("doctor-{}.tmp", std::process::id()));
    let written = fs::write(&probe, b"doctor").and_then(|()| File::open(&probe)?.sync_all());
    let removed = fs::remove_file(&probe);
    match written.and(removed) {
        Ok(()) => Finding::good(name, format!("{} can be written to", dir.display())),
        Err(error) => {
            let user = rustix::process::geteuid().as_raw();
            Finding::bad(
                name,
                format!("{} cannot be written to: {error}", dir.display()),
                format!("as root: chown -R {user} {}", dir.display()),
            )
        }
    }
}

/// Does a process hold the store's lock? Opens no store, so nothing is swept or created.
fn is_in_use(lock: &Path) -> bool {
    let Ok(file) = File::open(lock) else {
        return false;
    };
    matches!(
        flock(&file, FlockOperation::NonBlockingLockShared),
        Err(rustix::io::Errno::WOULDBLOCK)
    )
}

fn file_system(dir: &Path) -> Finding {
    let name = "file system";
    let magic = match statfs(dir) {
        // The field's type differs between machines; the number has 32 bits.
        #[allow(clippy::unnecessary_cast, reason = "it is needed on other machines")]
        Ok(stat) => stat.f_type as u64 & 0xFFFF_FFFF,
        Err(error) => {
            let seen = io::Error::from(error).to_string();
            return Finding::bad(name, seen, "is the disk mounted?");
        }
    };
    let known = FILE_SYSTEMS.iter().find(|(number, ..)| *number == magic);
    match known {
        Some((_, kind, None)) => Finding::good(name, *kind),
        Some((_, kind, Some(remedy))) => Finding::warning(name, *kind, *remedy),
        None => Finding::good(name, format!("of kind {magic:#x}")),
    }
}

fn room(dir: &Path, low: Share) -> Finding {
    let name = "free space";
    let (free, total) = match rustix::fs::statvfs(dir) {
        Ok(stat) => (
            stat.f_bavail.saturating_mul(stat.f_frsize),
            stat.f_blocks.saturating_mul(stat.f_frsize),
        ),
        Err(error) => {
            let seen = io::Error::from(error).to_string();
            return Finding::bad(name, seen, "is the disk mounted?");
        }
    };
    let gib = |bytes: u64| format!("{:.1} GiB", bytes as f64 / (1_u64 << 30) as f64);
    let seen = format!("{} of {} are free", gib(free), gib(total));
    match free {
        free if free < low.of(total) => {
            let remedy =
                format!("uploads are refused below disk.low = {low}: free space or add a disk");
            Finding::bad(name, seen, remedy)
        }
        free if free < total / LOW_PART => {
            Finding::warning(name, seen, "less than 5 % are left: plan for more")
        }
        _ => Finding::good(name, seen),
    }
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

fn secret(name: &'static str, path: &Path) -> Finding {
    match fs::metadata(path) {
        Ok(meta) if meta.permissions().mode() & 0o077 == 0 => Finding::good(
            name,
            format!("{} is readable by its owner only", path.display()),
        ),
        Ok(meta) => Finding::warning(
            name,
            format!(
                "{} has mode {:o}",
                path.display(),
                meta.permissions().mode() & 0o777
            ),
            format!("others can read it: chmod 600 {}", path.display()),
        ),
        Err(error) => Finding::bad(
            name,
            format!("{}: {error}", path.display()),
            "make it readable for the node's user",
        ),
    }
}

#[cfg(test)]
mod tests {
    use shared::{config::ByteSize, ids::WorkerId};

    use super::*;
    use crate::doctor::Verdict;

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
