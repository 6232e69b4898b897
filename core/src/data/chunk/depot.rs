//! The depot: the memory of a store, what of it is in use, and the marks that decide who gets more.
//!
//! Cells keep the depot, so that chunks outlive their store. Two counts:
//! * `used`: what somebody holds: frames, metadata, other memory, and what spilled cells still take;
//! * `charged`: the same with warm frames, which nobody holds. Never above the limit but for what `used` is.
//!
//! With a device, fresh chunks stop at the hard mark, below the limit, and the rest is for reading back: frames filled
//! there are clean, or have a slot to go to, so that what is stored can be read though nothing more can be spilled.
//! Past the soft mark the evictor is at work.

use std::sync::{Arc, Weak};

use crossbeam_utils::CachePadded;

use super::CHUNK_BYTES;
use super::addresses::Addresses;
use super::ahead::ReadAhead;
use super::cell::{CELL_BYTES, Cell};
use super::evictor::{Evictor, Patience};
use super::pool::{Cooled, Pool};
use super::region::{self, Frame, LEAST_REGION_FRAMES, Place, REGION_FRAMES, Region};
use super::slab::Shelves;
use super::spill::Spill;
use crate::error::{Error, Result};
use crate::ledger::{Ledger, LedgerLease, Listener};
use crate::striped::StripedCount;
#[cfg(test)]
use crate::sync::atomic::AtomicBool;
use crate::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use crate::sync::{Mutex, thread_ordinal};

pub(super) const CHUNK: u64 = CHUNK_BYTES as u64;
/// Pools of memory: threads beyond this many share them.
pub(super) const STRIPES: usize = 8;
/// The most free frames that a pool keeps warm.
const WARM_FRAMES: u64 = 64;
/// Metadata leaves one part in so many of the limit free.
const METADATA_RESERVE: u64 = 32;
/// What the allocator may keep of metadata that went: one part in so many of the limit, and no more than is given back in a
/// few milliseconds, during which nobody allocates.
const HEAP_SHARE: u64 = 32;
const MOST_HEAP_BYTES: u64 = 16 << 20;
/// What is waited for before metadata grows.
const ADMIT_BYTES: u64 = 4096;
/// Pressure takes one part in so many of the limit at a time, down to one in [`SQUEEZE_MOST`]; its absence gives back one
/// part in [`RELAX_STEP`].
const SQUEEZE_STEP: u64 = 16;
const SQUEEZE_MOST: u64 = 8;
const RELAX_STEP: u64 = 64;
/// The most frames that only reading back may take.
const FAULT_FRAMES: u64 = 16;
/// The most frames between the marks: as many as writers may run ahead of the evictor.
const AHEAD_FRAMES: u64 = 1024;
/// How often a thread that may have a frame looks through all pools for it.
const STEAL_ROUNDS: usize = 4;
/// Before an operation fails.
const PATIENCE: Patience = Patience { fruitless: 1, outrun: 500 };
/// Before a read goes beyond the limit. A device that failed once may not fail twice.
const READ_PATIENCE: Patience = Patience { fruitless: 2, outrun: 20 };
/// From this limit on huge pages are worth what they round up.
const HUGE_FROM_BYTES: u64 = 64 * (REGION_FRAMES * CHUNK_BYTES) as u64;

/// A limit has at least so many regions, as long as they are not too small, so that few frames in each of several pools
/// do not take a multiple of it in addresses.
const REGIONS: usize = 16;
/// How often a frame is asked for again after the system has refused one, and others were evicted instead.
const FRAME_TRIES: u32 = 3;

/// What memory is wanted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Bytes that exist nowhere else.
    Fresh,
    /// Reading back, to be changed.
    Write,
    /// Reading back, to be read. Always granted: if all memory is in use, above the limit.
    Read,
    /// Reading back what nobody has asked for. Does not wait.
    Ahead,
}

/// Where the store changes its behaviour, in bytes of `used`.
#[derive(Debug, Clone, Copy)]
pub(super) struct Marks {
    /// The evictor stops.
    pub(super) low: u64,
    /// The evictor starts.
    pub(super) soft: u64,
    /// Nothing fresh beyond.
    pub(super) hard: u64,
    /// No more metadata beyond, of which the rest is for removing: what a snapshot holds too is copied for that.
    pub(super) metadata: u64,
    /// Nothing beyond.
    pub(super) limit: u64,
}

impl Marks {
    fn new(limit: u64, spills: bool) -> Self {
        let frames = limit / CHUNK;
        if !spills || frames < 2 {
            return Self { low: limit, soft: limit, hard: limit, metadata: limit - limit / METADATA_RESERVE, limit };
        }
        let hard = limit - (frames / 64).clamp(1, FAULT_FRAMES) * CHUNK;
        let ahead = (frames / 8).clamp(1, AHEAD_FRAMES);
        let soft = hard.saturating_sub(ahead * CHUNK);
        let metadata = (hard - hard / METADATA_RESERVE).saturating_sub((frames / 16).clamp(1, FAULT_FRAMES) * CHUNK);
        // Of very few frames half: something must be there to find content by.
        let metadata = metadata.max(hard / 2);
        Self { low: soft.saturating_sub(ahead / 4 * CHUNK), soft, hard, metadata, limit }
    }

    /// The low and the soft mark beside so much metadata, which cannot be evicted: of what it leaves chunks have half at least
    /// before any is evicted for nobody's sake.
    pub(super) fn beside(&self, metadata: u64) -> (u64, u64) {
        let rest = self.hard.saturating_sub(metadata);
        (self.low.max(metadata + rest / 2), self.soft.max(metadata + rest / 4 * 3))
    }

    pub(super) fn of(&self, need: Need) -> u64 {
        match need {
            Need::Fresh | Need::Ahead => self.hard,
            Need::Write | Need::Read => self.limit,
        }
    }
}

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

/// What may be used less than the limit for, for some time.
#[derive(Debug)]
struct Brakes {
    /// While the system is short of memory.
    ceiling: AtomicU64,
    /// Metadata, while addresses are short.
    metadata: AtomicU64,
}

impl Brakes {
    fn none() -> Self {
        let free = || AtomicU64::new(u64::MAX);
        Self { ceiling: free(), metadata: free() }
    }
}

#[derive(Debug)]
pub(super) struct Depot {
    pub(super) marks: Marks,
    /// How many free frames a pool keeps warm.
    reserve: usize,
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
    /// Cells whose bytes are only in the device.
    away: CachePadded<AtomicU64>,
    /// The most metadata since the heap was last trimmed.
    heap_peak: CachePadded<AtomicU64>,
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
            away: CachePadded::default(),
            heap_peak: CachePadded::default(),
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

    /// As [`Depot::used`], with what the store keeps for itself.
    pub(super) fn charged(&self) -> u64 {
        self.charged.load(Relaxed) + self.ledger.coarse()
    }

    /// Cells whose bytes are only in the device.
    pub(super) fn away(&self) -> u64 {
        self.away.load(Relaxed)
    }

    /// Counts memory that is not frames as used and charged.
    pub(super) fn reserve(&self, bytes: u64) -> Result<()> {
        self.claim(bytes, Need::Fresh)?;
        self.charge(bytes);
        Ok(())
    }

    /// The marks as they are now: nearer while the system is short of memory, but not so near that nothing can be done.
    #[inline]
    pub(super) fn marks_now(&self) -> Marks {
        match self.brakes.ceiling.load(Relaxed) {
            u64::MAX => self.marks,
            ceiling => self.marks_below(ceiling),
        }
    }

    #[cold]
    fn marks_below(&self, ceiling: u64) -> Marks {
        let Marks { limit, metadata, .. } = self.marks;
        let least = self.ledger.coarse() + limit / SQUEEZE_STEP;
        Marks { metadata, ..Marks::new(ceiling.max(least).min(limit), true) }
    }

    /// Gives memory back to the system, and uses less from now on: by one step of what is used. Says whether less than
    /// the limit is to be used.
    pub(super) fn squeeze(&self) -> bool {
        self.cool_all();
        if self.spill.is_none() {
            return false;
        }
        let limit = self.marks.limit;
        let now = self.brakes.ceiling.load(Relaxed).min(self.used());
        self.brakes.ceiling.store(now.saturating_sub(limit / SQUEEZE_STEP).max(limit / SQUEEZE_MOST), Relaxed);
        self.sweep(self.marks_now().beside(self.ledger.coarse()).0);
        self.cool_all();
        true
    }

    /// Uses a little more again. Says whether less than the limit is still to be used.
    pub(super) fn relax(&self) -> bool {
        let (limit, now) = (self.marks.limit, self.brakes.ceiling.load(Relaxed));
        let more = now.saturating_add(limit / RELAX_STEP);
        let squeezed = more < limit;
        self.brakes.ceiling.store(if squeezed { more } else { u64::MAX }, Relaxed);
        squeezed
    }

    /// Whether metadata may grow: by a little, as each operation asks.
    #[inline]
    pub(super) fn admit(&self) -> Result<()> {
        let (metadata, mark) = (self.ledger.coarse(), self.marks_now().hard);
        let most = self.marks.metadata.min(self.brakes.metadata.load(Relaxed));
        if metadata <= most && self.used_by_chunks() + metadata <= mark { Ok(()) } else { self.admit_late() }
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
        if self.spill.is_none() {
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

    /// A free frame for `owner`, and whether it is zero. May wait for the evictor. Where the system maps no more, some others are
    /// evicted for it, as if the limit were reached.
    pub(super) fn frame_for(&self, owner: &Arc<Cell>, need: Need) -> Result<(Frame, bool)> {
        let mut tries = FRAME_TRIES;
        loop {
            self.claim(CHUNK, need)?;
            match self.take_frame(owner) {
                Ok(frame) => return Ok(frame),
                Err(error) => {
                    self.unclaim(CHUNK);
                    tries -= 1;
                    if tries == 0 || need == Need::Ahead || self.spill.is_none() {
                        return Err(error);
                    }
                    let step = (self.marks.limit / RELAX_STEP).max(CHUNK);
                    if self.sweep(self.used().saturating_sub(step)).freed == 0 {
                        return Err(error);
                    }
                }
            }
        }
    }

    /// Whether the heap has room to grow; metadata is held where it is until it has.
    fn has_heap(&self) -> bool {
        let has = self.addresses.are_left();
        self.brakes.metadata.store(if has { u64::MAX } else { self.ledger.coarse() }, Relaxed);
        has
    }

    /// Called when a frame goes.
    pub(super) fn put_frame(&self, place: Place) {
        // The guard must be gone before the regions are: unmapping is slow.
        let cooled = self.pools[place.pool as usize].lock().put(place, self.warm_reserve());
        self.discharge(&cooled);
        drop(cooled);
        self.unclaim(CHUNK);
    }

    /// Gives the warm frames of all pools back to the system. Returns how many bytes that were.
    pub(super) fn cool_all(&self) -> u64 {
        let cool = |pool: &CachePadded<Mutex<Pool>>| {
            let cooled = pool.lock().cool_all();
            self.discharge(&cooled);
            cooled.frames * CHUNK
        };
        self.pools.iter().map(cool).sum()
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
        let metadata = self.ledger.coarse();
        let mark = mark.saturating_sub(metadata);
        let fits = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= mark);
        match self.used.fetch_update(Relaxed, Relaxed, fits) {
            Ok(before) => {
                if before + bytes + metadata > self.marks_now().beside(metadata).1 {
                    self.kick();
                }
                true
            }
            Err(_) => false,
        }
    }

    /// As [`Depot::try_claim`], for who has called the evictor already.
    pub(super) fn try_claim_quietly(&self, bytes: u64, mark: u64) -> bool {
        let mark = mark.saturating_sub(self.ledger.coarse());
        let fits = |used: u64| used.checked_add(bytes).filter(|&sum| sum <= mark);
        // In one order with the waiting: who gives back and sees nobody wait is seen to have given back.
        self.used.fetch_update(SeqCst, SeqCst, fits).is_ok()
    }

    fn claim(&self, bytes: u64, need: Need) -> Result<()> {
        let mark = self.marks_now().of(need);
        if self.try_claim(bytes, mark) {
            return Ok(());
        }
        let most = self.marks.of(need);
        if need == Need::Ahead || self.spill.is_none() || bytes > most {
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
        match self.wait_for_room(bytes, mark, PATIENCE) {
            Err(_) if mark < most => self.wait_for_room(bytes, most, PATIENCE),
            waited => waited,
        }
    }

    /// While the evictor is at work, what it frees is what is taken next.
    fn warm_reserve(&self) -> usize {
        let Marks { low, soft, .. } = self.marks_now();
        let freed_at_once = soft - low;
        let works = freed_at_once > 0 && self.used() > low - freed_at_once.min(low);
        if works { self.reserve.max((freed_at_once / CHUNK) as usize) } else { self.reserve }
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

    fn discharge(&self, cooled: &Cooled) {
        self.charged.fetch_sub(cooled.frames * CHUNK, Relaxed);
    }

    /// Counts memory that is not frames as charged; warm frames make way for it.
    fn charge(&self, bytes: u64) {
        let crowded = || self.charged() + bytes > self.marks_now().limit;
        for pool in self.pools.iter().filter(|_| crowded()) {
            let mut pool = pool.lock();
            while crowded() {
                let cooled = pool.cool_one();
                self.discharge(&cooled);
                if cooled.frames == 0 {
                    break;
                }
            }
        }
        self.charged.fetch_add(bytes, Relaxed);
    }

    fn charge_frame(&self) -> bool {
        let limit = self.marks_now().limit.saturating_sub(self.ledger.coarse());
        let fits = |charged: u64| charged.checked_add(CHUNK).filter(|&sum| sum <= limit);
        self.charged.fetch_update(Relaxed, Relaxed, fits).is_ok()
    }

    /// What is charged and not used is warm somewhere, unless others are just taking it.
    fn take_warm_elsewhere(&self, own: usize, owner: &Arc<Cell>) -> Option<Frame> {
        let mut others = (1..STEAL_ROUNDS * STRIPES).map(|step| &self.pools[(own + step) % STRIPES]);
        others.find_map(|pool| pool.lock().take_warm(owner))
    }

    fn take_frame(&self, owner: &Arc<Cell>) -> Result<(Frame, bool)> {
        let own = stripe();
        let mut pool = self.pools[own].lock();
        if let Some(frame) = pool.take_warm(owner) {
            return Ok((frame, false));
        }
        if !self.charge_frame() {
            drop(pool);
            if let Some(frame) = self.take_warm_elsewhere(own, owner) {
                return Ok((frame, false));
            }
            self.charged.fetch_add(CHUNK, Relaxed);
            pool = self.pools[own].lock();
        }
        if self.fails_frame() {
            self.charged.fetch_sub(CHUNK, Relaxed);
            return Err(Error::NoSpace);
        }
        let taken = pool.take_cold(owner, || self.map_region(false));
        drop(pool);
        if let Ok(frame) = taken {
            return Ok((frame, Region::discarded_is_zero()));
        }
        if let Some(found) = self.take_cold_elsewhere(own, owner) {
            return Ok(found);
        }
        let taken = self.pools[own].lock().take_cold(owner, || self.map_region(true));
        if let Ok(frame) = taken {
            return Ok((frame, Region::discarded_is_zero()));
        }
        // A warm one is charged already.
        self.charged.fetch_sub(CHUNK, Relaxed);
        Ok((self.take_warm_elsewhere(own, owner).ok_or(Error::NoSpace)?, false))
    }

    /// What other threads' pools have left.
    fn take_cold_elsewhere(&self, own: usize, owner: &Arc<Cell>) -> Option<(Frame, bool)> {
        let mut others = (1..STRIPES).map(|step| &self.pools[(own + step) % STRIPES]);
        let cold = others.find_map(|pool| pool.lock().take_cold(owner, || Err(Error::NoSpace)).ok())?;
        Some((cold, Region::discarded_is_zero()))
    }

    /// The allocator keeps what metadata has left. Where chunks are about to take its place, the system gets it back first.
    /// That holds up who allocates: it is done for a part of the limit only, and not before it is needed.
    pub(super) fn trim_heap(&self) {
        let (limit, metadata) = (self.marks.limit, self.ledger.coarse());
        let kept = self.heap_peak.load(Relaxed).saturating_sub(metadata);
        if kept > (limit / HEAP_SHARE).min(MOST_HEAP_BYTES) && self.charged().saturating_add(kept) > limit {
            self.heap_peak.store(metadata, Relaxed);
            region::trim_heap();
        }
    }

    /// A new region. Where addresses are few, not beyond the limit unless `beyond` says so.
    fn map_region(&self, beyond: bool) -> Result<Region> {
        let bytes = (self.region_frames * CHUNK_BYTES) as u64;
        let most = self.marks.limit.next_multiple_of(bytes);
        if self.maps_nothing() || !(beyond || self.addresses.may_map(bytes, most)) {
            return Err(Error::NoSpace);
        }
        let huge = self.marks.limit >= HUGE_FROM_BYTES;
        let region = Region::map(self.region_frames, huge, Weak::clone(&self.me))?;
        self.addresses.count(bytes);
        if !self.addresses.are_left() {
            return Err(Error::NoSpace);
        }
        Ok(region)
    }
}

/// For tests: the system has no memory for the n-th frame that is asked of it.
#[cfg(test)]
impl Depot {
    /// Has the `nth` frame from now on fail, counted from 0.
    pub(super) fn fail_frame(&self, nth: u64) {
        self.failing_frame.store(self.frames_asked.load(Relaxed) + nth, Relaxed);
    }

    /// How many frames the system was asked for.
    pub(super) fn frames_asked(&self) -> u64 {
        self.frames_asked.load(Relaxed)
    }

    fn fails_frame(&self) -> bool {
        self.frames_asked.fetch_add(1, Relaxed) == self.failing_frame.load(Relaxed)
    }

    /// Has the system map nothing more.
    pub(super) fn map_nothing(&self) {
        self.maps_nothing.store(true, Relaxed);
    }

    fn maps_nothing(&self) -> bool {
        self.maps_nothing.load(Relaxed)
    }
}

#[cfg(not(test))]
impl Depot {
    #[inline]
    fn fails_frame(&self) -> bool {
        false
    }

    fn maps_nothing(&self) -> bool {
        false
    }
}

impl Listener for Depot {
    fn grew(&self) {
        self.heap_peak.fetch_max(self.ledger.coarse(), Relaxed);
        if self.addresses.is_time_to_look(self.ledger.coarse()) {
            self.has_heap();
        }
        // Warm frames make way.
        self.charge(0);
        if self.used() > self.marks_now().beside(self.ledger.coarse()).1 {
            self.kick();
        }
    }

    fn shrank(&self) {
        self.tell_if_waiting();
    }
}

/// The pool that this thread allocates from.
fn stripe() -> usize {
    thread_ordinal() % STRIPES
}
