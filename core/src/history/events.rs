//! Change events: who subscribed to a branch is told through a bounded queue that says when it overflowed.
//!
//! Owns what an event is and who is told of it. What waits and how it is handed out is [`subscription`]'s; under which path
//! a change was, [`places`] finds out when it is asked for, never the change itself: that costs one look at a counter when
//! nobody listens.

mod changes;
mod places;
mod subscription;
#[cfg(test)]
mod tests;

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use super::head::Head;
use crate::base::BaseChange;
use crate::data::ChunkStore;
use crate::error::{Error, Result};
use crate::ledger::Footprint;
use crate::limits;
use crate::sync::RwLock;
use crate::types::{FileKind, InodeId, NodeId, ViewId};

pub use changes::Changes;
use subscription::Subscriber;
pub use subscription::{Events, Next};

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
    /// Attributes, extended attributes, ACLs or security changed; `changes` says which.
    Attributes = 5,
    /// Two names changed places (rename with exchange).
    Exchanged = 6,
    /// A named stream appeared.
    StreamCreated = 7,
    /// A named stream went away.
    StreamRemoved = 8,
    /// Content or size of a named stream changed.
    StreamContent = 9,
    /// The volume has another label: `new_name`.
    Label = 10,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// What it touched.
    pub changes: Changes,
    /// To which inode (0 where none is concerned, and for a name that came or went in the base).
    pub inode: InodeId,
    /// What the inode is, where that is known.
    pub file_kind: Option<FileKind>,
    /// For an exchange the inode that had the other name, else 0.
    pub other: InodeId,
    /// In which directory (0 where none is concerned).
    pub parent: InodeId,
    /// The name concerned, as it is stored (empty where none is).
    pub name: Box<[u8]>,
    /// For renames the directory it is in now, else 0.
    pub new_parent: InodeId,
    /// For renames the name now, else empty.
    pub new_name: Box<[u8]>,
    /// The named stream concerned, else empty.
    pub stream: Box<[u8]>,
    /// Through which view it was done; 0: in the base.
    pub origin: ViewId,
    /// The path of what changed, from the root, if the subscription asks for paths and it has one; for renames the path before.
    pub path: Box<[u8]>,
    /// For renames the path now, else empty.
    pub new_path: Box<[u8]>,
}

impl Footprint for Event {
    fn heap_bytes(&self) -> usize {
        let Event { name, new_name, stream, path, new_path, .. } = self;
        [name, new_name, stream, path, new_path].map(Footprint::heap_bytes).iter().sum()
    }
}

impl Event {
    pub(crate) fn of(kind: EventKind, inode: InodeId) -> Event {
        Event {
            kind,
            changes: Changes::of(kind),
            inode,
            file_kind: None,
            other: InodeId(0),
            parent: InodeId(0),
            name: Box::default(),
            new_parent: InodeId(0),
            new_name: Box::default(),
            stream: Box::default(),
            origin: ViewId(0),
            path: Box::default(),
            new_path: Box::default(),
        }
    }

    /// Of a name of something that is a `what`.
    pub(crate) fn of_name(kind: EventKind, inode: InodeId, what: FileKind) -> Event {
        Event { file_kind: Some(what), changes: Changes::of_name(what), ..Event::of(kind, inode) }
    }
}

/// What a subscription is to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watch {
    /// How many events may wait: 1 to [`limits::EVENT_QUEUE`]. Fewer where they would take more than a sixteenth of the volume's
    /// memory, or there is none left.
    pub capacity: usize,
    /// Leave out what is done through the view that subscribes.
    pub others_only: bool,
    /// Only events that touch one of these.
    pub filter: Changes,
    /// Only what happens in this directory: to its entries, and with `subtree` to all that is below them. A move across its border
    /// is told as what it is seen from inside: a name that appears or goes.
    pub directory: Option<NodeId>,
    /// All that is below `directory`, not its entries alone.
    pub subtree: bool,
    /// Tell directory, name and path with every event, also of changes of content and attributes.
    pub paths: bool,
}

impl Default for Watch {
    fn default() -> Watch {
        let capacity = limits::EVENT_QUEUE;
        Watch { capacity, others_only: false, filter: Changes::ALL, directory: None, subtree: false, paths: false }
    }
}

impl Watch {
    fn check(&self) -> Result<()> {
        if self.capacity == 0 || self.capacity > limits::EVENT_QUEUE {
            return Err(Error::Invalid("event queue capacity: 1 to 1,048,576"));
        }
        if !self.filter.any(Changes::ALL) {
            return Err(Error::Invalid("a watch for nothing"));
        }
        Ok(())
    }

    /// Whether it must be known where things were when they changed.
    fn needs_places(&self) -> bool {
        self.paths || self.directory.is_some()
    }
}

/// `None`: more happened than is known.
fn event_of(change: &BaseChange) -> Option<Event> {
    Some(match change {
        BaseChange::Name { parent, name, is_there } => {
            let kind = if *is_there { EventKind::Created } else { EventKind::Removed };
            Event { parent: *parent, name: name.clone(), ..Event::of(kind, InodeId(0)) }
        }
        BaseChange::Content(id) => Event::of(EventKind::Content, *id),
        BaseChange::Attributes(id) => Event::of(EventKind::Attributes, *id),
        BaseChange::Lost => return None,
    })
}

/// The subscribers of one branch, or of what happens in the base.
#[derive(Default)]
pub(crate) struct EventHub {
    subscribers: RwLock<Vec<Weak<Subscriber>>>,
    count: AtomicUsize,
    /// The view that the only subscriber does not want to hear of; 0 when there are several or none.
    only_except: AtomicU64,
}

impl EventHub {
    /// Subscribes to what happens on `head`, whose hub this is.
    pub(crate) fn subscribe(
        &self,
        head: &Arc<Head>,
        watch: Watch,
        by: ViewId,
        store: &Arc<ChunkStore>,
    ) -> Result<Events> {
        watch.check()?;
        let except = if watch.others_only { by } else { ViewId(0) };
        let subscriber = Arc::new(Subscriber::new(watch, except, store));
        self.add(&subscriber);
        Ok(Events::new(subscriber, Arc::downgrade(head)))
    }

    /// A subscription on what does not change, to hear of the base alone.
    pub(crate) fn of_nothing(watch: Watch, store: &Arc<ChunkStore>) -> Result<Events> {
        watch.check()?;
        Ok(Events::new(Arc::new(Subscriber::new(watch, ViewId(0), store)), Weak::new()))
    }

    /// What is published here goes to an older subscription too, unless it asks where things are and has no tree to look in.
    pub(crate) fn join(&self, events: &Events) {
        if events.has_tree() || !events.needs_places() {
            self.add(events.subscriber());
        }
    }

    fn add(&self, subscriber: &Arc<Subscriber>) {
        let mut all = self.subscribers.write();
        all.retain(|weak| weak.strong_count() > 0);
        all.push(Arc::downgrade(subscriber));
        self.recount(&all);
    }

    /// Tells everybody of a change in the base.
    pub(crate) fn publish_all(&self, change: &BaseChange) {
        for subscriber in self.subscribers.read().iter().filter_map(Weak::upgrade) {
            match event_of(change) {
                Some(event) => subscriber.hear(&event),
                None => subscriber.lose(),
            }
        }
    }

    fn recount(&self, all: &[Weak<Subscriber>]) {
        let only = match all {
            [one] => one.upgrade().map_or(0, |subscriber| subscriber.deaf_to().0),
            _ => 0,
        };
        self.only_except.store(only, Ordering::Release);
        self.count.store(all.len(), Ordering::Release);
    }

    /// Whether anybody wants to hear what `origin` does. Cheap: asked at every change.
    pub(crate) fn listens(&self, origin: ViewId) -> bool {
        self.count.load(Ordering::Acquire) > 0 && self.only_except.load(Ordering::Acquire) != origin.0
    }

    /// Tells the subscribers. Called under the locks of the change, so that events have the order of the changes.
    pub(crate) fn publish(&self, origin: ViewId, event: Event) {
        let event = Event { origin, ..event };
        let mut gone = false;
        for weak in self.subscribers.read().iter() {
            match weak.upgrade() {
                Some(subscriber) => subscriber.take_note(&event),
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
