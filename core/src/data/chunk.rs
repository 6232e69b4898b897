//! Chunks: the unit in which bytes are shared, copied and given up.
//!
//! A [`Chunk`] is a handle on a cell, and the cell's bytes are in memory, in the spill device, or in both. Invariants:
//! a cell's bytes change only through its one handle; while they are read, written or pinned they stay in memory.
//! How many handles a cell has is counted in the cell itself, as the evictor refers to cells too.
//!
//! Reading bytes that are in memory takes the cell's own lock, shared, and nothing else. Reads and writes may have to
//! read the device, and wait for memory: callers must be ready for [`Error`](crate::error::Error).

mod addresses;
mod ahead;
mod cell;
mod check;
mod depot;
mod device;
mod evictor;
mod pool;
mod region;
mod slab;
mod spill;
mod store;
mod sweep;
#[cfg(test)]
mod tests;

use std::ops::{Deref, DerefMut, Range};
use std::sync::Arc;

use self::cell::{BytesRead, BytesWrite, CELL_BYTES, Cell};
pub(crate) use self::check::Census;
use self::depot::{Depot, Need};
use self::region::Frame;
pub(crate) use self::slab::{SLOT_BYTES, Slot};
pub(crate) use self::spill::SpillConfig;
pub(crate) use self::store::{ChunkStore, StoreConfig};
#[cfg(test)]
pub(crate) use self::{device::SpillDevice, store::StoreUsage};
use crate::error::Result;
use crate::ledger::{Kind, Ledger};
use crate::radix::Value;
use crate::reckoning::Reckoning;
use crate::sync::{Planted, planted};

/// Size of a chunk.
pub(crate) const CHUNK_BYTES: usize = 65_536;

/// From this many bytes to be written on, a fresh chunk's memory is asked for as a whole.
const POPULATE_BYTES: usize = CHUNK_BYTES / 4;

/// What a chunk holds.
pub(crate) type ChunkBytes = [u8; CHUNK_BYTES];

/// 64 KiB of bytes that may be shared. A clone shares them.
#[derive(Debug)]
pub(crate) struct Chunk {
    cell: Arc<Cell>,
}

impl Chunk {
    /// A new chunk. All of it is zero but `unfilled`, which holds anything and must be written before anyone else
    /// sees the chunk.
    pub(crate) fn allocate(store: &ChunkStore, unfilled: Range<usize>) -> Result<Self> {
        Self::filled(store.depot(), |frame, zero| {
            if !zero {
                let bytes = frame.bytes_mut();
                bytes[..unfilled.start].fill(0);
                bytes[unfilled.end..].fill(0);
            } else if unfilled.len() >= POPULATE_BYTES {
                frame.populate();
            }
            Ok(())
        })
    }

    /// A new chunk of zeros.
    pub(crate) fn zeroed(store: &ChunkStore) -> Result<Self> {
        Self::allocate(store, 0..0)
    }

    /// Up to `most` chunks of zeros with space in the device set aside for them: nothing is written for it. None if there is
    /// no device, or no space in it.
    pub(crate) fn reserve(store: &ChunkStore, most: u64) -> impl Iterator<Item = Self> {
        let depot = store.depot();
        let run = depot.spill.as_ref().and_then(|spill| spill.reserve_run(most.min(u32::MAX.into()) as u32).ok());
        run.into_iter().flatten().map(|slot| Self { cell: Cell::blank(depot, slot) })
    }

    /// Makes all bytes zero. Nobody else must hold the chunk.
    pub(crate) fn clear(&mut self) {
        debug_assert!(!self.is_shared());
        self.cell.clear();
    }

    /// Whether somebody else holds the chunk.
    pub(crate) fn is_shared(&self) -> bool {
        !self.cell.has_one_handle()
    }

    /// The bytes, to be read.
    pub(crate) fn read(&self) -> Result<ChunkRead<'_>> {
        Ok(ChunkRead { bytes: self.cell.read()? })
    }

    /// The bytes, to be changed. If anyone else holds the chunk, this one becomes a copy first.
    pub(crate) fn write(&mut self, store: &ChunkStore) -> Result<ChunkWrite<'_>> {
        self.unshare(store)?;
        Ok(ChunkWrite { bytes: self.cell.write()? })
    }

    /// The bytes, to be changed though several may hold this very handle: they keep out of each other's parts.
    pub(super) fn write_slots(&self) -> Result<ChunkWrite<'_>> {
        Ok(ChunkWrite { bytes: self.cell.write()? })
    }

    /// The bytes to be read, if they are in memory and nobody changes them now.
    pub(super) fn try_read(&self) -> Option<ChunkRead<'_>> {
        Some(ChunkRead { bytes: self.cell.try_read()? })
    }

    /// As [`Chunk::write_slots`], if the bytes are in memory and nobody uses them now.
    pub(super) fn try_write_slots(&self) -> Option<ChunkWrite<'_>> {
        Some(ChunkWrite { bytes: self.cell.try_write()? })
    }

    /// Makes this a copy if anyone else holds the chunk.
    pub(crate) fn unshare(&mut self, store: &ChunkStore) -> Result<()> {
        if self.cell.has_one_handle() {
            return Ok(());
        }
        let source = &self.cell;
        let copy = Self::filled(store.depot(), |frame, _| source.copy_to(frame.bytes_mut()))?;
        store.depot().counters.copies.add(1);
        *self = copy;
        Ok(())
    }

    /// Makes all of the bytes these. What was in them is neither kept nor read back.
    pub(crate) fn overwrite(&mut self, store: &ChunkStore, bytes: &[u8]) -> Result<()> {
        if planted(Planted::FillsLate) && self.is_shared() {
            *self = Self::allocate(store, 0..CHUNK_BYTES)?;
        }
        if self.is_shared() {
            // The evictor must not meet it before it has its bytes: it could be gone, and its old bytes too, before they come.
            *self = Self::filled(store.depot(), |frame, zero| {
                if zero {
                    frame.populate();
                }
                frame.bytes_mut().copy_from_slice(bytes);
                Ok(())
            })?;
        } else {
            self.cell.overwrite()?.frame_mut().bytes_mut().copy_from_slice(bytes);
        }
        Ok(())
    }

    /// Whether both are the same bytes.
    pub(crate) fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.cell, &other.cell)
    }

    /// Keeps the bytes where and as they are until the pin goes: writers that come later write to a copy.
    pub(crate) fn pin(&self) -> Result<ChunkPin> {
        let frame = self.cell.read()?.frame().share();
        Ok(ChunkPin { frame, _chunk: self.clone(), _end: PinEnd(Arc::clone(self.cell.depot())) })
    }

    /// Whether the bytes were read lately, so that reading them is not worth looking ahead. A guess.
    #[inline]
    pub(crate) fn is_warm(&self) -> bool {
        self.cell.is_warm()
    }

    /// Whether the bytes are in memory now.
    pub(crate) fn is_resident(&self) -> bool {
        self.cell.is_resident()
    }

    /// Whether the bytes were read ahead of their reader, who has not come yet.
    pub(crate) fn is_ahead(&self) -> bool {
        self.cell.is_ahead()
    }

    /// Reads this chunk back, and in the same breath as many of `next` as lie behind it in the device. Only a hint:
    /// what fails here fails again, and is reported, when the chunk is read.
    pub(crate) fn fetch<'a>(&'a self, next: impl Iterator<Item = &'a Chunk>) {
        let next = next.map(|chunk| &chunk.cell);
        // What was not fetched is read one by one.
        let _ = self.cell.depot().fetch(&self.cell, next, Need::Read);
    }

    /// Has `chunks` read back by a thread of the store's own, if it has time.
    pub(crate) fn fetch_later<'a>(chunks: impl Iterator<Item = &'a Chunk>) {
        let mut chunks = chunks.peekable();
        if let Some(first) = chunks.peek() {
            let depot = Arc::clone(first.cell.depot());
            depot.fetch_later(chunks.map(|chunk| Arc::downgrade(&chunk.cell)).collect());
        }
    }

    /// Counts the chunk and its content, if it would go with this handle.
    pub(crate) fn count_sole(&self, reckoning: &mut Reckoning) {
        if self.count_sole_place(reckoning) {
            reckoning.counted.content_bytes += CHUNK_BYTES as u64;
        }
    }

    /// Counts what the chunk takes, if it would go with this handle; says whether.
    fn count_sole_place(&self, reckoning: &mut Reckoning) -> bool {
        let goes = reckoning.lets_go(Arc::as_ptr(&self.cell), self.cell.handles());
        let counted = &mut reckoning.counted;
        match (goes, self.cell.is_resident()) {
            (false, _) => {}
            (true, true) => counted.memory_bytes += CHUNK_BYTES as u64,
            (true, false) => {
                counted.memory_bytes += CELL_BYTES;
                counted.spilled_bytes += CHUNK_BYTES as u64;
            }
        }
        goes
    }

    fn filled(depot: &Arc<Depot>, fill: impl FnOnce(&mut Frame, bool) -> Result<()>) -> Result<Self> {
        let chunk = Self { cell: Cell::new(depot) };
        let (mut frame, zero) = depot.frame_for(&chunk.cell, Need::Fresh)?;
        fill(&mut frame, zero)?;
        chunk.cell.install(frame);
        Ok(chunk)
    }
}

impl Value for Chunk {
    const KIND: Kind = Kind::Streams;

    fn ledger(&self) -> Ledger {
        self.cell.depot().ledger()
    }
}

impl Clone for Chunk {
    fn clone(&self) -> Self {
        self.cell.add_handle();
        Self { cell: Arc::clone(&self.cell) }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.cell.drop_handle();
    }
}

/// A chunk's bytes while they are read.
pub(crate) struct ChunkRead<'a> {
    bytes: BytesRead<'a>,
}

impl Deref for ChunkRead<'_> {
    type Target = ChunkBytes;

    #[inline]
    fn deref(&self) -> &ChunkBytes {
        self.bytes.frame().bytes()
    }
}

/// A chunk's bytes while they are changed.
pub(crate) struct ChunkWrite<'a> {
    bytes: BytesWrite<'a>,
}

impl Deref for ChunkWrite<'_> {
    type Target = ChunkBytes;

    #[inline]
    fn deref(&self) -> &ChunkBytes {
        self.bytes.frame().bytes()
    }
}

impl DerefMut for ChunkWrite<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut ChunkBytes {
        self.bytes.frame_mut().bytes_mut()
    }
}

/// A chunk's bytes while they are lent out.
#[derive(Debug, Clone)]
pub(crate) struct ChunkPin {
    // In the order in which they must go: who finds himself the only one to hold the chunk may change the frame.
    frame: Frame,
    _chunk: Chunk,
    _end: PinEnd,
}

/// Tells the depot that a pin is gone.
#[derive(Debug, Clone)]
struct PinEnd(Arc<Depot>);

impl Drop for PinEnd {
    fn drop(&mut self) {
        self.0.unpinned();
    }
}

impl Deref for ChunkPin {
    type Target = ChunkBytes;

    fn deref(&self) -> &ChunkBytes {
        self.frame.bytes()
    }
}
