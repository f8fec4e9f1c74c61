//! The data directory and files with secrets in it.

use std::{
    fs::{self, File},
    io,
    os::unix::fs::PermissionsExt,
    path::Path,
};

use rustix::fs::{FlockOperation, flock, statfs};

use super::Finding;
use crate::config::ByteSize;

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

/// The directory that is there: itself, or the nearest one above it, on whose disk it will be made.
pub fn existing(dir: &Path) -> Option<&Path> {
    let existing = dir.ancestors().find(|above| above.is_dir())?;
    Some(match existing.as_os_str().is_empty() {
        true => Path::new("."),
        false => existing,
    })
}

/// Can the directory be written to?
pub fn writable(dir: &Path) -> Finding {
    let name = "data directory";
    if !dir.exists() {
        let seen = format!("{} is not there yet", dir.display());
        return Finding::warning(
            name,
            seen,
            "the first start makes it; is this the directory you mean?",
        );
    }
    if !dir.is_dir() {
        let seen = format!("{} is no directory", dir.display());
        return Finding::bad(name, seen, "give a directory: --data-dir");
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

/// Does a process hold this lock file? Opens no store, so nothing is swept or created.
pub fn is_in_use(lock: &Path) -> bool {
    let Ok(file) = File::open(lock) else {
        return false;
    };
    matches!(
        flock(&file, FlockOperation::NonBlockingLockShared),
        Err(rustix::io::Errno::WOULDBLOCK)
    )
}

/// Is the file system one that keeps files?
pub fn file_system(dir: &Path) -> Finding {
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

/// Is there room? `low` gives of the disk's size the free bytes below which the node works no more, and
/// says so in `remedy`.
pub fn room(dir: &Path, low: impl FnOnce(u64) -> u64, remedy: &str) -> Finding {
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
    let (free_shown, total_shown) = (ByteSize(free).rounded(), ByteSize(total).rounded());
    let seen = format!("{free_shown} of {total_shown} are free");
    match free {
        free if free < low(total) => Finding::bad(name, seen, remedy),
        free if free < total / LOW_PART => {
            Finding::warning(name, seen, "less than 5 % are left: plan for more")
        }
        _ => Finding::good(name, seen),
    }
}

/// Is the file its owner's alone?
pub fn secret(name: &'static str, path: &Path) -> Finding {
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
