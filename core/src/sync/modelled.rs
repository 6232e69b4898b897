//! Locks, atomics and threads that shuttle's scheduler switches between: at each use of one it decides which thread goes on,
//! so that a test sees thousands of schedules, and any of them again. With the faces of those of `plain`.
//!
//! To be used within an execution of shuttle only. No time passes in it: a wait with a limit ends at once, or whenever the
//! scheduler comes by, and sleeping is letting others go on. Poison is overlooked, as parking_lot knows none.

use std::cell::Cell;
use std::fmt::{self, Debug};
use std::ops::{Deref, DerefMut};
use std::sync::{PoisonError, TryLockError};
use std::time::Duration;

pub(crate) use shuttle::sync::{RwLockReadGuard, RwLockWriteGuard, atomic, mpsc};
pub(crate) use shuttle::{thread, thread_local};

use super::Planted;

std::thread_local! {
    // Of the thread that runs an execution, which is that of its test.
    static PLANTED: Cell<Option<Planted>> = const { Cell::new(None) };
}

/// Whether this fault is planted.
pub(crate) fn planted(fault: Planted) -> bool {
    PLANTED.get() == Some(fault)
}

/// Plants a fault for the tests of this thread, or takes it away.
#[cfg(test)]
pub(crate) fn plant(fault: Option<Planted>) {
    PLANTED.set(fault);
}

/// A number of this thread, the same in every execution.
pub(crate) fn thread_ordinal() -> usize {
    shuttle::current::me().into()
}

/// Threads of a scenario that have a word for their glances.
const GLANCING: usize = 16;

shuttle::lazy_static! {
    static ref GLANCES: [atomic::AtomicU64; GLANCING] = [const { atomic::AtomicU64::new(0) }; GLANCING];
}

/// This thread's word for its glances, if it has one.
pub(super) fn own_glance() -> Option<&'static atomic::AtomicU64> {
    let words: &'static [atomic::AtomicU64; GLANCING] = &GLANCES;
    words.get(thread_ordinal())
}

/// Those of all threads.
pub(super) fn words_of_glances() -> impl Iterator<Item = &'static atomic::AtomicU64> {
    let words: &'static [atomic::AtomicU64; GLANCING] = &GLANCES;
    words.iter()
}

/// Lets the scheduler choose another thread.
pub(super) fn let_others_go_on(_: u32) {
    thread::yield_now();
}

/// As `parking_lot::Mutex`.
pub(crate) struct Mutex<T: ?Sized>(shuttle::sync::Mutex<T>);

impl<T> Mutex<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(shuttle::sync::Mutex::new(value))
    }
}

impl<T: ?Sized> Mutex<T> {
    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        MutexGuard { of: self, guard: Some(self.0.lock().unwrap_or_else(PoisonError::into_inner)) }
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.0.get_mut().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized> Debug for Mutex<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Mutex")
    }
}

/// As `parking_lot::MutexGuard`.
pub(crate) struct MutexGuard<'a, T: ?Sized> {
    of: &'a Mutex<T>,
    /// None only while somebody else may have the lock.
    guard: Option<shuttle::sync::MutexGuard<'a, T>>,
}

impl<T: ?Sized> MutexGuard<'_, T> {
    pub(crate) fn unlocked<U>(guard: &mut Self, run: impl FnOnce() -> U) -> U {
        guard.guard = None;
        let done = run();
        guard.guard = guard.of.lock().guard.take();
        done
    }
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_ref().expect("invariant: locked")
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().expect("invariant: locked")
    }
}

/// As `parking_lot::Condvar`.
#[derive(Debug, Default)]
pub(crate) struct Condvar(shuttle::sync::Condvar);

impl Condvar {
    pub(crate) const fn new() -> Self {
        Self(shuttle::sync::Condvar::new())
    }

    pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
        let held = guard.guard.take().expect("invariant: locked");
        guard.guard = Some(self.0.wait(held).unwrap_or_else(PoisonError::into_inner));
    }

    /// Ends whenever the scheduler has it so.
    pub(crate) fn wait_for<T>(&self, guard: &mut MutexGuard<'_, T>, _: Duration) {
        MutexGuard::unlocked(guard, thread::yield_now);
    }

    pub(crate) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(crate) fn notify_all(&self) {
        self.0.notify_all();
    }
}

/// As `parking_lot::RwLock`. A thread that reads twice is found out: between the two a writer may wait.
pub(crate) struct RwLock<T: ?Sized>(shuttle::sync::RwLock<T>);

impl<T> RwLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        Self(shuttle::sync::RwLock::new(value))
    }
}

impl<T: ?Sized> RwLock<T> {
    pub(crate) fn read(&self) -> RwLockReadGuard<'_, T> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn try_read(&self) -> Option<RwLockReadGuard<'_, T>> {
        match self.0.try_read() {
            Ok(guard) => Some(guard),
            Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
            Err(TryLockError::WouldBlock) => None,
        }
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, T> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T: Default> Default for RwLock<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized> Debug for RwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RwLock")
    }
}

#[derive(Debug, Default)]
struct Users {
    readers: usize,
    writing: bool,
}

/// As `parking_lot::RecursiveRwLock`: who reads may read once more while a writer waits. Who may have it is decided under
/// `users`; the lock within is free for whoever may.
pub(crate) struct RecursiveRwLock<T> {
    users: Mutex<Users>,
    freed: Condvar,
    value: parking_lot::RwLock<T>,
}

impl<T> RecursiveRwLock<T> {
    pub(crate) const fn new(value: T) -> Self {
        let users = Mutex::new(Users { readers: 0, writing: false });
        Self { users, freed: Condvar::new(), value: parking_lot::RwLock::new(value) }
    }

    /// Counts a user in, once he may or if he may now. Says whether.
    fn enter(&self, waits: bool, may: impl Fn(&Users) -> bool, count: impl FnOnce(&mut Users)) -> bool {
        let mut users = self.users.lock();
        while !may(&users) {
            if !waits {
                return false;
            }
            self.freed.wait(&mut users);
        }
        count(&mut users);
        true
    }

    fn leave(&self, count: impl FnOnce(&mut Users)) {
        count(&mut self.users.lock());
        self.freed.notify_all();
    }

    fn enter_to_read(&self, waits: bool) -> Option<RecursiveRwLockReadGuard<'_, T>> {
        let entered = self.enter(waits, |users| !users.writing, |users| users.readers += 1);
        entered.then(|| RecursiveRwLockReadGuard { of: self, guard: self.value.try_read() })
    }

    fn enter_to_write(&self, waits: bool) -> Option<RecursiveRwLockWriteGuard<'_, T>> {
        let alone = |users: &Users| !users.writing && users.readers == 0;
        let entered = self.enter(waits, alone, |users| users.writing = true);
        entered.then(|| RecursiveRwLockWriteGuard { of: self, guard: self.value.try_write() })
    }

    pub(crate) fn read(&self) -> RecursiveRwLockReadGuard<'_, T> {
        self.enter_to_read(true).expect("invariant: who waits gets it")
    }

    pub(crate) fn try_read(&self) -> Option<RecursiveRwLockReadGuard<'_, T>> {
        self.enter_to_read(false)
    }

    pub(crate) fn write(&self) -> RecursiveRwLockWriteGuard<'_, T> {
        self.enter_to_write(true).expect("invariant: who waits gets it")
    }

    pub(crate) fn try_write(&self) -> Option<RecursiveRwLockWriteGuard<'_, T>> {
        self.enter_to_write(false)
    }

    pub(crate) fn get_mut(&mut self) -> &mut T {
        self.value.get_mut()
    }
}

impl<T> Debug for RecursiveRwLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecursiveRwLock")
    }
}

pub(crate) struct RecursiveRwLockReadGuard<'a, T> {
    of: &'a RecursiveRwLock<T>,
    guard: Option<parking_lot::RwLockReadGuard<'a, T>>,
}

impl<T> Deref for RecursiveRwLockReadGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_ref().expect("invariant: nobody writes")
    }
}

impl<T> Drop for RecursiveRwLockReadGuard<'_, T> {
    fn drop(&mut self) {
        self.guard = None;
        self.of.leave(|users| users.readers -= 1);
    }
}

pub(crate) struct RecursiveRwLockWriteGuard<'a, T> {
    of: &'a RecursiveRwLock<T>,
    /// None when it has become a reader's.
    guard: Option<parking_lot::RwLockWriteGuard<'a, T>>,
}

impl<'a, T> RecursiveRwLockWriteGuard<'a, T> {
    pub(crate) fn downgrade(mut guard: Self) -> RecursiveRwLockReadGuard<'a, T> {
        let of = guard.of;
        let held = guard.guard.take().map(parking_lot::RwLockWriteGuard::downgrade);
        of.leave(|users| *users = Users { readers: 1, writing: false });
        RecursiveRwLockReadGuard { of, guard: held }
    }
}

impl<T> Deref for RecursiveRwLockWriteGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.guard.as_ref().expect("invariant: nobody else has it")
    }
}

impl<T> DerefMut for RecursiveRwLockWriteGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.guard.as_mut().expect("invariant: nobody else has it")
    }
}

impl<T> Drop for RecursiveRwLockWriteGuard<'_, T> {
    fn drop(&mut self) {
        if self.guard.take().is_some() {
            self.of.leave(|users| users.writing = false);
        }
    }
}
