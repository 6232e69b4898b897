//! Which number each inode of a host directory has, and where it was last seen.
//!
//! An inode of the base's own file system keeps the host's number where it can: so what remembers inode numbers (the index
//! of git, say) knows it again. Others get numbers of their own: those of other file systems, those past
//! [`BASE_INODE_ID`], and one whose number the host has given to a new inode. A number means one inode for ever.
//!
//! An inode that was looked at costs 150 to 250 bytes here. Locks are leaves: nothing is waited for under them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::base::{BaseIdentity, Place};
use crate::error::Result;
use crate::ledger::{CountedMap, Kind, Ledger, heap_bytes};
use crate::limits::BASE_INODE_ID;
use crate::sync::{Mutex, RwLock};
use crate::types::{FileKind, InodeId, Time};

const SHARDS: usize = 16;

/// Hands out a number that nobody has had.
pub(crate) type NewId = Box<dyn Fn() -> Result<InodeId> + Send + Sync>;

/// Kept apart, as few have any.
#[derive(Debug, Default)]
struct Others(Vec<Place>);

#[derive(Debug)]
struct Node {
    device: u64,
    inode: u64,
    born: Time,
    kind: FileKind,
    /// Of size and times when it was last looked at; 0: it was not.
    stamp: AtomicU64,
    /// Word was to come of its changes when it was last looked at.
    told: AtomicBool,
    /// It has been copied up: it is to be found where it is, or nowhere.
    keeps_place: bool,
    place: Place,
    /// Further names of it.
    others: Option<Box<Others>>,
}

impl Node {
    fn of(seen: &Seen<'_>) -> Node {
        let BaseIdentity { device, inode, born, .. } = *seen.identity;
        Node {
            device,
            inode,
            born,
            kind: seen.kind,
            stamp: AtomicU64::new(0),
            told: AtomicBool::new(false),
            keeps_place: false,
            place: seen.place(),
            others: None,
        }
    }

    fn is(&self, seen: &Seen<'_>) -> bool {
        let same =
            (self.device, self.inode, self.born) == (seen.identity.device, seen.identity.inode, seen.identity.born);
        same && self.kind == seen.kind
    }

    fn is_at(&self, parent: InodeId, name: &[u8]) -> bool {
        self.places().any(|place| place.parent == parent && *place.name == *name)
    }

    /// As many as it has names at most: the rest are names that it had.
    fn add_place(&mut self, seen: &Seen<'_>) {
        let others = &mut self.others.get_or_insert_default().0;
        if others.len() + 1 >= seen.links as usize {
            self.place = others.first().cloned().unwrap_or_else(|| seen.place());
            others.drain(..others.len().min(1));
        }
        others.push(seen.place());
    }

    /// What it takes of the heap beside its place in the table.
    fn heap_bytes(&self) -> usize {
        let names = self.places().map(|place| heap_bytes(place.name.len() + 2 * size_of::<usize>())).sum::<usize>();
        let others = self
            .others
            .as_ref()
            .map_or(0, |others| heap_bytes(size_of::<Others>()) + heap_bytes(others.0.capacity() * size_of::<Place>()));
        names + others
    }

    fn places(&self) -> impl Iterator<Item = &Place> {
        std::iter::once(&self.place).chain(self.others.iter().flat_map(|others| &others.0))
    }
}

/// What was found at a name.
pub(super) struct Seen<'a> {
    pub(super) identity: &'a BaseIdentity,
    pub(super) kind: FileKind,
    pub(super) links: u32,
    pub(super) parent: InodeId,
    pub(super) name: &'a [u8],
}

impl Seen<'_> {
    fn place(&self) -> Place {
        Place { parent: self.parent, name: Arc::from(self.name) }
    }
}

/// Never 0.
fn stamp(identity: &BaseIdentity) -> u64 {
    let BaseIdentity { size, modified, changed, .. } = *identity;
    (size ^ (modified.0 as u64).rotate_left(20) ^ (changed.0 as u64).rotate_left(40)).max(1)
}

pub(super) struct Nodes {
    device: u64,
    ledger: Ledger,
    new_id: NewId,
    shards: [RwLock<CountedMap<InodeId, Node>>; SHARDS],
    /// Numbers that are not the host's, by device and the host's number.
    others: Mutex<CountedMap<(u64, u64), InodeId>>,
    has_others: AtomicBool,
}

impl Drop for Nodes {
    fn drop(&mut self) {
        let bytes =
            |shard: &RwLock<CountedMap<InodeId, Node>>| shard.read().values().map(Node::heap_bytes).sum::<usize>();
        self.ledger.sub(Kind::References, self.shards.iter().map(bytes).sum());
    }
}

impl Nodes {
    /// For a base on the file system `device`.
    pub(super) fn new(device: u64, ledger: Ledger, new_id: NewId) -> Nodes {
        let shards = std::array::from_fn(|_| RwLock::new(CountedMap::new(ledger, Kind::References)));
        let others = Mutex::new(CountedMap::new(ledger, Kind::References));
        Nodes { device, ledger, new_id, shards, others, has_others: AtomicBool::new(false) }
    }

    fn shard(&self, id: InodeId) -> &RwLock<CountedMap<InodeId, Node>> {
        &self.shards[(id.0 % SHARDS as u64) as usize]
    }

    /// The number that an inode has, if it has one before it is looked at.
    pub(super) fn number(&self, device: u64, inode: u64) -> Option<InodeId> {
        if self.has_others.load(Ordering::Acquire)
            && let Some(id) = self.others.lock().get(&(device, inode))
        {
            return Some(*id);
        }
        let keeps = device == self.device && inode > InodeId::ROOT.0 && inode < BASE_INODE_ID;
        keeps.then_some(InodeId(inode))
    }

    /// A number of our own for it.
    fn other_number(&self, device: u64, inode: u64) -> Result<InodeId> {
        let id = (self.new_id)()?;
        self.others.lock().insert((device, inode), id);
        self.has_others.store(true, Ordering::Release);
        Ok(id)
    }

    /// The number of what was seen; it is known here from now on.
    pub(super) fn note(&self, seen: &Seen<'_>) -> Result<InodeId> {
        let (device, inode) = (seen.identity.device, seen.identity.inode);
        let id = match self.number(device, inode) {
            Some(id) => id,
            None => self.other_number(device, inode)?,
        };
        if self.is_noted(id, seen) {
            return Ok(id);
        }
        if self.note_as(id, seen) {
            return Ok(id);
        }
        let id = self.other_number(device, inode)?;
        self.note_as(id, seen);
        Ok(id)
    }

    fn is_noted(&self, id: InodeId, seen: &Seen<'_>) -> bool {
        let shard = self.shard(id).read();
        shard.get(&id).is_some_and(|node| node.is(seen) && node.is_at(seen.parent, seen.name))
    }

    /// False when the number belongs to another inode, or to one that keeps another place.
    fn note_as(&self, id: InodeId, seen: &Seen<'_>) -> bool {
        let mut shard = self.shard(id).write();
        let Some(node) = shard.get_mut(&id) else {
            let node = Node::of(seen);
            self.ledger.add(Kind::References, node.heap_bytes());
            shard.insert(id, node);
            return true;
        };
        if !node.is(seen) {
            return false;
        }
        let has_many_names = seen.links > 1 && seen.kind != FileKind::Directory;
        let before = node.heap_bytes();
        match (node.is_at(seen.parent, seen.name), has_many_names) {
            (true, _) => {}
            (false, true) => node.add_place(seen),
            (false, false) if node.keeps_place => return false,
            (false, false) => {
                node.place = seen.place();
                node.others = None;
            }
        }
        self.ledger.recount(Kind::References, before, node.heap_bytes());
        true
    }

    /// Whether size and times are others than when the inode was last looked at. `told`: word comes of what changes from now on.
    pub(super) fn has_changed(&self, id: InodeId, identity: &BaseIdentity, told: bool) -> bool {
        let new = stamp(identity);
        let shard = self.shard(id).read();
        shard.get(&id).is_some_and(|node| {
            if node.told.load(Ordering::Relaxed) != told {
                node.told.store(told, Ordering::Relaxed);
            }
            let old = node.stamp.load(Ordering::Relaxed);
            if old != new {
                node.stamp.store(new, Ordering::Relaxed);
            }
            old != new && old != 0
        })
    }

    pub(super) fn is_told(&self, id: InodeId) -> bool {
        self.shard(id).read().get(&id).is_some_and(|node| node.told.load(Ordering::Relaxed))
    }

    pub(super) fn knows(&self, id: InodeId) -> bool {
        id == InodeId::ROOT || self.shard(id).read().contains_key(&id)
    }

    pub(super) fn places(&self, id: InodeId) -> Vec<Place> {
        self.shard(id).read().get(&id).map_or_else(Vec::new, |node| node.places().cloned().collect())
    }

    /// The place of what has one; the first one of several.
    pub(super) fn place(&self, id: InodeId) -> Option<Place> {
        self.shard(id).read().get(&id).map(|node| node.place.clone())
    }

    pub(super) fn has_many_places(&self, id: InodeId) -> bool {
        self.shard(id).read().get(&id).is_some_and(|node| node.others.is_some())
    }

    pub(super) fn keep_place(&self, id: InodeId) {
        if let Some(node) = self.shard(id).write().get_mut(&id) {
            node.keeps_place = true;
        }
    }

    /// Whether this is the inode that has the number.
    pub(super) fn is(&self, id: InodeId, identity: &BaseIdentity, kind: FileKind) -> bool {
        self.shard(id).read().get(&id).is_some_and(|node| {
            (node.device, node.inode, node.born) == (identity.device, identity.inode, identity.born)
                && node.kind == kind
        })
    }

    /// The device and the host's number of an inode.
    pub(super) fn host_number(&self, id: InodeId) -> Option<(u64, u64)> {
        self.shard(id).read().get(&id).map(|node| (node.device, node.inode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEVICE: u64 = 7;
    const ROOT: InodeId = InodeId::ROOT;

    fn nodes() -> Nodes {
        let next = AtomicU64::new(BASE_INODE_ID);
        Nodes::new(DEVICE, Ledger::of_tests(), Box::new(move || Ok(InodeId(next.fetch_add(1, Ordering::Relaxed)))))
    }

    fn identity(device: u64, inode: u64, born: i64) -> BaseIdentity {
        BaseIdentity { device, inode, born: Time(born), ..BaseIdentity::default() }
    }

    fn note(nodes: &Nodes, identity: &BaseIdentity, links: u32, name: &[u8]) -> InodeId {
        nodes.note(&Seen { identity, kind: FileKind::File, links, parent: ROOT, name }).unwrap()
    }

    #[test]
    fn an_inode_of_the_base_keeps_the_number_of_the_host() {
        let nodes = nodes();
        assert_eq!(note(&nodes, &identity(DEVICE, 42, 1), 1, b"a"), InodeId(42));
        assert_eq!(note(&nodes, &identity(DEVICE, 42, 1), 1, b"a"), InodeId(42));
        assert!(nodes.knows(InodeId(42)) && !nodes.knows(InodeId(43)));
    }

    #[test]
    fn numbers_that_cannot_be_kept_are_others() {
        let nodes = nodes();
        for identity in [identity(DEVICE, 1, 1), identity(DEVICE, BASE_INODE_ID, 1), identity(DEVICE + 1, 42, 1)] {
            let id = note(&nodes, &identity, 1, b"a");
            assert!(id.0 >= BASE_INODE_ID);
            assert_eq!(note(&nodes, &identity, 1, b"a"), id);
        }
        assert_eq!(note(&nodes, &identity(DEVICE, BASE_INODE_ID - 1, 1), 1, b"a"), InodeId(BASE_INODE_ID - 1));
    }

    #[test]
    fn a_number_that_the_host_gives_to_a_new_inode_is_not_taken_over() {
        let nodes = nodes();
        let old = note(&nodes, &identity(DEVICE, 42, 1), 1, b"a");
        let new = note(&nodes, &identity(DEVICE, 42, 2), 1, b"a");
        assert_ne!(old, new);
        assert_eq!(note(&nodes, &identity(DEVICE, 42, 2), 1, b"a"), new);
    }

    #[test]
    fn names_of_one_file_are_all_known_and_it_stays_one_inode() {
        let nodes = nodes();
        let id = note(&nodes, &identity(DEVICE, 42, 1), 2, b"a");
        assert_eq!(note(&nodes, &identity(DEVICE, 42, 1), 2, b"b"), id);
        assert_eq!(nodes.places(id).len(), 2);
    }

    #[test]
    fn what_moves_takes_its_number_along_unless_it_keeps_its_place() {
        let nodes = nodes();
        let seen = identity(DEVICE, 42, 1);
        let id = note(&nodes, &seen, 1, b"a");
        assert_eq!(note(&nodes, &seen, 1, b"b"), id);
        assert_eq!(*nodes.place(id).unwrap().name, *b"b");
        nodes.keep_place(id);
        let other = note(&nodes, &seen, 1, b"c");
        assert_ne!(other, id);
        assert_eq!(*nodes.place(id).unwrap().name, *b"b");
        assert_eq!(note(&nodes, &seen, 1, b"c"), other);
    }
}
