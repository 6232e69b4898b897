//! The gate of a branch: every change holds it shared, a snapshot holds it alone for the few instructions that clone
//! the roots. The shared side is striped by thread, so that changes on different CPUs do not write to one word.
//!
//! Nobody takes the gate twice: a snapshot that waits between the two would wait for ever.

use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::sync::{Ordered, Rank, RwLock, RwLockReadGuard, RwLockWriteGuard, ordered};

const STRIPES: usize = 8;

#[derive(Debug, Default)]
#[repr(align(64))]
struct Stripe(RwLock<()>);

#[derive(Debug, Default)]
pub(crate) struct Gate {
    stripes: [Stripe; STRIPES],
}

/// The gate held shared: a change is under way.
pub(crate) type Passage<'a> = Ordered<RwLockReadGuard<'a, ()>>;

/// The gate held alone.
pub(crate) struct Closed<'a> {
    _stripes: [RwLockWriteGuard<'a, ()>; STRIPES],
}

impl Gate {
    /// Passes for one change.
    pub(crate) fn enter(&self) -> Passage<'_> {
        ordered(Rank::Gate, || self.stripes[stripe_of_this_thread()].0.read())
    }

    /// Closes the gate: returns when no change is under way, and none starts until the guards are dropped.
    pub(crate) fn close(&self) -> Ordered<Closed<'_>> {
        ordered(Rank::Gate, || Closed { _stripes: std::array::from_fn(|i| self.stripes[i].0.write()) })
    }
}

/// Closes several gates, as [`Gate::close`] does one. Nobody who has passed one of them waits for another.
pub(crate) fn close_all<'a>(gates: impl Iterator<Item = &'a Gate>) -> Ordered<Vec<Closed<'a>>> {
    let close = |gate: &'a Gate| Closed { _stripes: std::array::from_fn(|i| gate.stripes[i].0.write()) };
    ordered(Rank::Gate, || gates.map(close).collect())
}

fn stripe_of_this_thread() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static STRIPE: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    STRIPE.with(|stripe| {
        if stripe.get() == usize::MAX {
            stripe.set(NEXT.fetch_add(1, Ordering::Relaxed) % STRIPES);
        }
        stripe.get()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicBool;

    #[test]
    fn a_closed_gate_waits_for_changes_under_way_and_lets_none_start() {
        let gate = Gate::default();
        let inside = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..500 {
                        let _passage = gate.enter();
                        inside.store(true, Ordering::SeqCst);
                    }
                });
            }
            for _ in 0..200 {
                let _closed = gate.close();
                inside.store(false, Ordering::SeqCst);
                std::thread::yield_now();
                assert!(!inside.load(Ordering::SeqCst));
            }
        });
    }
}
