//! Frees what nobody sees any more, off the callers' path: whole tables of deleted branches and snapshots. In small pieces,
//! between which others get their turn. When nothing is left to free, short files that lie apart by then move together.
//!
//! Who finds no room may wait for what is being freed: see [`Reaper::freed_since`].

use std::sync::{Arc, Weak};
use std::time::Duration;

use crossbeam_utils::CachePadded;

use crate::data::ChunkStore;
use crate::pending::{Count, Pending};
use crate::shed::Shed;
use crate::sync::atomic::{
    AtomicU64,
    Ordering::{Relaxed, SeqCst},
};
use crate::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use crate::sync::thread::{self, JoinHandle};
use crate::sync::{Condvar, Mutex};

/// Nothing: what is given by who waits for his turn.
impl Shed for () {
    fn shed(&mut self) -> bool {
        false
    }
}

/// What is to go, counted as queued until it is gone and tidied up after; and who is told of that, by being dropped.
type Garbage = (Box<dyn Shed>, Pending, Option<Sender<()>>);

/// Something that is to go. Fields go in their order.
struct Awaited<T> {
    garbage: T,
    _pending: Pending,
}

impl<T: Shed> Shed for Awaited<T> {
    fn shed(&mut self) -> bool {
        self.garbage.shed()
    }
}

/// Pieces between two turns of others: some milliseconds. On a busy machine each turn of theirs takes as long.
const PIECES: u32 = 64;

/// Who waits for room looks so often whether anything is still being freed. A piece takes a fraction of a millisecond, and on a
/// machine that has no time for it, not this long.
const PATIENCE: Duration = Duration::from_secs(1);

/// How far the freeing has come.
#[derive(Default)]
struct Progress {
    /// How often something was freed that may be worth another try. Read by every operation that may need room: so it is not
    /// written for each piece.
    turns: CachePadded<AtomicU64>,
    /// Pieces that were let go of.
    pieces: CachePadded<AtomicU64>,
    /// What was given to the thread, and is not gone, or not yet tidied up after.
    queued: Count,
    /// How much was ever given to it, and how much of that is gone.
    given: AtomicU64,
    gone: AtomicU64,
    /// How many wait for a turn.
    waiting: AtomicU64,
    lock: Mutex<()>,
    turned: Condvar,
}

impl Progress {
    /// One more was given to the thread.
    fn one(&self) -> Pending {
        self.given.fetch_add(1, SeqCst);
        self.queued.one()
    }

    /// A small piece is gone. Lets others have their turn now and then.
    fn piece(&self) {
        let pieces = self.pieces.fetch_add(1, Relaxed) + 1;
        if pieces.is_multiple_of(u64::from(PIECES)) {
            self.turn();
            thread::yield_now();
        }
    }

    /// Tells who waits for room that there may be some.
    fn turn(&self) {
        // With the lock: nobody is between his look and his wait, nor is he woken by a turn that he has seen.
        let _lock = self.lock.lock();
        self.turns.fetch_add(1, SeqCst);
        self.turned.notify_all();
    }

    /// Waits for the next turn after `seen`, if something of the first `given` is still to go; says whether there was one.
    fn wait(&self, seen: u64, given: u64) -> bool {
        let mut lock = self.lock.lock();
        let mut pieces = self.pieces.load(Relaxed);
        while !self.queued.is_none() && self.gone.load(SeqCst) < given && self.turns.load(SeqCst) == seen {
            self.turned.wait_for(&mut lock, PATIENCE);
            let before = std::mem::replace(&mut pieces, self.pieces.load(Relaxed));
            if before == pieces {
                break;
            }
        }
        self.turns.load(SeqCst) != seen
    }
}

/// A background thread that drops what it is given, piece by piece.
pub(crate) struct Reaper {
    queue: Mutex<Option<Sender<Garbage>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// How much was given up and is not gone.
    pending: Count,
    progress: Arc<Progress>,
}

impl Reaper {
    pub(crate) fn start(store: Weak<ChunkStore>) -> Reaper {
        let (sender, receiver) = channel::<Garbage>();
        let progress = Arc::<Progress>::default();
        let told = Arc::clone(&progress);
        let run = move || drop_all(&receiver, &store, &told);
        let thread = thread::Builder::new().name("bough-reaper".into()).spawn(run).ok();
        Reaper { queue: Mutex::new(Some(sender)), thread: Mutex::new(thread), pending: Count::default(), progress }
    }

    /// How far the freeing has come, for [`Reaper::freed_since`].
    #[inline]
    pub(crate) fn turns(&self) -> u64 {
        self.progress.turns.load(SeqCst)
    }

    /// How much was ever given up: who finds no room waits for that and no more, whatever else is given up meanwhile.
    pub(crate) fn given(&self) -> u64 {
        self.progress.given.load(SeqCst)
    }

    /// How much of it is gone.
    pub(crate) fn gone(&self) -> u64 {
        self.progress.gone.load(SeqCst)
    }

    /// For who has found no room, and holds no lock: whether something has been freed since [`Reaper::turns`] answered `seen`. If
    /// not, and something of the first `given` is still to be freed, waits until some of it is, as long as that makes progress.
    #[cold]
    pub(crate) fn freed_since(&self, seen: u64, given: u64) -> bool {
        self.progress.waiting.fetch_add(1, SeqCst);
        let freed = self.progress.wait(seen, given);
        self.progress.waiting.fetch_sub(1, SeqCst);
        freed
    }

    /// For who holds a tree that no branch or snapshot may have any more, or is about to give one up.
    pub(crate) fn pending(&self) -> Pending {
        self.pending.one()
    }

    /// Whether everything that was given up is gone, and nobody else holds trees.
    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_none()
    }

    /// How many wait in [`Reaper::freed_since`].
    #[cfg(test)]
    pub(crate) fn waiting(&self) -> u64 {
        self.progress.waiting.load(SeqCst)
    }

    /// Returns when everything that was given up before is gone, and what is left is tidy.
    pub(crate) fn settle(&self) {
        let (done, wait) = channel::<()>();
        if let Some(queue) = self.queue.lock().as_ref() {
            // Dropped in its turn, or at once when there is no thread; either ends the wait.
            let _ = queue.send((Box::new(()), self.progress.one(), Some(done)));
        }
        let _ = wait.recv();
    }

    /// Drops `garbage` some time soon; at once when there is no thread.
    pub(crate) fn take<T: Shed + Sync + 'static>(&self, garbage: Arc<T>) {
        if let Some(queue) = self.queue.lock().as_ref() {
            let garbage = Box::new(Awaited { garbage, _pending: self.pending.one() });
            // A send fails only when the thread could not be started; then the drop happens right here.
            if queue.send((garbage, self.progress.one(), None)).is_err() {
                self.progress.gone.fetch_add(1, SeqCst);
                self.progress.turn();
            }
        }
    }
}

impl Drop for Reaper {
    fn drop(&mut self) {
        self.queue.lock().take();
        if let Some(thread) = self.thread.lock().take() {
            // A panic in a destructor has been reported by then; there is nothing left to do about it.
            let _ = thread.join();
        }
    }
}

fn drop_all(queue: &Receiver<Garbage>, store: &Weak<ChunkStore>, progress: &Progress) {
    let mut next = queue.recv().ok();
    while let Some((mut garbage, queued, told)) = next {
        while garbage.shed() {
            progress.piece();
        }
        let more = queue.try_recv();
        if matches!(more, Err(TryRecvError::Empty)) {
            tidy(store, progress);
        }
        next = more.ok();
        drop(garbage);
        // Who finds nothing queued is to know of all that was freed; and who waits is to find nothing queued.
        progress.turn();
        drop(queued);
        progress.gone.fetch_add(1, SeqCst);
        progress.turn();
        // Last, so that who waits for his turn waits for all of this, and meets no turn afterwards that he would take for new room.
        drop(told);
        next = next.or_else(|| queue.recv().ok());
    }
}

fn tidy(store: &Weak<ChunkStore>, progress: &Progress) {
    if let Some(store) = store.upgrade() {
        store.tidy(|| progress.piece());
    }
}

#[cfg(all(test, not(feature = "shuttle")))]
mod tests {
    use super::*;

    #[test]
    fn no_turn_follows_for_who_has_waited_for_all() {
        let reaper = Reaper::start(Weak::new());
        for _ in 0..200 {
            reaper.settle();
            let seen = reaper.turns();
            thread::sleep(Duration::from_micros(200));
            assert_eq!((reaper.turns(), reaper.gone()), (seen, reaper.given()));
        }
    }
}
