//! What must hold of the chunks of a store: that handles are counted right, and that each frame and each slot is
//! somebody's or free, and nobody's twice.
//!
//! Counts are compared only while nobody uses the store. The evictor may be at work all the same, and those who read ahead: they
//! are held up.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::cell::Cell;
use super::depot::Depot;
use super::region::Place;
use super::{CHUNK_BYTES, Chunk, ChunkBytes, ChunkStore, Slot};
use crate::check::CheckReport;

/// The chunks that were found in streams, and how often each.
#[derive(Debug, Default)]
pub(crate) struct Census {
    cells: HashMap<usize, (Arc<Cell>, usize)>,
    /// Those of them that are slabs.
    slabs: HashSet<usize>,
}

impl Census {
    /// One more reference to a chunk.
    pub(crate) fn count(&mut self, chunk: &Chunk) {
        let key = Arc::as_ptr(&chunk.cell) as usize;
        self.cells.entry(key).or_insert_with(|| (Arc::clone(&chunk.cell), 0)).1 += 1;
    }

    /// A small buffer, and with the first one of it its slab.
    pub(crate) fn count_slot(&mut self, slot: &Slot) {
        slot.with_chunk(|chunk| {
            let key = Arc::as_ptr(&chunk.cell) as usize;
            if !self.cells.contains_key(&key) {
                self.count(chunk);
                self.slabs.insert(key);
            }
        });
    }

    /// How many of them small buffers lie in.
    pub(crate) fn slabs(&self) -> u64 {
        self.slabs.len() as u64
    }

    pub(crate) fn len(&self) -> u64 {
        self.cells.len() as u64
    }
}

/// A chunk's bytes aligned as pages are, as devices want them: else one would give up direct transfers for good.
#[repr(align(4096))]
pub(super) struct Pages(pub(super) ChunkBytes);

impl Pages {
    pub(super) fn boxed() -> Box<Pages> {
        Box::new(Pages([0; CHUNK_BYTES]))
    }
}

impl Chunk {
    /// Whether all bytes from `start` on are zero. Reads the device if it must, and takes no memory of the store.
    pub(crate) fn is_zero_from(&self, start: usize) -> bool {
        let mut copy = Pages::boxed();
        self.cell.copy_to(&mut copy.0).is_ok() && copy.0[start..].iter().all(|&byte| byte == 0)
    }
}

impl ChunkStore {
    /// Compares what was found with what the store knows. `still`: nobody uses the store.
    pub(crate) fn check(&self, census: &Census, small_bytes: u64, still: bool, report: &mut CheckReport) {
        let depot = self.depot();
        // Nothing is moved into memory meanwhile, nor out of it. Nobody reads ahead with the hand's lock.
        let _readers = still.then(|| depot.read_ahead.hold());
        let _hand = depot.evictor.hand.lock();
        if still {
            self.check_counts(census, small_bytes, report);
            let held = depot.check_pools(report);
            depot.check_places(census, &held, report);
        }
        for (key, (cell, references)) in &census.cells {
            // Who lived in a slab when it was found may have moved since: then it is nobody's.
            if !still && census.slabs.contains(key) && cell.handles() == 0 {
                continue;
            }
            cell.check(*references, still, report);
        }
    }

    fn check_counts(&self, census: &Census, small_bytes: u64, report: &mut CheckReport) {
        let (usage, chunks) = (self.usage(), census.len());
        let counted = usage.frames + usage.slabs;
        report.ensure(counted == chunks, || format!("{counted} chunks are counted, {chunks} found"));
        let small = usage.small_bytes;
        report.ensure(small == small_bytes, || {
            format!("{small} bytes in small buffers are counted, {small_bytes} found")
        });
        let away = census.cells.values().filter(|(cell, _)| cell.place().is_none()).count() as u64;
        let spilled = usage.spilled_frames;
        report.ensure(away == spilled, || format!("{spilled} spilled chunks are counted, {away} found"));
    }
}

impl Depot {
    /// Looks through the pools; answers the frames that somebody holds, and whose they are.
    fn check_pools(&self, report: &mut CheckReport) -> HashMap<Place, usize> {
        let pools = self.pools.iter();
        pools
            .flat_map(|pool| pool.lock().check(report))
            .map(|(place, owner)| (place, owner.as_ptr() as usize))
            .collect()
    }

    /// Each chunk in memory has its frame and each spilled one its slot, and nobody else has any.
    fn check_places(&self, census: &Census, held: &HashMap<Place, usize>, report: &mut CheckReport) {
        let (mut places, mut slots) = (HashSet::new(), HashSet::new());
        for (key, (cell, _)) in &census.cells {
            if let Some(place) = cell.place() {
                let owned = held.get(&place) == Some(key);
                report.ensure(places.insert(place), || format!("{place:?} is the frame of two chunks"));
                report.ensure(owned, || format!("{place:?} is the frame of a chunk that its pool does not know"));
            }
            if let Some(slot) = cell.slot() {
                report.ensure(slots.insert(slot), || format!("slot {slot} is that of two chunks"));
            }
        }
        for place in held.keys().filter(|place| !places.contains(place)) {
            report.tell(format!("{place:?} is held, and no tree has its chunk"));
        }
        match &self.spill {
            Some(spill) => spill.check(&slots, report),
            None => report.ensure(slots.is_empty(), || "chunks have slots of no device".into()),
        }
    }
}
