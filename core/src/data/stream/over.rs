//! A stream over a file of the base: what it stores lies over what the file holds.
//!
//! A byte is that of its chunk if there is one; else zero where a hole was made, and from `end` on; else what the base has.
//! `end` only falls: what was cut off never shines through again. Nothing here writes to the base, and a chunk is copied
//! only when a part of it changes.

use std::ops::{ControlFlow, Range};
use std::sync::Arc;

use triomphe::Arc as Shared;

use super::change::{CutOff, end_of, fill_gaps, write_piece};
use super::{Body, CHUNK, Stream, pieces};
use crate::base::{Sought, Source};
use crate::check::CheckReport;
use crate::data::chunk::{CHUNK_BYTES, Chunk, ChunkStore};
use crate::error::{Error, Result};
use crate::ledger::{Counted, Kind, Ledger, Tally, heap_bytes};
use crate::limits::FILE_BYTES;
use crate::radix::{Radix, Value};
use crate::reckoning::Reckoning;
use crate::types::InodeId;

/// So many holes are made before it is asked whether metadata may grow.
const HOLES_AT_ONCE: u64 = 1024;

#[derive(Debug, Clone)]
pub(super) struct Over {
    pub(super) chunks: Radix<Chunk>,
    /// Chunks that are zero though the base has something there.
    holes: Radix<Hole>,
    source: Arc<Source>,
    end: u64,
    _tally: Tally<Over>,
}

impl Counted for Over {
    const KIND: Kind = Kind::Streams;
    /// In an `Arc` that counts strong references only.
    const BYTES: usize = heap_bytes(size_of::<Over>() + size_of::<usize>());
}

/// What says that a chunk of the base does not show.
#[derive(Debug, Clone)]
struct Hole(Ledger);

impl Value for Hole {
    const KIND: Kind = Kind::Streams;

    fn ledger(&self) -> Ledger {
        self.0
    }
}

impl Over {
    /// Counts all but its chunks, if it would go with this holder; says whether.
    pub(super) fn count_sole(this: &Shared<Self>, reckoning: &mut Reckoning) -> bool {
        let goes = reckoning.lets_metadata_go(Shared::as_ptr(this), Shared::strong_count(this), Self::BYTES);
        if goes {
            Source::count_sole(&this.source, reckoning);
            this.holes.sole_from(reckoning, 0, usize::MAX, |_, _| {});
        }
        goes
    }
}

impl Stream {
    /// The content of a file of the base.
    pub(crate) fn over(source: Source, size: u64) -> Stream {
        let size = size.min(FILE_BYTES);
        if size == 0 {
            return Stream::empty();
        }
        let _tally = Tally::new(source.ledger());
        let over = Over { chunks: Radix::new(), holes: Radix::new(), source: Arc::new(source), end: size, _tally };
        Stream { size, body: Body::Over(Shared::new(over)) }
    }

    /// From now on the base is read as it was now, or not at all.
    pub(crate) fn record_source(&mut self) {
        if let Body::Over(over) = &mut self.body {
            let over = Shared::make_mut(over);
            over.source = Arc::new(over.source.recorded());
        }
    }

    /// Stores what the base has of `len` bytes from `offset` on, or as many as there are: whatever becomes of the base. What there is no
    /// space for is left to the base.
    pub(crate) fn keep(&mut self, store: &ChunkStore, offset: u64, len: u64) -> Result<()> {
        let len = len.min(self.size.saturating_sub(offset));
        let Body::Over(over) = &mut self.body else { return Ok(()) };
        let over = Shared::make_mut(over);
        match (offset / CHUNK..(offset + len).div_ceil(CHUNK)).try_for_each(|index| over.raise(store, index)) {
            Err(Error::NoSpace) => Ok(()),
            kept => kept,
        }
    }

    /// The next part, at or after `from`, of which nothing is what the base has of the file `id` there. What another file was copied
    /// from is none of it.
    pub(crate) fn own_range(&self, id: InodeId, from: u64) -> Option<Range<u64>> {
        if from >= self.size {
            return None;
        }
        let Body::Over(over) = &self.body else { return Some(from..self.size) };
        if !over.source.is_of(id) {
            return Some(from..self.size);
        }
        over.own_range(from)
            .map(|range| range.start.max(from)..range.end.min(self.size))
            .filter(|range| !range.is_empty())
    }

    /// Whether anything of the base still shows.
    pub(crate) fn is_over_base(&self) -> bool {
        matches!(self.body, Body::Over(_))
    }
}

impl Over {
    pub(super) fn same(&self, other: &Over) -> bool {
        self.end == other.end
            && self.source.is_same(&other.source)
            && self.chunks.same(&other.chunks)
            && self.holes.same(&other.holes)
    }

    /// What must hold of it, chunks aside.
    pub(super) fn check(&self, what: &str, size: u64, report: &mut CheckReport) {
        let end = self.end;
        report.ensure(0 < end && end <= size, || format!("{what}: the base shows up to {end} of {size} bytes"));
        let past = self.holes.next_from(end.div_ceil(CHUNK)).is_some();
        report.ensure(!past, || format!("{what}: a hole in the base where nothing of it shows"));
    }

    pub(super) fn allocated(&self) -> u64 {
        let of_base = if self.end < self.source.size() { self.end } else { u64::MAX };
        self.source.allocated().min(of_base) + self.chunks.len() * CHUNK
    }

    /// Who counts it.
    pub(super) fn ledger(&self) -> Ledger {
        self.source.ledger()
    }

    /// Whether a chunk that is not stored is the base's.
    pub(super) fn is_base(&self, index: u64) -> bool {
        index * CHUNK < self.end && self.holes.get(index).is_none()
    }

    /// Bytes that are not stored here: of one chunk, from `offset` on.
    fn read_base(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let index = offset / CHUNK;
        if self.is_base(index) {
            return self.read_run(offset, into);
        }
        into.fill(0);
        Ok(())
    }

    /// Whole runs of what is not stored are read in one go.
    pub(super) fn read(&self, offset: u64, into: &mut [u8]) -> Result<()> {
        let mut rest = into;
        let mut at = offset;
        while !rest.is_empty() {
            let length = self.run(at, rest.len());
            let (piece, after) = rest.split_at_mut(length);
            match self.chunks.get(at / CHUNK) {
                Some(chunk) => piece.copy_from_slice(&chunk.read()?[(at % CHUNK) as usize..][..length]),
                None if self.is_base(at / CHUNK) => self.read_run(at, piece)?,
                None => piece.fill(0),
            }
            at += length as u64;
            rest = after;
        }
        Ok(())
    }

    fn read_run(&self, at: u64, piece: &mut [u8]) -> Result<()> {
        let held = self.end.saturating_sub(at).min(piece.len() as u64) as usize;
        piece[held..].fill(0);
        if held > 0 { self.source.read(at, &mut piece[..held]) } else { Ok(()) }
    }

    /// How many of `most` bytes from `at` on are of one nature, and need no more than one look.
    pub(super) fn run(&self, at: u64, most: usize) -> usize {
        let index = at / CHUNK;
        let within = (CHUNK - at % CHUNK) as usize;
        if self.chunks.get(index).is_some() || !self.is_base(index) {
            return within.min(most);
        }
        let last = (at + most as u64).div_ceil(CHUNK);
        let stop = self.next_own(index).min(last).min(self.end.div_ceil(CHUNK));
        usize::try_from(stop * CHUNK - at).map_or(most, |length| length.min(most))
    }

    /// The first byte at or after `offset` and before `size` that is data, or that is none.
    pub(super) fn seek(&self, offset: u64, size: u64, what: Sought) -> Option<u64> {
        let mut at = offset;
        while at < size {
            let index = at / CHUNK;
            let after = (index + 1) * CHUNK;
            let is_data = self.chunks.get(index).is_some();
            if is_data || !self.is_base(index) {
                if is_data == (what == Sought::Data) {
                    return Some(at);
                }
                at = self.next_change(index, is_data).max(after);
                continue;
            }
            let stop = at + self.run(at, usize::MAX >> 1) as u64;
            match self.seek_base(at, what) {
                Some(found) if found < stop => return Some(found),
                _ => at = stop,
            }
        }
        (what == Sought::Hole && offset < size).then_some(size)
    }

    /// Whole chunks, but for where the base ends; may end past the file.
    fn own_range(&self, from: u64) -> Option<Range<u64>> {
        let last = self.end.div_ceil(CHUNK);
        let at = from / CHUNK;
        let shows = self.chunks.get(at).is_none() && self.is_base(at);
        let first = if shows { self.next_own(at).min(last) } else { at };
        let mut end = first;
        while end < last && (self.chunks.get(end).is_some() || !self.is_base(end)) {
            end = self.chunks.gap_from(end).max(self.holes.gap_from(end));
        }
        let begin = if shows && first == last { self.end } else { first * CHUNK };
        Some(begin..if end < last { end * CHUNK } else { u64::MAX })
    }

    /// The first chunk at or after `index` that is stored or a hole.
    fn next_own(&self, index: u64) -> u64 {
        let stored = self.chunks.next_from(index).map_or(u64::MAX, |(index, _)| index);
        let hole = self.holes.next_from(index).map_or(u64::MAX, |(index, _)| index);
        stored.min(hole)
    }

    /// Where what `index` is ends, so that large holes and long runs of stored chunks are passed over at once.
    fn next_change(&self, index: u64, is_data: bool) -> u64 {
        if is_data {
            return self.chunks.gap_from(index).saturating_mul(CHUNK);
        }
        let stored = self.chunks.next_from(index).map_or(u64::MAX, |(index, _)| index.saturating_mul(CHUNK));
        let base = if index * CHUNK < self.end { self.holes.gap_from(index).saturating_mul(CHUNK) } else { u64::MAX };
        stored.min(base)
    }

    /// In the base; past `end` nothing of it counts. When the base does not say, all of it is data.
    fn seek_base(&self, at: u64, what: Sought) -> Option<u64> {
        let found = match self.source.seek(at, what) {
            Ok(found) => found,
            Err(_) => (what == Sought::Data).then_some(at),
        };
        match (found.filter(|&found| found < self.end), what) {
            // Within its last chunk the base may end before that.
            (None, Sought::Hole) => Some(self.end.max(at)),
            (found, _) => found,
        }
    }

    // ---- changing ----------------------------------------------------------------------------------------------

    /// Stores the chunk, so that parts of it can be changed. What can be read stays the same.
    fn raise(&mut self, store: &ChunkStore, index: u64) -> Result<()> {
        if self.chunks.get(index).is_some() || !self.is_base(index) {
            return Ok(());
        }
        store.admit()?;
        let mut bytes = vec![0; CHUNK_BYTES];
        self.read_base(index * CHUNK, &mut bytes)?;
        let mut chunk = Chunk::allocate(store, 0..CHUNK_BYTES)?;
        chunk.write(store)?.copy_from_slice(&bytes);
        self.chunks.insert(index, chunk);
        Ok(())
    }

    /// Answers how many bytes were written.
    pub(super) fn write(&mut self, store: &Arc<ChunkStore>, offset: u64, bytes: &[u8]) -> Result<usize> {
        let mut rest = bytes;
        for (index, within) in pieces(offset, bytes.len() as u64) {
            let (piece, after) = rest.split_at(within.len());
            match self.write_piece(store, index, within, piece) {
                Ok(()) => rest = after,
                Err(error) if rest.len() == bytes.len() => return Err(error),
                Err(_) => break,
            }
        }
        Ok(bytes.len() - rest.len())
    }

    fn write_piece(&mut self, store: &ChunkStore, index: u64, within: Range<usize>, piece: &[u8]) -> Result<()> {
        if within.len() < CHUNK_BYTES {
            self.raise(store, index)?;
        }
        write_piece(&mut self.chunks, store, index, within, piece)
    }

    /// Whether something is set aside past `size`.
    pub(super) fn has_past(&self, size: u64) -> bool {
        self.chunks.next_from(size.div_ceil(CHUNK)).is_some()
    }

    /// Cuts off what lies past `size`.
    pub(super) fn cut(&mut self, store: &ChunkStore, size: u64) -> Result<CutOff> {
        let (last, kept) = (size / CHUNK, (size % CHUNK) as usize);
        if kept > 0
            && let Some(chunk) = self.chunks.get_mut(last)
        {
            chunk.write(store)?[kept..].fill(0);
        }
        let cut = self.chunks.take_from(size.div_ceil(CHUNK));
        self.holes.retain_below(size.div_ceil(CHUNK));
        self.end = self.end.min(size);
        Ok(cut)
    }

    /// Stores every chunk that `len` bytes from `offset` on lie in. The caller gives up on all of it if it fails.
    pub(super) fn allocate(&mut self, store: &ChunkStore, offset: u64, len: u64) -> Result<()> {
        let (first, end) = (offset / CHUNK, end_of(offset, len)?.div_ceil(CHUNK));
        if !store.may_hold((end - first).saturating_sub(self.chunks.len())) {
            return Err(Error::NoSpace);
        }
        let mut next = self.chunks.gap_from(first);
        while next < end.min(self.end.div_ceil(CHUNK)) {
            self.raise(store, next)?;
            next = self.chunks.gap_from(next + 1);
        }
        fill_gaps(&mut self.chunks, store, first..end)
    }

    /// Makes a hole. The caller gives up on all of it if it fails.
    pub(super) fn punch(&mut self, store: &ChunkStore, offset: u64, end: u64) -> Result<CutOff> {
        for (index, within) in edges(offset, end) {
            self.raise(store, index)?;
            if let Some(chunk) = self.chunks.get_mut(index) {
                chunk.write(store)?[within].fill(0);
            }
        }
        let (first, last) = (offset.div_ceil(CHUNK), end / CHUNK);
        let cut = self.chunks.take_range(first, last);
        if last * CHUNK >= self.end {
            self.end = self.end.min(first * CHUNK);
            self.holes.retain_below(first);
        }
        for index in first..last.min(self.end.div_ceil(CHUNK)) {
            // A few can always be made; the base may have files of any size.
            if index > first && index.is_multiple_of(HOLES_AT_ONCE) {
                store.admit()?;
            }
            self.holes.insert(index, Hole(store.ledger()));
        }
        Ok(cut)
    }

    /// What is left when nothing of the base shows any more.
    fn settled(&self) -> Option<Body> {
        if self.end > 0 {
            return None;
        }
        Some(if self.chunks.is_empty() { Body::Hole } else { Body::Chunks(self.chunks.clone()) })
    }

    // ---- comparing ---------------------------------------------------------------------------------------------

    /// Whether both hold the same bytes, by looking only at chunks that one of them has stored or made a hole of.
    pub(super) fn equal(&self, other: &Over, size: u64) -> Result<Option<bool>> {
        if self.end != other.end || !self.source.is_same(&other.source) {
            return Ok(None);
        }
        let look = |index: u64| match self.equal_chunk(other, index, size) {
            Ok(true) => ControlFlow::Continue(()),
            answer => ControlFlow::Break(answer),
        };
        let stored = self.chunks.diff_from(&other.chunks, 0, Chunk::same, |index, _, _| look(index));
        let holes = match stored {
            ControlFlow::Continue(()) => self.holes.diff_from(&other.holes, 0, |_, _| true, |index, _, _| look(index)),
            found => found,
        };
        match holes {
            ControlFlow::Continue(()) => Ok(Some(true)),
            ControlFlow::Break(answer) => answer.map(Some),
        }
    }

    fn equal_chunk(&self, other: &Over, index: u64, size: u64) -> Result<bool> {
        let length = size.saturating_sub(index * CHUNK).min(CHUNK) as usize;
        let (mut a, mut b) = (vec![0; length], vec![0; length]);
        self.read(index * CHUNK, &mut a)?;
        other.read(index * CHUNK, &mut b)?;
        Ok(a == b)
    }
}

/// Does something to a copy, which takes the place of the original when all of it went well. The copy shares everything.
pub(super) fn change<R>(body: &mut Body, with: impl FnOnce(&mut Over) -> Result<R>) -> Result<R> {
    let Body::Over(over) = body else { unreachable!("invariant: asked only of a stream over the base") };
    let mut changed = Over::clone(over);
    let answer = with(&mut changed)?;
    *body = changed.settled().unwrap_or_else(|| Body::Over(Shared::new(changed)));
    Ok(answer)
}

/// The parts of chunks at both ends of a range of bytes, those that are less than a chunk.
fn edges(offset: u64, end: u64) -> impl Iterator<Item = (u64, Range<usize>)> {
    let (first, last) = (offset / CHUNK, end / CHUNK);
    let (from, to) = ((offset % CHUNK) as usize, (end % CHUNK) as usize);
    let (head, tail) = match first == last {
        true => ((from < to).then_some((first, from..to)), None),
        false => ((from > 0).then_some((first, from..CHUNK_BYTES)), (to > 0).then_some((last, 0..to))),
    };
    head.into_iter().chain(tail)
}
