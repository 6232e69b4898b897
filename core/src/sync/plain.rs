//! The locks, atomics and threads of every build but one: parking_lot's and the standard library's.

use std::cell::Cell;
use std::sync::atomic::{AtomicU64, AtomicUsize};
use std::time::Duration;

pub(crate) use parking_lot::{
    Condvar, Mutex, MutexGuard, RecursiveRwLock, RecursiveRwLockReadGuard, RecursiveRwLockWriteGuard, RwLock,
    RwLockReadGuard, RwLockWriteGuard,
};
pub(crate) use std::sync::{atomic, mpsc};
pub(crate) use std::{thread, thread_local};

use crossbeam_utils::CachePadded;

use super::Planted;
use super::glances::LONG;
use crate::striped;

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

/// What each thread with a stripe of its own looks at: see [`glances`](super::glances).
static GLANCES: [CachePadded<AtomicU64>; striped::OWN] = [const { CachePadded::new(AtomicU64::new(0)) }; striped::OWN];

/// This thread's word of them, if it has one.
#[inline]
pub(super) fn own_glance() -> Option<&'static AtomicU64> {
    GLANCES.get(striped::stripe()).map(|word| &**word)
}

/// Those of all threads that may have begun a glance before this.
pub(super) fn words_of_glances() -> impl Iterator<Item = &'static AtomicU64> {
    GLANCES[..striped::stripes_in_use().min(striped::OWN)].iter().map(|word| &**word)
}

/// Waits, for longer the more steps there were.
pub(super) fn let_others_go_on(step: u32) {
    match step {
        0..64 => std::hint::spin_loop(),
        64..LONG => thread::yield_now(),
        _ => thread::sleep(Duration::from_micros(50)),
    }
}
