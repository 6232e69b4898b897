//! What waits for one subscriber, and how it is handed out.
//!
//! Invariant: whoever needs places finds every move that came after an event which still waits, or is just being looked at,
//! in `moves`; older ones are dropped.

use std::collections::VecDeque;
use std::sync::{Arc, Weak};
use std::time::Duration;

use super::places::{Finder, Moves};
use super::{Event, Watch};
use crate::context::Context;
use crate::data::ChunkStore;
use crate::history::head::Head;
use crate::ledger::{Footprint, Kind, Ledger, heap_bytes};
use crate::sync::{Condvar, Mutex};
use crate::types::ViewId;

/// All that waits for one subscriber takes at most one part in so many of the volume's memory.
const MEMORY_SHARE: usize = 16;
/// A queue that has become empty keeps room for so many events, not more.
const IDLE_EVENTS: usize = 64;

#[derive(Default)]
struct Queue {
    /// With the number of each, counting all changes that were noted.
    events: VecDeque<(u64, Event)>,
    /// What they have on the heap besides.
    texts: usize,
    /// How much of all this the volume was told.
    counted: usize,
    last_number: u64,
    moves: Moves,
    /// Events handed out whose places are being looked for.
    looking: usize,
    overflowed: bool,
    closed: bool,
}

pub(crate) struct Subscriber {
    watch: Watch,
    /// Counts what waits, and says whether more may.
    store: Weak<ChunkStore>,
    ledger: Ledger,
    most_bytes: usize,
    /// Changes made through this view are not reported; 0 reports all.
    except: ViewId,
    queue: Mutex<Queue>,
    filled: Condvar,
}

/// What a subscription answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// The next change.
    Event(Event),
    /// More changes happened than the queue could hold; those after the last event given are lost. Look anew.
    Overflow,
    /// Nothing within the time.
    Timeout,
    /// The view or volume has ended.
    Closed,
}

/// A subscription to the changes of a branch. Ends when dropped.
pub struct Events {
    subscriber: Arc<Subscriber>,
    head: Weak<Head>,
    /// What knows the base, if what happens there is told too.
    context: Weak<Context>,
}

impl Events {
    pub(super) fn new(subscriber: Arc<Subscriber>, head: Weak<Head>) -> Events {
        Events { subscriber, head, context: Weak::new() }
    }

    /// From now on places in the base are found too.
    pub(crate) fn over(&mut self, context: &Arc<Context>) {
        self.context = Arc::downgrade(context);
    }

    pub(super) fn has_tree(&self) -> bool {
        self.head.strong_count() > 0
    }

    pub(super) fn subscriber(&self) -> &Arc<Subscriber> {
        &self.subscriber
    }

    pub(super) fn needs_places(&self) -> bool {
        self.subscriber.watch.needs_places()
    }

    /// Waits at most `timeout` for the next change.
    #[must_use]
    pub fn next(&self, timeout: Duration) -> Next {
        let deadline = std::time::Instant::now().checked_add(timeout);
        loop {
            let left = deadline.map_or(timeout, |at| at.saturating_duration_since(std::time::Instant::now()));
            let (number, event) = match self.subscriber.pop(left) {
                (number, Next::Event(event)) => (number, event),
                (_, next) => return next,
            };
            if !self.subscriber.watch.needs_places() {
                return Next::Event(event);
            }
            let seen = self.place(number, event);
            self.subscriber.looked();
            if let Some(event) = seen {
                return Next::Event(event);
            }
        }
    }

    /// The event with its places, as the subscriber is to see it; nothing when it is out of its sight.
    fn place(&self, number: u64, event: Event) -> Option<Event> {
        if number == 0 {
            return Some(event);
        }
        let (head, context) = (self.head.upgrade(), self.context.upgrade());
        let moved = |id| self.subscriber.queue.lock().moves.first_after(id, number);
        Finder::new(head.as_deref(), context.as_deref(), &moved).place(&self.subscriber.watch, event)
    }

    /// Puts back an event that was just taken and is not wanted yet: it comes next.
    pub(crate) fn put_back(&self, event: Event) {
        let mut queue = self.subscriber.queue.lock();
        // It has its places: number 0 is before every move.
        queue.texts += event.heap_bytes();
        queue.events.push_front((0, event));
        self.subscriber.recount(&mut queue);
        drop(queue);
        self.subscriber.filled.notify_one();
    }

    /// Says once more that there was an overflow.
    pub(crate) fn put_back_overflow(&self) {
        self.subscriber.queue.lock().overflowed = true;
    }

    /// Wakes whoever waits in [`Events::next`], now and for ever.
    pub fn close(&self) {
        self.subscriber.close();
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        self.close();
    }
}

impl Subscriber {
    pub(super) fn new(watch: Watch, except: ViewId, store: &Arc<ChunkStore>) -> Subscriber {
        Subscriber {
            watch,
            store: Arc::downgrade(store),
            ledger: store.ledger(),
            most_bytes: usize::try_from(store.limit_bytes()).unwrap_or(usize::MAX) / MEMORY_SHARE,
            except,
            queue: Mutex::default(),
            filled: Condvar::new(),
        }
    }

    /// Whether what waits may take more memory.
    fn has_room(&self, queue: &Queue) -> bool {
        queue.counted <= self.most_bytes && self.store.upgrade().is_none_or(|store| store.admits())
    }

    /// Adds an event, or says that it was lost.
    fn push(&self, queue: &mut Queue, number: u64, event: &Event) {
        if queue.events.len() >= self.watch.capacity || !self.has_room(queue) {
            queue.overflow(self.watch.needs_places());
        } else {
            queue.texts += event.heap_bytes();
            queue.events.push_back((number, event.clone()));
        }
        self.recount(queue);
    }

    /// Counts what waits, after any change of it.
    fn recount(&self, queue: &mut Queue) {
        let now = queue.bytes();
        self.ledger.recount(Kind::References, std::mem::replace(&mut queue.counted, now), now);
    }

    /// The view whose changes it need not even note; 0: none.
    pub(super) fn deaf_to(&self) -> ViewId {
        if self.watch.needs_places() { ViewId(0) } else { self.except }
    }

    /// Notes a change: as an event if it is to be told, as a move if it is one and somebody may ask where something was.
    pub(super) fn take_note(&self, event: &Event) {
        let told = self.except != event.origin && self.watch.filter.any(event.changes);
        let needs_places = self.watch.needs_places();
        if !told && !needs_places {
            return;
        }
        let mut queue = self.queue.lock();
        if queue.closed || queue.overflowed {
            return;
        }
        queue.last_number += 1;
        let number = queue.last_number;
        if needs_places && (!queue.events.is_empty() || queue.looking > 0) {
            queue.moves.note(number, event);
        }
        if queue.moves.len() > self.watch.capacity {
            queue.overflow(needs_places);
        } else if told {
            self.push(&mut queue, number, event);
        } else if self.has_room(&queue) {
            return self.recount(&mut queue);
        } else {
            queue.overflow(needs_places);
        }
        self.recount(&mut queue);
        drop(queue);
        self.filled.notify_one();
    }

    /// A change in the base.
    pub(super) fn hear(&self, event: &Event) {
        let mut queue = self.queue.lock();
        if queue.closed || queue.overflowed || !self.watch.filter.any(event.changes) {
            return;
        }
        queue.last_number += 1;
        let number = queue.last_number;
        self.push(&mut queue, number, event);
        drop(queue);
        self.filled.notify_one();
    }

    /// What comes now is lost.
    pub(super) fn lose(&self) {
        let mut queue = self.queue.lock();
        queue.overflow(self.watch.needs_places());
        self.recount(&mut queue);
        drop(queue);
        self.filled.notify_one();
    }

    /// What comes next, an event with its number.
    fn pop(&self, timeout: Duration) -> (u64, Next) {
        let mut queue = self.queue.lock();
        if queue.events.is_empty() && !queue.overflowed && !queue.closed {
            self.filled.wait_for(&mut queue, timeout);
        }
        if let Some((number, event)) = queue.take() {
            self.recount(&mut queue);
            if self.watch.needs_places() {
                queue.looking += 1;
            }
            return (number, Next::Event(event));
        }
        if std::mem::take(&mut queue.overflowed) {
            return (0, Next::Overflow);
        }
        (0, if queue.closed { Next::Closed } else { Next::Timeout })
    }

    /// An event's places were found.
    fn looked(&self) {
        let mut queue = self.queue.lock();
        queue.looking -= 1;
        if queue.looking == 0 {
            let oldest = queue.events.front().map_or(u64::MAX, |(number, _)| *number);
            queue.moves.forget_before(oldest);
            self.recount(&mut queue);
        }
    }

    pub(super) fn close(&self) {
        self.queue.lock().closed = true;
        self.filled.notify_all();
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        self.ledger.sub(Kind::References, self.queue.get_mut().counted);
    }
}

impl Queue {
    /// The next event. A queue that was long gives back what it took.
    fn take(&mut self) -> Option<(u64, Event)> {
        let next = self.events.pop_front()?;
        self.texts -= next.1.heap_bytes();
        if self.events.is_empty() && self.events.capacity() > IDLE_EVENTS {
            self.events = VecDeque::new();
        }
        Some(next)
    }

    /// What it takes of the heap.
    fn bytes(&self) -> usize {
        heap_bytes(self.events.capacity() * size_of::<(u64, Event)>()) + self.texts + self.moves.bytes()
    }

    /// From here on nothing is noted until it was told so. Without the moves that come now, places of what waits would be wrong, so
    /// who needs them loses it too: everything is to be looked at anew in any case.
    fn overflow(&mut self, needs_places: bool) {
        self.overflowed = true;
        if needs_places {
            (self.events, self.texts) = (VecDeque::new(), 0);
            self.moves = Moves::default();
        }
    }
}
