//! The bytes of one file: copied with their holes, or put together of what another file has already and of what is new.
//!
//! Where a disk shares what two files have in common (reflinks), what is had already costs nothing; elsewhere the kernel copies it, and
//! it is not read through the mount of the branch.

use std::os::fd::BorrowedFd;

use rustix::fs::{FallocateFlags, SeekFrom, copy_file_range, fallocate, fstat, ftruncate, ioctl_ficlone, seek};
use rustix::io::{Errno, Result, pread, pwrite};

use super::plan::Own;

/// How much is copied at a time.
const BUFFER_BYTES: usize = 1 << 20;

/// What bytes pass through: made once, for many files.
#[derive(Default)]
pub(super) struct Buffer(Vec<u8>);

impl Buffer {
    /// Copies the `size` bytes, and leaves the holes.
    pub(super) fn copy(&mut self, source: BorrowedFd<'_>, size: u64, target: BorrowedFd<'_>) -> Result<()> {
        match self.copy_part(source, target, 0, size)? == size {
            true => Ok(()),
            false => ftruncate(target, size),
        }
    }

    /// As [`Buffer::copy`], with everything but `own` taken from `there`, which has it at the same place.
    pub(super) fn patch(
        &mut self,
        source: BorrowedFd<'_>,
        size: u64,
        there: BorrowedFd<'_>,
        own: &Own,
        target: BorrowedFd<'_>,
    ) -> Result<()> {
        let held = (fstat(there)?.st_size as u64).min(size);
        let shares = ioctl_ficlone(target, there).is_ok();
        ftruncate(target, size)?;
        let mut at = 0;
        for &(begin, end) in own.0.iter().chain([&(size, size)]) {
            if !shares && at < begin.min(held) {
                self.take(there, target, at, begin.min(held))?;
            }
            at = end.min(size);
            if begin >= at {
                continue;
            }
            if shares && begin < held {
                empty(target, begin, at)?;
            }
            self.copy_part(source, target, begin, at)?;
        }
        Ok(())
    }

    /// Copies a part; what is a hole in the source is left as it is. Answers where what was written ends.
    fn copy_part(&mut self, source: BorrowedFd<'_>, target: BorrowedFd<'_>, begin: u64, end: u64) -> Result<u64> {
        let most = BUFFER_BYTES.min((end - begin) as usize);
        if self.0.len() < most {
            self.0.resize(most, 0);
        }
        let (mut at, mut written) = (begin, begin);
        while at < end {
            let looks = end - begin > BUFFER_BYTES as u64;
            let (from, to) = if looks { next_data(source, at, end)? } else { (begin, end) };
            at = from;
            while at < to {
                let part = most.min((to - at) as usize);
                let count = pread(source, &mut self.0[..part], at)?;
                if count == 0 {
                    return Ok(written);
                }
                write_all(target, &self.0[..count], at)?;
                at += count as u64;
                written = at;
            }
        }
        Ok(written)
    }

    /// Has the kernel copy a part, holes left.
    fn take(&mut self, there: BorrowedFd<'_>, target: BorrowedFd<'_>, begin: u64, end: u64) -> Result<()> {
        let mut at = begin;
        while at < end {
            let (from, to) = next_data(there, at, end)?;
            at = from;
            while at < to {
                let (mut read, mut written) = (at, at);
                match copy_file_range(there, Some(&mut read), target, Some(&mut written), (to - at) as usize) {
                    Ok(0) => return Ok(()),
                    Ok(count) => at += count as u64,
                    Err(Errno::XDEV | Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP | Errno::PERM) => {
                        self.copy_part(there, target, at, to)?;
                        at = to;
                    }
                    Err(errno) => return Err(errno),
                }
            }
        }
        Ok(())
    }
}

/// Makes a hole, or zeros where there can be none.
fn empty(target: BorrowedFd<'_>, begin: u64, end: u64) -> Result<()> {
    let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    match fallocate(target, flags, begin, end - begin) {
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => {
            let zeros = vec![0u8; BUFFER_BYTES];
            let mut at = begin;
            while at < end {
                let part = zeros.len().min((end - at) as usize);
                write_all(target, &zeros[..part], at)?;
                at += part as u64;
            }
            Ok(())
        }
        other => other,
    }
}

/// Where data begins and ends at or after `at`; the end twice when there is no more.
fn next_data(source: BorrowedFd<'_>, at: u64, end: u64) -> Result<(u64, u64)> {
    match seek(source, SeekFrom::Data(at)) {
        Ok(begin) if begin >= end => Ok((end, end)),
        Ok(begin) => Ok((begin, seek(source, SeekFrom::Hole(begin))?.min(end))),
        Err(Errno::NXIO) => Ok((end, end)),
        // A file system that does not know its holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok((at, end)),
        Err(errno) => Err(errno),
    }
}

fn write_all(target: BorrowedFd<'_>, mut bytes: &[u8], mut at: u64) -> Result<()> {
    while !bytes.is_empty() {
        let count = pwrite(target, bytes, at)?;
        bytes = &bytes[count..];
        at += count as u64;
    }
    Ok(())
}
