//! Cells: one chunk's bytes, wherever they are.
//!
//! A cell has a frame, or a slot of the spill device, or both. Invariants, all kept by the lock on the frame:
//! * without a frame there is a slot, and it holds the bytes, or sets space aside for them while they are blank;
//! * content is [`CLEAN`] only if the slot holds the same bytes as the frame, [`BLANK`] only if all bytes are zero;
//! * the frame comes and goes, and its bytes change, only under the exclusive lock; slot and content change under it,
//!   or, by the one evictor that there is at a time, under a shared one.
//!
//! A blank cell is neither written nor read until somebody writes to it: so space is reserved at no cost. A dirty cell keeps its old slot: so that what came from the device can go back to it even when its disk is full.

use std::ops::Deref;
use std::sync::Arc;

use super::ChunkBytes;
use super::check::Pages;
use super::depot::{Depot, Need};
use super::region::{Frame, Place};
use crate::check::CheckReport;
use crate::error::Result;
use crate::sync::atomic::{
    AtomicU8, AtomicU32, AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};
use crate::sync::{Planted, RecursiveRwLock, RecursiveRwLockReadGuard, RecursiveRwLockWriteGuard, planted};

/// Read or written since the evictor last came by.
const USED: u8 = 1;
/// Read ahead, and not asked for yet.
const AHEAD: u8 = 2;

const NO_SLOT: u32 = u32::MAX;

/// The slot has the bytes.
const CLEAN: u8 = 0;
/// Only the frame has them.
const DIRTY: u8 = 1;
/// They are zero, whatever the slot has.
const BLANK: u8 = 2;

/// What a spilled chunk still takes of memory: its cell with the allocator's share, and its place in a tree.
pub(super) const CELL_BYTES: u64 = (size_of::<Cell>() + 48) as u64;

#[derive(Debug)]
pub(super) struct Cell {
    frame: RecursiveRwLock<Option<Frame>>,
    handles: AtomicUsize,
    slot: AtomicU32,
    content: AtomicU8,
    flags: AtomicU8,
    /// Grows from cell to cell, so that what was allocated in order can be spilled in order.
    stamp: u64,
    depot: Arc<Depot>,
}

/// What the evictor may do with a cell.
pub(super) enum Standing {
    /// Nothing now: it is in use, or was lately.
    Busy,
    /// Nothing: it is lent out, or has no frame.
    Pinned,
    /// Drop its frame.
    Clean,
    /// Write it to the device first.
    Dirty,
}

impl Cell {
    /// A cell with one handle, and no bytes yet.
    pub(super) fn new(depot: &Arc<Depot>) -> Arc<Self> {
        Self::made(depot, NO_SLOT, DIRTY)
    }

    /// A cell with one handle, and zeros that lie nowhere; they have `slot` to go to.
    pub(super) fn blank(depot: &Arc<Depot>, slot: u32) -> Arc<Self> {
        depot.count_away();
        Self::made(depot, slot, BLANK)
    }

    fn made(depot: &Arc<Depot>, slot: u32, content: u8) -> Arc<Self> {
        Arc::new(Self {
            frame: RecursiveRwLock::new(None),
            handles: AtomicUsize::new(1),
            slot: AtomicU32::new(slot),
            content: AtomicU8::new(content),
            flags: AtomicU8::new(USED),
            stamp: depot.counters.allocations.next(),
            depot: Arc::clone(depot),
        })
    }

    /// Gives a new cell its bytes.
    pub(super) fn install(&self, frame: Frame) {
        *self.frame.write() = Some(frame);
    }

    pub(super) fn depot(&self) -> &Arc<Depot> {
        &self.depot
    }

    pub(super) fn stamp(&self) -> u64 {
        self.stamp
    }

    /// Whether a caller who holds a handle exclusively is alone with the cell, but for the evictor.
    #[inline]
    pub(super) fn has_one_handle(&self) -> bool {
        // With Acquire, as handles are dropped with Release: what their holders did with the frame is done.
        self.handles.load(Acquire) == 1 || planted(Planted::WritesWhatIsLent)
    }

    /// How many handles there are now.
    pub(super) fn handles(&self) -> usize {
        self.handles.load(Relaxed)
    }

    pub(super) fn add_handle(&self) {
        self.handles.fetch_add(1, Relaxed);
    }

    pub(super) fn drop_handle(&self) {
        self.handles.fetch_sub(1, Release);
    }

    #[inline]
    pub(super) fn is_warm(&self) -> bool {
        self.flags.load(Relaxed) == USED
    }

    pub(super) fn is_ahead(&self) -> bool {
        self.flags.load(Relaxed) & AHEAD != 0
    }

    /// Whether the bytes are in memory. While somebody brings them there, they are as good as.
    pub(super) fn is_resident(&self) -> bool {
        self.frame.try_read().is_none_or(|frame| frame.is_some())
    }

    /// The bytes, shared. Reads them back if need be.
    #[inline]
    pub(super) fn read(self: &Arc<Self>) -> Result<BytesRead<'_>> {
        // A recursive lock, as a reader who holds one chunk twice must not wait for a writer who waits for him.
        let frame = self.frame.read();
        self.mark_used();
        self.depot.counters.reads.add(1);
        if frame.is_some() {
            return Ok(BytesRead { frame });
        }
        drop(frame);
        self.read_back()
    }

    /// The bytes, exclusively; they become dirty. For the one handle.
    #[inline]
    pub(super) fn write(self: &Arc<Self>) -> Result<BytesWrite<'_>> {
        let mut frame = self.frame.write();
        self.mark_used();
        self.depot.counters.reads.add(1);
        if frame.is_none() {
            self.depot.fault(self, &mut frame, Need::Write)?;
        }
        self.content.store(DIRTY, Relaxed);
        Ok(BytesWrite { frame })
    }

    /// The bytes, shared, if they are in memory and nobody changes them now.
    pub(super) fn try_read(&self) -> Option<BytesRead<'_>> {
        let frame = self.frame.try_read()?;
        frame.is_some().then_some(BytesRead { frame })
    }

    /// As [`Cell::write`], if the bytes are in memory and nobody uses them now.
    pub(super) fn try_write(&self) -> Option<BytesWrite<'_>> {
        let frame = self.frame.try_write()?;
        if frame.is_none() {
            return None;
        }
        self.mark_used();
        self.content.store(DIRTY, Relaxed);
        Some(BytesWrite { frame })
    }

    /// As [`Cell::write`], but whatever the bytes were is not read back.
    pub(super) fn overwrite(self: &Arc<Self>) -> Result<BytesWrite<'_>> {
        let mut frame = self.frame.write();
        self.mark_used();
        if frame.is_none() {
            let (fresh, _) = self.depot.frame_for(self, Need::Write)?;
            self.depot.count_back();
            *frame = Some(fresh);
        }
        self.content.store(DIRTY, Relaxed);
        Ok(BytesWrite { frame })
    }

    /// Makes all bytes zero. For the one handle. Needs no memory, and no device.
    pub(super) fn clear(&self) {
        match &mut *self.frame.write() {
            None => self.content.store(BLANK, Relaxed),
            Some(frame) => {
                frame.bytes_mut().fill(0);
                self.content.store(DIRTY, Relaxed);
            }
        }
    }

    #[inline]
    fn is_dirty(&self) -> bool {
        self.content.load(Relaxed) == DIRTY
    }

    /// Whether the bytes are zero, and were never written.
    pub(super) fn is_blank(&self) -> bool {
        self.content.load(Relaxed) == BLANK
    }

    /// Copies the bytes from wherever they are. Needs no memory.
    pub(super) fn copy_to(&self, into: &mut ChunkBytes) -> Result<()> {
        let frame = self.frame.read();
        match (&*frame, self.slot()) {
            (Some(frame), _) => into.copy_from_slice(frame.bytes()),
            (None, Some(_)) if self.is_blank() => into.fill(0),
            (None, Some(slot)) => self.depot.read_slots(slot, &mut [into])?,
            (None, None) => unreachable!("a cell without frame has a slot"),
        }
        Ok(())
    }

    #[cold]
    fn read_back(self: &Arc<Self>) -> Result<BytesRead<'_>> {
        // Others who want the same bytes wait here, and find them.
        let mut frame = self.frame.write();
        if frame.is_none() {
            self.depot.fault(self, &mut frame, Need::Read)?;
        }
        Ok(BytesRead { frame: RecursiveRwLockWriteGuard::downgrade(frame) })
    }

    #[inline]
    fn mark_used(&self) {
        if self.flags.load(Relaxed) != USED {
            self.mark_used_first();
        }
    }

    #[cold]
    fn mark_used_first(&self) {
        if self.flags.swap(USED, Relaxed) & AHEAD != 0 {
            self.depot.counters.ahead_hits.add(1);
        }
    }

    /// For who reads cells back together: the lock on a cell that is still to be read, and its slot. Does not wait.
    pub(super) fn try_lock_spilled(&self) -> Option<(RecursiveRwLockWriteGuard<'_, Option<Frame>>, u32)> {
        let frame = self.frame.try_write()?;
        if frame.is_some() || self.is_blank() {
            return None;
        }
        Some((frame, self.slot()?))
    }

    /// As [`Cell::try_lock_spilled`], but waits.
    pub(super) fn lock_spilled(&self) -> Option<(RecursiveRwLockWriteGuard<'_, Option<Frame>>, u32)> {
        let frame = self.frame.write();
        if frame.is_some() || self.is_blank() {
            return None;
        }
        Some((frame, self.slot()?))
    }

    /// Marks bytes that were read before anyone asked for them.
    pub(super) fn mark_ahead(&self) {
        self.flags.store(USED | AHEAD, Relaxed);
    }

    /// Where the device has the bytes, or an older state of them.
    pub(super) fn slot(&self) -> Option<u32> {
        let slot = self.slot.load(Relaxed);
        (slot != NO_SLOT).then_some(slot)
    }
}

/// For the evictor, of which there is one at a time.
impl Cell {
    /// What can be done with the cell. Whoever was used since the last look has a second chance.
    pub(super) fn standing(&self) -> Standing {
        let used = self.flags.load(Relaxed) & USED != 0;
        if used {
            self.flags.fetch_and(!USED, Relaxed);
        }
        // Without handles it is about to go, and is only held up by our looking.
        if used || self.handles.load(Relaxed) == 0 {
            return Standing::Busy;
        }
        match self.frame.try_read().as_deref() {
            None => Standing::Busy,
            Some(None) => Standing::Pinned,
            Some(Some(frame)) if frame.is_shared() => Standing::Pinned,
            Some(Some(_)) if self.is_dirty() => Standing::Dirty,
            Some(Some(_)) => Standing::Clean,
        }
    }

    /// The bytes, if they are in memory, must be written, and nobody changes them now.
    pub(super) fn dirty_bytes(&self) -> Option<BytesRead<'_>> {
        let frame = self.frame.try_read()?;
        (frame.is_some() && self.is_dirty()).then_some(BytesRead { frame })
    }

    /// Notes that `slot` holds these bytes now. Returns the slot that held others.
    pub(super) fn set_clean(&self, _bytes: &BytesRead<'_>, slot: u32) -> Option<u32> {
        let old = self.slot.swap(slot, Relaxed);
        self.content.store(CLEAN, Relaxed);
        (old != NO_SLOT && old != slot).then_some(old)
    }

    /// Drops the frame, if the device has its bytes and nobody uses or used it. Says where it lay.
    pub(super) fn drop_clean_frame(&self) -> Option<Place> {
        let mut frame = self.frame.try_write()?;
        let keep = self.is_dirty() || self.flags.load(Relaxed) & USED != 0;
        if keep && !planted(Planted::EvictsWhatIsUsed) || frame.as_ref().is_none_or(Frame::is_shared) {
            return None;
        }
        self.flags.store(0, Relaxed);
        let place = frame.as_ref().map(Frame::place);
        // Both before the lock goes: who faults the cell next counts it back.
        *frame = None;
        self.depot.count_away();
        place
    }
}

/// For the check of the invariants.
impl Cell {
    /// Where its frame lies. One that somebody is just bringing back has none.
    pub(super) fn place(&self) -> Option<Place> {
        self.frame.try_read()?.as_ref().map(Frame::place)
    }

    /// `references`: how many handles were found.
    pub(super) fn check(&self, references: usize, still: bool, report: &mut CheckReport) {
        let handles = self.handles.load(Acquire);
        let fits = if still { handles == references } else { handles >= references };
        report.ensure(fits, || format!("a chunk counts {handles} handles, and {references} were found"));
        let Some(frame) = self.frame.try_read() else { return };
        let dirty = self.is_dirty();
        match (&*frame, self.slot()) {
            (None, None) => report.tell("a chunk is neither in memory nor spilled".into()),
            (Some(_), None) => {
                report.ensure(dirty, || "a chunk without a slot says that its slot has its bytes".into())
            }
            (Some(frame), _) if self.is_blank() => {
                report.ensure(frame.bytes().iter().all(|&byte| byte == 0), || "a blank chunk is not zero".into());
            }
            (Some(frame), Some(slot)) if still && !dirty => {
                let mut pages = Pages::boxed();
                let read = self.depot.read_slots(slot, &mut [&mut pages.0]);
                let same = read.is_err() || pages.0 == *frame.bytes();
                report.ensure(same, || format!("slot {slot} has other bytes than the clean frame it belongs to"));
            }
            _ => {}
        }
    }
}

impl Drop for Cell {
    fn drop(&mut self) {
        self.depot.counters.freed.add(1);
        if let Some(slot) = self.slot() {
            if self.frame.get_mut().is_none() {
                self.depot.count_back();
            }
            self.depot.free_slot(slot);
        }
    }
}

/// A cell's bytes while they are read.
pub(super) struct BytesRead<'a> {
    frame: RecursiveRwLockReadGuard<'a, Option<Frame>>,
}

impl BytesRead<'_> {
    #[inline]
    pub(super) fn frame(&self) -> &Frame {
        self.frame.deref().as_ref().expect("invariant: bytes being read are in memory")
    }
}

/// A cell's bytes while they are changed.
pub(super) struct BytesWrite<'a> {
    frame: RecursiveRwLockWriteGuard<'a, Option<Frame>>,
}

impl BytesWrite<'_> {
    #[inline]
    pub(super) fn frame(&self) -> &Frame {
        self.frame.as_ref().expect("invariant: bytes being changed are in memory")
    }

    #[inline]
    pub(super) fn frame_mut(&mut self) -> &mut Frame {
        self.frame.as_mut().expect("invariant: bytes being changed are in memory")
    }
}
