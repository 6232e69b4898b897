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
use crate::history::head::Head;
use crate::sync::{Condvar, Mutex};
use crate::types::ViewId;

#[derive(Default)]
struct Queue {
    /// With the number of each, counting all changes that were noted.
    events: VecDeque<(u64, Event)>,
    last_number: u64,
    moves: Moves,
    /// Events handed out whose places are being looked for.
    looking: usize,
    overflowed: bool,
    closed: bool,
}

pub(crate) struct Subscriber {
    watch: Watch,
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
        queue.events.push_front((0, event));
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
    pub(super) fn new(watch: Watch, except: ViewId) -> Subscriber {
        Subscriber { watch, except, queue: Mutex::default(), filled: Condvar::new() }
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
        if queue.moves.len() > self.watch.capacity || told && queue.events.len() >= self.watch.capacity {
            queue.overflow(needs_places);
        } else if told {
            queue.events.push_back((number, event.clone()));
        } else {
            return;
        }
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
        if queue.events.len() >= self.watch.capacity {
            queue.overflow(self.watch.needs_places());
        } else {
            queue.events.push_back((number, event.clone()));
        }
        drop(queue);
        self.filled.notify_one();
    }

    /// What comes now is lost.
    pub(super) fn lose(&self) {
        self.queue.lock().overflow(self.watch.needs_places());
        self.filled.notify_one();
    }

    /// What comes next, an event with its number.
    fn pop(&self, timeout: Duration) -> (u64, Next) {
        let mut queue = self.queue.lock();
        if queue.events.is_empty() && !queue.overflowed && !queue.closed {
            self.filled.wait_for(&mut queue, timeout);
        }
        if let Some((number, event)) = queue.events.pop_front() {
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
        }
    }

    pub(super) fn close(&self) {
        self.queue.lock().closed = true;
        self.filled.notify_all();
    }
}

impl Queue {
    /// From here on nothing is noted until it was told so. Without the moves that come now, places of what waits would be wrong, so
    /// who needs them loses it too: everything is to be looked at anew in any case.
    fn overflow(&mut self, needs_places: bool) {
        self.overflowed = true;
        if needs_places {
            self.events.clear();
            self.moves = Moves::default();
        }
    }
}
