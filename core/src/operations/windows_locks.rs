//! Byte ranges locked by handles that were opened the Windows way.
//!
//! They stand in the same table as those of POSIX ([`LockTable`](super::lock_table::LockTable)), so each kind excludes the other; what
//! one handle may hold twice, and what it gives up, is [`HeldRanges`]'. Whoever reads or writes by such a handle is kept out of what others have locked
//! (LockFileEx, "Remarks"; \[MS-FSA\] 2.1.4.10): for it every lock is mandatory. POSIX handles read and write regardless.

use crate::error::{Error, Result};
use crate::ledger::{Kind, Ledger, heap_bytes};
use crate::operations::attachment::Attachment;
use crate::operations::lock_table::{Ended, Lock, LockKind, LockSpace, LockTable, tell};
use crate::operations::windows::ranges::{HeldRanges, Piece, Range};
use crate::sync::Mutex;
use crate::types::InodeId;

/// The locks of one handle.
pub(crate) struct HandleLocks {
    /// What they are on: an inode, or a stream of one.
    on: InodeId,
    owner: u64,
    held: Mutex<Held>,
}

/// What a handle holds, and what it waits for. A range that is waited for stands against every other request of the handle that overlaps
/// it: what is granted must not overlap what came meanwhile.
struct Held {
    ranges: HeldRanges,
    waits: Vec<(Reservation, Range)>,
    next: Reservation,
    ledger: Ledger,
    /// What both lists are counted as.
    counted: usize,
}

/// Tells the waits of one handle apart.
pub(crate) type Reservation = u64;

impl Held {
    fn new(ledger: Ledger) -> Held {
        Held { ranges: HeldRanges::default(), waits: Vec::new(), next: 0, ledger, counted: 0 }
    }

    /// After each change.
    fn recount(&mut self) {
        let now = self.ranges.heap_bytes() + heap_bytes(self.waits.capacity() * size_of::<(Reservation, Range)>());
        self.ledger.recount(Kind::References, std::mem::replace(&mut self.counted, now), now);
    }

    fn wanted(&self, range: Range) -> Result<Vec<Piece>> {
        if self.waits.iter().any(|(_, waited)| waited.overlaps_range(&range)) {
            return Err(Error::WouldBlock);
        }
        self.ranges.wanted(range)
    }

    fn reserve(&mut self, range: Range) -> Reservation {
        let reservation = self.next;
        self.next += 1;
        self.waits.push((reservation, range));
        self.recount();
        reservation
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.ledger.sub(Kind::References, self.counted);
    }
}

impl HandleLocks {
    pub(crate) fn new(on: InodeId, owner: u64, ledger: Ledger) -> HandleLocks {
        HandleLocks { on, owner, held: Mutex::new(Held::new(ledger)) }
    }

    pub(crate) fn on(&self) -> InodeId {
        self.on
    }

    pub(crate) fn owner(&self) -> u64 {
        self.owner
    }

    /// Locks a range at once, or answers [`Error::WouldBlock`].
    pub(crate) fn lock(&self, table: &LockTable, range: Range, pid: u32) -> Result<()> {
        self.changing(|held, ended| {
            let wanted = held.wanted(range)?;
            for (done, piece) in wanted.iter().enumerate() {
                if let Err(error) = self.apply(table, piece, pid, ended) {
                    for piece in &wanted[..done] {
                        self.apply(table, &Piece { kind: None, ..*piece }, pid, ended)?;
                    }
                    return Err(error);
                }
            }
            held.ranges.add(range);
            Ok(())
        })
    }

    /// What the handle holds and what the table knows of it change together. Whoever waited is told when the handle's locks are free
    /// again: he may want them.
    fn changing(&self, change: impl FnOnce(&mut Held, &mut Ended) -> Result<()>) -> Result<()> {
        let mut ended = Ended::new();
        let mut held = self.held.lock();
        let changed = change(&mut held, &mut ended);
        held.recount();
        drop(held);
        tell(ended);
        changed
    }

    /// Enters a wait for a range that can be had in one piece, to be ended with [`HandleLocks::settle`]; `None` for one that can be had piece by
    /// piece only, and so at once or not at all.
    pub(crate) fn reserve(&self, range: Range) -> Result<Option<(Reservation, Lock)>> {
        let mut held = self.held.lock();
        let (start, end) = match held.wanted(range)?[..] {
            [Piece { start, end, .. }] if range.bounds() == Some((start, end)) => (start, end),
            _ => return Ok(None),
        };
        let kind = if range.exclusive { LockKind::Write } else { LockKind::Read };
        Ok(Some((held.reserve(range), Lock { kind, start, end, pid: 0 })))
    }

    /// A wait is over: the range is the handle's if it was granted, unless all was given up meanwhile.
    pub(crate) fn settle(&self, reservation: Reservation, granted: bool) {
        let mut held = self.held.lock();
        if let Some(at) = held.waits.iter().position(|(wait, _)| *wait == reservation) {
            let (_, range) = held.waits.swap_remove(at);
            if granted {
                held.ranges.add(range);
            }
            held.recount();
        }
    }

    /// Gives up exactly the range that was locked, or answers [`Error::RangeNotLocked`].
    pub(crate) fn unlock(&self, table: &LockTable, start: u64, length: u64) -> Result<()> {
        self.changing(|held, ended| {
            let left = held.ranges.remove(start, length)?;
            left.iter().try_for_each(|piece| self.apply(table, piece, 0, ended))
        })
    }

    /// Gives up all, and ends the waits of the handle.
    pub(crate) fn unlock_all(&self, table: &LockTable) {
        let mut held = self.held.lock();
        held.ranges.clear();
        held.waits = Vec::new();
        held.recount();
        drop(held);
        table.forget_owner(self.on, LockSpace::Range, self.owner);
    }

    fn apply(&self, table: &LockTable, piece: &Piece, pid: u32, ended: &mut Ended) -> Result<()> {
        let (start, end) = (piece.start, piece.end);
        match piece.kind {
            Some(kind) => {
                table.set_untold(self.on, LockSpace::Range, self.owner, Lock { kind, start, end, pid }, ended)
            }
            None => table.unlock_untold(self.on, LockSpace::Range, self.owner, start, end, ended),
        }
    }

    /// Whether the handle may read or write there now (FsRtlCheckLockForReadAccess, FsRtlCheckLockForWriteAccess).
    pub(crate) fn check(&self, at: &Attachment, offset: u64, length: u64, writes: bool) -> Result<()> {
        let Some(head) = at.tree.head().filter(|_| length > 0) else { return Ok(()) };
        let end = offset.saturating_add(length - 1);
        let kind = if writes { LockKind::Write } else { LockKind::Read };
        let lock = Lock { kind, start: offset, end, pid: 0 };
        if head.locks.test(self.on, LockSpace::Range, self.owner, lock).is_some() {
            return Err(Error::LockConflict);
        }
        if writes && self.held.lock().ranges.forbids_writing(offset, end) { Err(Error::LockConflict) } else { Ok(()) }
    }
}
