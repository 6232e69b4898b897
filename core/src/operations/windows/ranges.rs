//! The byte ranges that one handle has locked: FsRtlProcessFileLock's rules for one owner (LockFileEx, UnlockFileEx).
//!
//! A handle may hold a range shared while it holds it exclusively, each to be given up by itself with exactly the range it was taken with; it never gets
//! exclusively what it holds in any way. What others hold is [`LockTable`](crate::operations::lock_table::LockTable)'s to
//! know: every change here is answered with the pieces that change there.

use crate::error::{Error, Result};
use crate::ledger::heap_bytes;
use crate::operations::lock_table::LockKind;

/// Locked ranges of one handle.
pub(crate) const RANGES: usize = 1 << 16;

/// A range as it was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) start: u64,
    /// 0 is a lock that excludes nobody.
    pub(crate) length: u64,
    pub(crate) exclusive: bool,
}

impl Range {
    pub(crate) fn new(start: u64, length: u64, exclusive: bool) -> Result<Range> {
        if length > 0 && start.checked_add(length - 1).is_none() {
            return Err(Error::Invalid("a range ends beyond 2^64-1"));
        }
        Ok(Range { start, length, exclusive })
    }

    /// First and last byte; nothing for an empty one.
    pub(crate) fn bounds(&self) -> Option<(u64, u64)> {
        (self.length > 0).then(|| (self.start, self.start + (self.length - 1)))
    }

    fn overlaps(&self, start: u64, end: u64) -> bool {
        self.bounds().is_some_and(|(first, last)| first <= end && start <= last)
    }

    pub(crate) fn overlaps_range(&self, other: &Range) -> bool {
        other.bounds().is_some_and(|(start, end)| self.overlaps(start, end))
    }
}

/// A part of a range, and what the handle holds of it from now on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) start: u64,
    /// The last byte.
    pub(crate) end: u64,
    pub(crate) kind: Option<LockKind>,
}

#[derive(Debug, Default)]
pub(crate) struct HeldRanges(Vec<Range>);

impl HeldRanges {
    /// What has to be held for a further range, or [`Error::WouldBlock`] when the handle itself stands against it. Adds nothing.
    pub(crate) fn wanted(&self, range: Range) -> Result<Vec<Piece>> {
        if self.0.len() >= RANGES {
            return Err(Error::Limit("locked ranges of one handle: 65,536"));
        }
        let Some((start, end)) = range.bounds() else { return Ok(Vec::new()) };
        if range.exclusive && self.0.iter().any(|held| held.overlaps(start, end)) {
            return Err(Error::WouldBlock);
        }
        let kind = if range.exclusive { LockKind::Write } else { LockKind::Read };
        // What is held exclusively stays so, and what is held shared is held as is wanted.
        let pieces = self.pieces(start, end);
        Ok(pieces
            .into_iter()
            .filter(|piece| piece.kind.is_none())
            .map(|piece| Piece { kind: Some(kind), ..piece })
            .collect())
    }

    pub(crate) fn add(&mut self, range: Range) {
        self.0.push(range);
    }

    /// Takes away the range that was locked so, exclusive ones first; answers what is still held of it.
    pub(crate) fn remove(&mut self, start: u64, length: u64) -> Result<Vec<Piece>> {
        let is = |range: &Range| range.start == start && range.length == length;
        let found = self.0.iter().position(|range| is(range) && range.exclusive);
        let found = found.or_else(|| self.0.iter().position(is)).ok_or(Error::RangeNotLocked)?;
        let range = self.0.remove(found);
        if self.0.len() < self.0.capacity() / 4 {
            self.0.shrink_to(self.0.len() * 2);
        }
        Ok(range.bounds().map_or(Vec::new(), |(start, end)| self.pieces(start, end)))
    }

    pub(crate) fn clear(&mut self) {
        self.0 = Vec::new();
    }

    /// What they take of the heap.
    pub(crate) fn heap_bytes(&self) -> usize {
        heap_bytes(self.0.capacity() * size_of::<Range>())
    }

    /// Whether the handle itself keeps everybody, and so itself, from writing there.
    pub(crate) fn forbids_writing(&self, start: u64, end: u64) -> bool {
        self.0.iter().any(|held| !held.exclusive && held.overlaps(start, end))
    }

    /// The range cut where what is held changes, in order.
    fn pieces(&self, start: u64, end: u64) -> Vec<Piece> {
        let bounds = self.0.iter().filter(|held| held.overlaps(start, end)).filter_map(Range::bounds);
        let mut cuts: Vec<u64> =
            bounds.flat_map(|(first, last)| [Some(first), last.checked_add(1)]).flatten().collect();
        cuts.retain(|&cut| cut > start && cut <= end);
        cuts.push(start);
        cuts.sort_unstable();
        cuts.dedup();
        let ends = cuts.iter().skip(1).map(|cut| cut - 1).chain([end]);
        cuts.iter().zip(ends).map(|(&start, end)| Piece { start, end, kind: self.held(start, end) }).collect()
    }

    /// The strongest lock on a piece that no lock's end lies within.
    fn held(&self, start: u64, end: u64) -> Option<LockKind> {
        let over = self.0.iter().filter(|held| held.overlaps(start, end));
        over.map(|held| if held.exclusive { LockKind::Write } else { LockKind::Read }).max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(start: u64, length: u64, exclusive: bool) -> Range {
        Range::new(start, length, exclusive).unwrap()
    }

    fn holding(ranges: &[Range]) -> HeldRanges {
        HeldRanges(ranges.to_vec())
    }

    fn piece(start: u64, end: u64, kind: Option<LockKind>) -> Piece {
        Piece { start, end, kind }
    }

    #[test]
    fn a_handle_never_gets_exclusively_what_it_holds() {
        for held in [range(10, 10, true), range(10, 10, false)] {
            let held = holding(&[held]);
            assert_eq!(held.wanted(range(19, 1, true)), Err(Error::WouldBlock));
            assert_eq!(held.wanted(range(20, 1, true)), Ok(vec![piece(20, 20, Some(LockKind::Write))]));
        }
    }

    #[test]
    fn a_shared_lock_beside_an_exclusive_one_takes_what_is_not_held_yet() {
        let held = holding(&[range(10, 10, true)]);
        let wanted = held.wanted(range(5, 20, false)).unwrap();
        assert_eq!(wanted, [piece(5, 9, Some(LockKind::Read)), piece(20, 24, Some(LockKind::Read))]);
    }

    #[test]
    fn unlocking_takes_exactly_the_range_that_was_locked_and_exclusive_ones_first() {
        let mut held = holding(&[range(10, 10, false), range(10, 10, true)]);
        for (start, length) in [(10, 9), (11, 9), (10, 11), (0, 0)] {
            assert_eq!(held.remove(start, length), Err(Error::RangeNotLocked));
        }
        assert_eq!(held.remove(10, 10), Ok(vec![piece(10, 19, Some(LockKind::Read))]));
        assert_eq!(held.remove(10, 10), Ok(vec![piece(10, 19, None)]));
        assert_eq!(held.remove(10, 10), Err(Error::RangeNotLocked));
    }

    #[test]
    fn what_other_locks_of_the_handle_cover_stays() {
        let mut held = holding(&[range(0, 100, true), range(20, 10, false), range(90, 20, false)]);
        let left = held.remove(0, 100).unwrap();
        let read = Some(LockKind::Read);
        assert_eq!(left, [piece(0, 19, None), piece(20, 29, read), piece(30, 89, None), piece(90, 99, read)]);
    }

    #[test]
    fn a_lock_of_no_bytes_excludes_nobody_and_is_given_up_as_others_are() {
        let mut held = holding(&[range(5, 0, true)]);
        assert!(held.wanted(range(0, 10, true)).is_ok_and(|pieces| pieces.len() == 1));
        assert_eq!(held.wanted(range(5, 0, true)), Ok(vec![]));
        assert_eq!(held.remove(5, 0), Ok(vec![]));
    }

    #[test]
    fn ranges_reach_to_the_last_byte_there_is_and_not_beyond() {
        assert!(Range::new(u64::MAX, 2, true).is_err() && Range::new(1, u64::MAX, true).is_ok());
        let held = holding(&[range(u64::MAX, 1, false)]);
        let wanted = held.wanted(range(u64::MAX - 1, 2, false)).unwrap();
        assert_eq!(wanted, [piece(u64::MAX - 1, u64::MAX - 1, Some(LockKind::Read))]);
    }

    #[test]
    fn a_shared_lock_keeps_its_own_handle_from_writing() {
        let held = holding(&[range(10, 10, false), range(30, 10, true)]);
        assert!(held.forbids_writing(0, 10) && held.forbids_writing(19, 40));
        assert!(!held.forbids_writing(20, 100) && !held.forbids_writing(0, 9));
    }

    #[test]
    fn a_handle_locks_65_536_ranges_and_no_more() {
        let mut held = holding(&vec![range(0, 0, false); RANGES - 1]);
        held.wanted(range(1, 1, false)).unwrap();
        held.add(range(1, 1, false));
        assert!(matches!(held.wanted(range(2, 1, false)), Err(Error::Limit(_))));
    }
}
