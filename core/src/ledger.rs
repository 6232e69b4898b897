//! Metadata in memory: what a volume holds besides chunks, counted as it comes and goes.
//!
//! Whatever lives on the heap for a volume carries a [`Tally`] or a [`Charge`], which counts it when it is made and
//! takes it back when it goes, wherever and by whomever that is. Counts are what the allocator takes, and lie in
//! stripes by thread ([`striped`]): counting costs a load and a store of a word that nobody else writes to. Invariants: the sum over the stripes is
//! exact; the listener hears of every 4 KiB that a stripe's count of one kind moves by, so that what it
//! knows is never further off than that for each of them.
//!
//! What a limit means is for the listener; the ledgers of closed volumes serve the next.

mod blob;
mod counted_map;
#[cfg(test)]
mod tests;

use std::fmt::{self, Debug};
use std::marker::PhantomData;
use std::ops::Deref;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Weak};

use crossbeam_utils::CachePadded;

pub(crate) use self::blob::Blob;
pub(crate) use self::counted_map::CountedMap;
use crate::reckoning::Reckoning;
use crate::striped::{self, STRIPES};
use crate::sync::CountsMutex as Mutex;

/// What metadata is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Inode records.
    Inodes,
    /// Nodes of inode tables.
    Tables,
    /// Entries of directories.
    Directories,
    /// What finds a file's bytes: nodes of chunk maps, handles of small buffers.
    Streams,
    /// Extended attributes, access lists, targets of symbolic links, further names.
    Extras,
    /// Nodes that hosts hold, and inodes of the base that were looked at; locks, and events that wait.
    References,
    /// Branches and snapshots.
    History,
}

/// How many kinds there are.
pub(crate) const KINDS: usize = Kind::History as usize + 1;
/// How much of one kind comes or goes on one stripe before the listener is told: a step, as a power of two.
const STEP_SHIFT: u32 = 12;

/// What an allocation of so many bytes takes of the heap: as the GNU allocator rounds it, others take a little less.
pub(crate) const fn heap_bytes(bytes: usize) -> usize {
    let rounded = (bytes + size_of::<usize>()).next_multiple_of(16);
    match bytes {
        0 => 0,
        _ if rounded < 32 => 32,
        _ => rounded,
    }
}

/// What an `Arc` of a `T` takes of the heap.
pub(crate) const fn arc_bytes<T>() -> usize {
    heap_bytes(size_of::<T>() + 2 * size_of::<usize>())
}

/// Who is told when counts have moved by a step.
pub(crate) trait Listener: Debug + Send + Sync {
    /// Metadata came.
    fn grew(&self);

    /// Metadata went.
    fn shrank(&self);
}

/// Each may be below zero, as two's complement: what one thread counted another may take back.
type Stripe = CachePadded<[AtomicU64; KINDS]>;

#[derive(Debug)]
struct Counts {
    stripes: Box<[Stripe]>,
    /// In whole steps, of all stripes together.
    coarse: CachePadded<AtomicI64>,
    listener: Mutex<Option<Weak<dyn Listener>>>,
}

impl Default for Counts {
    fn default() -> Self {
        let stripes = (0..STRIPES).map(|_| Stripe::default()).collect();
        Self { stripes, coarse: CachePadded::default(), listener: Mutex::default() }
    }
}

/// Counts the metadata of one volume. To be had by value everywhere.
#[derive(Clone, Copy)]
pub(crate) struct Ledger(&'static Counts);

impl Ledger {
    /// One that no volume has.
    #[cfg(test)]
    pub(crate) fn of_tests() -> Ledger {
        static COUNTS: std::sync::LazyLock<Counts> = std::sync::LazyLock::new(Counts::default);
        Ledger(&COUNTS)
    }

    /// Counts bytes that were taken.
    #[inline]
    pub(crate) fn add(self, kind: Kind, bytes: usize) {
        self.count(kind, bytes as i64);
    }

    /// Counts bytes that were given back.
    #[inline]
    pub(crate) fn sub(self, kind: Kind, bytes: usize) {
        self.count(kind, -(bytes as i64));
    }

    /// Counts what took so many bytes before, and takes so many now.
    pub(crate) fn recount(self, kind: Kind, before: usize, now: usize) {
        match now.checked_sub(before) {
            Some(0) => {}
            Some(more) => self.add(kind, more),
            None => self.sub(kind, before - now),
        }
    }

    /// How much there is of each kind, in the order of [`Kind`].
    pub(crate) fn by_kind(self) -> [u64; KINDS] {
        let sum = |kind: usize| sum_of(self.0.stripes.iter().map(|stripe| &stripe[kind]));
        // Other threads may be counting: what one has taken back may not have been seen to come.
        std::array::from_fn(|kind| sum(kind).max(0) as u64)
    }

    /// How much there is in all, but for what has not moved by a step. Costs a look.
    #[inline]
    pub(crate) fn coarse(self) -> u64 {
        self.0.coarse.load(SeqCst).max(0) as u64
    }

    /// Tells `listener` from now on.
    pub(crate) fn tell(self, listener: Weak<dyn Listener>) {
        *self.0.listener.lock() = Some(listener);
    }

    #[inline]
    fn count(self, kind: Kind, bytes: i64) {
        let stripe = striped::stripe();
        let before = striped::add_in(stripe, &self.0.stripes[stripe][kind as usize], bytes as u64) as i64;
        let steps = ((before + bytes) >> STEP_SHIFT) - (before >> STEP_SHIFT);
        if steps != 0 {
            self.step(steps);
        }
    }

    #[cold]
    fn step(self, steps: i64) {
        self.0.coarse.fetch_add(steps << STEP_SHIFT, SeqCst);
        let listener = self.0.listener.lock().as_ref().and_then(Weak::upgrade);
        match listener {
            Some(listener) if steps > 0 => listener.grew(),
            Some(listener) => listener.shrank(),
            None => {}
        }
    }

    fn is_empty(self) -> bool {
        sum_of(self.0.stripes.iter().flat_map(|stripe| stripe.iter())) == 0
    }

    /// So that what one stripe owes another is not owed for ever.
    fn settle(self) {
        self.0.stripes.iter().flat_map(|stripe| stripe.iter()).for_each(|count| count.store(0, SeqCst));
        self.0.coarse.store(0, SeqCst);
        *self.0.listener.lock() = None;
    }
}

impl Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Ledger").field(&self.by_kind()).finish()
    }
}

fn sum_of<'a>(counts: impl Iterator<Item = &'a AtomicU64>) -> i64 {
    counts.map(|count| count.load(SeqCst)).fold(0, u64::wrapping_add) as i64
}

/// Meters that no volume has. Some may still count what outlived theirs.
static SPARE: Mutex<Vec<Ledger>> = Mutex::new(Vec::new());

/// The ledger of a volume, for as long as it lives.
#[derive(Debug)]
pub(crate) struct LedgerLease(Ledger);

impl LedgerLease {
    /// A ledger that counts nothing yet.
    pub(crate) fn new() -> LedgerLease {
        let mut spare = SPARE.lock();
        let found = spare.iter().position(|ledger| ledger.is_empty());
        let ledger = match found {
            Some(at) => spare.swap_remove(at),
            // Leaked, as what it counts refers to it and may outlive everything; as many as there are volumes at once.
            None => Ledger(Box::leak(Box::default())),
        };
        ledger.settle();
        LedgerLease(ledger)
    }
}

impl Deref for LedgerLease {
    type Target = Ledger;

    fn deref(&self) -> &Ledger {
        &self.0
    }
}

impl Drop for LedgerLease {
    fn drop(&mut self) {
        SPARE.lock().push(self.0);
    }
}

/// A type each of whose values takes the same.
pub(crate) trait Counted {
    const KIND: Kind;
    /// What one takes of the heap.
    const BYTES: usize;
}

/// Counts the value that it is a part of. A clone counts a clone.
pub(crate) struct Tally<T: Counted> {
    ledger: Ledger,
    _of: PhantomData<fn() -> T>,
}

impl<T: Counted> Tally<T> {
    #[inline]
    pub(crate) fn new(ledger: Ledger) -> Self {
        ledger.add(T::KIND, T::BYTES);
        Self { ledger, _of: PhantomData }
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.ledger
    }
}

impl<T: Counted> Clone for Tally<T> {
    fn clone(&self) -> Self {
        Self::new(self.ledger)
    }
}

impl<T: Counted> Drop for Tally<T> {
    #[inline]
    fn drop(&mut self) {
        self.ledger.sub(T::KIND, T::BYTES);
    }
}

impl<T: Counted> Debug for Tally<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tally")
    }
}

/// Counts so many bytes for as long as it lives.
#[derive(Debug)]
pub(crate) struct Charge {
    ledger: Ledger,
    bytes: u32,
    kind: Kind,
}

impl Charge {
    pub(crate) fn new(ledger: Ledger, kind: Kind, bytes: usize) -> Charge {
        let bytes = u32::try_from(bytes).expect("invariant: nothing that is charged for takes 4 GiB");
        ledger.add(kind, bytes as usize);
        Charge { ledger, bytes, kind }
    }

    pub(crate) fn ledger(&self) -> Ledger {
        self.ledger
    }

    /// How many bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes as usize
    }
}

impl Clone for Charge {
    fn clone(&self) -> Charge {
        Charge::new(self.ledger, self.kind, self.bytes as usize)
    }
}

impl Drop for Charge {
    fn drop(&mut self) {
        self.ledger.sub(self.kind, self.bytes as usize);
    }
}

/// What a value takes of the heap beside itself. To be implemented by taking the value apart, so that a field that is
/// added is not forgotten.
pub(crate) trait Footprint {
    /// In bytes. What several values share is counted for each of them.
    fn heap_bytes(&self) -> usize;
}

impl Footprint for [u8] {
    fn heap_bytes(&self) -> usize {
        0
    }
}

impl<T: Footprint + ?Sized> Footprint for Box<T> {
    fn heap_bytes(&self) -> usize {
        heap_bytes(size_of_val(&**self)) + (**self).heap_bytes()
    }
}

impl<T: Footprint + ?Sized> Footprint for Arc<T> {
    fn heap_bytes(&self) -> usize {
        heap_bytes(size_of_val(&**self) + 2 * size_of::<usize>()) + (**self).heap_bytes()
    }
}

impl<T: Footprint> Footprint for Option<T> {
    fn heap_bytes(&self) -> usize {
        self.as_ref().map_or(0, Footprint::heap_bytes)
    }
}

impl<T: Footprint> Footprint for Vec<T> {
    fn heap_bytes(&self) -> usize {
        heap_bytes(self.capacity() * size_of::<T>()) + self.iter().map(Footprint::heap_bytes).sum::<usize>()
    }
}

impl<A: Footprint, B: Footprint> Footprint for (A, B) {
    fn heap_bytes(&self) -> usize {
        self.0.heap_bytes() + self.1.heap_bytes()
    }
}

/// Types that have nothing on the heap.
macro_rules! flat {
    ($($flat:ty),+) => {
        $(impl Footprint for $flat {
            fn heap_bytes(&self) -> usize {
                0
            }
        })+
    };
}

flat!(bool, u8, u16, u32, u64, i64, usize);

/// A value in an `Arc`, counted with all that it holds.
#[derive(Debug)]
pub(crate) struct Entered<T: Footprint> {
    value: T,
    charge: Charge,
}

impl<T: Footprint> Entered<T> {
    pub(crate) fn new(ledger: Ledger, value: T) -> Arc<Self> {
        let charge = Charge::new(ledger, Kind::Extras, arc_bytes::<Self>() + value.heap_bytes());
        Arc::new(Self { value, charge })
    }

    /// Counts it, if it would go with this holder; says whether.
    pub(crate) fn count_sole(this: &Arc<Self>, reckoning: &mut Reckoning) -> bool {
        reckoning.lets_metadata_go(Arc::as_ptr(this), Arc::strong_count(this), this.charge.bytes())
    }

    /// What the value becomes by `change`, in place if nobody else has it.
    pub(crate) fn changed<R>(this: Arc<Self>, change: impl FnOnce(&mut T) -> R) -> (Arc<Self>, R)
    where
        T: Clone,
    {
        let ledger = this.charge.ledger();
        let mut value = match Arc::try_unwrap(this) {
            Ok(own) => own.value,
            Err(shared) => shared.value.clone(),
        };
        let answer = change(&mut value);
        (Self::new(ledger, value), answer)
    }
}

impl<T: Footprint + Clone> Entered<T> {
    /// The value, to be changed in ways that take no more of the heap and no less. A copy if somebody else has it.
    pub(crate) fn make_mut(this: &mut Arc<Self>) -> &mut T {
        &mut Arc::make_mut(this).value
    }
}

impl<T: Footprint + Clone> Clone for Entered<T> {
    fn clone(&self) -> Self {
        Self { value: self.value.clone(), charge: self.charge.clone() }
    }
}

impl<T: Footprint> Deref for Entered<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}
