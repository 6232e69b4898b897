//! The ranges that one owner holds in one space of one inode.
//!
//! Invariants: in ascending order, apart from each other; neighbours that touch differ in kind. Who else holds
//! what is left to the space.

use super::{Lock, LockKind, Quota};
use crate::error::Result;
use crate::ledger::heap_bytes;

#[derive(Debug, Default)]
pub(super) struct Spans(Vec<Lock>);

impl Spans {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// What they take of the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        heap_bytes(self.0.capacity() * size_of::<Lock>())
    }

    /// The first span that overlaps the range and fits.
    pub(super) fn find(&self, start: u64, end: u64, fits: impl Fn(&Lock) -> bool) -> Option<Lock> {
        let first = self.0.partition_point(|span| span.end < start);
        self.0[first..].iter().take_while(|span| span.start <= end).find(|span| fits(span)).copied()
    }

    /// Whether every byte of the lock is held, by kinds that grant as much.
    pub(super) fn covers(&self, lock: &Lock) -> bool {
        let mut next = lock.start;
        let first = self.0.partition_point(|span| span.end < lock.start);
        for span in &self.0[first..] {
            if span.start > next || span.kind < lock.kind {
                return false;
            }
            if span.end >= lock.end {
                return true;
            }
            next = span.end + 1;
        }
        false
    }

    /// Makes the range this lock, whatever was held of it: POSIX, fcntl(), "Advisory record locking".
    pub(super) fn set(&mut self, lock: Lock, quota: &Quota) -> Result<()> {
        self.replace(lock.start, lock.end, Some((lock.kind, lock.pid)), quota)
    }

    /// Gives up the range.
    pub(super) fn clear(&mut self, start: u64, end: u64, quota: &Quota) -> Result<()> {
        self.replace(start, end, None, quota)
    }

    fn replace(&mut self, start: u64, end: u64, new: Option<(LockKind, u32)>, quota: &Quota) -> Result<()> {
        let new = new.map(|(kind, pid)| Lock { kind, start, end, pid });
        // With a new lock, neighbours that only touch are looked at as well: they may become one with it.
        let reach = u64::from(new.is_some());
        let (from, to) = (start.saturating_sub(reach), end.saturating_add(reach));
        let first = self.0.partition_point(|span| span.end < from);
        let last = self.0.partition_point(|span| span.start <= to);
        let touched = &self.0[first.min(last)..last];
        let before = touched.first().filter(|span| span.start < start);
        let before = before.map(|span| Lock { end: span.end.min(start - 1), ..*span });
        let after = touched.last().filter(|span| span.end > end);
        let after = after.map(|span| Lock { start: span.start.max(end + 1), ..*span });
        let (pieces, count) = join([before, new, after]);
        match count.checked_sub(touched.len()) {
            Some(more) => quota.take(more)?,
            None => quota.give(touched.len() - count),
        }
        if self.0.len() + 2 > self.0.capacity() {
            // Not twice as many: what is not used counts as memory, too.
            self.0.reserve_exact((self.0.len() / 8).max(2));
        }
        self.0.splice(first..last, pieces.into_iter().flatten());
        Ok(())
    }
}

/// The pieces with those that touch and are of one kind made one, and how many are left. What is joined
/// takes the process of the newest, the middle.
fn join([before, new, after]: [Option<Lock>; 3]) -> ([Option<Lock>; 3], usize) {
    let Some(mut new) = new else {
        return ([before, None, after], before.iter().count() + after.iter().count());
    };
    let same = |piece: &Lock| piece.kind == new.kind;
    let (joins_before, joins_after) = (before.is_some_and(|p| same(&p)), after.is_some_and(|p| same(&p)));
    let (before, start) = if joins_before { (None, before.map(|p| p.start)) } else { (before, None) };
    let (after, end) = if joins_after { (None, after.map(|p| p.end)) } else { (after, None) };
    new.start = start.unwrap_or(new.start);
    new.end = end.unwrap_or(new.end);
    ([before, Some(new), after], 1 + before.iter().count() + after.iter().count())
}

#[cfg(test)]
impl Spans {
    pub(super) fn all(&self) -> &[Lock] {
        &self.0
    }
}
