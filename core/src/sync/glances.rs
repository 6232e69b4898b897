//! Who looks at what without a lock just now: one word for each thread, which others only read.
//!
//! A glance is a look at an inode that waits for nothing and ends soon. It says first, in the thread's own word, which inode it is of;
//! then it may read what a [`Biased`](super::Biased) lock guards, if the lock is for readers just now. Who wants to change that
//! takes the lock from the readers first, and then waits for the glances that have begun ([`wait_for`]). Both sides write first and look
//! second, in one order that all threads agree on (`SeqCst`): so either the reader sees that the lock is taken, or the writer sees the reader.
//!
//! Within a glance no lock is waited for: who holds it may be waiting for this glance. Debug builds assert it. One glance within
//! another, and a thread that has no word of its own, only try locks.

use std::marker::PhantomData;

use super::atomic::{AtomicU64, Ordering::Relaxed, Ordering::Release, Ordering::SeqCst};
use super::{let_others_go_on, own_glance, words_of_glances};

/// Bits of a word that say which inode: none of them is set while its thread looks at none.
const ID_BITS: u32 = 48;
const ID: u64 = (1 << ID_BITS) - 1;
/// What a word grows by with each glance, so that the next one at the same inode can be told from this one.
const TURN: u64 = 1 << ID_BITS;

/// A glance under way, of this thread.
pub(crate) struct Glance {
    /// Its word, and what that says now. Without it nothing is looked at but under a lock.
    said: Option<(&'static AtomicU64, u64)>,
    _stays: PhantomData<*const ()>,
}

/// Runs `look`, which must wait for nothing, as a glance at the inode of this number.
#[inline]
pub(crate) fn glance<R>(id: u64, look: impl FnOnce(&Glance) -> R) -> R {
    look(&Glance::begin(id))
}

impl Glance {
    #[inline]
    fn begin(id: u64) -> Glance {
        let said = own_glance().and_then(|word| {
            let idle = word.load(Relaxed);
            // Within another glance, or of no inode.
            if idle & ID != 0 || id & ID == 0 {
                return None;
            }
            let says = idle | id & ID;
            word.store(says, SeqCst);
            Some((word, says))
        });
        Glance { said, _stays: PhantomData }
    }

    /// The inode that others see it look at.
    #[inline]
    pub(super) fn of(&self) -> Option<u64> {
        self.said.map(|(_, says)| says & ID)
    }
}

impl Drop for Glance {
    #[inline]
    fn drop(&mut self) {
        if let Some((word, says)) = self.said {
            // What it read, it read before whoever sees this changes it.
            word.store((says & !ID).wrapping_add(TURN), Release);
        }
    }
}

/// Whether this thread is in one.
pub(super) fn is_glancing() -> bool {
    own_glance().is_some_and(|word| word.load(Relaxed) & ID != 0)
}

/// Waits for the glances under way at inodes that `concerns` says, but not for those that begin afterwards. Answers whether that was long.
#[cold]
pub(super) fn wait_for(concerns: impl Fn(u64) -> bool) -> bool {
    assert!(!is_glancing(), "invariant: nothing is changed within a glance");
    let mut waited = false;
    for word in words_of_glances() {
        let says = word.load(SeqCst);
        if says & ID != 0 && concerns(says & ID) {
            waited |= wait_for_one(word, says);
        }
    }
    waited
}

fn wait_for_one(word: &AtomicU64, says: u64) -> bool {
    let mut step = 0;
    while word.load(SeqCst) == says {
        let_others_go_on(step);
        step += 1;
    }
    step >= LONG
}

/// So often it is looked whether a glance has ended before that counts as long: its thread is not running, most likely.
pub(super) const LONG: u32 = 200;
