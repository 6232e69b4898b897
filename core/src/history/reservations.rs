//! Reservations that take several steps, and what others reserve in the same stream meanwhile.
//!
//! One that fails gives back what it has reserved. If somebody else has asked for some of that in the meantime, it was there
//! already for him, and cannot be told from the rest any more: then all of it stays, so that nobody loses what he was
//! promised. Counted under the lock of the inode; where no reservation takes several steps that is one look at a number.

use std::ops::Range;

use hashbrown::HashMap;

use crate::sync::CountsMutex;
use crate::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use crate::types::{InodeId, StreamId};

type Key = (InodeId, StreamId);

/// Of one stream.
#[derive(Debug, Default)]
struct Steps {
    under_way: usize,
    /// Steps that were taken, whoever's.
    taken: u64,
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
        let before = steps.taken;
        Reservation { of: self, key, before, own: 0, added: Vec::new() }
    }

    /// Something was reserved. With the inode locked for change.
    #[inline]
    pub(crate) fn step(&self, id: InodeId, stream: StreamId) {
        if self.under_way.load(SeqCst) > 0
            && let Some(steps) = self.by_stream.lock().get_mut(&(id, stream))
        {
            steps.taken += 1;
        }
    }
}

/// One that is under way.
#[derive(Debug)]
pub(crate) struct Reservation<'a> {
    of: &'a Reservations,
    key: Key,
    before: u64,
    /// Steps of its own.
    own: u64,
    /// What was not stored before.
    added: Vec<Range<u64>>,
}

impl Reservation<'_> {
    /// A step of its own is done; `added` was not stored before.
    pub(crate) fn add(&mut self, added: Vec<Range<u64>>) {
        self.own += 1;
        self.added.extend(added);
    }

    /// What it has added.
    pub(crate) fn added(&self) -> &[Range<u64>] {
        &self.added
    }

    /// Whether nobody else has reserved anything in the stream since it began. With the inode locked for change.
    pub(crate) fn is_alone(&self) -> bool {
        let by_stream = self.of.by_stream.lock();
        by_stream.get(&self.key).is_none_or(|steps| steps.taken == self.before + self.own)
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
