//! [`Disk`]: the few operations by which the blob store changes the disk and finds its files, so that
//! tests can let each of them fail or be the last before a crash.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use super::{Space, block::ALIGN};

/// What changes the disk, and what finds files. Called on the blocking pool only.
pub trait Disk: Send + Sync + 'static {
    /// Create a new file, to be read and written. It must not exist.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// Write bytes behind what was appended before.
    fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()>;
    /// The same with whole pages at a page of the file, which begin at a page of memory: past the page cache,
    /// where the file system can do that.
    fn append_direct(&self, file: &File, pages: &[u8]) -> io::Result<()> {
        self.append(file, pages)
    }
    /// Write all bytes at an offset.
    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Make a file's content and length durable.
    fn sync(&self, file: &File) -> io::Result<()>;
    /// Make the names in a directory durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Give a file another name, replacing what had it.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Remove a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Open a file to read it.
    fn open(&self, path: &Path) -> io::Result<File> {
        File::open(path)
    }
    /// Room on the file system of a directory, and whether it is mounted read-only.
    fn space(&self, dir: &Path) -> io::Result<(Space, bool)> {
        Space::ask(dir)
    }
}

/// The file system.
#[derive(Debug, Clone, Copy, Default)]
pub struct RealDisk;

impl Disk for RealDisk {
    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)
    }

    fn append(&self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        file.write_all(bytes)
    }

    fn append_direct(&self, file: &File, pages: &[u8]) -> io::Result<()> {
        let flags = fcntl_getfl(file)?;
        if fcntl_setfl(file, flags | OFlags::DIRECT).is_err() {
            // A file system without it, such as one in memory.
            return self.append(file, pages);
        }
        let written = write_pages(file, pages);
        // Whoever shares the handle reads and writes as ever.
        fcntl_setfl(file, flags)?;
        self.append(file, &pages[written?..])
    }

    fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
        file.write_all_at(bytes, offset)
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_data()
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        File::open(dir)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }
}

/// Writes as much as can be written past the page cache, and says how much that is.
fn write_pages(mut file: &File, pages: &[u8]) -> io::Result<usize> {
    let mut written = 0;
    while written < pages.len() {
        match file.write(&pages[written..]) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => {
                written += count;
                if !count.is_multiple_of(ALIGN) {
                    break;
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            // This one asks for other multiples.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => break,
            Err(error) => return Err(error),
        }
    }
    Ok(written)
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use parking_lot::Mutex;

    use super::{super::block::Block, *};

    /// The file system, of which one operation fails.
    #[derive(Default)]
    pub(in super::super) struct FailingDisk {
        /// Operations until the failure, and its kind.
        failure: Mutex<Option<(usize, io::ErrorKind)>>,
        /// Bytes that went past the page cache.
        pub(in super::super) direct_bytes: AtomicU64,
    }

    impl FailingDisk {
        /// Let the operation after `steps` others fail. Removals are not counted.
        pub(in super::super) fn fail_at(&self, steps: usize, kind: io::ErrorKind) {
            *self.failure.lock() = Some((steps, kind));
        }

        fn step(&self) -> io::Result<()> {
            let mut failure = self.failure.lock();
            match failure.take() {
                Some((0, kind)) => Err(kind.into()),
                Some((steps, kind)) => {
                    *failure = Some((steps - 1, kind));
                    Ok(())
                }
                None => Ok(()),
            }
        }
    }

    impl Disk for FailingDisk {
        fn create(&self, path: &Path) -> io::Result<File> {
            self.step().and_then(|()| RealDisk.create(path))
        }
        fn append(&self, file: &File, bytes: &[u8]) -> io::Result<()> {
            self.step().and_then(|()| RealDisk.append(file, bytes))
        }
        fn append_direct(&self, file: &File, pages: &[u8]) -> io::Result<()> {
            self.direct_bytes
                .fetch_add(pages.len() as u64, Ordering::Relaxed);
            self.step()
                .and_then(|()| RealDisk.append_direct(file, pages))
        }
        fn write_at(&self, file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
            self.step()
                .and_then(|()| RealDisk.write_at(file, bytes, offset))
        }
        fn sync(&self, file: &File) -> io::Result<()> {
            self.step().and_then(|()| RealDisk.sync(file))
        }
        fn sync_dir(&self, dir: &Path) -> io::Result<()> {
            self.step().and_then(|()| RealDisk.sync_dir(dir))
        }
        fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
            self.step().and_then(|()| RealDisk.rename(from, to))
        }
        fn remove(&self, path: &Path) -> io::Result<()> {
            RealDisk.remove(path)
        }
    }

    #[test]
    fn what_goes_past_the_page_cache_and_what_does_not_make_one_file() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = RealDisk.create(&path).unwrap();
        let bytes: Vec<u8> = (0..5 * ALIGN + 17).map(|n| (n / 3) as u8).collect();
        let mut block = Block::with_capacity(bytes.len());
        let mut expected = Vec::new();
        for pages in [1, 2, 5] {
            block.clear();
            block.take(&bytes, pages * ALIGN);
            RealDisk.append_direct(&file, block.bytes()).unwrap();
            expected.extend_from_slice(block.bytes());
        }
        RealDisk.append(&file, &bytes).unwrap();
        expected.extend_from_slice(&bytes);
        // Memory that is not where it should be: written nevertheless.
        RealDisk.append_direct(&file, &bytes[1..=ALIGN]).unwrap();
        expected.extend_from_slice(&bytes[1..=ALIGN]);
        assert_eq!(fs::read(&path).unwrap(), expected);
        assert!(!fcntl_getfl(&file).unwrap().contains(OFlags::DIRECT));
        assert!(
            RealDisk.create(&path).is_err(),
            "an existing file is never opened"
        );
    }
}
