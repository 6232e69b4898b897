//! Pools: which frames of which regions are free, and whose the others are.
//!
//! A pool is what one lock guards; the depot has several. Frames that became free lately are kept warm, as their
//! memory is there already, up to a reserve; the rest is cold: given back to the system, and zero where the region says
//! so. Invariants: a frame is held by a [`Frame`], or in `warm`, or cold, never two of these. At most one region of a
//! pool is all cold; others are unmapped when they become so.
//!
//! The owners are what the evictor finds its victims by: it visits frames, not chunks, so that what is spilled
//! already costs it nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use super::cell::Cell;
use super::region::{Frame, Place, Region};
use crate::check::CheckReport;
use crate::error::Result;

#[derive(Debug)]
struct Bay {
    region: Arc<Region>,
    /// Bit set: the frame is cold.
    cold: Box<[u64]>,
    cold_count: usize,
    /// Whose each held frame is.
    owners: Box<[Weak<Cell>]>,
}

impl Bay {
    fn new(region: Arc<Region>) -> Self {
        let frames = region.frames();
        let owners = (0..frames).map(|_| Weak::new()).collect();
        Self { region, cold: vec![u64::MAX; frames / 64].into(), cold_count: frames, owners }
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

/// What became of frames that were not kept warm. To be dropped where no lock is held: unmapping is slow.
#[derive(Debug, Default)]
pub(super) struct Cooled {
    pub(super) frames: u64,
    _regions: Vec<Arc<Region>>,
}

/// Where the evictor stands in a pool.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Position {
    region: usize,
    index: usize,
}

#[derive(Debug)]
pub(super) struct Pool {
    number: u16,
    warm: Vec<Place>,
    bays: Vec<Option<Bay>>,
    /// Regions with a cold frame. The lowest is used first, so that the others can become empty.
    open: BTreeSet<u32>,
}

impl Pool {
    pub(super) fn new(number: u16) -> Self {
        Self { number, warm: Vec::new(), bays: Vec::new(), open: BTreeSet::new() }
    }

    /// A free frame whose memory is there.
    pub(super) fn take_warm(&mut self, owner: &Arc<Cell>) -> Option<Frame> {
        let place = self.warm.pop()?;
        Some(self.frame(place, owner))
    }

    /// A free frame whose memory is not there yet. Maps a region by `map` if there is none.
    pub(super) fn take_cold(&mut self, owner: &Arc<Cell>, map: impl FnOnce() -> Result<Region>) -> Result<Frame> {
        let region = match self.open.first() {
            Some(&region) => region,
            None => self.add(map()?),
        };
        let bay = self.bays[region as usize].as_mut();
        let bay = bay.expect("invariant: an open region is there");
        let index = bay.take_cold() as u16;
        if bay.cold_count == 0 {
            self.open.remove(&region);
        }
        Ok(self.frame(Place { pool: self.number, region, index }, owner))
    }

    /// Takes a frame back. At most `reserve` free ones stay warm.
    pub(super) fn put(&mut self, place: Place, reserve: usize) -> Cooled {
        let bay = self.bays[place.region as usize].as_mut();
        let bay = bay.expect("invariant: a held frame has its region");
        bay.owners[place.index as usize] = Weak::new();
        self.warm.push(place);
        if self.warm.len() <= reserve {
            return Cooled::default();
        }
        // The older half: what was used last is likeliest in the processor's caches.
        self.cool_oldest(self.warm.len() - reserve / 2)
    }

    /// Gives every warm frame back to the system.
    pub(super) fn cool_all(&mut self) -> Cooled {
        self.cool_oldest(self.warm.len())
    }

    /// Gives the oldest warm frame back to the system, if there is any.
    pub(super) fn cool_one(&mut self) -> Cooled {
        self.cool_oldest(self.warm.len().min(1))
    }

    /// Regions mapped.
    pub(super) fn regions(&self) -> usize {
        self.bays.iter().flatten().count()
    }

    /// The owners of held frames from `position` on, of one region and at most `visits` frames. Moves the position;
    /// `None` at the end of the pool.
    pub(super) fn owners_from(&self, position: &mut Position, visits: usize) -> Option<Vec<Arc<Cell>>> {
        while position.region < self.bays.len() {
            if let Some(bay) = &self.bays[position.region]
                && position.index < bay.owners.len()
            {
                let end = bay.owners.len().min(position.index + visits);
                let owners = bay.owners[position.index..end].iter().filter_map(Weak::upgrade).collect();
                position.index = end;
                return Some(owners);
            }
            *position = Position { region: position.region + 1, index: 0 };
        }
        *position = Position::default();
        None
    }

    /// Whether each frame is held, warm or cold, and one of these only. Answers the held ones, and whose they are.
    pub(super) fn check(&self, report: &mut CheckReport) -> Vec<(Place, Weak<Cell>)> {
        let mut held = Vec::new();
        for (region, bay) in self.bays.iter().enumerate().filter_map(|(at, bay)| Some((at, bay.as_ref()?))) {
            let cold: u32 = bay.cold.iter().map(|word| word.count_ones()).sum();
            let (open, number) = (self.open.contains(&(region as u32)), self.number);
            let counted = cold as usize == bay.cold_count && open == (cold > 0);
            report.ensure(counted, || format!("region {region} of pool {number} miscounts its {cold} cold frames"));
            for (index, holders) in bay.region.held().enumerate() {
                let place = Place { pool: number, region: region as u32, index: index as u16 };
                let is_cold = bay.cold[index / 64] >> (index % 64) & 1 != 0;
                let warm = self.warm.iter().filter(|&&other| other == place).count();
                let states = usize::from(holders > 0) + usize::from(is_cold) + warm;
                report.ensure(states == 1, || format!("{place:?}: {holders} hold it, warm {warm}, cold {is_cold}"));
                if holders > 0 {
                    held.push((place, Weak::clone(&bay.owners[index])));
                }
            }
        }
        held
    }

    /// Makes a free frame held.
    fn frame(&mut self, place: Place, owner: &Arc<Cell>) -> Frame {
        let bay = self.bays[place.region as usize].as_mut();
        let bay = bay.expect("invariant: a free frame has its region");
        bay.owners[place.index as usize] = Arc::downgrade(owner);
        Frame::hold(&bay.region, place)
    }

    fn add(&mut self, region: Region) -> u32 {
        let free = self.bays.iter().position(Option::is_none);
        let number = free.unwrap_or_else(|| {
            self.bays.push(None);
            self.bays.len() - 1
        });
        self.bays[number] = Some(Bay::new(Arc::new(region)));
        self.open.insert(number as u32);
        number as u32
    }

    fn cool_oldest(&mut self, count: usize) -> Cooled {
        let mut cooled: Vec<Place> = self.warm.drain(..count).collect();
        cooled.sort_unstable();
        let _regions = cooled
            .chunk_by(|a, b| (a.region, a.index + 1) == (b.region, b.index))
            .filter_map(|run| self.cool(run))
            .collect();
        Cooled { frames: count as u64, _regions }
    }

    /// Gives neighbouring frames back to the system; returns their region if it is to go.
    fn cool(&mut self, run: &[Place]) -> Option<Arc<Region>> {
        let region = run[0].region;
        let place = &mut self.bays[region as usize];
        let bay = place.as_mut().expect("invariant: a warm frame has its region");
        let first = run[0].index as usize;
        bay.region.discard(first..first + run.len());
        (first..first + run.len()).for_each(|index| bay.set_cold(index));
        self.open.insert(region);
        // One empty region stays, or a single frame that comes and goes would map and unmap each time.
        if bay.cold_count < bay.owners.len() || self.open.len() == 1 {
            return None;
        }
        self.open.remove(&region);
        place.take().map(|bay| bay.region)
    }
}
