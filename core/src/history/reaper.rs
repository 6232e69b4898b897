//! Frees what nobody sees any more, off the callers' path: whole tables of deleted branches and snapshots. In small pieces,
//! between which others get their turn. When nothing is left to free, short files that lie apart by then move together.

use std::sync::{Arc, Weak};

use crate::data::ChunkStore;
use crate::shed::Shed;
use crate::sync::Mutex;
use crate::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use crate::sync::thread::{self, JoinHandle};

/// Somebody who waits for his turn, and is told when it comes by being dropped.
impl Shed for Sender<()> {
    fn shed(&mut self) -> bool {
        false
    }
}

type Garbage = Box<dyn Shed>;

/// Pieces between two turns of others: some milliseconds. On a busy machine each turn of theirs takes as long.
const PIECES: u32 = 64;

/// Lets others have their turn now and then.
#[derive(Default)]
struct Turns(std::cell::Cell<u32>);

impl Turns {
    fn next(&self) {
        self.0.set((self.0.get() + 1) % PIECES);
        if self.0.get() == 0 {
            thread::yield_now();
        }
    }
}

/// A background thread that drops what it is given, piece by piece.
pub(crate) struct Reaper {
    queue: Mutex<Option<Sender<Garbage>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Reaper {
    pub(crate) fn start(store: Weak<ChunkStore>) -> Reaper {
        let (sender, receiver) = channel::<Garbage>();
        let thread = thread::Builder::new().name("bough-reaper".into()).spawn(move || drop_all(&receiver, &store)).ok();
        Reaper { queue: Mutex::new(Some(sender)), thread: Mutex::new(thread) }
    }

    /// Returns when everything that was given up before is gone, and what is left is tidy.
    pub(crate) fn settle(&self) {
        let (done, wait) = channel::<()>();
        if let Some(queue) = self.queue.lock().as_ref() {
            // Dropped in its turn, or at once when there is no thread; either ends the wait.
            let _ = queue.send(Box::new(done));
        }
        let _ = wait.recv();
    }

    /// Drops `garbage` some time soon; at once when there is no thread.
    pub(crate) fn take<T: Shed + Sync + 'static>(&self, garbage: Arc<T>) {
        if let Some(queue) = self.queue.lock().as_ref() {
            // A send fails only when the thread could not be started; then the drop happens right here.
            let _ = queue.send(Box::new(garbage));
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

fn drop_all(queue: &Receiver<Garbage>, store: &Weak<ChunkStore>) {
    let turns = Turns::default();
    let mut next = queue.recv().ok();
    while let Some(mut garbage) = next {
        while garbage.shed() {
            turns.next();
        }
        let more = queue.try_recv();
        if matches!(more, Err(TryRecvError::Empty)) {
            tidy(store, &turns);
        }
        next = more.ok();
        // Now, so that who waits for his turn waits for all of this.
        drop(garbage);
        next = next.or_else(|| queue.recv().ok());
    }
}

fn tidy(store: &Weak<ChunkStore>, turns: &Turns) {
    if let Some(store) = store.upgrade() {
        store.tidy(|| turns.next());
    }
}
