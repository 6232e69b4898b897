//! Counting without a word that all threads write to.
//!
//! Each thread has a number for as long as it lives, the lowest that is free. The first [`OWN`] have a stripe of their
//! own, which nobody else adds to, so that adding is a load and a store; the rest share the last one. A sum reads
//! all of them, and may miss what is being added just then.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed, Ordering::SeqCst};

use crossbeam_utils::CachePadded;

use crate::sync::CountsMutex as Mutex;

/// Threads that have a stripe of their own.
pub(crate) const OWN: usize = 63;
/// Theirs, and the one for all others.
pub(crate) const STRIPES: usize = OWN + 1;

/// Numbers that were given back, and the first that was never given out.
static FREE: Mutex<(BTreeSet<usize>, usize)> = Mutex::new((BTreeSet::new(), 0));

/// How many numbers were ever given out at a time.
static GIVEN: AtomicUsize = AtomicUsize::new(0);

/// A number that goes back when its thread ends.
struct Lease(usize);

impl Lease {
    fn take() -> Lease {
        let mut free = FREE.lock();
        Lease(free.0.pop_first().unwrap_or_else(|| {
            free.1 += 1;
            // Before the thread uses it: see `stripes_in_use`.
            GIVEN.store(free.1, SeqCst);
            free.1 - 1
        }))
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // First, so that nothing is counted under a number that somebody else has.
        NUMBER.set(ENDING);
        FREE.lock().0.insert(self.0);
    }
}

const UNKNOWN: usize = usize::MAX;
/// Of a thread that has given its number back.
const ENDING: usize = usize::MAX - 1;

thread_local! {
    // Two, as one without a destructor is cheaper to look at.
    static NUMBER: Cell<usize> = const { Cell::new(UNKNOWN) };
    static LEASE: Lease = Lease::take();
}

/// The number of this thread.
#[inline]
fn thread_number() -> usize {
    match NUMBER.get() {
        UNKNOWN => number_this_thread(),
        number => number,
    }
}

#[cold]
fn number_this_thread() -> usize {
    let number = LEASE.try_with(|lease| lease.0).unwrap_or(ENDING);
    NUMBER.set(number);
    number
}

/// The stripe of this thread.
#[inline]
pub(crate) fn stripe() -> usize {
    thread_number().min(OWN)
}

/// So many stripes from the first on are those of threads, now or before. A thread that writes to its stripe (`SeqCst`) before another asks
/// (what it does before `SeqCst`, too) is among them.
#[cfg(not(feature = "shuttle"))]
pub(crate) fn stripes_in_use() -> usize {
    GIVEN.load(SeqCst).min(STRIPES)
}

/// Adds to a count in the stripe of this thread, which is `stripe`. Answers what it was.
#[inline]
pub(crate) fn add_in(stripe: usize, count: &AtomicU64, more: u64) -> u64 {
    if stripe < OWN {
        let before = count.load(Relaxed);
        count.store(before.wrapping_add(more), Relaxed);
        before
    } else {
        count.fetch_add(more, Relaxed)
    }
}

/// A count that many threads add to, often.
#[derive(Debug)]
pub(crate) struct StripedCount(Box<[CachePadded<AtomicU64>; STRIPES]>);

impl Default for StripedCount {
    fn default() -> Self {
        Self(Box::new([const { CachePadded::new(AtomicU64::new(0)) }; STRIPES]))
    }
}

impl StripedCount {
    #[inline]
    pub(crate) fn add(&self, more: u64) {
        let stripe = stripe();
        add_in(stripe, &self.0[stripe], more);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.iter().map(|count| count.load(Relaxed)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_lost_however_many_threads_count() {
        let count = StripedCount::default();
        for _ in 0..3 {
            std::thread::scope(|scope| {
                for _ in 0..STRIPES + 30 {
                    scope.spawn(|| (0..1000).for_each(|_| count.add(2)));
                }
            });
        }
        assert_eq!(count.get(), 3 * (STRIPES as u64 + 30) * 2000);
    }

    #[test]
    fn living_threads_have_different_numbers_and_keep_them() {
        let barrier = std::sync::Barrier::new(8);
        let numbers = || {
            let number = thread_number();
            barrier.wait();
            assert_eq!(thread_number(), number);
            barrier.wait();
            number
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(numbers)).collect();
            let numbers: BTreeSet<_> = threads.into_iter().map(|thread| thread.join().unwrap_or(UNKNOWN)).collect();
            assert_eq!(numbers.len(), 8);
        });
    }
}
