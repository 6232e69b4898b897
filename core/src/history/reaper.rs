//! Frees what nobody sees any more, off the callers' path: whole tables of deleted branches and snapshots.

use std::sync::Arc;

use crate::sync::Mutex;
use crate::sync::mpsc::{Receiver, Sender, channel};
use crate::sync::thread::{self, JoinHandle};

type Garbage = Box<dyn Send>;

/// A background thread that drops what it is given, one piece at a time.
pub(crate) struct Reaper {
    queue: Mutex<Option<Sender<Garbage>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Reaper {
    pub(crate) fn start() -> Reaper {
        let (sender, receiver) = channel::<Garbage>();
        let thread = thread::Builder::new().name("bough-reaper".into()).spawn(move || drop_all(&receiver)).ok();
        Reaper { queue: Mutex::new(Some(sender)), thread: Mutex::new(thread) }
    }

    /// Returns when everything that was given up before is gone.
    pub(crate) fn settle(&self) {
        let (done, wait) = channel::<()>();
        if let Some(queue) = self.queue.lock().as_ref() {
            // Dropped in its turn, or at once when there is no thread; either ends the wait.
            let _ = queue.send(Box::new(done));
        }
        let _ = wait.recv();
    }

    /// Drops `garbage` some time soon; at once when there is no thread.
    pub(crate) fn take<T: Send + Sync + 'static>(&self, garbage: Arc<T>) {
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

fn drop_all(queue: &Receiver<Garbage>) {
    while let Ok(garbage) = queue.recv() {
        drop(garbage);
        thread::yield_now();
    }
}
