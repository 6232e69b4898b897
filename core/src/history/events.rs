//! Change events: who subscribed to a branch is told (kind, inode, name, parent) through a bounded queue that says
//! when it overflowed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::error::{Error, Result};
use crate::limits;
use crate::sync::{Condvar, Mutex, RwLock};
use crate::types::{InodeId, ViewId};

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u32)]
pub enum EventKind {
    /// A name appeared: a new inode, or a further link.
    Created = 1,
    /// A name went away.
    Removed = 2,
    /// A name changed; `new_parent` and `new_name` say what to.
    Renamed = 3,
    /// Content or size changed.
    Content = 4,
    /// Attributes, extended attributes or ACLs changed.
    Attributes = 5,
    /// Two names changed places (rename with exchange).
    Exchanged = 6,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// To which inode.
    pub inode: InodeId,
    /// In which directory (0 where none is concerned).
    pub parent: InodeId,
    /// The name concerned (empty where none is).
    pub name: Box<[u8]>,
    /// For renames the directory it is in now, else 0.
    pub new_parent: InodeId,
    /// For renames the name now, else empty.
    pub new_name: Box<[u8]>,
    /// Through which view it was done.
    pub origin: ViewId,
}

impl Event {
    pub(crate) fn of(kind: EventKind, inode: InodeId) -> Event {
        Event {
            kind,
            inode,
            parent: InodeId(0),
            name: Box::default(),
            new_parent: InodeId(0),
            new_name: Box::default(),
            origin: ViewId(0),
        }
    }
}

#[derive(Default)]
struct Queue {
    events: VecDeque<Event>,
    overflowed: bool,
    closed: bool,
}

pub(crate) struct Subscriber {
    capacity: usize,
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
}

impl Events {
    /// Waits at most `timeout` for the next change.
    #[must_use]
    pub fn next(&self, timeout: Duration) -> Next {
        let mut queue = self.subscriber.queue.lock();
        if queue.events.is_empty() && !queue.overflowed && !queue.closed {
            self.subscriber.filled.wait_for(&mut queue, timeout);
        }
        if let Some(event) = queue.events.pop_front() {
            return Next::Event(event);
        }
        if std::mem::take(&mut queue.overflowed) {
            return Next::Overflow;
        }
        if queue.closed { Next::Closed } else { Next::Timeout }
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
    fn push(&self, event: Event) {
        let mut queue = self.queue.lock();
        if queue.closed || queue.overflowed {
            return;
        }
        if queue.events.len() == self.capacity {
            queue.overflowed = true;
        } else {
            queue.events.push_back(event);
        }
        drop(queue);
        self.filled.notify_one();
    }

    fn close(&self) {
        self.queue.lock().closed = true;
        self.filled.notify_all();
    }
}

/// The subscribers of one branch.
#[derive(Default)]
pub(crate) struct EventHub {
    subscribers: RwLock<Vec<Weak<Subscriber>>>,
    count: AtomicUsize,
    /// The view that the only subscriber does not want to hear of; 0 when there are several or none.
    only_except: AtomicU64,
}

impl EventHub {
    pub(crate) fn subscribe(&self, capacity: usize, except: ViewId) -> Result<Events> {
        if capacity == 0 || capacity > limits::EVENT_QUEUE {
            return Err(Error::Invalid("event queue capacity: 1 to 1,048,576"));
        }
        let subscriber = Arc::new(Subscriber { capacity, except, queue: Mutex::default(), filled: Condvar::new() });
        let mut all = self.subscribers.write();
        all.retain(|weak| weak.strong_count() > 0);
        all.push(Arc::downgrade(&subscriber));
        self.recount(&all);
        Ok(Events { subscriber })
    }

    fn recount(&self, all: &[Weak<Subscriber>]) {
        let only = match all {
            [one] => one.upgrade().map_or(0, |subscriber| subscriber.except.0),
            _ => 0,
        };
        self.only_except.store(only, Ordering::Release);
        self.count.store(all.len(), Ordering::Release);
    }

    /// Whether anybody wants to hear what `origin` does. Cheap: asked at every change.
    pub(crate) fn listens(&self, origin: ViewId) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.only_except.load(Ordering::Acquire) != origin.0
    }

    pub(crate) fn publish(&self, origin: ViewId, event: Event) {
        let mut gone = false;
        for weak in self.subscribers.read().iter() {
            match weak.upgrade() {
                Some(subscriber) if subscriber.except != origin => {
                    subscriber.push(Event { origin, ..event.clone() });
                }
                Some(_) => {}
                None => gone = true,
            }
        }
        if gone {
            let mut all = self.subscribers.write();
            all.retain(|weak| weak.strong_count() > 0);
            self.recount(&all);
        }
    }

    pub(crate) fn close(&self) {
        for subscriber in self.subscribers.write().drain(..).filter_map(|weak| weak.upgrade()) {
            subscriber.close();
        }
        self.count.store(0, Ordering::Release);
    }
}
