//! The locks, atomics and threads of every build but one: parking_lot's and the standard library's.

use std::cell::Cell;
use std::sync::atomic::AtomicUsize;

pub(crate) use parking_lot::{
    Condvar, Mutex, MutexGuard, RecursiveRwLock, RecursiveRwLockReadGuard, RecursiveRwLockWriteGuard, RwLock,
    RwLockReadGuard, RwLockWriteGuard,
};
pub(crate) use std::sync::{atomic, mpsc};
pub(crate) use std::{thread, thread_local};

use super::Planted;

/// No fault is planted.
#[inline]
pub(crate) const fn planted(_: Planted) -> bool {
    false
}

/// A number of this thread: that of how many there were before it, to spread threads over stripes by.
#[inline]
pub(crate) fn thread_ordinal() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static ORDINAL: Cell<usize> = const { Cell::new(usize::MAX) };
    }
    let known = ORDINAL.get();
    if known != usize::MAX {
        return known;
    }
    let new = NEXT.fetch_add(1, atomic::Ordering::Relaxed);
    ORDINAL.set(new);
    new
}
