//! Where chunks go when memory is full.
//!
//! The trait is all that the store knows of a disk; [`SpillFile`] is the one on a real one, tests bring their own.
//! A device keeps no books: which ranges hold what is for [`super::spill`].

use std::fmt::Debug;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// A place for bytes. Offsets and lengths are whole chunks, buffers are aligned as pages are.
pub(crate) trait SpillDevice: Debug + Send + Sync {
    /// Fills the buffers, one after the other, from `offset` on. All of them or an error.
    fn read_at(&self, offset: u64, into: &mut [&mut [u8]]) -> io::Result<()>;

    /// Writes the buffers, one after the other, from `offset` on. All of them or an error; after an error the range
    /// holds anything.
    fn write_at(&self, offset: u64, from: &[&[u8]]) -> io::Result<()>;

    /// Frees what the range takes. Its bytes are lost.
    fn punch(&self, range: Range<u64>) -> io::Result<()>;

    /// Makes the device reach to the range's end, if it does not, and sets space aside for the range where it can.
    fn allocate(&self, range: Range<u64>) -> io::Result<()>;

    /// Bytes that others and we may still take.
    fn room(&self) -> io::Result<u64>;
}

/// A file without a name: it is gone whatever way the process ends. Written and read past the system's page cache,
/// which would hold everything a second time.
#[derive(Debug)]
pub(super) struct SpillFile {
    file: File,
    direct: AtomicBool,
}

impl SpillFile {
    pub(super) fn create_in(folder: &Path) -> io::Result<Self> {
        let file = tempfile::tempfile_in(folder)?;
        let direct = AtomicBool::new(os::set_direct(&file, true));
        Ok(Self { file, direct })
    }

    /// Runs a transfer. File systems that take the wish for direct transfers but not the transfers get others.
    fn transfer(&self, mut run: impl FnMut(&File) -> io::Result<()>) -> io::Result<()> {
        // As it was before: another transfer may find out at the same time.
        let direct = self.direct.load(Relaxed);
        match run(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::InvalidInput && direct => {
                os::set_direct(&self.file, false);
                self.direct.store(false, Relaxed);
                run(&self.file)
            }
            done => done,
        }
    }
}

/// How far behind the last write the page cache is told to forget: it can only forget what it has written.
const FORGET_BEHIND_BYTES: u64 = 32 << 20;

impl SpillDevice for SpillFile {
    fn read_at(&self, offset: u64, into: &mut [&mut [u8]]) -> io::Result<()> {
        self.transfer(|file| os::read_at(file, offset, into))?;
        if !self.direct.load(Relaxed) {
            let len = into.iter().map(|part| part.len() as u64).sum::<u64>();
            os::forget(&self.file, offset..offset + len);
        }
        Ok(())
    }

    fn write_at(&self, offset: u64, from: &[&[u8]]) -> io::Result<()> {
        self.transfer(|file| os::write_at(file, offset, from))?;
        if !self.direct.load(Relaxed) {
            let len = from.iter().map(|part| part.len() as u64).sum::<u64>();
            os::forget(&self.file, offset.saturating_sub(FORGET_BEHIND_BYTES)..offset + len);
        }
        Ok(())
    }

    fn punch(&self, range: Range<u64>) -> io::Result<()> {
        os::punch(&self.file, range)
    }

    fn allocate(&self, range: Range<u64>) -> io::Result<()> {
        os::allocate(&self.file, range)
    }

    fn room(&self) -> io::Result<u64> {
        os::room(&self.file)
    }
}

/// Makes a file at least so long.
fn reach(file: &File, end: u64) -> io::Result<()> {
    if file.metadata()?.len() < end { file.set_len(end) } else { Ok(()) }
}

#[cfg(target_os = "linux")]
mod os {
    use std::fs::File;
    use std::io::{self, IoSlice, IoSliceMut};
    use std::ops::Range;

    use rustix::fs::{Advice, FallocateFlags, OFlags, fadvise, fallocate, fcntl_getfl, fcntl_setfl, fstatvfs};
    use rustix::io::{Errno, preadv, pwritev};
    use rustix::process::{Resource, getrlimit};

    pub(super) fn set_direct(file: &File, on: bool) -> bool {
        let set = fcntl_getfl(file).and_then(|mut flags| {
            flags.set(OFlags::DIRECT, on);
            fcntl_setfl(file, flags)
        });
        set.is_ok() && on
    }

    pub(super) fn read_at(file: &File, mut offset: u64, into: &mut [&mut [u8]]) -> io::Result<()> {
        let mut parts: Vec<IoSliceMut<'_>> = into.iter_mut().map(|part| IoSliceMut::new(part)).collect();
        let mut rest = &mut parts[..];
        while !rest.is_empty() {
            match preadv(file, rest, offset) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(done) => {
                    offset += done as u64;
                    IoSliceMut::advance_slices(&mut rest, done);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub(super) fn write_at(file: &File, mut offset: u64, from: &[&[u8]]) -> io::Result<()> {
        let mut parts: Vec<IoSlice<'_>> = from.iter().map(|part| IoSlice::new(part)).collect();
        let mut rest = &mut parts[..];
        while !rest.is_empty() {
            match pwritev(file, rest, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(done) => {
                    offset += done as u64;
                    IoSlice::advance_slices(&mut rest, done);
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    pub(super) fn punch(file: &File, range: Range<u64>) -> io::Result<()> {
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        Ok(fallocate(file, flags, range.start, range.end - range.start)?)
    }

    pub(super) fn allocate(file: &File, range: Range<u64>) -> io::Result<()> {
        // The system does not only refuse what goes beyond: it ends the process, unless that knows the signal.
        if getrlimit(Resource::Fsize).current.is_some_and(|most| range.end > most) {
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        match fallocate(file, FallocateFlags::empty(), range.start, range.end - range.start) {
            // Space is then found, or not, when it is written.
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => super::reach(file, range.end),
            done => Ok(done?),
        }
    }

    pub(super) fn room(file: &File) -> io::Result<u64> {
        let stats = fstatvfs(file)?;
        Ok(stats.f_bavail * stats.f_frsize)
    }

    pub(super) fn forget(file: &File, range: Range<u64>) {
        // A hint.
        let len = std::num::NonZero::new(range.end - range.start);
        let _ = fadvise(file, range.start, len, Advice::DontNeed);
    }
}

#[cfg(not(target_os = "linux"))]
mod os {
    use std::fs::File;
    use std::io;
    use std::ops::Range;

    pub(super) fn set_direct(_: &File, _: bool) -> bool {
        false
    }

    pub(super) fn read_at(file: &File, mut offset: u64, into: &mut [&mut [u8]]) -> io::Result<()> {
        for part in into {
            let mut rest = &mut part[..];
            while !rest.is_empty() {
                let done = read_some(file, rest, offset)?;
                if done == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                offset += done as u64;
                rest = &mut rest[done..];
            }
        }
        Ok(())
    }

    pub(super) fn write_at(file: &File, mut offset: u64, from: &[&[u8]]) -> io::Result<()> {
        for part in from {
            let mut rest = &part[..];
            while !rest.is_empty() {
                let done = write_some(file, rest, offset)?;
                offset += done as u64;
                rest = &rest[done..];
            }
        }
        Ok(())
    }

    #[cfg(unix)]
    use std::os::unix::fs::FileExt;
    #[cfg(windows)]
    use std::os::windows::fs::FileExt;

    #[cfg(unix)]
    fn read_some(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
        file.read_at(into, offset)
    }

    #[cfg(unix)]
    fn write_some(file: &File, from: &[u8], offset: u64) -> io::Result<usize> {
        file.write_at(from, offset)
    }

    #[cfg(windows)]
    fn read_some(file: &File, into: &mut [u8], offset: u64) -> io::Result<usize> {
        file.seek_read(into, offset)
    }

    #[cfg(windows)]
    fn write_some(file: &File, from: &[u8], offset: u64) -> io::Result<usize> {
        file.seek_write(from, offset)
    }

    /// The range is written over in time; until then it keeps its space, which harms nobody.
    pub(super) fn punch(_: &File, _: Range<u64>) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    pub(super) fn allocate(file: &File, range: Range<u64>) -> io::Result<()> {
        super::reach(file, range.end)
    }

    #[cfg(unix)]
    pub(super) fn room(file: &File) -> io::Result<u64> {
        let stats = rustix::fs::fstatvfs(file)?;
        Ok(stats.f_bavail * stats.f_frsize)
    }

    /// Unknown: a full disk says so when it is written to.
    #[cfg(not(unix))]
    pub(super) fn room(_: &File) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    pub(super) fn forget(_: &File, _: Range<u64>) {}
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::process::Command;

    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    use super::super::CHUNK_BYTES;
    use super::super::check::Pages;
    use super::*;

    const CHILD: &str = "BOUGH_TEST_FILE_SIZE";

    #[test]
    fn a_transfer_that_fails_while_another_gives_up_direct_ones_is_tried_again_too() {
        let file = SpillFile::create_in(&std::env::temp_dir()).expect("a file");
        file.direct.store(true, Relaxed);
        let mut tries = 0;
        let done = file.transfer(|_| {
            tries += 1;
            let gave_up = !file.direct.swap(false, Relaxed);
            if gave_up { Ok(()) } else { Err(io::ErrorKind::InvalidInput.into()) }
        });
        assert!(done.is_ok() && tries == 2, "{done:?} after {tries}");
    }

    /// Pages of the file's beginning that the page cache has, by mincore(2). Not by a read that is not to wait: that begins
    /// to read ahead, and finds the page where the disk is quick.
    #[allow(unsafe_code)] // No library asks mincore.
    fn cached_pages(file: &File, len: usize) -> usize {
        const PAGE: usize = 4096;
        // SAFETY: nobody reads the mapping, and nobody else knows the file.
        let map = unsafe { memmap2::MmapOptions::new().len(len).map(file) }.expect("a mapping");
        let mut cached = vec![0_u8; len.div_ceil(PAGE)];
        // SAFETY: the mapping is `len` bytes long, and `cached` has a byte for each of its pages.
        let told = unsafe { libc::mincore(map.as_ptr().cast_mut().cast(), len, cached.as_mut_ptr()) };
        assert_eq!(told, 0, "mincore: {}", io::Error::last_os_error());
        cached.iter().filter(|page| **page & 1 != 0).count()
    }

    #[test]
    fn what_is_spilled_is_not_in_the_page_cache_too() {
        const SLOT: usize = 8;
        let file = SpillFile::create_in(&std::env::temp_dir()).expect("a file");
        let mut pages = Pages::boxed();
        file.allocate(0..16 * CHUNK_BYTES as u64).expect("room");
        file.write_at(0, &[&pages.0[..]; 16]).expect("room");
        file.read_at((SLOT * CHUNK_BYTES) as u64, &mut [&mut pages.0[..]]).expect("what was written");
        if !file.direct.load(Relaxed) {
            return eprintln!("SKIPPED: no direct transfers in the folder of temporary files");
        }
        if rustix::fs::fstatfs(&file.file).expect("a file system").f_type == libc::TMPFS_MAGIC {
            return eprintln!("SKIPPED: the folder of temporary files is itself in memory");
        }
        assert_eq!(cached_pages(&file.file, 16 * CHUNK_BYTES), 0);
    }

    #[test]
    fn to_set_space_aside_in_the_middle_cuts_nothing_off() {
        let file = SpillFile::create_in(&std::env::temp_dir()).expect("a file");
        file.allocate(0..4 << 20).expect("room");
        file.allocate(1 << 20..2 << 20).expect("room");
        reach(&file.file, 1 << 20).expect("a file");
        assert_eq!(file.file.metadata().expect("a file").len(), 4 << 20);
    }

    #[test]
    fn a_limit_on_the_size_of_files_is_an_error_and_not_the_end_of_the_process() {
        if std::env::var_os(CHILD).is_some() {
            let current = Some(1 << 20);
            setrlimit(Resource::Fsize, Rlimit { current, ..getrlimit(Resource::Fsize) }).expect("a lower limit");
            let file = SpillFile::create_in(&std::env::temp_dir()).expect("a file");
            assert_eq!(file.allocate(0..2 << 20).map_err(|error| error.kind()), Err(io::ErrorKind::FileTooLarge));
            return assert!(file.allocate(0..1 << 20).is_ok());
        }
        let name = std::thread::current().name().expect("tests have names").to_owned();
        let this = std::env::current_exe().expect("a path");
        let child = Command::new(this).args(["--exact", &name]).env(CHILD, "1").output().expect("a process");
        let said = String::from_utf8_lossy(&child.stdout).into_owned();
        assert!(child.status.success() && said.contains("1 passed"), "{}: {said}", child.status);
    }
}
