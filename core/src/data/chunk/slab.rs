//! Slabs: chunks that many short streams lie in, each in a slot of about its size.
//!
//! All slots of a slab are of one size, and a slab is a chunk like others: it is spilled and read back as a whole, and
//! goes with its last slot. Who has a slot is a [`Tenant`], to whom [`Slot`]s are handles. Invariants: a slot is one
//! tenant's until that goes or moves; the bytes of a slot change only through the one handle there is. A slab is listed on its
//! shelf from when a slot of it is freed to when the last is taken (or somebody sees that it was), but not while its tenants
//! move out ([`moving`]).
//!
//! Locks, in this order: where a tenant lies; the list of a shelf; the free slots of a slab; its chunk. Who writes to a
//! slab waits for who reads or writes another slot of it; they copy at most 16 KiB.

mod moving;

use crate::sync::atomic::{
    AtomicBool, AtomicU16, AtomicU32, AtomicU64,
    Ordering::{Acquire, Relaxed, Release},
};
use std::ops::Range;
use std::sync::{Arc, Weak};

use crossbeam_utils::CachePadded;

use super::depot::Depot;
use super::{CHUNK_BYTES, Chunk, ChunkStore};
use crate::error::{Error, Result};
use crate::ledger::{Charge, Kind, arc_bytes, heap_bytes};
use crate::reckoning::Reckoning;
use crate::sync::{Mutex, RecursiveRwLock};

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

/// How many slots a slab of this class has.
fn slots_of(class: u8) -> u16 {
    (CHUNK_BYTES / usize::from(SIZES[usize::from(class)])) as u16
}

/// Slabs of one size that have free slots.
#[derive(Debug, Default)]
struct Shelf {
    open: Mutex<Vec<Weak<Slab>>>,
    slots: AtomicU64,
    taken: AtomicU64,
    /// How many slots a slab has.
    slots_of_one: u64,
    /// Somebody moves tenants of a slab of it.
    moves: AtomicBool,
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
        let of_size =
            |size: &u16| Shelf { slots_of_one: (CHUNK_BYTES / usize::from(*size)) as u64, ..Shelf::default() };
        let shelves = SIZES.iter().map(of_size).collect();
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
struct Slab {
    chunk: Chunk,
    class: u8,
    free: Mutex<Free>,
    charge: Charge,
}

#[derive(Debug)]
struct Free {
    /// Bit set: the slot is free.
    map: Box<[u64]>,
    /// Whose each of the others is.
    tenants: Box<[Weak<Tenant>]>,
    count: u16,
    /// Its shelf knows that there are some.
    listed: bool,
    /// Tenants move out: nobody moves in.
    closed: bool,
}

impl Free {
    fn all(count: usize) -> Free {
        let bits = |word: usize| u64::MAX >> (64 - (count - word * 64).min(64));
        let map = (0..count.div_ceil(64)).map(bits).collect();
        let tenants = (0..count).map(|_| Weak::new()).collect();
        Free { map, tenants, count: count as u16, listed: false, closed: false }
    }

    /// What it takes of the heap.
    const fn heap_bytes(count: usize) -> usize {
        heap_bytes(count.div_ceil(64) * size_of::<u64>()) + heap_bytes(count * size_of::<Weak<Tenant>>())
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
        self.tenants[usize::from(index)] = Weak::new();
        self.count += 1;
    }
}

impl Slab {
    fn new(store: &ChunkStore, class: u8) -> Result<Arc<Slab>> {
        let slots = usize::from(slots_of(class));
        // Each slot is written before it is read.
        let chunk = Chunk::allocate(store, 0..CHUNK_BYTES)?;
        let shelves = &store.depot().shelves;
        shelves.slabs.fetch_add(1, Relaxed);
        shelves.shelves[usize::from(class)].slots.fetch_add(slots as u64, Relaxed);
        let bytes = arc_bytes::<Slab>() + Free::heap_bytes(slots);
        let charge = Charge::new(store.ledger(), Kind::Streams, bytes);
        Ok(Arc::new(Slab { chunk, class, free: Mutex::new(Free::all(slots)), charge }))
    }

    fn depot(&self) -> &Arc<Depot> {
        self.chunk.cell.depot()
    }

    fn shelf(&self) -> &Shelf {
        &self.depot().shelves.shelves[usize::from(self.class)]
    }

    /// Takes a free slot for whom `tenant` brings. Says whether there are more, so that the slab is to be listed.
    fn take(&self, tenant: impl FnOnce(u16) -> Arc<Tenant>) -> (Option<Arc<Tenant>>, bool) {
        let mut free = self.free.lock();
        let index = if free.closed { None } else { free.take() };
        let taken = index.map(|index| {
            let tenant = tenant(index);
            free.tenants[usize::from(index)] = Arc::downgrade(&tenant);
            self.shelf().taken.fetch_add(1, Relaxed);
            tenant
        });
        free.listed = free.count > 0 && !free.closed;
        (taken, free.listed)
    }

    /// A free slot for who moves here. That it is the last is left for the next to see who looks for one.
    fn take_for_mover(&self, tenant: &Arc<Tenant>) -> Option<u16> {
        let mut free = self.free.lock();
        let index = if free.closed { None } else { free.take() }?;
        free.tenants[usize::from(index)] = Arc::downgrade(tenant);
        self.shelf().taken.fetch_add(1, Relaxed);
        Some(index)
    }

    /// Gives a slot back. Answers how many are still taken.
    fn put(self: &Arc<Self>, index: u16) -> u16 {
        let mut free = self.free.lock();
        free.put(index);
        let left = slots_of(self.class) - free.count;
        let lists = !free.closed && !std::mem::replace(&mut free.listed, true);
        drop(free);
        self.shelf().taken.fetch_sub(1, Relaxed);
        if lists {
            self.shelf().list(self);
        }
        left
    }

    /// Where a slot lies in the chunk.
    fn range(&self, index: u16) -> Range<usize> {
        let size = usize::from(SIZES[usize::from(self.class)]);
        let start = usize::from(index) * size;
        start..start + size
    }
}

impl Drop for Slab {
    fn drop(&mut self) {
        self.depot().shelves.slabs.fetch_sub(1, Relaxed);
        self.shelf().slots.fetch_sub(slots_of(self.class).into(), Relaxed);
    }
}

impl Shelf {
    /// Takes a slot of a slab that is listed: one that is in memory, or any.
    fn take(&self, any: bool) -> Option<Arc<Tenant>> {
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
            let (taken, more) = slab.take(|index| Tenant::new(&slab, index));
            if !more {
                open.swap_remove(at);
            }
            if taken.is_some() {
                return taken;
            }
        }
        None
    }

    /// Lists a slab with free slots, and forgets those that have gone, once they are many.
    fn list(&self, slab: &Arc<Slab>) {
        let slabs = self.slots.load(Relaxed) as usize / usize::from(slots_of(slab.class));
        let mut open = self.open.lock();
        if open.len() > 2 * slabs + LOOKS {
            open.retain(|slab| slab.strong_count() > 0);
        }
        open.push(Arc::downgrade(slab));
    }

    fn has_many_free(&self) -> bool {
        let (slots, taken) = (self.slots.load(Relaxed), self.taken.load(Relaxed));
        slots.saturating_sub(taken) * FREE_SHARE > slots
    }
}

/// Who has a slot, wherever it is.
#[derive(Debug)]
struct Tenant {
    /// Moves take it alone; they do not wait for it.
    slab: RecursiveRwLock<Arc<Slab>>,
    handles: AtomicU32,
    /// Which slot of the slab: changes with it.
    index: AtomicU16,
    /// How many bytes are in use, to be told who asks.
    len: AtomicU16,
}

impl Tenant {
    const BYTES: usize = arc_bytes::<Tenant>();

    /// With no handle yet, and no bytes in use.
    fn new(slab: &Arc<Slab>, index: u16) -> Arc<Tenant> {
        Arc::new(Tenant {
            slab: RecursiveRwLock::new(Arc::clone(slab)),
            handles: AtomicU32::new(0),
            index: AtomicU16::new(index),
            len: AtomicU16::new(0),
        })
    }
}

impl Drop for Tenant {
    fn drop(&mut self) {
        let slab = self.slab.get_mut();
        slab.depot().shelves.bytes.fetch_sub(self.len.load(Relaxed).into(), Relaxed);
        slab.depot().ledger().sub(Kind::Streams, Tenant::BYTES);
        let left = slab.put(self.index.load(Relaxed));
        slab.move_out_if_sparse(left);
    }
}

/// A handle on a place for up to so many bytes as it was taken for, or a few more. A clone has the same bytes; the place is
/// free again with the last.
#[derive(Debug)]
pub(crate) struct Slot {
    tenant: Arc<Tenant>,
}

impl Slot {
    /// A slot for `len` bytes, at most [`SLOT_BYTES`]; they hold anything.
    pub(crate) fn take(store: &ChunkStore, len: usize) -> Result<Slot> {
        let shelves = &store.depot().shelves;
        let class = class_of(len);
        let shelf = &shelves.shelves[class];
        let found = shelf.take(false).or_else(|| shelf.has_many_free().then(|| shelf.take(true)).flatten());
        let tenant = match found {
            Some(found) => found,
            None => Self::in_new_slab(store, class)?,
        };
        store.ledger().add(Kind::Streams, Tenant::BYTES);
        tenant.handles.store(1, Relaxed);
        let mut slot = Slot { tenant };
        slot.set_len(len);
        Ok(slot)
    }

    /// A slot of a new slab. Without memory for one, a larger slot will do.
    fn in_new_slab(store: &ChunkStore, class: usize) -> Result<Arc<Tenant>> {
        match Slab::new(store, class as u8) {
            Ok(slab) => {
                let (taken, more) = slab.take(|index| Tenant::new(&slab, index));
                if more {
                    slab.shelf().list(&slab);
                }
                Ok(taken.expect("invariant: a new slab has free slots"))
            }
            Err(Error::NoSpace) => {
                let mut larger = store.depot().shelves.shelves[class..].iter();
                larger.find_map(|shelf| shelf.take(true)).ok_or(Error::NoSpace)
            }
            Err(error) => Err(error),
        }
    }

    /// Whether there is no other handle.
    #[inline]
    pub(crate) fn is_sole(&self) -> bool {
        // With Acquire, as handles are dropped with Release: what their holders did with the bytes is done.
        self.tenant.handles.load(Acquire) == 1
    }

    /// Whether both are handles on the same bytes.
    pub(crate) fn same(&self, other: &Slot) -> bool {
        Arc::ptr_eq(&self.tenant, &other.tenant)
    }

    /// What tells these bytes from others while they are there.
    pub(crate) fn place(&self) -> *const () {
        Arc::as_ptr(&self.tenant).cast()
    }

    /// How many bytes are in use.
    pub(crate) fn len(&self) -> usize {
        self.tenant.len.load(Relaxed).into()
    }

    /// How many bytes there is room for.
    pub(crate) fn room(&self) -> usize {
        usize::from(SIZES[usize::from(self.tenant.slab.read().class)])
    }

    /// Says how many bytes are in use, at most [`Slot::room`].
    pub(crate) fn set_len(&mut self, len: usize) {
        debug_assert!(len <= self.room());
        let before = self.tenant.len.swap(len as u16, Relaxed);
        let slab = self.tenant.slab.read();
        let bytes = &slab.depot().shelves.bytes;
        bytes.fetch_add((len as u64).wrapping_sub(before.into()), Relaxed);
    }

    /// Counts it, if it would go with this handle, and the slab, if that would go with it. Says whether it would.
    pub(crate) fn count_sole(&self, reckoning: &mut Reckoning) -> bool {
        let tenant = &self.tenant;
        let handles = tenant.handles.load(Relaxed) as usize;
        let goes = reckoning.lets_metadata_go(Arc::as_ptr(tenant), handles, Tenant::BYTES);
        if goes {
            let slab = tenant.slab.read();
            if reckoning.lets_metadata_go(Arc::as_ptr(&slab), Arc::strong_count(&slab), slab.charge.bytes()) {
                slab.chunk.count_sole_place(reckoning);
            }
        }
        goes
    }

    /// Shows the bytes in use.
    pub(crate) fn read<T>(&self, with: impl FnOnce(&[u8]) -> T) -> Result<T> {
        let slab = self.tenant.slab.read();
        let bytes = slab.chunk.read()?;
        Ok(with(&bytes[slab.range(self.tenant.index.load(Relaxed))][..self.len()]))
    }

    /// Shows all bytes that there is room for, to be changed. There must be no other handle.
    pub(crate) fn write(&mut self, with: impl FnOnce(&mut [u8])) -> Result<()> {
        debug_assert!(self.is_sole());
        let slab = self.tenant.slab.read();
        let mut bytes = slab.chunk.write_slots()?;
        with(&mut bytes[slab.range(self.tenant.index.load(Relaxed))]);
        Ok(())
    }

    /// Shows the chunk that it lies in.
    pub(super) fn with_chunk(&self, with: impl FnOnce(&Chunk)) {
        with(&self.tenant.slab.read().chunk);
    }
}

impl Clone for Slot {
    fn clone(&self) -> Self {
        self.tenant.handles.fetch_add(1, Relaxed);
        Self { tenant: Arc::clone(&self.tenant) }
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.tenant.handles.fetch_sub(1, Release);
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
    fn what_a_short_stream_takes_besides_its_slot_is_little() {
        assert_eq!(Tenant::BYTES, 48);
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
