//! Sweeps: finding the chunks least recently used, and moving them out of memory.
//!
//! A hand goes round all frames, whoever's they are. A chunk that was used since the hand last passed has a second
//! chance; of the others, clean ones lose their frames at once, and dirty ones are gathered, put in the order in which
//! they were allocated, and written in as few and large pieces as slots allow. Meanwhile they can be read; who wants to
//! change one waits. Nothing here waits for a cell: one that is in use is passed over. Where the limit is not small it goes by
//! spans of 32 frames and not frame by frame, so that all frames of one are free at a time, and it can be renewed.
//!
//! A device that fails costs nothing but the memory that was to be freed: its victims stay.

use std::sync::Arc;

use super::cell::{BytesRead, Cell, Standing};
use super::depot::{CHUNK, Depot, STRIPES};
use super::pool::Position;
use super::region::{Place, SPAN_FRAMES};
use super::spill::Spill;
use crate::error::{Error, Result};

/// Chunks that are written together: 2 MiB.
const BATCH: usize = 32;
/// Frames that are visited under one hold of their pool's lock.
const VISITS: usize = SPAN_FRAMES;
/// Times round in a sweep: one that begins anywhere, one that takes second chances away, one that finds them used up.
const TURNS: u64 = 3;

/// Where the hand is.
#[derive(Debug, Default)]
pub(super) struct Hand {
    pool: usize,
    position: Position,
    turns: u64,
}

/// What a sweep achieved.
#[derive(Debug, Default)]
pub(super) struct Swept {
    /// Bytes of frames.
    pub(super) freed: u64,
    /// Whether no more was in use than was wanted, in the end.
    pub(super) enough: bool,
    /// Whether something was passed over that may go soon.
    busy: bool,
    /// Why it was not more.
    pub(super) failure: Option<Error>,
}

/// How long there is no point in another sweep.
pub(super) enum Pause {
    None,
    /// Until those who use what should go have moved on.
    Short,
    /// Until pins go, or the device has recovered.
    Long,
}

impl Swept {
    /// Whether nothing can be freed, as the device does not take it.
    pub(super) fn is_fruitless(&self) -> bool {
        self.freed == 0 && !self.enough && !self.busy && self.failure.is_some()
    }

    /// Whether nothing was freed, but might be at another moment: what is in memory is being used, or lent out, or
    /// claimed by somebody who is about to fill it.
    pub(super) fn is_outrun(&self) -> bool {
        self.freed == 0 && !self.enough && !self.is_fruitless()
    }

    pub(super) fn pause(&self) -> Pause {
        if self.failure.is_some() {
            Pause::Long
        } else if self.is_outrun() {
            Pause::Short
        } else {
            Pause::None
        }
    }
}

struct Sweep<'a> {
    depot: &'a Depot,
    spill: &'a Spill,
    target: u64,
    batch: Vec<Arc<Cell>>,
    /// Spans are evicted whole where that can be, so that they can be renewed.
    by_spans: bool,
    /// Those of which frames were freed.
    spans: Vec<Place>,
    swept: Swept,
}

impl Depot {
    /// Evicts until at most `target` bytes are in use, or nothing more can be.
    pub(super) fn sweep(&self, target: u64) -> Swept {
        let Some(spill) = &self.spill else {
            return Swept { enough: self.taken() <= target, ..Swept::default() };
        };
        self.trim_heap();
        let mut hand = self.evictor.hand.lock();
        let batch = Vec::with_capacity(2 * BATCH);
        let (by_spans, spans, swept) = (self.renews(), Vec::new(), Swept::default());
        let mut sweep = Sweep { depot: self, spill, target, batch, by_spans, spans, swept };
        let end = hand.turns + TURNS;
        while hand.turns < end && !sweep.is_enough() {
            let owners = self.pools[hand.pool].lock().owners_from(&mut hand.position, VISITS);
            match owners {
                Some(owners) => {
                    owners.into_iter().for_each(|cell| sweep.visit(cell));
                    sweep.end_span();
                }
                None => {
                    hand.next_pool();
                    if hand.pool == 0 {
                        sweep.end_turn(hand.turns == end);
                    }
                }
            }
        }
        sweep.flush();
        spill.punch_spare();
        Swept { enough: sweep.is_enough(), ..sweep.swept }
    }
}

impl Hand {
    fn next_pool(&mut self) {
        self.pool = (self.pool + 1) % STRIPES;
        self.turns += u64::from(self.pool == 0);
    }
}

impl Sweep<'_> {
    fn is_enough(&self) -> bool {
        self.depot.taken() <= self.target
    }

    fn end_turn(&mut self, last: bool) {
        // So that nothing is gathered twice.
        self.flush();
        // What was passed over counts only if it was in the last turn.
        self.swept.busy &= last;
    }

    fn visit(&mut self, cell: Arc<Cell>) {
        if !self.by_spans && self.is_enough() {
            return;
        }
        match cell.standing() {
            Standing::Pinned => {}
            Standing::Busy => self.swept.busy = true,
            Standing::Clean => self.evict(&cell),
            Standing::Dirty if self.is_hopeless(&cell) => {}
            Standing::Dirty => {
                self.batch.push(cell);
                if !self.by_spans {
                    self.flush_if(BATCH);
                }
            }
        }
    }

    /// Writes and evicts what was gathered, if it comes to so many, or is enough.
    fn flush_if(&mut self, most: usize) {
        let gathered = self.batch.len() as u64 * CHUNK;
        if self.batch.len() >= most || self.depot.taken() <= self.target.saturating_add(gathered) {
            self.flush();
        }
    }

    /// All frames of a span were visited.
    fn end_span(&mut self) {
        if self.by_spans {
            self.flush_if(BATCH / 4 * 3);
            self.spans.drain(..).for_each(|span| self.depot.renew_later(span));
        }
    }

    /// Whether writing the cell would only fail as others did.
    fn is_hopeless(&self, cell: &Cell) -> bool {
        match &self.swept.failure {
            None => false,
            Some(Error::NoSpace) => cell.slot().is_none(),
            Some(_) => true,
        }
    }

    fn evict(&mut self, cell: &Cell) {
        if let Some(place) = cell.drop_clean_frame() {
            self.depot.counters.evictions.add(1);
            self.swept.freed += CHUNK;
            if self.by_spans && !self.spans.contains(&place.span()) {
                self.spans.push(place.span());
            }
        } else if self.swept.failure.is_none() {
            self.swept.busy = true;
        }
    }

    /// Writes what was gathered, and evicts it.
    fn flush(&mut self) {
        let mut batch = std::mem::take(&mut self.batch);
        batch.sort_unstable_by_key(|cell| cell.stamp());
        if let Err(error) = self.write(&batch) {
            self.swept.failure = Some(error);
        }
        batch.iter().for_each(|cell| self.evict(cell));
        batch.clear();
        self.batch = batch;
    }

    fn write(&self, cells: &[Arc<Cell>]) -> Result<()> {
        let bytes = cells.iter().filter_map(|cell| Some((&**cell, cell.dirty_bytes()?)));
        let victims: Vec<_> = bytes.collect();
        let mut rest = &victims[..];
        while !rest.is_empty() {
            match self.write_some(rest) {
                Ok(written) => rest = &rest[written..],
                Err(Error::NoSpace) => return self.write_in_place(rest),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes as many as fit into one run of slots.
    fn write_some(&self, victims: &[(&Cell, BytesRead<'_>)]) -> Result<usize> {
        let run = self.spill.take_run(victims.len() as u32)?;
        let victims = &victims[..run.len()];
        if let Err(error) = self.write_run(run.start, victims) {
            self.spill.free_unwritten(run);
            return Err(error);
        }
        for ((cell, bytes), slot) in victims.iter().zip(run.clone()) {
            if let Some(old) = cell.set_clean(bytes, slot) {
                self.spill.free(old..old + 1);
            }
        }
        Ok(run.len())
    }

    /// Without new slots, those that have an old one can still go there.
    fn write_in_place(&self, victims: &[(&Cell, BytesRead<'_>)]) -> Result<()> {
        let mut outcome = Ok(());
        for victim in victims {
            let Some(slot) = victim.0.slot() else {
                outcome = Err(Error::NoSpace);
                continue;
            };
            self.write_run(slot, std::slice::from_ref(victim))?;
            victim.0.set_clean(&victim.1, slot);
        }
        outcome
    }

    fn write_run(&self, first: u32, victims: &[(&Cell, BytesRead<'_>)]) -> Result<()> {
        let parts: Vec<&[u8]> = victims.iter().map(|(_, bytes)| &bytes.frame().bytes()[..]).collect();
        self.spill.write(first, &parts)?;
        self.depot.counters.written_bytes.add(parts.len() as u64 * CHUNK);
        Ok(())
    }
}
