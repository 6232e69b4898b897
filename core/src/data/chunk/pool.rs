//! Pools: which frames of which regions are free.
//!
//! A pool is what one lock guards; the store has several. Frames that became free lately are kept warm, as their
//! memory is there already, up to a reserve; the rest is cold: given back to the system, and zero where the region says
//! so. Invariants: a frame is held by one [`Frame`], or in `warm`, or cold, never two of these. At most one region of a
//! pool is all cold; others are unmapped when they become so.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use super::region::{Frame, Place, REGION_FRAMES, Region};
use super::store::ChunkStore;
use crate::error::Result;

const WORDS: usize = REGION_FRAMES / 64;

#[derive(Debug)]
struct Slot {
    region: Arc<Region>,
    /// Bit set: the frame is cold.
    cold: [u64; WORDS],
    cold_count: usize,
}

impl Slot {
    fn new(region: Arc<Region>) -> Self {
        let mut slot = Self { cold: [0; WORDS], cold_count: 0, region };
        (0..slot.region.frames()).for_each(|index| slot.set_cold(index));
        slot
    }

    fn set_cold(&mut self, index: usize) {
        self.cold[index / 64] |= 1 << (index % 64);
        self.cold_count += 1;
    }

    fn take_cold(&mut self) -> usize {
        let word = self.cold.iter().position(|&word| word != 0);
        let word = word.expect("invariant: an open region has a cold frame");
        let bit = self.cold[word].trailing_zeros() as usize;
        self.cold[word] &= !(1 << bit);
        self.cold_count -= 1;
        word * 64 + bit
    }
}

#[derive(Debug)]
pub(super) struct Pool {
    number: u16,
    store: Weak<ChunkStore>,
    /// How many free frames may stay warm.
    reserve: usize,
    warm: Vec<Place>,
    slots: Vec<Option<Slot>>,
    /// Regions with a cold frame. The lowest is used first, so that the others can become empty.
    open: BTreeSet<u32>,
}

impl Pool {
    pub(super) fn new(number: u16, reserve: usize, store: Weak<ChunkStore>) -> Self {
        Self { number, store, reserve, warm: Vec::new(), slots: Vec::new(), open: BTreeSet::new() }
    }

    /// A free frame, and whether it is zero. Maps a region by `map` if there is none.
    pub(super) fn take(&mut self, map: impl FnOnce() -> Result<Region>) -> Result<(Frame, bool)> {
        if let Some(place) = self.warm.pop() {
            return Ok((self.frame(place), false));
        }
        let region = match self.open.first() {
            Some(&region) => region,
            None => self.add(map()?),
        };
        let slot = self.slots[region as usize].as_mut();
        let slot = slot.expect("invariant: an open region is there");
        let index = slot.take_cold() as u32;
        if slot.cold_count == 0 {
            self.open.remove(&region);
        }
        let frame = self.frame(Place { pool: self.number, region, index });
        let zero = frame.region().discarded_is_zero();
        Ok((frame, zero))
    }

    /// Takes a frame back. Returns the regions that are to be unmapped, which needs no lock.
    pub(super) fn put(&mut self, place: Place) -> Vec<Arc<Region>> {
        self.warm.push(place);
        if self.warm.len() <= self.reserve {
            return Vec::new();
        }
        // The older half: what was used last is likeliest in the processor's caches.
        let keep = self.reserve / 2;
        let mut cooled: Vec<Place> = self.warm.drain(..self.warm.len() - keep).collect();
        cooled.sort_unstable();
        cooled
            .chunk_by(|a, b| (a.region, a.index + 1) == (b.region, b.index))
            .filter_map(|run| self.cool(run))
            .collect()
    }

    /// Regions mapped.
    pub(super) fn regions(&self) -> usize {
        self.slots.iter().flatten().count()
    }

    /// Makes a free frame held.
    fn frame(&self, place: Place) -> Frame {
        let slot = self.slots[place.region as usize].as_ref();
        let slot = slot.expect("invariant: a free frame has its region");
        Frame::hold(&slot.region, Weak::clone(&self.store), place)
    }

    fn add(&mut self, region: Region) -> u32 {
        let free = self.slots.iter().position(Option::is_none);
        let number = free.unwrap_or_else(|| {
            self.slots.push(None);
            self.slots.len() - 1
        });
        self.slots[number] = Some(Slot::new(Arc::new(region)));
        self.open.insert(number as u32);
        number as u32
    }

    /// Gives neighbouring frames back to the system; returns their region if it is to go.
    fn cool(&mut self, run: &[Place]) -> Option<Arc<Region>> {
        let region = run[0].region;
        let place = &mut self.slots[region as usize];
        let slot = place.as_mut().expect("invariant: a warm frame has its region");
        let first = run[0].index as usize;
        slot.region.discard(first..first + run.len());
        (first..first + run.len()).for_each(|index| slot.set_cold(index));
        self.open.insert(region);
        // One empty region stays, or a single frame that comes and goes would map and unmap each time.
        if slot.cold_count < slot.region.frames() || self.open.len() == 1 {
            return None;
        }
        self.open.remove(&region);
        place.take().map(|slot| slot.region)
    }
}
