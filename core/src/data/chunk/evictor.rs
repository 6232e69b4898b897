//! The evictor's thread, and waiting for it.
//!
//! The thread begins with the first claim past the soft mark, or the first frame that is kept warm beyond its pool's reserve,
//! and ends with the store. What it does is a sweep (see [`super::sweep`]); here is when. While nothing is wanted it gives back
//! the frames that lie warm for nobody, and then sleeps until it is called. Who finds no room waits until there is some, or until a whole sweep that began
//! after him found nothing that can go: then he is told why. Where there is no thread, those who wait sweep themselves.

use std::sync::Arc;
use std::time::Duration;

use super::depot::Depot;
use super::spill::Spill;
use super::sweep::{Hand, Pause, Swept};
use crate::error::{Error, Result};
use crate::sync::atomic::{
    AtomicBool, AtomicUsize,
    Ordering::{Relaxed, SeqCst},
};
use crate::sync::thread::{self, Builder, JoinHandle};
use crate::sync::{Condvar, Mutex, MutexGuard};

/// How long nothing is tried for nobody's sake after a sweep that freed nothing.
const RETRY: Duration = Duration::from_millis(100);
/// How long nothing must have been wanted, nor a frame taken, for what is kept warm to go.
const WARM: Duration = Duration::from_millis(100);
/// How long those are given who use what should go.
const PAUSE: Duration = Duration::from_millis(1);

/// How many sweeps that free nothing are borne with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// Because the device fails.
    pub(super) fruitless: u32,
    /// Because everything is in use just then. Those who use it may all be waiting themselves.
    pub(super) outrun: u32,
}

#[derive(Debug, Default)]
struct Status {
    /// A sweep is wanted.
    wanted: bool,
    /// Sweeps begun.
    begun: u64,
    /// The last sweep that could free nothing, and why.
    fruitless: u64,
    failure: Option<Error>,
    /// The last sweep that freed nothing because what could go was being used just then.
    outrun: u64,
    /// How much may be in use for all who wait to have what they wait for. Their marks may have been lower than they are now.
    wanted_below: Option<u64>,
    stopped: bool,
}

#[derive(Debug, Default)]
pub(super) struct Evictor {
    status: Mutex<Status>,
    work: Condvar,
    done: Condvar,
    /// How many wait for room.
    pub(super) waiting: AtomicUsize,
    /// The thread has been called, and has not looked yet.
    called: AtomicBool,
    /// Some pool keeps more frames warm than its reserve, and the thread sees to it when it has time.
    cools: AtomicBool,
    pub(super) hand: Mutex<Hand>,
    /// How often the thread had nothing to do.
    #[cfg(test)]
    idled: AtomicUsize,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Evictor {
    /// Wakes all who wait for room.
    #[cold]
    pub(super) fn tell_waiting(&self) {
        // With the lock, so that nobody is between his look and his wait.
        let _status = self.status.lock();
        self.done.notify_all();
    }

    /// How often the thread had nothing to do.
    #[cfg(test)]
    pub(super) fn idled(&self) -> usize {
        self.idled.load(SeqCst)
    }

    /// Ends the thread.
    pub(super) fn stop(&self) {
        self.status.lock().stopped = true;
        self.work.notify_all();
        let thread = self.thread.lock().take();
        if let Some(thread) = thread {
            // A thread that has panicked has said so.
            let _ = thread.join();
        }
        self.tell_waiting();
    }

    fn finish(&self, sweep: u64, swept: Swept) {
        let mut status = self.status.lock();
        if swept.is_outrun() {
            status.outrun = sweep;
        } else if swept.is_fruitless() {
            status.fruitless = sweep;
        }
        status.failure = swept.failure;
        self.done.notify_all();
    }
}

/// Counts a thread as waiting while it does.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

/// The end of the thread, whatever the reason: those who wait see to themselves from then on.
struct End<'a>(&'a Evictor);

impl Drop for End<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.status.lock().stopped = true;
            self.0.tell_waiting();
        }
    }
}

impl Depot {
    /// Calls the evictor's thread.
    #[inline]
    pub(super) fn kick(&self) {
        if self.spill.is_some() && !self.evictor.called.load(Relaxed) {
            self.call();
        }
    }

    #[cold]
    fn call(&self) {
        if self.evictor.called.swap(true, SeqCst) {
            return;
        }
        self.start();
        self.evictor.status.lock().wanted = true;
        self.evictor.work.notify_one();
    }

    /// Called when a pool keeps more warm than its reserve.
    #[inline]
    pub(super) fn call_to_cool(&self) {
        if self.spill.is_some() && !self.evictor.cools.load(Relaxed) {
            self.call_for_warm();
        }
    }

    #[cold]
    fn call_for_warm(&self) {
        if !self.evictor.cools.swap(true, SeqCst) && self.start() {
            // With the lock, so that it is not between its look and its sleep.
            let _status = self.evictor.status.lock();
            self.evictor.work.notify_one();
        }
    }

    /// Called when a pin goes: if memory is in use beyond the limit, it can be had now.
    pub(super) fn unpinned(&self) {
        if self.is_overdrawn() && self.start() {
            self.evictor.status.lock().wanted = true;
            self.evictor.work.notify_one();
        }
    }

    fn is_overdrawn(&self) -> bool {
        self.taken() > self.marks_now().limit
    }

    /// Waits until `bytes` can be claimed below `mark`, and claims them, or until patience ends.
    #[cold]
    pub(super) fn wait_for_room(&self, bytes: u64, mark: u64, mut patience: Patience) -> Result<()> {
        let evictor = &self.evictor;
        let threaded = self.start();
        let _waiting = Waiting::new(&evictor.waiting);
        let target = mark.saturating_sub(bytes);
        let mut status = evictor.status.lock();
        let mut since = status.begun;
        loop {
            if self.try_claim_quietly(bytes, mark) {
                return Ok(());
            }
            patience.fruitless -= u32::from(status.fruitless > since);
            patience.outrun -= u32::from(status.outrun > since);
            if patience.fruitless == 0 || patience.outrun == 0 {
                return Err(status.failure.clone().unwrap_or(Error::NoSpace));
            }
            since = since.max(status.fruitless).max(status.outrun);
            status.wanted_below = Some(status.wanted_below.map_or(target, |least| least.min(target)));
            if threaded && !status.stopped {
                status.wanted = true;
                evictor.work.notify_one();
                evictor.done.wait(&mut status);
            } else {
                let (sweep, target) = self.begin(&mut status);
                MutexGuard::unlocked(&mut status, || evictor.finish(sweep, self.sweep(target)));
            }
        }
    }

    /// Starts the thread, if it is to be and is not there yet. Says whether there is one.
    fn start(&self) -> bool {
        let mut thread = self.evictor.thread.lock();
        if thread.is_none() && !self.evictor.status.lock().stopped {
            let depot = self.me.upgrade();
            let run = depot.map(|depot| Builder::new().name("bough-evictor".into()).spawn(move || depot.run()));
            *thread = run.and_then(std::io::Result::ok);
        }
        thread.is_some()
    }

    fn run(self: &Arc<Self>) {
        let _end = End(&self.evictor);
        let evictor = &self.evictor;
        let mut status = evictor.status.lock();
        while !status.stopped {
            if !status.wanted {
                evictor.called.store(false, SeqCst);
                self.idle(&mut status);
                continue;
            }
            let (sweep, target) = self.begin(&mut status);
            let pause = MutexGuard::unlocked(&mut status, || {
                evictor.called.store(false, SeqCst);
                let swept = self.sweep(target);
                let pause = swept.pause();
                evictor.finish(sweep, swept);
                pause
            });
            self.rest(&mut status, pause);
        }
    }

    fn idle(&self, status: &mut MutexGuard<'_, Status>) {
        #[cfg(test)]
        self.evictor.idled.fetch_add(1, SeqCst);
        if self.is_overdrawn() {
            // What was in use above the limit may not be any more.
            self.evictor.work.wait_for(status, RETRY);
            status.wanted = true;
        } else if self.evictor.cools.load(SeqCst) {
            self.cool_if_still(status);
        } else {
            self.evictor.work.wait(status);
        }
    }

    /// Gives back the frames that are warm and that nobody takes, if nothing is wanted meanwhile.
    fn cool_if_still(&self, status: &mut MutexGuard<'_, Status>) {
        let is_still = |status: &Status| !status.wanted && !status.stopped;
        MutexGuard::unlocked(status, || self.watch_warm());
        if is_still(status) {
            self.evictor.work.wait_for(status, WARM);
        }
        while is_still(status) && MutexGuard::unlocked(status, || self.cool_unused()) {}
        if is_still(status) {
            // First: who puts a frame that is not seen here calls again.
            self.evictor.cools.store(false, SeqCst);
            let more = MutexGuard::unlocked(status, || self.keeps_more());
            self.evictor.cools.fetch_or(more, SeqCst);
        }
    }

    fn rest(&self, status: &mut MutexGuard<'_, Status>, pause: Pause) {
        let evictor = &self.evictor;
        match pause {
            Pause::None => {}
            // Asked for or not: nothing is gained by looking again at once.
            Pause::Short => MutexGuard::unlocked(status, || thread::sleep(PAUSE)),
            Pause::Long if status.wanted || status.stopped => {}
            Pause::Long => {
                // Not to be called for the soft mark's sake meanwhile; those who wait ask for themselves.
                evictor.called.store(true, SeqCst);
                evictor.work.wait_for(status, RETRY);
                // What was freed meanwhile waits to be punched.
                status.wanted |= self.spill.as_ref().is_some_and(Spill::wants_punch);
            }
        }
    }

    /// Begins a sweep: its number, and how much may be in use after it.
    fn begin(&self, status: &mut Status) -> (u64, u64) {
        status.wanted = false;
        status.begun += 1;
        let (low, _) = self.marks_now().beside(self.held());
        (status.begun, low.min(status.wanted_below.take().unwrap_or(u64::MAX)))
    }
}
