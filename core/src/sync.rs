//! Every lock of the core comes from here, and every atomic and thread that locks are made safe by, so that a test build
//! can swap in model-checked ones: with the feature `shuttle` they are those of `modelled`, which a scheduler of its own
//! switches between (see `schedules`), else those of `plain`.
//!
//! The locks that operations take together have a [`Rank`], and are taken in its order; debug builds assert it. The
//! order is explained in `docs/concurrency.md`. What only counts, and guards nothing, is left to the standard library.

#[cfg(feature = "shuttle")]
mod modelled;
#[cfg(not(feature = "shuttle"))]
mod plain;

mod biased;
mod glances;

use std::ops::{Deref, DerefMut};

#[cfg(feature = "shuttle")]
pub(crate) use modelled::*;
#[cfg(not(feature = "shuttle"))]
pub(crate) use plain::*;

pub(crate) use biased::{Biased, BiasedReadGuard, BiasedWriteGuard, Concerns, Look};
pub(crate) use glances::{Glance, glance};

/// A lock that outlives every volume, or guards counts alone: never model-checked, so nothing else may be waited for under it.
pub(crate) use parking_lot::Mutex as CountsMutex;

/// Faults that tests plant, to see that they would be found. No build but theirs can have one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Planted {
    /// Who closes a gate forgets its last stripe.
    GateLeavesAStripeOpen,
    /// A snapshot does not close the gate.
    SnapshotPassesTheGate,
    /// Who copies up an inode does not look whether another thread has done it meanwhile.
    CopiesUpTwice,
    /// Inodes are locked in the order in which they are asked for.
    LocksAsAsked,
    /// Directories move while others do.
    MovesWithoutAncestry,
    /// A rename is refused for what its names were at two moments.
    RefusesWhatWas,
    /// The evictor drops a frame that was used, and maybe written to, after it was spilled.
    EvictsWhatIsUsed,
    /// A writer overlooks that the bytes are lent out.
    WritesWhatIsLent,
    /// A chunk takes the place of a shared one before it has its bytes.
    FillsLate,
    /// An open that could not be finished deletes nothing, though it was the last to hold what is to be deleted.
    OverlooksWhatEnds,
    /// Who ends the bias of a lock does not wait for who looks at what it guards.
    WritesBesideAGlance,
}

/// Where a lock stands in the order: a thread takes a lock only when it stands behind all that it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Rank {
    /// The registry of branches and snapshots.
    Registry,
    /// The names of a branch's files, held still while they are opened the Windows way.
    OpenNames,
    /// The gate of a branch.
    Gate,
    /// The ancestry of directories.
    Ancestry,
    /// A version of the inode with this id.
    Inode(u64),
    /// A shard of a branch's Windows opens.
    Opens,
    /// A shard of the references that a host holds.
    References,
    /// A shard of a branch's live nodes.
    LiveNodes,
    /// A shard of the inode table.
    Table,
}

/// The guard of a lock with a rank.
pub(crate) struct Ordered<G> {
    guard: G,
    _held: order::Held,
}

/// Takes a lock of this rank.
#[inline]
pub(crate) fn ordered<G>(rank: Rank, take: impl FnOnce() -> G) -> Ordered<G> {
    let held = order::Held::of(rank);
    Ordered { guard: take(), _held: held }
}

impl<G> Ordered<G> {
    /// The guard, when its lock is about to be given back.
    #[inline]
    pub(crate) fn into_inner(self) -> G {
        self.guard
    }
}

impl<G: Deref> Deref for Ordered<G> {
    type Target = G::Target;

    fn deref(&self) -> &G::Target {
        &self.guard
    }
}

impl<G: DerefMut> DerefMut for Ordered<G> {
    fn deref_mut(&mut self) -> &mut G::Target {
        &mut self.guard
    }
}

#[cfg(debug_assertions)]
mod order {
    use std::cell::RefCell;
    use std::marker::PhantomData;

    use super::{Rank, thread_local};

    thread_local! {
        static HELD: RefCell<Vec<Rank>> = const { RefCell::new(Vec::new()) };
    }

    /// Notes that this thread holds a lock; not to be sent to another.
    pub(super) struct Held {
        rank: Rank,
        _stays: PhantomData<*const ()>,
    }

    impl Held {
        pub(super) fn of(rank: Rank) -> Held {
            assert!(!super::glances::is_glancing(), "{rank:?} taken within a glance");
            HELD.with(|held| {
                let mut held = held.borrow_mut();
                let behind_all = held.iter().all(|other| *other < rank);
                assert!(behind_all, "lock order: {rank:?} taken while holding {held:?}");
                held.push(rank);
            });
            Held { rank, _stays: PhantomData }
        }
    }

    impl Drop for Held {
        fn drop(&mut self) {
            HELD.with(|held| {
                let mut held = held.borrow_mut();
                if let Some(at) = held.iter().rposition(|other| *other == self.rank) {
                    held.remove(at);
                }
            });
        }
    }
}

#[cfg(not(debug_assertions))]
mod order {
    use super::Rank;

    pub(super) struct Held;

    impl Held {
        #[inline]
        pub(super) fn of(_: Rank) -> Held {
            Held
        }
    }
}

#[cfg(all(test, debug_assertions, not(feature = "shuttle")))]
mod tests {
    use super::*;

    #[test]
    fn locks_taken_in_their_order_and_given_up_in_any_are_fine() {
        let locks = [const { Mutex::new(()) }; 3];
        let gate = ordered(Rank::Gate, || locks[0].lock());
        let low = ordered(Rank::Inode(1), || locks[1].lock());
        let high = ordered(Rank::Inode(7), || locks[2].lock());
        drop(gate);
        drop(high);
        drop(low);
        drop(ordered(Rank::Registry, || locks[0].lock()));
    }

    #[test]
    #[should_panic(expected = "lock order")]
    fn a_lower_inode_after_a_higher_one_is_caught() {
        let locks = [const { Mutex::new(()) }; 2];
        let _high = ordered(Rank::Inode(7), || locks[0].lock());
        let _low = ordered(Rank::Inode(1), || locks[1].lock());
    }

    #[test]
    #[should_panic(expected = "lock order")]
    fn the_gate_taken_twice_is_caught() {
        let lock = RwLock::new(());
        let _once = ordered(Rank::Gate, || lock.read());
        let _twice = ordered(Rank::Gate, || lock.read());
    }
}
