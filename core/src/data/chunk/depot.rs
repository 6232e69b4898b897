//! The depot: the memory of a store, what of it is in use, and the marks that decide who gets more.
//!
//! Cells keep the depot, so that chunks outlive their store. Two counts:
//! * `used`: what somebody holds: frames, metadata, other memory, and what spilled cells still take;
//! * `charged`: the same with warm frames, which nobody holds. Never above the limit but for what `used` is.
//!
//! With a device, fresh chunks stop at the hard mark, below the limit, and the rest is for reading back: frames filled
//! there are clean, or have a slot to go to, so that what is stored can be read though nothing more can be spilled.
//! Past the soft mark the evictor is at work. Where the marks lie is for [`marks`], how frames come and go for [`frames`].

mod frames;
mod heap;
mod marks;

use std::sync::{Arc, Weak};

use crossbeam_utils::CachePadded;

use self::heap::Heap;
use self::marks::Brakes;
pub(super) use self::marks::{Marks, Need};
use super::CHUNK_BYTES;
use super::addresses::Addresses;
use super::ahead::ReadAhead;
use super::cell::CELL_BYTES;
use super::evictor::{Evictor, Patience};
use super::pool::Pool;
use super::region::{LEAST_REGION_FRAMES, REGION_FRAMES, RENEWS, SPAN_FRAMES};
use super::slab::Shelves;
use super::spill::Spill;
use crate::error::{Error, Result};
use crate::ledger::{Ledger, LedgerLease, Listener};
use crate::striped::StripedCount;
use crate::sync::Mutex;
#[cfg(test)]
use crate::sync::atomic::AtomicBool;
use crate::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
};

pub(super) const CHUNK: u64 = CHUNK_BYTES as u64;
/// Pools of memory: threads beyond this many share them.
pub(super) const STRIPES: usize = 8;
/// The most free frames that a pool keeps warm.
const WARM_FRAMES: u64 = 64;
/// Branches and snapshots have one part in so many of the limit beyond what other metadata may take.
const REF_SHARE: u64 = 64;
/// What is waited for before metadata grows.
const ADMIT_BYTES: u64 = 4096;
/// Before an operation fails.
const PATIENCE: Patience = Patience { fruitless: 1, outrun: 500 };
/// Before a read goes beyond the limit. A device that failed once may not fail twice.
const READ_PATIENCE: Patience = Patience { fruitless: 2, outrun: 20 };
/// A limit has at least so many regions, as long as they are not too small, so that few frames in each of several pools
/// do not take a multiple of it in addresses.
const REGIONS: usize = 16;
/// Spans are renewed where one of them, 2 MiB, is at most so small a part of the limit.
const RENEWED_SHARE: u64 = 32;

/// A count that many threads add to.
#[derive(Debug, Default)]
pub(super) struct Count(CachePadded<AtomicU64>);

impl Count {
    pub(super) fn add(&self, more: u64) {
        self.0.fetch_add(more, Relaxed);
    }

    /// The count before this one.
    pub(super) fn next(&self) -> u64 {
        self.0.fetch_add(1, Relaxed)
    }

    pub(super) fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// What the store did.
#[derive(Debug, Default)]
pub(super) struct Counters {
    /// Cells whose bytes somebody asked for.
    pub(super) reads: StripedCount,
    pub(super) allocations: Count,
    pub(super) freed: Count,
    pub(super) copies: Count,
    pub(super) stalls: Count,
    pub(super) evictions: Count,
    pub(super) faults: Count,
    pub(super) ahead_hits: Count,
    pub(super) read_bytes: Count,
    pub(super) written_bytes: Count,
}

#[derive(Debug)]
pub(super) struct Depot {
    pub(super) marks: Marks,
    /// How many free frames a pool keeps warm.
    reserve: usize,
    /// Whether there is a device, and a limit, that spans are renewed for.
    renews: bool,
    pub(super) pools: Vec<CachePadded<Mutex<Pool>>>,
    pub(super) spill: Option<Spill>,
    pub(super) evictor: Evictor,
    pub(super) read_ahead: ReadAhead,
    pub(super) shelves: Shelves,
    pub(super) counters: Counters,
    brakes: CachePadded<Brakes>,
    pub(super) addresses: Addresses,
    region_frames: usize,
    /// What there is besides. Counted by itself, and part of both counts.
    ledger: LedgerLease,
    used: CachePadded<AtomicU64>,
    charged: CachePadded<AtomicU64>,
    /// Frames that are just being given back to the system, or renewed: charged, and nobody's.
    cooling: CachePadded<AtomicU64>,
    /// How often some began to be.
    coolings: CachePadded<AtomicU64>,
    /// Held by who maps a region.
    mapping: Mutex<()>,
    /// Cells whose bytes are only in the device.
    away: CachePadded<AtomicU64>,
    heap: CachePadded<Heap>,
    pub(super) me: Weak<Depot>,
    #[cfg(test)]
    frames_asked: AtomicU64,
    #[cfg(test)]
    failing_frame: AtomicU64,
    #[cfg(test)]
    maps_nothing: AtomicBool,
}

impl Depot {
    pub(super) fn new(memory_bytes: u64, spill: Option<Spill>) -> Arc<Self> {
        let stripe_bytes = memory_bytes / STRIPES as u64;
        let region_frames = (memory_bytes / CHUNK) as usize / REGIONS;
        let region_frames = region_frames.clamp(LEAST_REGION_FRAMES, REGION_FRAMES).next_power_of_two();
        let pool = |number| CachePadded::new(Mutex::new(Pool::new(number)));
        let depot = Arc::new_cyclic(|me| Self {
            marks: Marks::new(memory_bytes, spill.is_some()),
            renews: RENEWS && spill.is_some() && memory_bytes >= RENEWED_SHARE * SPAN_FRAMES as u64 * CHUNK,
            reserve: (stripe_bytes / 64 / CHUNK).min(WARM_FRAMES) as usize,
            pools: (0..STRIPES as u16).map(pool).collect(),
            spill,
            evictor: Evictor::default(),
            read_ahead: ReadAhead::default(),
            shelves: Shelves::default(),
            counters: Counters::default(),
            brakes: CachePadded::new(Brakes::none()),
            addresses: Addresses::new(),
            region_frames,
            ledger: LedgerLease::new(),
            used: CachePadded::default(),
            charged: CachePadded::default(),
            cooling: CachePadded::default(),
            coolings: CachePadded::default(),
            mapping: Mutex::new(()),
            away: CachePadded::default(),
            heap: CachePadded::default(),
            me: Weak::clone(me),
            #[cfg(test)]
            frames_asked: AtomicU64::new(0),
            #[cfg(test)]
            failing_frame: AtomicU64::new(u64::MAX),
            #[cfg(test)]
            maps_nothing: AtomicBool::new(false),
        });
        let me: Weak<Self> = Arc::downgrade(&depot);
        depot.ledger.tell(me);
        depot
    }

    /// Counts the metadata of the volume.
    pub(super) fn ledger(&self) -> Ledger {
        *self.ledger
    }

    pub(super) fn used(&self) -> u64 {
        self.used.load(Relaxed) + self.ledger.coarse()
    }

    /// As [`Depot::used`], without metadata.
    pub(super) fn used_by_chunks(&self) -> u64 {
        self.used.load(Relaxed)
    }

    /// As [`Depot::charged`], without metadata.
    pub(super) fn charged_by_chunks(&self) -> u64 {
        self.charged.load(Relaxed)
    }

    /// As [`Depot::used`], with what the store and the heap keep for themselves.
    pub(super) fn charged(&self) -> u64 {
        self.charged.load(Relaxed) + self.heap_bytes()
    }

    /// As [`Depot::used`], with what the heap keeps for itself: what is held against the marks.
    pub(super) fn taken(&self) -> u64 {
        self.used.load(Relaxed) + self.heap_bytes()
    }

    /// Cells whose bytes are only in the device.
    pub(super) fn away(&self) -> u64 {
        self.away.load(Relaxed)
    }

    /// What of it cannot be evicted: metadata, and what spilled cells still take.
    #[inline]
    pub(super) fn fixed(&self) -> u64 {
        self.ledger.coarse() + self.away() * CELL_BYTES
    }

    /// What chunks cannot have the place of: as [`Depot::fixed`], with what the heap keeps.
    #[inline]
    pub(super) fn held(&self) -> u64 {
        self.heap_bytes() + self.away() * CELL_BYTES
    }

    /// Counts memory that is not frames as used and charged.
    pub(super) fn reserve(&self, bytes: u64) -> Result<()> {
        self.claim(bytes, Need::Fresh)?;
        self.charge(bytes);
        Ok(())
    }

    /// Whether metadata may grow: by a little, as each operation asks.
    #[inline]
    pub(super) fn admit(&self) -> Result<()> {
        let (metadata, mark) = (self.ledger.coarse(), self.marks_now().hard);
        let most = self.marks.metadata.min(self.brakes.metadata.load(Relaxed));
        if metadata <= most && self.used_by_chunks() + metadata <= mark { Ok(()) } else { self.admit_late() }
    }

    /// Whether metadata may grow, or could if chunks were spilled for it.
    pub(super) fn admits(&self) -> bool {
        let metadata = self.ledger.coarse();
        let room = self.spill.is_some() || self.used_by_chunks() + metadata <= self.marks.hard;
        room && metadata <= self.marks.metadata.min(self.brakes.metadata.load(Relaxed))
    }

    /// Whether one branch or snapshot more may be. It takes next to nothing, and who has no room left may need it most: so it has a
    /// part of what is left for removing, and only many of them are refused.
    pub(super) fn admit_ref(&self) -> Result<()> {
        let (metadata, marks) = (self.ledger.coarse(), &self.marks);
        let more = (marks.limit / REF_SHARE).max(ADMIT_BYTES);
        let fits = self.spill.is_some() || self.used_by_chunks() + metadata <= marks.limit.saturating_add(more);
        let fits = fits && metadata <= marks.metadata.saturating_add(more);
        let grows = || metadata <= self.brakes.metadata.load(Relaxed) || self.has_heap();
        if fits && grows() { Ok(()) } else { Err(Error::NoSpace) }
    }

    #[cold]
    fn admit_late(&self) -> Result<()> {
        let metadata = self.ledger.coarse();
        if metadata > self.marks.metadata || (metadata > self.brakes.metadata.load(Relaxed) && !self.has_heap()) {
            return Err(Error::NoSpace);
        }
        if self.used_by_chunks() + metadata <= self.marks_now().hard {
            return Ok(());
        }
        if self.spill.is_none() || self.fixed() + ADMIT_BYTES > self.marks.hard {
            return Err(Error::NoSpace);
        }
        self.counters.stalls.add(1);
        self.wait_below(ADMIT_BYTES, self.marks_now().hard, self.marks.hard)?;
        self.unclaim(ADMIT_BYTES);
        Ok(())
    }

    /// Takes back what [`Depot::reserve`] counted.
    pub(super) fn release(&self, bytes: u64) {
        self.charged.fetch_sub(bytes, Relaxed);
        self.unclaim(bytes);
    }

    /// Whether the heap has room to grow; metadata is held where it is until it has.
    fn has_heap(&self) -> bool {
        let has = self.addresses.are_left();
        self.brakes.metadata.store(if has { u64::MAX } else { self.ledger.coarse() }, Relaxed);
        has
    }

    /// A cell's frame went, and the cell stays. That is little, and not asked for.
    pub(super) fn count_away(&self) {
        self.away.fetch_add(1, Relaxed);
        self.used.fetch_add(CELL_BYTES, Relaxed);
        self.charge(CELL_BYTES);
    }

    /// A cell that was away is back, or gone.
    pub(super) fn count_back(&self) {
        self.away.fetch_sub(1, Relaxed);
        self.release(CELL_BYTES);
    }

    pub(super) fn free_slot(&self, slot: u32) {
        let Some(spill) = &self.spill else { return };
        if spill.free(slot..slot + 1) {
            self.kick();
        }
    }

    pub(super) fn try_claim(&self, bytes: u64, mark: u64) -> bool {
        let heap = self.heap_bytes();
        let mark = mark.saturating_sub(heap);
        let fits = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= mark);
        match self.used.fetch_update(Relaxed, Relaxed, fits) {
            Ok(before) => {
                if before + bytes + heap > self.marks_now().beside(self.held()).1 {
                    self.kick();
                }
                true
            }
            Err(_) => false,
        }
    }

    /// As [`Depot::try_claim`], for who has called the evictor already.
    pub(super) fn try_claim_quietly(&self, bytes: u64, mark: u64) -> bool {
        let mark = mark.saturating_sub(self.heap_bytes());
        let fits = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= mark);
        // In one order with the waiting: who gives back and sees nobody wait is seen to have given back.
        self.used.fetch_update(SeqCst, SeqCst, fits).is_ok()
    }

    fn claim(&self, bytes: u64, need: Need) -> Result<()> {
        let mark = self.marks_now().of(need);
        if self.try_claim(bytes, mark) {
            self.trim_heap_in_time();
            return Ok(());
        }
        let most = self.marks.of(need);
        if need != Need::Ahead && self.spill.is_none() {
            // Whether it was this thread that gave it up, or another just now.
            self.give_heap_up();
            if self.try_claim(bytes, mark) {
                return Ok(());
            }
        }
        if need == Need::Ahead || self.spill.is_none() || bytes > most {
            return Err(Error::NoSpace);
        }
        if need != Need::Read && self.fixed() + bytes > most {
            // Nothing that could go would be enough.
            return Err(Error::NoSpace);
        }
        self.counters.stalls.add(1);
        if need != Need::Read {
            return self.wait_below(bytes, mark, most);
        }
        if self.wait_for_room(bytes, mark, READ_PATIENCE).is_err() {
            self.used.fetch_add(bytes, Relaxed);
        }
        Ok(())
    }

    /// Waits for room below `mark`. That the system is short of memory makes nothing fail that the limit has room for: where
    /// nothing can be spilled, `most` counts.
    fn wait_below(&self, bytes: u64, mark: u64, most: u64) -> Result<()> {
        let waited = match self.wait_for_room(bytes, mark, PATIENCE) {
            Err(_) if mark < most => self.wait_for_room(bytes, most, PATIENCE),
            waited => waited,
        };
        waited.or_else(|error| {
            self.give_heap_up();
            if self.try_claim_quietly(bytes, most) { Ok(()) } else { Err(error) }
        })
    }

    fn unclaim(&self, bytes: u64) {
        self.used.fetch_sub(bytes, SeqCst);
        self.tell_if_waiting();
    }

    fn tell_if_waiting(&self) {
        if self.evictor.waiting.load(SeqCst) > 0 {
            self.evictor.tell_waiting();
        }
    }
}

impl Listener for Depot {
    fn grew(&self) {
        self.heap.grew(self.ledger.coarse());
        if self.addresses.is_time_to_look(self.ledger.coarse()) {
            self.has_heap();
        }
        // Warm frames make way.
        self.charge(0);
        if self.taken() > self.marks_now().beside(self.held()).1 {
            self.kick();
        }
    }

    fn shrank(&self) {
        self.tell_if_waiting();
    }
}
