//! Pools: which frames of which regions are free, and whose the others are.
//!
//! A pool is what one lock guards; the depot has several. Frames that became free lately are kept warm, as their
//! memory is there already, up to a reserve; the rest is cold: given back to the system, and zero where the region says
//! so. Giving back takes long, so it is done without the lock, by whoever has the frames as [`Cooling`] meanwhile. The same holds for
//! renewing the 32 frames of a span, for which all of them must be warm.
//! Invariants: a frame is held by a [`Frame`], or in `warm`, or cooling, or cold, never two of these. At most one region
//! of a pool is all cold; others are unmapped when they become so.
//!
//! The owners are what the evictor finds its victims by: it visits frames, not chunks, so that what is spilled
//! already costs it nothing.

use std::collections::BTreeSet;
use std::sync::{Arc, Weak};

use super::cell::Cell;
use super::region::{Frame, Place, Region, SPAN_FRAMES};
use crate::check::CheckReport;

/// The most frames that are given back at a time: 2 MiB.
pub(super) const COOLED_AT_ONCE: usize = 32;

#[derive(Debug)]
struct Bay {
    region: Arc<Region>,
    /// Bit set: the frame is cold.
    cold: Box<[u64]>,
    cold_count: usize,
    /// Bit set: the frame is being given back, or renewed.
    cooling: Box<[u64]>,
    /// Bit set: what lies in the span was renewed as a whole, and nothing of it was given back since.
    renewed: u64,
    /// Whose each held frame is.
    owners: Box<[Weak<Cell>]>,
}

impl Bay {
    fn new(region: Arc<Region>) -> Self {
        let frames = region.frames();
        let owners = (0..frames).map(|_| Weak::new()).collect();
        let (cold, cooling) = (vec![u64::MAX; frames / 64].into(), vec![0; frames / 64].into());
        Self { region, cold, cold_count: frames, cooling, renewed: 0, owners }
    }

    fn set_cooling(&mut self, index: usize) {
        self.cooling[index / 64] |= 1 << (index % 64);
    }

    fn clear_cooling(&mut self, index: usize) {
        self.cooling[index / 64] &= !(1 << (index % 64));
    }

    fn is_cooling(&self, index: usize) -> bool {
        self.cooling[index / 64] >> (index % 64) & 1 != 0
    }

    fn set_cold(&mut self, index: usize) {
        self.clear_cooling(index);
        self.renewed &= !(1 << (index / SPAN_FRAMES));
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

/// Frames that are not kept warm: to be discarded, or renewed, where no lock is held, and told to their pool then.
#[derive(Debug, Default)]
#[must_use]
pub(super) struct Cooling {
    /// Neighbours in regions: where the first lies, and how many.
    runs: Vec<(Arc<Region>, Place, usize)>,
}

impl Cooling {
    /// How many frames.
    pub(super) fn frames(&self) -> u64 {
        self.runs.iter().map(|run| run.2 as u64).sum()
    }

    /// Gives their memory back to the system.
    pub(super) fn discard(&self) {
        for (region, first, count) in &self.runs {
            let first = first.index as usize;
            region.discard(first..first + count);
        }
    }

    /// Which pool they are of. They are of one.
    pub(super) fn pool(&self) -> Option<usize> {
        self.runs.first().map(|(_, first, _)| first.pool.into())
    }

    /// Gives a span other memory instead. Says whether that lies together.
    pub(super) fn renew(&self) -> bool {
        self.runs.iter().all(|(region, first, _)| region.renew(first.index as usize))
    }
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
    /// How many of the oldest of them nobody has taken since [`Pool::watch`].
    unused: usize,
    bays: Vec<Option<Bay>>,
    /// Regions with a cold frame. The lowest is used first, so that the others can become empty.
    open: BTreeSet<u32>,
}

impl Pool {
    pub(super) fn new(number: u16) -> Self {
        Self { number, warm: Vec::new(), unused: 0, bays: Vec::new(), open: BTreeSet::new() }
    }

    /// A free frame whose memory is there.
    pub(super) fn take_warm(&mut self, owner: &Arc<Cell>) -> Option<Frame> {
        let place = self.warm.pop()?;
        self.unused = self.unused.min(self.warm.len());
        Some(self.frame(place, owner))
    }

    /// A free frame whose memory is not there yet, if there is one.
    pub(super) fn take_cold(&mut self, owner: &Arc<Cell>) -> Option<Frame> {
        let &region = self.open.first()?;
        let bay = self.bays[region as usize].as_mut();
        let bay = bay.expect("invariant: an open region is there");
        let index = bay.take_cold() as u16;
        if bay.cold_count == 0 {
            self.open.remove(&region);
        }
        Some(self.frame(Place { pool: self.number, region, index }, owner))
    }

    /// Takes a frame back. Beyond `reserve` some free ones are to cool.
    pub(super) fn put(&mut self, place: Place, reserve: usize) -> Cooling {
        let bay = self.bays[place.region as usize].as_mut();
        let bay = bay.expect("invariant: a held frame has its region");
        bay.owners[place.index as usize] = Weak::new();
        self.warm.push(place);
        if self.warm.len() <= reserve {
            return Cooling::default();
        }
        // The older half: what was used last is likeliest in the processor's caches.
        self.cool(self.warm.len() - reserve / 2)
    }

    /// Up to so many of the oldest warm frames, and no more than [`COOLED_AT_ONCE`], are to be given back to the system.
    pub(super) fn cool(&mut self, most: usize) -> Cooling {
        let count = most.min(COOLED_AT_ONCE).min(self.warm.len());
        self.unused = self.unused.saturating_sub(count);
        let mut places: Vec<Place> = self.warm.drain(..count).collect();
        places.sort_unstable();
        let runs = places.chunk_by(|a, b| (a.region, a.index + 1) == (b.region, b.index));
        Cooling { runs: runs.map(|run| self.cool_run(run)).collect() }
    }

    /// As [`Pool::cool`], of those that nobody has taken since [`Pool::watch`], and so many stay.
    pub(super) fn cool_unused(&mut self, reserve: usize) -> Cooling {
        self.cool(self.unused.min(self.warm.len().saturating_sub(reserve)))
    }

    /// Begins to look which warm frames nobody takes.
    pub(super) fn watch(&mut self) {
        self.unused = self.warm.len();
    }

    /// The span that begins with `first` is to be renewed, if all its frames are warm, and it has not been.
    pub(super) fn take_span(&mut self, first: Place) -> Cooling {
        let Some(Some(bay)) = self.bays.get(first.region as usize) else { return Cooling::default() };
        let wanted = bay.region.renews() && bay.renewed >> (first.index as usize / SPAN_FRAMES) & 1 == 0;
        let is_of = |place: &Place| place.span() == first;
        if !wanted || self.warm.iter().filter(|place| is_of(place)).count() != SPAN_FRAMES {
            return Cooling::default();
        }
        self.unused -= self.warm[..self.unused].iter().filter(|place| is_of(place)).count();
        let mut run: Vec<Place> = self.warm.extract_if(.., |place| is_of(place)).collect();
        run.sort_unstable();
        Cooling { runs: vec![self.cool_run(&run)] }
    }

    /// They are warm again; whether they were `renewed`.
    pub(super) fn put_span(&mut self, cooling: &Cooling, renewed: bool) {
        for (_, first, count) in &cooling.runs {
            let bay = self.bays[first.region as usize].as_mut();
            let bay = bay.expect("invariant: a cooling frame has its region");
            bay.renewed |= u64::from(renewed) << (first.index as usize / SPAN_FRAMES);
            // The last one is taken first: so they are taken as they lie.
            for index in (first.index..first.index + *count as u16).rev() {
                bay.clear_cooling(index.into());
                self.warm.push(Place { index, ..*first });
            }
        }
    }

    /// How many spans were renewed, and nothing of them given back since.
    #[cfg(test)]
    pub(super) fn renewed(&self) -> u32 {
        self.bays.iter().flatten().map(|bay| bay.renewed.count_ones()).sum()
    }

    /// How many frames are warm.
    pub(super) fn warm(&self) -> usize {
        self.warm.len()
    }

    /// They have been discarded. Answers regions that are to go, where no lock is held: unmapping is slow.
    pub(super) fn set_cold(&mut self, cooling: &Cooling) -> Vec<Arc<Region>> {
        cooling.runs.iter().filter_map(|(_, first, count)| self.set_run_cold(*first, *count)).collect()
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

    /// Whether each frame is held, warm, cooling or cold, and one of these only. Answers the held ones, and whose they are.
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
                let is_cooling = bay.is_cooling(index);
                let states = usize::from(holders > 0) + usize::from(is_cold) + usize::from(is_cooling) + warm;
                report.ensure(states == 1, || {
                    format!("{place:?}: {holders} hold it, warm {warm}, cooling {is_cooling}, cold {is_cold}")
                });
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

    /// A region more, all of it cold.
    pub(super) fn add(&mut self, region: Region) {
        let free = self.bays.iter().position(Option::is_none);
        let number = free.unwrap_or_else(|| {
            self.bays.push(None);
            self.bays.len() - 1
        });
        self.bays[number] = Some(Bay::new(Arc::new(region)));
        self.open.insert(number as u32);
    }

    fn cool_run(&mut self, run: &[Place]) -> (Arc<Region>, Place, usize) {
        let bay = self.bays[run[0].region as usize].as_mut();
        let bay = bay.expect("invariant: a warm frame has its region");
        run.iter().for_each(|place| bay.set_cooling(place.index as usize));
        (Arc::clone(&bay.region), run[0], run.len())
    }

    /// Returns their region if it is to go.
    fn set_run_cold(&mut self, first: Place, count: usize) -> Option<Arc<Region>> {
        let place = &mut self.bays[first.region as usize];
        let bay = place.as_mut().expect("invariant: a cooling frame has its region");
        let start = first.index as usize;
        (start..start + count).for_each(|index| bay.set_cold(index));
        self.open.insert(first.region);
        // One empty region stays, or a single frame that comes and goes would map and unmap each time.
        if bay.cold_count < bay.owners.len() || self.open.len() == 1 {
            return None;
        }
        self.open.remove(&first.region);
        place.take().map(|bay| bay.region)
    }
}
