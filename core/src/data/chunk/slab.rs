//! Slabs: chunks that many short streams lie in, each in a slot of about its size.
//!
//! All slots of a slab are of one size, and a slab is a chunk like others: it is spilled and read back as a whole, and
//! goes with its last slot. Invariants: a slot is one [`Slot`]'s until that is dropped; the bytes of a slot change only
//! through it, exclusively. A slab is listed on its shelf from when a slot of it is freed to when the last is taken.
//!
//! Who writes to a slab waits for who reads or writes another slot of it; they copy at most 16 KiB.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Weak};

use crossbeam_utils::CachePadded;

use super::depot::Depot;
use super::{CHUNK_BYTES, Chunk, ChunkStore};
use crate::error::{Error, Result};
use crate::ledger::Ledger;
use crate::reckoning::Reckoning;
use crate::sync::Mutex;

/// The largest slot.
pub(crate) const SLOT_BYTES: usize = CHUNK_BYTES / 4;
/// Slabs that are looked at for one in memory before a new one is made.
const LOOKS: usize = 8;
/// When so many slots of a shelf are free, one is taken though its slab must be read back: one in so many.
const FREE_SHARE: u64 = 4;

/// Sizes of slots: in steps of an eighth at most, then as many as fit into a chunk.
const SIZES: [u16; 60] = sizes();

const fn sizes() -> [u16; 60] {
    let mut sizes = [0; 60];
    let (mut at, mut size) = (0, 0);
    while size < 4096 - 256 {
        size += match size {
            0..256 => 16,
            256..512 => 32,
            512..1024 => 64,
            1024..2048 => 128,
            _ => 256,
        };
        sizes[at] = size as u16;
        at += 1;
    }
    let mut slots = 16;
    while slots >= CHUNK_BYTES / SLOT_BYTES {
        sizes[at] = (CHUNK_BYTES / slots / 16 * 16) as u16;
        at += 1;
        slots -= 1;
    }
    assert!(at == sizes.len());
    sizes
}

fn class_of(len: usize) -> usize {
    SIZES.partition_point(|&size| usize::from(size) < len)
}

/// Slabs of one size that have free slots.
#[derive(Debug, Default)]
struct Shelf {
    open: Mutex<Vec<Weak<Slab>>>,
    slots: AtomicU64,
    taken: AtomicU64,
}

/// All slabs of a store.
#[derive(Debug)]
pub(super) struct Shelves {
    shelves: Box<[Shelf]>,
    slabs: CachePadded<AtomicU64>,
    bytes: CachePadded<AtomicU64>,
}

impl Default for Shelves {
    fn default() -> Self {
        let shelves = SIZES.iter().map(|_| Shelf::default()).collect();
        Self { shelves, slabs: CachePadded::default(), bytes: CachePadded::default() }
    }
}

impl Shelves {
    /// How many slabs there are.
    pub(super) fn slabs(&self) -> u64 {
        self.slabs.load(Relaxed)
    }

    /// Bytes that streams have in slots.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Relaxed)
    }
}

#[derive(Debug)]
pub(super) struct Slab {
    chunk: Chunk,
    class: u8,
    free: Mutex<Free>,
}

#[derive(Debug)]
struct Free {
    /// Bit set: the slot is free.
    map: Box<[u64]>,
    count: u16,
    /// Its shelf knows that there are some.
    listed: bool,
}

impl Free {
    fn all(count: usize) -> Free {
        let bits = |word: usize| u64::MAX >> (64 - (count - word * 64).min(64));
        Free { map: (0..count.div_ceil(64)).map(bits).collect(), count: count as u16, listed: true }
    }

    fn take(&mut self) -> Option<u16> {
        let word = self.map.iter().position(|&word| word != 0)?;
        let bit = self.map[word].trailing_zeros();
        self.map[word] &= !(1 << bit);
        self.count -= 1;
        Some(word as u16 * 64 + bit as u16)
    }

    fn put(&mut self, index: u16) {
        self.map[usize::from(index) / 64] |= 1 << (index % 64);
        self.count += 1;
    }
}

impl Slab {
    fn new(store: &ChunkStore, class: usize) -> Result<Arc<Slab>> {
        let slots = CHUNK_BYTES / usize::from(SIZES[class]);
        // Each slot is written before it is read.
        let chunk = Chunk::allocate(store, 0..CHUNK_BYTES)?;
        let shelves = &store.depot().shelves;
        shelves.slabs.fetch_add(1, Relaxed);
        shelves.shelves[class].slots.fetch_add(slots as u64, Relaxed);
        Ok(Arc::new(Slab { chunk, class: class as u8, free: Mutex::new(Free::all(slots)) }))
    }

    fn depot(&self) -> &Arc<Depot> {
        self.chunk.cell.depot()
    }

    fn shelf(&self) -> &Shelf {
        &self.depot().shelves.shelves[usize::from(self.class)]
    }

    /// A free slot, and whether there are more.
    fn take(&self) -> (Option<u16>, bool) {
        let mut free = self.free.lock();
        let index = free.take();
        free.listed = free.count > 0;
        (index, free.listed)
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        let shelves = &self.depot().shelves;
        shelves.slabs.fetch_sub(1, Relaxed);
        let slots = CHUNK_BYTES / usize::from(SIZES[usize::from(self.class)]);
        self.shelf().slots.fetch_sub(slots as u64, Relaxed);
    }
}

impl Shelf {
    /// A slot of a slab that is listed: one that is in memory, or any.
    fn take(&self, any: bool) -> Option<(Arc<Slab>, u16)> {
        let mut open = self.open.lock();
        let mut looks = LOOKS;
        let mut at = open.len();
        while at > 0 && looks > 0 {
            at -= 1;
            let Some(slab) = open[at].upgrade() else {
                open.swap_remove(at);
                continue;
            };
            looks -= 1;
            if !any && !slab.chunk.is_resident() {
                continue;
            }
            let (index, more) = slab.take();
            if !more {
                open.swap_remove(at);
            }
            if let Some(index) = index {
                return Some((slab, index));
            }
        }
        None
    }

    fn has_many_free(&self) -> bool {
        let (slots, taken) = (self.slots.load(Relaxed), self.taken.load(Relaxed));
        slots.saturating_sub(taken) * FREE_SHARE > slots
    }
}

/// A place for up to so many bytes as it was taken for, or a few more. Free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    slab: Arc<Slab>,
    index: u16,
    /// How many bytes are in use, to be told who asks.
    len: u16,
}

impl Slot {
    /// A slot for `len` bytes, at most [`SLOT_BYTES`]; they hold anything.
    pub(crate) fn take(store: &ChunkStore, len: usize) -> Result<Slot> {
        let shelves = &store.depot().shelves;
        let class = class_of(len);
        let shelf = &shelves.shelves[class];
        let found = shelf.take(false).or_else(|| shelf.has_many_free().then(|| shelf.take(true)).flatten());
        let (slab, index) = match found {
            Some(found) => found,
            None => Self::in_new_slab(store, class)?,
        };
        slab.shelf().taken.fetch_add(1, Relaxed);
        shelves.bytes.fetch_add(len as u64, Relaxed);
        Ok(Slot { slab, index, len: len as u16 })
    }

    /// A slot of a new slab. Without memory for one, a larger slot will do.
    fn in_new_slab(store: &ChunkStore, class: usize) -> Result<(Arc<Slab>, u16)> {
        match Slab::new(store, class) {
            Ok(slab) => {
                let (index, more) = slab.take();
                if more {
                    slab.shelf().open.lock().push(Arc::downgrade(&slab));
                }
                Ok((slab, index.expect("invariant: a new slab has free slots")))
            }
            Err(Error::NoSpace) => {
                let mut larger = store.depot().shelves.shelves[class..].iter();
                larger.find_map(|shelf| shelf.take(true)).ok_or(Error::NoSpace)
            }
            Err(error) => Err(error),
        }
    }

    /// How many bytes are in use.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.len)
    }

    /// How many bytes there is room for.
    pub(crate) fn room(&self) -> usize {
        usize::from(SIZES[usize::from(self.slab.class)])
    }

    /// Says how many bytes are in use, at most [`Slot::room`].
    pub(crate) fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.room());
        let bytes = &self.slab.depot().shelves.bytes;
        bytes.fetch_add(len as u64, Relaxed);
        bytes.fetch_sub(self.len.into(), Relaxed);
        self.len = len as u16;
    }

    /// Counts the slab, if it would go with this slot: if all that lies in it goes.
    pub(crate) fn count_sole(&self, reckoning: &mut Reckoning) {
        if reckoning.lets_go(Arc::as_ptr(&self.slab), Arc::strong_count(&self.slab)) {
            self.slab.chunk.count_sole_place(reckoning);
        }
    }

    /// Shows the bytes in use.
    pub(crate) fn read<T>(&self, with: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let bytes = self.slab.chunk.read()?;
        Ok(with(&bytes[self.range()][..self.len()]))
    }

    /// Shows all bytes that there is room for, to be changed.
    pub(crate) fn write(&mut self, with: impl FnOnce(&mut [u8])) -> Result<()> {
        let mut bytes = self.slab.chunk.write_slots()?;
        with(&mut bytes[self.range()]);
        Ok(())
    }

    /// Who counts what belongs to it.
    pub(crate) fn ledger(&self) -> Ledger {
        self.slab.depot().ledger()
    }

    /// The chunk that it lies in.
    pub(super) fn chunk(&self) -> &Chunk {
        &self.slab.chunk
    }

    fn range(&self) -> Range<usize> {
        let start = usize::from(self.index) * self.room();
        start..start + self.room()
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let shelf = self.slab.shelf();
        shelf.taken.fetch_sub(1, Relaxed);
        self.slab.depot().shelves.bytes.fetch_sub(self.len.into(), Relaxed);
        let mut free = self.slab.free.lock();
        free.put(self.index);
        let unlisted = !std::mem::replace(&mut free.listed, true);
        drop(free);
        if unlisted {
            shelf.open.lock().push(Arc::downgrade(&self.slab));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_length_has_a_slot_that_wastes_at_most_a_quarter() {
        assert!(SIZES.is_sorted_by(|a, b| a < b));
        assert_eq!(usize::from(SIZES[SIZES.len() - 1]), SLOT_BYTES);
        for len in 1..=SLOT_BYTES {
            let size = usize::from(SIZES[class_of(len)]);
            assert!(size >= len && (size - len < 16 || (size - len) * 4 <= size), "{len} in {size}");
        }
    }

    #[test]
    fn a_slab_gives_each_slot_once_and_takes_it_back() {
        for count in [1, 4, 63, 64, 65, 4096] {
            let mut free = Free::all(count);
            let mut taken: Vec<u16> = std::iter::from_fn(|| free.take()).collect();
            taken.sort_unstable();
            assert!(taken.iter().copied().eq(0..count as u16));
            assert_eq!(free.count, 0);
            free.put(count as u16 / 2);
            assert_eq!((free.take(), free.take()), (Some(count as u16 / 2), None));
        }
    }
}
