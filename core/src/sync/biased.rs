//! A lock that readers do not write to: biased to them while nobody changes what it guards (BRAVO, Dice and Kogan 2019).
//!
//! Around an ordinary lock for reading and writing. While it is biased a [`Glance`] reads without taking that. Who writes takes it,
//! ends the bias, and waits for the glances under way. The bias comes back when it was looked at [`Concerns::CALM`] times and not written to.
//!
//! Invariants: `biased` is set only by who holds the lock and changes nothing any more, and cleared only by who holds it for writing, who then waits for the
//! glances that it concerns before he touches the value. So whoever holds it for writing and sees `biased` clear is alone with the
//! value, as nobody sets it meanwhile.

// The one module that reads a value without its lock.
#![allow(unsafe_code)]

#[cfg(all(test, not(feature = "shuttle")))]
mod tests;

use std::cell::UnsafeCell;
use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use super::atomic::{AtomicBool, AtomicU16, Ordering::Relaxed, Ordering::SeqCst};
use super::glances::{self, Glance, glance};
use super::{Planted, RwLock, RwLockReadGuard, RwLockWriteGuard, planted};

/// As [`Concerns::CALM`], after a change had to wait long for a glance.
const CALM_AFTER_LONG: u16 = 16_384;

/// Which inodes' glances may read what locks of a kind guard.
pub(crate) trait Concerns {
    /// Looks without a change between, after which such a lock is for readers again. A change that ends a bias reads a word of every
    /// thread, which the others have just written to: so what changes now and then amid many looks is better not biased.
    const CALM: u16;

    /// Whether those of inode `id` may, of the lock with this number. Always answers the same.
    fn concerns(number: u32, id: u64) -> bool;
}

pub(crate) struct Biased<T, C> {
    lock: RwLock<()>,
    number: u32,
    /// Looks that are missing until the bias comes back, about: threads may overwrite each other's count.
    calm: AtomicU16,
    biased: AtomicBool,
    value: UnsafeCell<T>,
    _kind: PhantomData<fn() -> C>,
}

// SAFETY: as for any lock for reading and writing: the value goes from thread to thread, and several read it at a time.
unsafe impl<T: Send + Sync, C> Sync for Biased<T, C> {}

impl<T, C: Concerns> Biased<T, C> {
    /// A lock for readers, with this number among those of its kind.
    pub(crate) const fn new(number: u32, value: T) -> Self {
        Biased {
            lock: RwLock::new(()),
            number,
            calm: AtomicU16::new(C::CALM),
            biased: AtomicBool::new(true),
            value: UnsafeCell::new(value),
            _kind: PhantomData,
        }
    }

    /// Takes it for reading: for what may be long, or wait for something.
    pub(crate) fn read(&self) -> BiasedReadGuard<'_, T, C> {
        debug_assert!(!glances::is_glancing(), "a lock is waited for within a glance");
        BiasedReadGuard { _held: self.lock.read(), of: self }
    }

    /// What `of` says of the value, by a glance at inode `id` or, where somebody writes, after waiting for that. It must wait for nothing itself.
    #[inline]
    pub(crate) fn with<R>(&self, id: u64, of: impl Fn(&T) -> R) -> R {
        let seen = if self.is_biased() { glance(id, |glance| self.look(glance).map(|value| of(&value))) } else { None };
        seen.unwrap_or_else(|| {
            let value = self.read();
            self.count_look();
            of(&value)
        })
    }

    /// Reads within a glance, at once or not at all: not while somebody writes.
    #[inline]
    pub(crate) fn look<'g>(&'g self, glance: &'g Glance) -> Option<Look<'g, T, C>> {
        if glance.of().is_some_and(|id| C::concerns(self.number, id)) && self.biased.load(SeqCst) {
            // SAFETY: nobody writes while the glance lasts, and the reference does not outlive it. The glance said that it is of an inode
            // which concerns this lock before it saw the bias. Who ends the bias looks for such glances afterwards, by the same `concerns`,
            // which always answers the same; and all of these are `SeqCst`: had he looked before the glance said so, it would not have
            // seen the bias. So he waits for its end.
            // What was written before is seen: the bias was set after that by who held the lock, or was there from the beginning.
            return Some(Look::Bare(unsafe { &*self.value.get() }));
        }
        let held = self.lock.try_read()?;
        self.count_look();
        Some(Look::Locked(BiasedReadGuard { _held: held, of: self }))
    }

    /// Counts a look without bias. The caller holds the lock, and writes nothing any more.
    fn count_look(&self) {
        if self.biased.load(Relaxed) {
            return;
        }
        match self.calm.load(Relaxed) {
            0 => self.biased.store(true, SeqCst),
            left => self.calm.store(left - 1, Relaxed),
        }
    }

    /// Takes it for writing.
    pub(crate) fn write(&self) -> BiasedWriteGuard<'_, T, C> {
        debug_assert!(!glances::is_glancing(), "a lock is waited for within a glance");
        let held = self.lock.write();
        if self.biased.load(Relaxed) {
            self.end_bias();
        }
        BiasedWriteGuard { _held: held, of: self, looked: false }
    }

    #[cold]
    fn end_bias(&self) {
        self.biased.store(false, SeqCst);
        let waits = !planted(Planted::WritesBesideAGlance);
        let long = waits && glances::wait_for(|id| C::concerns(self.number, id));
        self.calm.store(if long { CALM_AFTER_LONG } else { C::CALM }, Relaxed);
    }

    /// Whether a glance would most likely see it without a lock.
    #[inline]
    pub(crate) fn is_biased(&self) -> bool {
        self.biased.load(Relaxed)
    }
}

impl<T, C> Debug for Biased<T, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Biased")
    }
}

/// What a glance sees.
pub(crate) enum Look<'g, T, C> {
    /// Without a lock, by the bias.
    Bare(&'g T),
    /// There is no bias just now.
    Locked(BiasedReadGuard<'g, T, C>),
}

impl<T, C> Deref for Look<'_, T, C> {
    type Target = T;

    #[inline]
    fn deref(&self) -> &T {
        match self {
            Look::Bare(value) => value,
            Look::Locked(guard) => guard,
        }
    }
}

pub(crate) struct BiasedReadGuard<'a, T, C> {
    _held: RwLockReadGuard<'a, ()>,
    of: &'a Biased<T, C>,
}

impl<T, C> Deref for BiasedReadGuard<'_, T, C> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held for reading, so nobody writes.
        unsafe { &*self.of.value.get() }
    }
}

pub(crate) struct BiasedWriteGuard<'a, T, C: Concerns> {
    // After what `drop` does.
    _held: RwLockWriteGuard<'a, ()>,
    of: &'a Biased<T, C>,
    looked: bool,
}

impl<T, C: Concerns> BiasedWriteGuard<'_, T, C> {
    /// Gives the lock back, as who only looked: who finds what he came to add.
    pub(crate) fn end_as_look(mut self) {
        self.looked = true;
    }
}

impl<T, C: Concerns> Drop for BiasedWriteGuard<'_, T, C> {
    #[inline]
    fn drop(&mut self) {
        if self.looked {
            self.of.count_look();
        } else if self.of.calm.load(Relaxed) < C::CALM {
            self.of.calm.store(C::CALM, Relaxed);
        }
    }
}

impl<T, C: Concerns> Deref for BiasedWriteGuard<'_, T, C> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the lock is held for writing, and the value only changes through this guard.
        unsafe { &*self.of.value.get() }
    }
}

impl<T, C: Concerns> DerefMut for BiasedWriteGuard<'_, T, C> {
    fn deref_mut(&mut self) -> &mut T {
        // SAFETY: the lock is held for writing, and `write` has waited for the glances: nobody else reads or writes.
        unsafe { &mut *self.of.value.get() }
    }
}
