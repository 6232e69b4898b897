//! Holders and waiters of one space of one inode.
//!
//! Invariants: every holder holds something; holders of different owners are compatible; waiters stand in the order
//! in which they came; what the holders' spans take is summed up as they change. When to look for grants, and deadlocks
//! beyond this inode, are left to the table.

use super::graph::WaitGraph;
use super::spans::Spans;
use super::{Claim, Conflict, Done, LOCK_OVERTAKES, LockKind, Quota};
use crate::error::Result;
use crate::ledger::heap_bytes;

/// What the callback of a waiter takes, about.
const CALLBACK_BYTES: usize = heap_bytes(64);

struct Holder {
    owner: u64,
    spans: Spans,
}

/// A request that nobody could grant yet.
pub(super) struct Waiter {
    pub(super) number: u64,
    pub(super) claim: Claim,
    pub(super) done: Done,
    /// Requests granted over its head.
    overtaken: u32,
    /// Waiters before it do not hold it up: they wait for it.
    passes: bool,
}

impl Waiter {
    pub(super) fn new(number: u64, claim: Claim, done: Done) -> Waiter {
        Waiter { number, claim, done, overtaken: 0, passes: false }
    }

    fn bars(&self, claim: &Claim) -> bool {
        self.overtaken >= LOCK_OVERTAKES && self.claim.conflicts(claim)
    }
}

#[derive(Default)]
pub(super) struct Space {
    holders: Vec<Holder>,
    waiters: Vec<Waiter>,
    /// What the spans of all holders take of the heap.
    spans_bytes: usize,
}

impl Space {
    pub(super) fn is_empty(&self) -> bool {
        self.holders.is_empty() && self.waiters.is_empty()
    }

    /// What they take of the heap. Costs the same however many there are.
    pub(super) fn heap_bytes(&self) -> usize {
        let Space { holders, waiters, spans_bytes } = self;
        let lists =
            heap_bytes(holders.capacity() * size_of::<Holder>()) + heap_bytes(waiters.capacity() * size_of::<Waiter>());
        lists + spans_bytes + waiters.len() * CALLBACK_BYTES
    }

    /// Changes what a holder holds.
    fn change_spans<R>(&mut self, at: usize, change: impl FnOnce(&mut Spans) -> R) -> R {
        let spans = &mut self.holders[at].spans;
        let before = spans.heap_bytes();
        let answer = change(spans);
        self.spans_bytes = self.spans_bytes + spans.heap_bytes() - before;
        answer
    }

    fn remove_holder(&mut self, at: usize) -> Spans {
        let spans = self.holders.swap_remove(at).spans;
        self.spans_bytes -= spans.heap_bytes();
        spans
    }

    fn position(&self, owner: u64) -> Option<usize> {
        self.holders.iter().position(|holder| holder.owner == owner)
    }

    pub(super) fn waiters(&self) -> &[Waiter] {
        &self.waiters
    }

    /// The lock of lowest start that stands against the claim.
    pub(super) fn first_conflict(&self, claim: &Claim) -> Option<Conflict> {
        self.holders.iter().filter_map(|holder| holder.conflict(claim)).min_by_key(|held| held.lock.start)
    }

    /// Whether the owner holds all of the claim already: to ask for it again takes nothing from anybody.
    pub(super) fn covers(&self, claim: &Claim) -> bool {
        let mine = self.holders.iter().find(|holder| holder.owner == claim.owner);
        mine.is_some_and(|holder| holder.spans.covers(&claim.lock))
    }

    /// Whether one of the first `earlier` waiters has been overtaken often enough, and would be again.
    pub(super) fn is_barred(&self, claim: &Claim, earlier: usize) -> bool {
        self.waiters[..earlier].iter().any(|waiter| waiter.bars(claim))
    }

    /// Whoever has to give way before the claim can be granted, as [`Space::is_barred`] takes `earlier`.
    pub(super) fn blockers(&self, claim: &Claim, earlier: usize) -> Vec<u64> {
        let holders = self.holders.iter().filter_map(|holder| holder.conflict(claim));
        let waiters = self.waiters[..earlier].iter().filter(|waiter| waiter.bars(claim));
        holders.map(|held| held.owner).chain(waiters.map(|waiter| waiter.claim.owner)).collect()
    }

    /// Holds the claim from now on. Nothing may stand against it.
    pub(super) fn hold(&mut self, claim: &Claim, quota: &Quota) -> Result<()> {
        debug_assert!(self.first_conflict(claim).is_none());
        if let Some(at) = self.position(claim.owner) {
            return self.change_spans(at, |spans| spans.set(claim.lock, quota));
        }
        let mut spans = Spans::default();
        spans.set(claim.lock, quota)?;
        self.spans_bytes += spans.heap_bytes();
        self.holders.push(Holder { owner: claim.owner, spans });
        Ok(())
    }

    /// The owner gives up the claim's range.
    pub(super) fn drop_range(&mut self, claim: &Claim, quota: &Quota) -> Result<()> {
        let Some(at) = self.position(claim.owner) else { return Ok(()) };
        self.change_spans(at, |spans| spans.clear(claim.lock.start, claim.lock.end, quota))?;
        if self.holders[at].spans.is_empty() {
            self.remove_holder(at);
        }
        Ok(())
    }

    /// The owner gives up all it holds.
    pub(super) fn drop_owner(&mut self, owner: u64, quota: &Quota) {
        if let Some(at) = self.position(owner) {
            quota.give(self.remove_holder(at).len());
        }
    }

    pub(super) fn enqueue(&mut self, waiter: Waiter) {
        self.waiters.push(waiter);
    }

    pub(super) fn dequeue(&mut self, number: u64) -> Option<Waiter> {
        let at = self.waiters.iter().position(|waiter| waiter.number == number)?;
        Some(self.waiters.remove(at))
    }

    pub(super) fn dequeue_owner(&mut self, owner: u64) -> Vec<Waiter> {
        self.waiters.extract_if(.., |waiter| waiter.claim.owner == owner).collect()
    }

    /// A request was granted while these waited.
    pub(super) fn count_overtaking(&mut self, claim: &Claim) {
        for waiter in self.waiters.iter_mut().filter(|waiter| waiter.claim.conflicts(claim)) {
            waiter.overtaken = waiter.overtaken.saturating_add(1);
        }
    }

    /// Grants every waiter that nothing stands against, in order, once through. They hold what they waited
    /// for, or could not for want of room in the table.
    pub(super) fn take_grantable(&mut self, quota: &Quota) -> Vec<(Waiter, Result<()>)> {
        let mut granted = Vec::new();
        if self.waiters.is_empty() {
            return granted;
        }
        // While this runs, `self.waiters` is those that were before the one looked at and still wait.
        let waiting = std::mem::take(&mut self.waiters);
        self.waiters.reserve(waiting.len());
        for waiter in waiting {
            if !self.is_grantable(&waiter) {
                self.waiters.push(waiter);
                continue;
            }
            let result = self.hold(&waiter.claim, quota);
            self.count_overtaking(&waiter.claim);
            granted.push((waiter, result));
        }
        granted
    }

    fn is_grantable(&self, waiter: &Waiter) -> bool {
        self.first_conflict(&waiter.claim).is_none()
            && (waiter.passes || !self.is_barred(&waiter.claim, self.waiters.len()))
    }

    /// Tells the graph who blocks each waiter now; answers owner and number of those that somebody new blocks.
    pub(super) fn refresh_edges(&self, graph: &mut WaitGraph) -> Vec<(u64, u64)> {
        let mut grown = Vec::new();
        for (at, waiter) in self.waiters.iter().enumerate() {
            let blockers = self.blockers(&waiter.claim, if waiter.passes { 0 } else { at });
            if graph.set(waiter.claim.owner, waiter.number, blockers) {
                grown.push((waiter.claim.owner, waiter.number));
            }
        }
        grown
    }

    /// Lets a waiter pass those before it, when they are all that stands against it. Answers whether they were.
    pub(super) fn let_pass(&mut self, number: u64) -> bool {
        let Some(at) = self.waiters.iter().position(|waiter| waiter.number == number) else { return false };
        let passes = !self.waiters[at].passes && self.first_conflict(&self.waiters[at].claim).is_none();
        self.waiters[at].passes |= passes;
        passes
    }
}

impl Holder {
    fn conflict(&self, claim: &Claim) -> Option<Conflict> {
        if self.owner == claim.owner {
            return None;
        }
        let wanted = claim.lock.kind;
        let against = |kind| kind == LockKind::Write || wanted == LockKind::Write;
        let found = self.spans.find(claim.lock.start, claim.lock.end, |span| against(span.kind));
        found.map(|lock| Conflict { owner: self.owner, lock })
    }
}

#[cfg(test)]
impl Space {
    /// Whether the sum of what spans take is right.
    pub(super) fn sums_up(&self) -> bool {
        self.spans_bytes == self.holders.iter().map(|holder| holder.spans.heap_bytes()).sum::<usize>()
    }

    pub(super) fn held_by(&self, owner: u64) -> &[super::Lock] {
        self.holders.iter().find(|holder| holder.owner == owner).map_or(&[], |holder| holder.spans.all())
    }

    pub(super) fn numbers(&self) -> Vec<u64> {
        self.waiters.iter().map(|waiter| waiter.number).collect()
    }
}
