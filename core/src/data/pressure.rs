//! Memory pressure: what the system says when memory is short for everybody, and the answer to it.
//!
//! A source waits for the system's signal; a thread of the volume's own waits with it, and has the store give memory
//! back. While there is pressure the store may use less and less; when it ends, more again by and by, so that nothing
//! is thrown into memory at once that had just gone. Without a signal nothing runs.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::sync::Weak;
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

use super::chunk::ChunkStore;

/// What a wait for pressure ended with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Memory is short.
    Short,
    /// The time is over.
    Quiet,
    /// Nobody wants to know any more, or nothing more will be said.
    Stopped,
}

/// Where signals come from. One per system.
pub(crate) trait Pressure: Debug + Send {
    /// Waits for a signal, for so long at most.
    fn wait(&mut self, most: Option<Duration>) -> Signal;
}

/// Ends a wait that is under way, and all that follow.
pub(crate) trait Stop: Debug + Send + Sync {
    fn stop(&self);
}

/// How often what a store may use changes, while it does.
const STEP: Duration = Duration::from_secs(1);

/// The thread that waits. Ends with this.
#[derive(Debug)]
pub(crate) struct Watch {
    stop: Box<dyn Stop>,
    thread: Option<JoinHandle<()>>,
}

impl Watch {
    /// Watches with the system's own source, if it has one.
    pub(crate) fn start(store: Weak<ChunkStore>) -> Option<Watch> {
        #[cfg(target_os = "linux")]
        {
            if cfg!(feature = "shuttle") {
                // The system has no say in a schedule.
                return None;
            }
            let (source, stop) = linux::source()?;
            Watch::with(store, Box::new(source), Box::new(stop))
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = store;
            None
        }
    }

    /// Watches with this source.
    pub(crate) fn with(store: Weak<ChunkStore>, source: Box<dyn Pressure>, stop: Box<dyn Stop>) -> Option<Watch> {
        let run = move || watch(&store, source);
        let thread = Builder::new().name("bough-pressure".into()).spawn(run).ok()?;
        Some(Watch { stop, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.stop.stop();
        if let Some(thread) = self.thread.take() {
            // A thread that has panicked has said so.
            let _ = thread.join();
        }
    }
}

fn watch(store: &Weak<ChunkStore>, mut source: Box<dyn Pressure>) {
    let mut squeezed = false;
    loop {
        let signal = source.wait(squeezed.then_some(STEP));
        let Some(store) = store.upgrade() else { return };
        squeezed = match signal {
            Signal::Short => store.squeeze(),
            Signal::Quiet => store.relax(),
            Signal::Stopped => return,
        };
    }
}
