//! Moving: tenants of a slab that has become sparse go into free slots of others, so that its memory goes.
//!
//! Whoever frees the slot that makes it sparse moves the rest, one by one. After a branch or snapshot was deleted all slabs
//! are tidied, the emptiest into the fullest, until next to nothing is free. Only between slabs in memory, and only who is not
//! being used just then: nothing is read back and nobody is waited for. What cannot be moved stays where it is.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use super::{LOOKS, Shelf, Shelves, Slab, Tenant, slots_of};
use crate::sync::atomic::Ordering::{Acquire, Relaxed, Release};

/// Slabs are emptied when of all slots of their size more than one in so many is free.
const SPARSE_SHARE: u64 = 6;
/// Tidying leaves one slot in so many free, and of each size as many as a slab has.
const TIDY_SHARE: u64 = 64;
/// How often a slab is looked at on its way from full to empty: so often at most.
const TURNS: u16 = 8;
/// Tenants that cannot be moved before the rest is left where it is.
const MISSES: usize = 4;

impl Slab {
    /// Moves what is left, if that is at most three quarters, and others have room for it. Called with each slot that is freed.
    #[inline]
    pub(super) fn move_out_if_sparse(self: &Arc<Self>, left: u16) {
        let slots = slots_of(self.class);
        if left > 0
            && left <= slots / 4 * 3
            && left.is_multiple_of((slots / TURNS).max(1))
            && self.is_worth_emptying(left)
        {
            self.move_out();
        }
    }

    fn is_worth_emptying(&self, left: u16) -> bool {
        let (slots, left) = (slots_of(self.class), u64::from(left));
        let free_elsewhere = self.shelf().free().saturating_sub(u64::from(slots) - left);
        self.shelf().is_sparse() && free_elsewhere >= left && self.chunk.is_resident()
    }

    #[cold]
    fn move_out(self: &Arc<Self>) {
        // One at a time of a size: or two would move into each other. It also ends the recursion of who frees by moving.
        if self.shelf().moves.swap(true, Acquire) {
            return;
        }
        self.empty(|tenant| self.shelf().take_for(tenant, self));
        // One that became sparse when others were not.
        let other = self.shelf().is_sparse().then(|| self.shelf().sparsest(self)).flatten();
        if let Some(other) = other {
            other.empty(|tenant| other.shelf().take_for(tenant, &other));
        }
        self.shelf().moves.store(false, Release);
    }

    /// Moves all tenants that can be moved, into slots that `find` finds.
    fn empty(self: &Arc<Self>, mut find: impl FnMut(&Arc<Tenant>) -> Option<(Arc<Slab>, u16)>) {
        self.free.lock().closed = true;
        let mut misses = 0;
        for index in 0..slots_of(self.class) {
            // Not to be dropped with the lock held: it may be the last reference.
            let tenant = self.free.lock().tenants[usize::from(index)].upgrade();
            misses += usize::from(tenant.is_some_and(|tenant| !tenant.move_from(self, &mut find)));
            if misses == MISSES {
                break;
            }
        }
        self.reopen();
    }

    fn reopen(self: &Arc<Self>) {
        let mut free = self.free.lock();
        free.closed = false;
        let lists = free.count > 0 && free.count < slots_of(self.class) && !std::mem::replace(&mut free.listed, true);
        drop(free);
        if lists {
            self.shelf().list(self);
        }
    }

    /// Copies what is in a slot of another slab into one of this, if both can be used at once.
    fn copy_from(&self, index: u16, other: &Slab, other_index: u16) -> bool {
        match (other.chunk.try_read(), self.chunk.try_write_slots()) {
            (Some(from), Some(mut to)) => {
                to[self.range(index)].copy_from_slice(&from[other.range(other_index)]);
                true
            }
            _ => false,
        }
    }
}

impl Tenant {
    /// Moves from this slab to another, if there is a place and nobody uses the bytes now. Says whether it did.
    fn move_from(
        self: &Arc<Self>,
        from: &Arc<Slab>,
        find: &mut impl FnMut(&Arc<Tenant>) -> Option<(Arc<Slab>, u16)>,
    ) -> bool {
        let Some(mut slab) = self.slab.try_write() else { return false };
        let old = self.index.load(Relaxed);
        let Some((to, new)) = find(self) else { return false };
        if !Arc::ptr_eq(&slab, from) || !to.copy_from(new, from, old) {
            to.put(new);
            return false;
        }
        *slab = to;
        self.index.store(new, Relaxed);
        drop(slab);
        from.put(old);
        true
    }
}

impl Shelf {
    fn free(&self) -> u64 {
        self.slots.load(Relaxed).saturating_sub(self.taken.load(Relaxed))
    }

    fn is_sparse(&self) -> bool {
        self.free() * SPARSE_SHARE > self.slots.load(Relaxed)
    }

    /// The sparsest of some slabs in memory, if it is worth emptying.
    fn sparsest(&self, but: &Arc<Slab>) -> Option<Arc<Slab>> {
        let open = self.open.lock();
        // Others each time, as the number of free slots is another.
        let start = self.free() as usize % open.len().max(1);
        let looked_at = open[start..].iter().take(LOOKS).filter_map(Weak::upgrade);
        let fit = looked_at.filter(|slab| !Arc::ptr_eq(slab, but) && slab.chunk.is_resident());
        let sparsest = fit.max_by_key(|slab| slab.free.lock().count)?;
        drop(open);
        let left = slots_of(sparsest.class) - sparsest.free.lock().count;
        (left > 0 && left <= slots_of(sparsest.class) / 4 * 3 && sparsest.is_worth_emptying(left)).then_some(sparsest)
    }

    /// A slot for who moves out of `but`: in the fullest of some slabs in memory, so that the others become empty.
    fn take_for(&self, tenant: &Arc<Tenant>, but: &Arc<Slab>) -> Option<(Arc<Slab>, u16)> {
        let mut open = self.open.lock();
        let looked_at = open.len().saturating_sub(LOOKS)..open.len();
        let there = looked_at.filter_map(|at| Some((at, open[at].upgrade()?)));
        let fit = there.filter(|(_, slab)| !Arc::ptr_eq(slab, but) && slab.chunk.is_resident());
        let (at, slab) = fit.min_by_key(|(_, slab)| slab.free.lock().count)?;
        let mut new = 0;
        let (taken, more) = slab.take(|index| {
            new = index;
            Arc::clone(tenant)
        });
        if !more {
            open.swap_remove(at);
        }
        taken.map(|_| (slab, new))
    }
}

impl Shelves {
    /// Moves short streams together until little is free. Calls `pause` between slabs, with no lock held.
    pub(in crate::data::chunk) fn tidy(&self, pause: impl Fn()) {
        self.shelves.iter().for_each(|shelf| shelf.tidy(&pause));
    }
}

impl Shelf {
    fn tidy(&self, pause: &impl Fn()) {
        // Who moves tenants of this size just now goes on doing so; the rest is for the next time.
        if !self.is_untidy() || self.moves.swap(true, Acquire) {
            return;
        }
        let mut slabs = self.by_emptiness();
        while self.is_untidy()
            && let Some(slab) = slabs.pop_front()
        {
            if let Some(slab) = slab.upgrade() {
                slab.empty(|tenant| take_in(&mut slabs, tenant));
            }
            pause();
        }
        self.moves.store(false, Release);
    }

    /// Whether more is free than a slab, and than a small part of all.
    fn is_untidy(&self) -> bool {
        let (free, slots) = (self.free(), self.slots.load(Relaxed));
        free * TIDY_SHARE > slots && free > self.slots_of_one
    }

    /// The slabs in memory that have free slots, the emptiest first.
    fn by_emptiness(&self) -> VecDeque<Weak<Slab>> {
        let open = self.open.lock().clone();
        let there = open.iter().filter_map(Weak::upgrade).filter(|slab| slab.chunk.is_resident());
        let mut slabs: Vec<_> = there.map(|slab| (slab.free.lock().count, Arc::downgrade(&slab))).collect();
        slabs.sort_by_key(|(free, _)| Reverse(*free));
        slabs.into_iter().map(|(_, slab)| slab).collect()
    }
}

/// A slot in the fullest of `slabs` that has one.
fn take_in(slabs: &mut VecDeque<Weak<Slab>>, tenant: &Arc<Tenant>) -> Option<(Arc<Slab>, u16)> {
    loop {
        let slab = slabs.back()?.upgrade().filter(|slab| slab.chunk.is_resident());
        if let Some(slab) = slab
            && let Some(index) = slab.take_for_mover(tenant)
        {
            return Some((slab, index));
        }
        slabs.pop_back();
    }
}
