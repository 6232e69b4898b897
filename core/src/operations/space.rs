//! Holes and reservations: fallocate(2), lseek(2) with SEEK_DATA and SEEK_HOLE.

#[cfg(test)]
mod tests;

use std::ops::Range;

use crate::data::CHUNK_BYTES;
use crate::error::{Error, Result};
use crate::history::reservations::Reservation;
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
pub(crate) const SLICE_BYTES: u64 = 128 << 20;

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
        let whole = offset..offset + length;
        match how {
            Allocation::Reserve { .. } => self.reserve_whole(caller, target, whole, how, false),
            // What is there is made zero at one moment. Of a base it would be copied up to be made so.
            Allocation::Zero { .. } if self.may_zero_in_steps(target)? => {
                self.reserve_whole(caller, target, whole, how, true)
            }
            Allocation::Zero { .. } | Allocation::Punch => self.allocate_slice(caller, target, whole, how, None),
        }
    }

    /// Reserves all but the last slice of a range, and then does what is asked for: with the rest, or with the `whole`. If that fails, what was
    /// reserved beyond the end of the file is given back; what lies in the file stays, as somebody may have written to it meanwhile.
    fn reserve_whole(
        &self,
        caller: &Caller<'_>,
        target: Target,
        range: Range<u64>,
        how: Allocation,
        whole: bool,
    ) -> Result<()> {
        let mut ahead = self.begin_reservation(target, range.end - range.start)?;
        let answer = self.reserve_ahead(caller, target, range.clone(), &mut ahead).and_then(|rest| {
            let begin = if whole { range.start } else { rest };
            self.allocate_slice(caller, target, begin..range.end, how, ahead.as_mut())
        });
        if answer.is_err() {
            self.take_back(target, ahead);
        }
        answer
    }

    /// What is to be told of a reservation of so many bytes; nothing if it takes one step.
    pub(crate) fn begin_reservation(&self, target: Target, bytes: u64) -> Result<Option<Reservation<'_>>> {
        if bytes <= SLICE_BYTES {
            return Ok(None);
        }
        let head = self.tree.head().ok_or(Error::ReadOnly)?;
        Ok(Some(head.reservations.begin(target.id, target.stream)))
    }

    /// Whether the storage may come before what is there is made zero. [`Error::NotPermitted`] if that may not be.
    fn may_zero_in_steps(&self, target: Target) -> Result<bool> {
        let inode = self.inode(target.id)?;
        let record = inode.read();
        let stream = record.stream_of(target.stream)?;
        check_writable(&record, 0, stream.size())?;
        Ok(!stream.is_over_base())
    }

    /// Reserves all but the last slice of a range; answers where that begins. `ahead` is told what was not stored before, for
    /// [`Attachment::take_back`].
    fn reserve_ahead(
        &self,
        caller: &Caller<'_>,
        target: Target,
        range: Range<u64>,
        ahead: &mut Option<Reservation<'_>>,
    ) -> Result<u64> {
        let stored = self.inode(target.id)?.read().stream_of(target.stream)?.stored();
        self.check_room((range.end - range.start).saturating_sub(stored))?;
        let mut at = range.start;
        // Nobody sees of it but how much is stored: that may come in several steps, and the size with the last.
        while range.end - at > SLICE_BYTES {
            let how = Allocation::Reserve { keep_size: true };
            self.allocate_slice(caller, target, at..at + SLICE_BYTES, how, ahead.as_mut())?;
            at += SLICE_BYTES;
        }
        Ok(at)
    }

    /// What cannot be reserved as a whole is not begun, where that can be told: so many bytes are missing.
    pub(crate) fn check_room(&self, missing: u64) -> Result<()> {
        let may_hold = self.context.store.may_hold(missing / CHUNK_BYTES as u64);
        if may_hold { Ok(()) } else { Err(Error::NoSpace) }
    }

    /// `ahead`: the reservation that this is a step of.
    fn allocate_slice(
        &self,
        caller: &Caller<'_>,
        target: Target,
        range: Range<u64>,
        how: Allocation,
        ahead: Option<&mut Reservation<'_>>,
    ) -> Result<()> {
        let (offset, length) = (range.start, range.end - range.start);
        // Outlives the locks and the gate: to free it may take long.
        let _gone;
        let change = if how == Allocation::Punch { self.change_to_free()? } else { self.change()? };
        let inode = change.own(target.id)?;
        let mut record = inode.write();
        let end = record.stream_of(target.stream)?.size();
        let only_reserves = matches!(how, Allocation::Reserve { .. });
        // What frees or zeroes would change what is there: not for a file that only grows (fallocate(2): EPERM).
        check_writable(&record, if only_reserves { end } else { 0 }, end)?;
        let stream = record.stream_of_mut(target.stream)?;
        let size_before = stream.size();
        let gaps = if only_reserves && ahead.is_some() { stream.gaps(range.clone()) } else { Vec::new() };
        let store = &self.context.store;
        match how {
            Allocation::Reserve { keep_size } => stream.allocate(store, offset, length, keep_size)?,
            Allocation::Punch => _gone = stream.punch_out(store, offset, length)?,
            Allocation::Zero { keep_size } => _gone = stream.zero_out(store, offset, length, keep_size)?,
        }
        match ahead {
            _ if how == Allocation::Punch => {}
            Some(ahead) => ahead.step(&range, gaps),
            None => change.head.reservations.step(target.id, target.stream, &range),
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
