//! The gate of a branch: every change holds it shared, a snapshot holds it alone for the few instructions that clone
//! the roots. The shared side is striped by thread, so that changes on different CPUs do not write to one word.
//!
//! Nobody takes the gate twice: a snapshot that waits between the two would wait for ever.

use crate::sync::{
    Ordered, Planted, Rank, RwLock, RwLockReadGuard, RwLockWriteGuard, ordered, planted, thread_ordinal,
};

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
    _stripes: [Option<RwLockWriteGuard<'a, ()>>; STRIPES],
}

impl Closed<'_> {
    fn of(gate: &Gate) -> Closed<'_> {
        let open = |stripe: usize| stripe == 1 && planted(Planted::GateLeavesAStripeOpen);
        Closed { _stripes: std::array::from_fn(|i| (!open(i)).then(|| gate.stripes[i].0.write())) }
    }
}

impl Gate {
    /// Passes for one change.
    pub(crate) fn enter(&self) -> Passage<'_> {
        ordered(Rank::Gate, || self.stripes[thread_ordinal() % STRIPES].0.read())
    }

    /// Closes the gate: returns when no change is under way, and none starts until the guards are dropped.
    pub(crate) fn close(&self) -> Ordered<Closed<'_>> {
        ordered(Rank::Gate, || Closed::of(self))
    }
}

/// Closes several gates, as [`Gate::close`] does one. Nobody who has passed one of them waits for another.
pub(crate) fn close_all<'a>(gates: impl Iterator<Item = &'a Gate>) -> Ordered<Vec<Closed<'a>>> {
    ordered(Rank::Gate, || gates.map(Closed::of).collect())
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicBool, Ordering};

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
