//! Reservations that take several steps, and what others reserve in the same stream meanwhile.
//!
//! One that fails gives back what it has reserved, but for what somebody else has asked for in the meantime: that was there
//! already for him, and nobody loses what he was promised. What is reserved is noted under the lock of the inode; where no
//! reservation takes several steps that is one look at a number.

#[cfg(test)]
mod tests;

use std::ops::Range;

use hashbrown::HashMap;

use crate::data::CHUNK_BYTES;
use crate::sync::CountsMutex;
use crate::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use crate::types::{InodeId, StreamId};

type Key = (InodeId, StreamId);

/// Who has reserved something in one step.
const SOMEBODY: u64 = 0;
/// So many ranges of a stream are noted. When there are more, what fails gives nothing back.
const NOTED: usize = 256;

/// Of one stream.
#[derive(Debug, Default)]
struct Steps {
    under_way: usize,
    /// Reservations that were begun.
    begun: u64,
    /// What was reserved, in whole chunks, and which of those reservations did, or [`SOMEBODY`].
    taken: Vec<(u64, Range<u64>)>,
    /// There was more than is noted.
    is_too_much: bool,
}

impl Steps {
    fn note(&mut self, by: u64, range: &Range<u64>) {
        const CHUNK: u64 = CHUNK_BYTES as u64;
        let range = range.start / CHUNK * CHUNK..range.end.next_multiple_of(CHUNK);
        let touches = |other: &Range<u64>| other.start <= range.end && range.start <= other.end;
        let is_full = self.taken.len() == NOTED;
        // Of whoever's steps alternate with others', too. His last is the likeliest.
        match self.taken.iter_mut().rfind(|(who, other)| *who == by && touches(other)) {
            Some((_, other)) => *other = other.start.min(range.start)..other.end.max(range.end),
            None if is_full => self.is_too_much = true,
            None => self.taken.push((by, range)),
        }
    }

    /// What of a reservation's ranges no other has reserved.
    fn left_by_others(&self, mut ranges: Vec<Range<u64>>) -> Vec<Range<u64>> {
        if self.is_too_much {
            return Vec::new();
        }
        for (_, taken) in &self.taken {
            ranges = ranges.into_iter().flat_map(|range| without(range, taken)).collect();
        }
        ranges
    }
}

/// What lies in the first range and not in the second.
fn without(range: Range<u64>, other: &Range<u64>) -> impl Iterator<Item = Range<u64>> + use<> {
    let before = range.start..range.end.min(other.start);
    let after = range.start.max(other.end)..range.end;
    [before, after].into_iter().filter(|part| !part.is_empty())
}

/// Those of a branch.
#[derive(Debug, Default)]
pub(crate) struct Reservations {
    under_way: AtomicUsize,
    by_stream: CountsMutex<HashMap<Key, Steps>>,
}

impl Reservations {
    /// Begins one. Before its first step.
    pub(crate) fn begin(&self, id: InodeId, stream: StreamId) -> Reservation<'_> {
        let key = (id, stream);
        self.under_way.fetch_add(1, SeqCst);
        let mut by_stream = self.by_stream.lock();
        let steps = by_stream.entry(key).or_default();
        steps.under_way += 1;
        steps.begun += 1;
        Reservation { of: self, key, number: steps.begun, added: Vec::new() }
    }

    /// Somebody has reserved something in one step. With the inode locked for change.
    #[inline]
    pub(crate) fn step(&self, id: InodeId, stream: StreamId, range: &Range<u64>) {
        if self.under_way.load(SeqCst) > 0 {
            self.note((id, stream), SOMEBODY, range);
        }
    }

    fn note(&self, key: Key, by: u64, range: &Range<u64>) {
        if let Some(steps) = self.by_stream.lock().get_mut(&key) {
            steps.note(by, range);
        }
    }
}

/// One that is under way.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    of: &'a Reservations,
    key: Key,
    number: u64,
    /// What was not stored before.
    added: Vec<Range<u64>>,
}

impl Reservation<'_> {
    /// A step of its own is done; `added` was not stored before. With the inode locked for change.
    pub(crate) fn step(&mut self, range: &Range<u64>, added: Vec<Range<u64>>) {
        self.of.note(self.key, self.number, range);
        self.added.extend(added);
    }

    /// It has failed: others need not leave its part be any more. Answers what it has added and nobody else has reserved since. With the
    /// inode locked for change.
    pub(crate) fn fail(&mut self) -> Vec<Range<u64>> {
        let added = std::mem::take(&mut self.added);
        let mut by_stream = self.of.by_stream.lock();
        let Some(steps) = by_stream.get_mut(&self.key) else { return added };
        steps.taken.retain(|(by, _)| *by != self.number);
        steps.left_by_others(added)
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        let mut by_stream = self.of.by_stream.lock();
        if let Some(steps) = by_stream.get_mut(&self.key) {
            steps.under_way -= 1;
            if steps.under_way == 0 {
                by_stream.remove(&self.key);
            }
        }
        self.of.under_way.fetch_sub(1, SeqCst);
    }
}
