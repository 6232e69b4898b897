//! Holes and reservations: fallocate(2), lseek(2) with SEEK_DATA and SEEK_HOLE.

use std::ops::Range;

use crate::data::CHUNK_BYTES;
use crate::error::{Error, Result};
use crate::limits;
use crate::operations::attachment::Attachment;
use crate::operations::attributes::lose_privileges;
use crate::operations::io::check_writable;
use crate::operations::streams::Target;
use crate::types::Caller;

/// What fallocate does with a range.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Allocation {
    /// Reserves storage; holes become zeros that are stored.
    Reserve {
        /// The size stays even if the range ends beyond it.
        keep_size: bool,
    },
    /// Frees storage; the range reads as zeros, the size stays (FALLOC_FL_PUNCH_HOLE with KEEP_SIZE).
    Punch,
    /// The range reads as zeros and has storage (FALLOC_FL_ZERO_RANGE).
    Zero {
        /// The size stays even if the range ends beyond it.
        keep_size: bool,
    },
}

/// What to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seek {
    /// The next byte that has storage, at or after the offset (SEEK_DATA).
    Data,
    /// The next hole, at or after the offset; the end of the file counts as one (SEEK_HOLE).
    Hole,
}

/// As much is reserved in one go: a snapshot waits for no more than that.
const SLICE_BYTES: u64 = 128 << 20;

impl Attachment {
    pub(crate) fn allocate(
        &self,
        caller: &Caller<'_>,
        target: Target,
        offset: u64,
        length: u64,
        how: Allocation,
    ) -> Result<()> {
        if length == 0 {
            return Err(Error::Invalid("fallocate: length 0"));
        }
        if offset.checked_add(length).is_none_or(|end| end > limits::FILE_BYTES) {
            return Err(Error::FileTooLarge);
        }
        let mut at = offset;
        if matches!(how, Allocation::Reserve { .. }) {
            self.check_room(target, length)?;
            // Nobody sees of it but how much is stored: that may come in several steps, and the size with the last.
            while offset + length - at > SLICE_BYTES {
                self.allocate_slice(caller, target, at..at + SLICE_BYTES, Allocation::Reserve { keep_size: true })?;
                at += SLICE_BYTES;
            }
        }
        self.allocate_slice(caller, target, at..offset + length, how)
    }

    /// What cannot be reserved as a whole is not begun, where that can be told.
    fn check_room(&self, target: Target, length: u64) -> Result<()> {
        let inode = self.inode(target.id)?;
        let stored = inode.read().stream_of(target.stream)?.stored();
        let missing = length.saturating_sub(stored) / CHUNK_BYTES as u64;
        if self.context.store.may_hold(missing) { Ok(()) } else { Err(Error::NoSpace) }
    }

    fn allocate_slice(&self, caller: &Caller<'_>, target: Target, range: Range<u64>, how: Allocation) -> Result<()> {
        let (offset, length) = (range.start, range.end - range.start);
        let change = if how == Allocation::Punch { self.change_to_free()? } else { self.change()? };
        let inode = change.own(target.id)?;
        let mut record = inode.write();
        let end = record.stream_of(target.stream)?.size();
        let only_reserves = matches!(how, Allocation::Reserve { .. });
        // What frees or zeroes would change what is there: not for a file that only grows (fallocate(2): EPERM).
        check_writable(&record, if only_reserves { end } else { 0 }, end)?;
        let stream = record.stream_of_mut(target.stream)?;
        let size_before = stream.size();
        match how {
            Allocation::Reserve { keep_size } => stream.allocate(&self.context.store, offset, length, keep_size)?,
            Allocation::Punch => stream.punch(&self.context.store, offset, length)?,
            Allocation::Zero { keep_size } => stream.zero(&self.context.store, offset, length, keep_size)?,
        }
        lose_privileges(caller, &mut record);
        record.touch_content_but(change.now, target.held);
        change.tell_content(&record, target, size_before);
        Ok(())
    }

    pub(crate) fn seek(&self, target: Target, offset: u64, what: Seek) -> Result<u64> {
        let inode = self.inode(target.id)?;
        let record = inode.read();
        let stream = record.stream_of(target.stream)?;
        let found = match what {
            Seek::Data => stream.seek_data(offset),
            Seek::Hole => stream.seek_hole(offset),
        };
        found.ok_or(Error::NoSuchOffset)
    }
}
