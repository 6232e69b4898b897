//! Where things were when they changed.
//!
//! An event knows inodes, and names where names changed; paths are found when the event is handed out. Meanwhile directories
//! may have moved. So a subscription that needs places notes moves while events wait, and the first move of an inode after an
//! event says where the inode was then; without one it is where it is now. The tree is looked at before the moves: a
//! move that comes between the two is found, and one that came before is in the tree, because moves are told under the lock
//! of what moves.
//!
//! What happens in the base is told where it shows: not what the tree hides, or has as its own by now. Where the base had
//! it a moment ago nobody knows: places in the base are those of when the event is handed out.

use std::collections::VecDeque;

use hashbrown::HashMap;

use super::{Event, EventKind, Watch};
use crate::context::Context;
use crate::history::head::Head;
use crate::ledger::{Footprint, heap_bytes};
use crate::types::{InodeId, NodeId, ViewId};

/// Looks at the tree in vain before a place counts as unknown: an inode without names.
const TRIES: usize = 64;

/// A directory and a name in it.
type Place = (InodeId, Box<[u8]>);

/// What a move takes of the heap, if it is the only one of its inode, but for the name.
const MOVE_BYTES: usize =
    (size_of::<(InodeId, VecDeque<(u64, Place)>)>() + 1) * 4 / 3 + heap_bytes(4 * size_of::<(u64, Place)>());

/// Where inodes were before they moved.
#[derive(Default)]
pub(super) struct Moves {
    of: HashMap<InodeId, VecDeque<(u64, Place)>>,
    count: usize,
    /// What the names take of the heap.
    names: usize,
}

impl Moves {
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// What they take of the heap, at most.
    pub(super) fn bytes(&self) -> usize {
        self.count * MOVE_BYTES + self.names
    }

    /// Notes what an event moves or takes away.
    pub(super) fn note(&mut self, number: u64, event: &Event) {
        if matches!(event.kind, EventKind::Removed | EventKind::Renamed | EventKind::Exchanged) {
            self.add(number, event.inode, (event.parent, event.name.clone()));
        }
        if event.kind == EventKind::Exchanged {
            self.add(number, event.other, (event.new_parent, event.new_name.clone()));
        }
    }

    fn add(&mut self, number: u64, id: InodeId, from: Place) {
        self.names += from.1.heap_bytes();
        self.of.entry(id).or_default().push_back((number, from));
        self.count += 1;
    }

    /// Where the inode was before its first move after the event of this number.
    pub(super) fn first_after(&self, id: InodeId, number: u64) -> Option<Place> {
        self.of.get(&id)?.iter().find(|(at, _)| *at > number).map(|(_, from)| from.clone())
    }

    /// Forgets moves that no event before them waits for.
    pub(super) fn forget_before(&mut self, number: u64) {
        if self.count == 0 {
            return;
        }
        self.of.retain(|_, moves| {
            moves.retain(|(at, _)| *at > number);
            !moves.is_empty()
        });
        self.count = self.of.values().map(VecDeque::len).sum();
        self.names = self.of.values().flatten().map(|(_, (_, name))| name.heap_bytes()).sum();
    }
}

/// Finds the places of one event.
pub(super) struct Finder<'a> {
    head: Option<&'a Head>,
    context: Option<&'a Context>,
    moved: &'a dyn Fn(InodeId) -> Option<Place>,
}

/// The directories above a place, from the lowest to the root, and its path.
struct Way {
    above: Vec<InodeId>,
    path: Vec<u8>,
}

impl Way {
    fn is_within(&self, watch: &Watch) -> bool {
        let Some(directory) = watch.directory.map(NodeId::inode) else { return true };
        if watch.subtree { self.above.contains(&directory) } else { self.above.first() == Some(&directory) }
    }
}

impl<'a> Finder<'a> {
    /// With `context` what the tree says nothing of is looked for in the base.
    pub(super) fn new(
        head: Option<&'a Head>,
        context: Option<&'a Context>,
        moved: &'a dyn Fn(InodeId) -> Option<Place>,
    ) -> Finder<'a> {
        Finder { head, context, moved }
    }

    /// The event with directory, name and paths, as seen by who watches; nothing when it happens elsewhere.
    pub(super) fn place(&self, watch: &Watch, mut event: Event) -> Option<Event> {
        if event.kind == EventKind::Label {
            return Some(event);
        }
        if self.context.is_some() && event.origin == ViewId(0) && !self.concerns(&event) {
            return None;
        }
        if event.parent.0 == 0
            && let Some((parent, name)) = self.where_was(event.inode)
        {
            (event.parent, event.name) = (parent, name);
        }
        event.file_kind = event.file_kind.or_else(|| Some(self.head?.get(event.inode)?.read().kind));
        let from = self.way(event.parent, &event.name);
        let to = if event.new_parent.0 == 0 { None } else { self.way(event.new_parent, &event.new_name) };
        let seen = |way: &Option<Way>| way.as_ref().is_some_and(|way| way.is_within(watch));
        let path = |way: Option<Way>| way.map_or_else(Box::default, |way| way.path.into_boxed_slice());
        if watch.directory.is_some() && event.inode == InodeId::ROOT {
            return None;
        }
        match (seen(&from), seen(&to)) {
            (false, false) if watch.directory.is_some() => return None,
            (true, false) if to.is_some() => leave(&mut event),
            (false, true) => return Some(arrive(event, path(to))),
            _ => {}
        }
        event.path = path(from);
        if event.new_parent.0 != 0 {
            event.new_path = path(to);
        }
        Some(event)
    }

    /// The way to a name in a directory; the root has none above it.
    fn way(&self, parent: InodeId, name: &[u8]) -> Option<Way> {
        if parent.0 == 0 {
            return None;
        }
        let (mut above, mut names, mut here) = (vec![parent], vec![Box::from(name)], parent);
        while here != InodeId::ROOT {
            let (parent, name) = self.where_was(here)?;
            names.push(name);
            above.push(parent);
            here = parent;
        }
        let mut path = Vec::new();
        for name in names.iter().rev() {
            path.push(b'/');
            path.extend_from_slice(name);
        }
        Some(Way { above, path })
    }

    fn where_was(&self, id: InodeId) -> Option<Place> {
        for _ in 0..TRIES {
            let now = self.where_is(id);
            if let Some(before) = (self.moved)(id) {
                return Some(before);
            }
            if now.is_some() {
                return now;
            }
        }
        None
    }

    /// Where the inode is in the tree; nothing when it moves just now, or has no name.
    fn where_is(&self, id: InodeId) -> Option<Place> {
        let head = self.head?;
        if !self.decides(id) {
            return self.where_in_base(id);
        }
        let (parent, key) = head.get(id)?.read().names.first()?;
        let directory = head.get(parent)?;
        let record = directory.read();
        let entry = record.directory().ok()?.by_key(key).filter(|entry| entry.inode == id)?;
        Some((parent, entry.name.into()))
    }
}

impl Finder<'_> {
    /// Whether the tree has an inode of its own, or hides it.
    fn decides(&self, id: InodeId) -> bool {
        self.context.is_none_or(|context| context.base.is_none())
            || self.head.is_none_or(|head| head.table.get(id).is_some())
    }

    fn where_in_base(&self, id: InodeId) -> Option<Place> {
        let places = self.context?.base.as_ref()?.places(id);
        let place = places.into_iter().find(|place| self.shows(place.parent, &place.name))?;
        Some((place.parent, Box::from(&*place.name)))
    }

    /// Whether a name of a directory of the base is seen through the tree.
    fn shows(&self, parent: InodeId, name: &[u8]) -> bool {
        if !self.decides(parent) {
            return true;
        }
        let (Some(head), Some(context)) = (self.head, self.context) else { return false };
        let Some(inode) = head.get(parent) else { return false };
        let record = inode.read();
        record.directory().is_ok_and(|directory| {
            let covers = || directory.get(&context.names, name).is_some();
            directory.beneath().is_some() && directory.shows(&context.names, name) && !covers()
        })
    }

    /// Whether what happened in the base changes what the tree shows.
    fn concerns(&self, event: &Event) -> bool {
        if event.parent.0 != 0 { self.shows(event.parent, &event.name) } else { !self.decides(event.inode) }
    }
}

/// A move out of sight: the name goes.
fn leave(event: &mut Event) {
    event.kind = EventKind::Removed;
    (event.new_parent, event.new_name) = (InodeId(0), Box::default());
}

/// A move into sight: a name appears.
fn arrive(event: Event, path: Box<[u8]>) -> Event {
    let (parent, name) = (event.new_parent, event.new_name);
    let (new_parent, new_name) = (InodeId(0), Box::default());
    Event { kind: EventKind::Created, parent, name, new_parent, new_name, path, new_path: Box::default(), ..event }
}
