//! [`Disk`]: the few operations by which the blob store changes the disk and finds its files, so that
//! tests can let each of them fail or be the last before a crash.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IoSlice, Write},
    os::unix::fs::FileExt,
    path::Path,
};

use bytes::Bytes;

use super::Space;

/// What changes the disk, and what finds files. Called on the blocking pool only.
pub trait Disk: Send + Sync + 'static {
    /// Create a new file, to be read and written. It must not exist.
    fn create(&self, path: &Path) -> io::Result<File>;
    /// Write all pieces behind what was appended before.
    fn append(&self, file: &File, pieces: &[Bytes]) -> io::Result<()>;
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

    fn append(&self, mut file: &File, pieces: &[Bytes]) -> io::Result<()> {
        let mut slices: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
        let mut rest = &mut slices[..];
        IoSlice::advance_slices(&mut rest, 0); // drops empty pieces at the front
        while !rest.is_empty() {
            match file.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => IoSlice::advance_slices(&mut rest, written),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
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

#[cfg(test)]
pub(super) mod tests {
    use parking_lot::Mutex;

    use super::*;

    /// The file system, of which one operation fails.
    #[derive(Default)]
    pub(in super::super) struct FailingDisk {
        /// Operations until the failure, and its kind.
        failure: Mutex<Option<(usize, io::ErrorKind)>>,
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
        fn append(&self, file: &File, pieces: &[Bytes]) -> io::Result<()> {
            self.step().and_then(|()| RealDisk.append(file, pieces))
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
    fn pieces_are_appended_whole_and_in_order() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let file = RealDisk.create(&path).unwrap();
        // More pieces than one system call takes, some of them empty.
        let pieces: Vec<Bytes> = (0..5000u32)
            .map(|n| vec![n as u8; (n % 7) as usize].into())
            .collect();
        RealDisk.append(&file, &pieces).unwrap();
        RealDisk.append(&file, &[Bytes::new()]).unwrap();
        RealDisk.append(&file, &[]).unwrap();
        assert_eq!(fs::read(&path).unwrap(), pieces.concat());
        assert!(
            RealDisk.create(&path).is_err(),
            "an existing file is never opened"
        );
    }
}
