//! Reading back: faults, several chunks in one read, and the threads that read before they are asked.
//!
//! A cell is read under its own lock and no other. Cells that lie behind each other in the device are read together:
//! the first is waited for, the others are taken if nobody has them. A failure here concerns the first alone.
//!
//! The threads begin with the first hint and end with the store. Hints that they have no time for are forgotten.
//!
//! What they do with the rest of their time is to renew spans of memory (see [`Region::renew`]), one at a time: it can take
//! milliseconds, which nobody who waits for the evictor is to wait too.
//!
//! [`Region::renew`]: super::region::Region::renew

use std::collections::VecDeque;
use std::sync::{Arc, Weak};

use super::cell::Cell;
use super::depot::{CHUNK, Depot, Need};
use super::pool::Cooling;
use super::region::{Frame, Place};
use crate::error::Result;
use crate::sync::thread::{Builder, JoinHandle};
use crate::sync::{Condvar, Mutex, MutexGuard, RecursiveRwLockWriteGuard};

/// The most hints that wait.
const HINTS: usize = 16;
/// Threads: disks like to be asked for more than one thing at a time.
const READERS: usize = 2;
/// So many spans are passed over after one for which the system had no neighbouring pages.
const SPANS_PASSED_OVER: u32 = 256;

#[derive(Debug, Default)]
struct Queue {
    hints: VecDeque<Vec<Weak<Cell>>>,
    /// A span that is to be renewed.
    span: Option<Cooling>,
    /// A span is to be renewed, or is being.
    renews: bool,
    /// How many spans are still to be passed over.
    passed_over: u32,
    /// How many of the threads are at work.
    busy: usize,
    /// How many want them to read nothing.
    held: usize,
    stopped: bool,
}

#[derive(Debug, Default)]
pub(super) struct ReadAhead {
    queue: Mutex<Queue>,
    work: Condvar,
    /// A thread has read what it was to.
    done: Condvar,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// Nothing is read ahead while this lives.
pub(super) struct Held<'a>(&'a ReadAhead);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.queue.lock().held -= 1;
        self.0.work.notify_all();
    }
}

/// A thread that reads, until this goes, whatever way.
struct Busy<'a>(&'a ReadAhead);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.0.queue.lock().busy -= 1;
        self.0.done.notify_all();
    }
}

impl ReadAhead {
    /// Waits for what the threads are reading, and has them read no more while the answer lives.
    pub(super) fn hold(&self) -> Held<'_> {
        let mut queue = self.queue.lock();
        queue.held += 1;
        while queue.busy > 0 {
            self.done.wait(&mut queue);
        }
        Held(self)
    }

    /// Ends the threads. Answers what they would have renewed.
    pub(super) fn stop(&self) -> Option<Cooling> {
        self.queue.lock().stopped = true;
        self.work.notify_all();
        let threads = std::mem::take(&mut *self.threads.lock());
        for thread in threads {
            // A thread that has panicked has said so.
            let _ = thread.join();
        }
        self.queue.lock().span.take()
    }

    /// Whether there is a span that no thread has begun to renew.
    #[cfg(test)]
    pub(super) fn awaits_renewal(&self) -> bool {
        self.queue.lock().span.is_some()
    }

    /// Whether a thread may have time for a span more.
    fn renews_more(&self) -> bool {
        let mut queue = self.queue.lock();
        let passes = queue.passed_over > 0;
        queue.passed_over -= u32::from(passes);
        !passes && !queue.renews && !queue.stopped && queue.hints.is_empty()
    }
}

/// What a thread is to do.
enum Task {
    Read(Vec<Weak<Cell>>),
    Renew(Cooling),
}

impl Queue {
    /// The next thing to do. Reading is first.
    fn next(&mut self) -> Option<Task> {
        if self.held > 0 {
            return None;
        }
        self.hints.pop_front().map(Task::Read).or_else(|| self.span.take().map(Task::Renew))
    }
}

/// A cell that is being read, and where to.
struct Reading<'a> {
    cell: &'a Arc<Cell>,
    lock: RecursiveRwLockWriteGuard<'a, Option<Frame>>,
    frame: Frame,
}

impl Depot {
    /// Reads the bytes of a cell whose lock the caller holds.
    pub(super) fn fault(&self, cell: &Arc<Cell>, into: &mut Option<Frame>, need: Need) -> Result<()> {
        let slot = cell.slot().expect("invariant: a cell without frame has a slot");
        let (mut frame, zero) = self.frame_for(cell, need)?;
        match cell.is_blank() {
            true if zero => {}
            true => frame.bytes_mut().fill(0),
            false => {
                self.read_slots(slot, &mut [frame.bytes_mut()])?;
                self.counters.faults.add(1);
            }
        }
        *into = Some(frame);
        self.count_back();
        Ok(())
    }

    /// Reads neighbouring slots.
    pub(super) fn read_slots(&self, first: u32, into: &mut [&mut super::ChunkBytes]) -> Result<()> {
        let spill = self.spill.as_ref().expect("invariant: who has a slot has a device");
        let mut parts: Vec<&mut [u8]> = into.iter_mut().map(|part| &mut part[..]).collect();
        spill.read(first, &mut parts)?;
        self.counters.read_bytes.add(parts.len() as u64 * CHUNK);
        Ok(())
    }

    /// Reads a cell back, with as many of `next` as lie behind it. Does nothing if the first is there already.
    /// Returns how many it read.
    pub(super) fn fetch<'a>(
        &self,
        first: &'a Arc<Cell>,
        next: impl Iterator<Item = &'a Arc<Cell>>,
        need: Need,
    ) -> Result<usize> {
        let locked = if need == Need::Ahead { first.try_lock_spilled() } else { first.lock_spilled() };
        let Some((lock, slot)) = locked else { return Ok(0) };
        let mut run = vec![Reading { cell: first, lock, frame: self.frame_to_fill(first, need)? }];
        for cell in next {
            match self.join_run(cell, slot + run.len() as u32) {
                Some(reading) => run.push(reading),
                None => break,
            }
        }
        let mut frames: Vec<_> = run.iter_mut().map(|reading| reading.frame.bytes_mut()).collect();
        self.read_slots(slot, &mut frames)?;
        let count = run.len();
        self.counters.faults.add(u64::from(need != Need::Ahead));
        for (at, mut reading) in run.into_iter().enumerate() {
            *reading.lock = Some(reading.frame);
            if at > 0 || need == Need::Ahead {
                reading.cell.mark_ahead();
            }
            self.count_back();
        }
        Ok(count)
    }

    /// Leaves cells to the threads.
    pub(super) fn fetch_later(&self, cells: Vec<Weak<Cell>>) {
        let mut queue = self.read_ahead.queue.lock();
        if queue.stopped || queue.hints.len() >= HINTS {
            return;
        }
        queue.hints.push_back(cells);
        drop(queue);
        self.call_readers();
    }

    /// Has the frames of the span lie together in memory, if nobody has any of them and a thread has time. Who has them is not
    /// waited for, and there is another time.
    pub(super) fn renew_later(&self, span: Place) {
        if !self.renews() || !self.read_ahead.renews_more() {
            return;
        }
        let Some(cooling) = self.take_span(span) else { return };
        let mut queue = self.read_ahead.queue.lock();
        if queue.stopped || queue.renews {
            drop(queue);
            return self.put_span(&cooling, false);
        }
        (queue.span, queue.renews) = (Some(cooling), true);
        drop(queue);
        self.call_readers();
    }

    /// Makes a span warm again that no thread has begun to renew: somebody needs frames now.
    pub(super) fn withdraw_span(&self) {
        let mut queue = self.read_ahead.queue.lock();
        if let Some(cooling) = queue.span.take() {
            queue.renews = false;
            drop(queue);
            self.put_span(&cooling, false);
        }
    }

    fn renew(&self, cooling: &Cooling) {
        let whole = cooling.renew();
        self.put_span(cooling, true);
        let mut queue = self.read_ahead.queue.lock();
        queue.renews = false;
        queue.passed_over = if whole { 0 } else { SPANS_PASSED_OVER };
    }

    /// Has one of the threads look what there is to do. Without threads everything is read when it is asked for.
    fn call_readers(&self) {
        self.read_ahead.work.notify_one();
        let mut threads = self.read_ahead.threads.lock();
        if threads.is_empty() && !self.read_ahead.queue.lock().stopped {
            threads.extend((0..READERS).filter_map(|_| self.start_reader()));
        }
    }

    fn start_reader(&self) -> Option<JoinHandle<()>> {
        let depot = self.me.upgrade()?;
        Builder::new().name("bough-reader".into()).spawn(move || depot.work_off()).ok()
    }

    fn join_run<'a>(&self, cell: &'a Arc<Cell>, slot: u32) -> Option<Reading<'a>> {
        let (lock, _) = cell.try_lock_spilled().filter(|&(_, found)| found == slot)?;
        let frame = self.frame_to_fill(cell, Need::Ahead).ok()?;
        Some(Reading { cell, lock, frame })
    }

    fn frame_to_fill(&self, cell: &Arc<Cell>, need: Need) -> Result<Frame> {
        Ok(self.frame_for(cell, need)?.0)
    }

    fn work_off(&self) {
        let mut queue = self.read_ahead.queue.lock();
        while !queue.stopped {
            let Some(task) = queue.next() else {
                self.read_ahead.work.wait(&mut queue);
                continue;
            };
            queue.busy += 1;
            MutexGuard::unlocked(&mut queue, || {
                let _busy = Busy(&self.read_ahead);
                match task {
                    Task::Read(cells) => self.fetch_all(&cells),
                    Task::Renew(cooling) => self.renew(&cooling),
                }
            });
        }
    }

    fn fetch_all(&self, cells: &[Weak<Cell>]) {
        let cells: Vec<Arc<Cell>> = cells.iter().filter_map(Weak::upgrade).collect();
        let mut rest = &cells[..];
        while let Some((first, next)) = rest.split_first() {
            match self.fetch(first, next.iter(), Need::Ahead) {
                Ok(read) => rest = &rest[read.max(1)..],
                // Memory is short, or the device fails: whoever needs the bytes will hear of it.
                Err(_) => return,
            }
        }
    }
}
