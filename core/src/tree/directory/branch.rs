//! The nodes above the leaves: a B+tree whose nodes are shared between versions.
//!
//! Invariants: a branch has between 2 and [`FANOUT`] children, no fewer than [`MINIMUM`] unless it is the root; all
//! leaves are equally deep. `fence` of a child is not above any key below it, and above all keys left of it; a
//! branch's first fence is its own fence in its parent, 0 at the root. A node that is shared by two trees has the same fence
//! in both, because whatever moves a fence writes the node behind it anew.

use std::sync::Arc;

use super::Entry;
use super::leaf::{self, Leaf};
use super::search::{Range, lower_bound};
use crate::ledger::{Counted, Kind, Ledger, Tally, arc_bytes, heap_bytes};
use crate::reckoning::Reckoning;
use crate::types::{FileKind, InodeId};

/// Most children of a branch.
pub(super) const FANOUT: usize = 64;
pub(super) const MINIMUM: usize = FANOUT / 4;

/// Above every key.
pub(super) const KEY_END: u64 = 1 << 63;

/// A node of either kind.
#[derive(Clone)]
pub(super) enum Node {
    Leaf(Leaf),
    Branch(Arc<Branch>),
}

#[derive(Clone)]
pub(super) struct Child {
    pub(super) fence: u64,
    pub(super) node: Node,
}

pub(super) struct Branch {
    pub(super) children: Vec<Child>,
    /// Entries below.
    pub(super) entries: u64,
    /// Branches on the way to a leaf, this one included.
    pub(super) height: u8,
    tally: Tally<Branch>,
}

impl Counted for Branch {
    const KIND: Kind = Kind::Directories;
    const BYTES: usize = arc_bytes::<Branch>() + heap_bytes((FANOUT + 1) * size_of::<Child>());
}

/// With room for as many children as there can be, so that a branch always takes the same.
impl Clone for Branch {
    fn clone(&self) -> Branch {
        let mut children = Vec::with_capacity(FANOUT + 1);
        children.extend_from_slice(&self.children);
        Branch { children, entries: self.entries, height: self.height, tally: self.tally.clone() }
    }
}

/// A leaf, and where its keys lie.
pub(super) struct Place<'a> {
    pub(super) leaf: &'a Leaf,
    pub(super) range: Range,
}

impl Node {
    /// An empty root.
    pub(super) fn empty(ledger: Ledger) -> Node {
        Node::Leaf(Leaf::new(ledger))
    }

    fn ledger(&self) -> Ledger {
        match self {
            Node::Leaf(leaf) => leaf.ledger(),
            Node::Branch(branch) => branch.tally.ledger(),
        }
    }

    /// Counts what would go with this holder.
    pub(super) fn count_sole(&self, reckoning: &mut Reckoning) {
        match self {
            Node::Leaf(leaf) => leaf.count_sole(reckoning),
            Node::Branch(branch) => {
                if reckoning.lets_metadata_go(Arc::as_ptr(branch), Arc::strong_count(branch), Branch::BYTES) {
                    branch.children.iter().for_each(|child| child.node.count_sole(reckoning));
                }
            }
        }
    }

    pub(super) fn entries(&self) -> u64 {
        match self {
            Node::Leaf(leaf) => leaf.len() as u64,
            Node::Branch(branch) => branch.entries,
        }
    }

    pub(super) fn height(&self) -> u8 {
        match self {
            Node::Leaf(_) => 0,
            Node::Branch(branch) => branch.height,
        }
    }

    /// The leaf where an entry with this key is, or would be. `self` is the root.
    pub(super) fn seek(&self, key: u64) -> Place<'_> {
        let mut node = self;
        let mut range = Range { low: 0, high: KEY_END };
        loop {
            match node {
                Node::Leaf(leaf) => return Place { leaf, range },
                Node::Branch(branch) => {
                    let index = branch.child_of(key, range);
                    range = branch.range(index, range);
                    node = &branch.children[index].node;
                }
            }
        }
    }

    /// Adds an entry to a root, which grows by one level when it is full.
    pub(super) fn insert_at_root(&mut self, entry: Entry<'_>) {
        if let Some(right) = self.insert(entry, Range { low: 0, high: KEY_END }) {
            let ledger = self.ledger();
            let height = self.height() + 1;
            let left = Child { fence: 0, node: std::mem::replace(self, Node::empty(ledger)) };
            *self = Node::Branch(Arc::new(Branch::new(ledger, [left, right], height)));
        }
    }

    /// Removes the entry with this key from a root, and answers with what it meant.
    pub(super) fn remove_at_root(&mut self, key: u64) -> Option<(InodeId, FileKind)> {
        let removed = self.remove(key, Range { low: 0, high: KEY_END })?;
        if let Node::Branch(branch) = self
            && let [only] = &branch.children[..]
        {
            *self = only.node.clone();
        }
        Some(removed)
    }

    /// Changes something about the entry with this key, which is there, but neither its key nor its presence.
    /// `self` is the root; `change` gets the leaf, unshared down to there, and the entry's index.
    pub(super) fn update_at_root(&mut self, key: u64, change: impl FnOnce(&mut Leaf, usize)) {
        self.update(key, Range { low: 0, high: KEY_END }, change);
    }

    /// The answer is a new right neighbour of this node, if it had to split.
    fn insert(&mut self, entry: Entry<'_>, range: Range) -> Option<Child> {
        match self {
            Node::Leaf(leaf) => {
                let index = leaf.position(entry.key, range);
                let right = leaf.insert(index, entry)?;
                Some(Child { fence: right.key(0), node: Node::Leaf(right) })
            }
            Node::Branch(branch) => Arc::make_mut(branch).insert(entry, range),
        }
    }

    fn remove(&mut self, key: u64, range: Range) -> Option<(InodeId, FileKind)> {
        match self {
            Node::Leaf(leaf) => leaf.take_out(key, range),
            Node::Branch(branch) => Arc::make_mut(branch).remove(key, range),
        }
    }

    fn update(&mut self, key: u64, range: Range, change: impl FnOnce(&mut Leaf, usize)) {
        match self {
            Node::Leaf(leaf) => change(leaf, leaf.position(key, range)),
            Node::Branch(branch) => {
                let branch = Arc::make_mut(branch);
                let index = branch.child_of(key, range);
                let range = branch.range(index, range);
                branch.change_child(index, |node| node.update(key, range, change));
            }
        }
    }

    fn is_underfull(&self) -> bool {
        match self {
            Node::Leaf(leaf) => leaf.len() < leaf::MINIMUM,
            Node::Branch(branch) => branch.children.len() < MINIMUM,
        }
    }

    /// Takes in the right neighbour. If that is too much for one node, the answer is a new right neighbour.
    fn absorb(&mut self, right: Node) -> Option<Child> {
        match (self, right) {
            (Node::Leaf(leaf), Node::Leaf(right)) => {
                let rest = leaf.absorb(&right)?;
                Some(Child { fence: rest.key(0), node: Node::Leaf(rest) })
            }
            (Node::Branch(branch), Node::Branch(right)) => Arc::make_mut(branch).absorb(right),
            _ => unreachable!("invariant: all leaves are equally deep"),
        }
    }
}

impl Branch {
    fn new(ledger: Ledger, of: impl IntoIterator<Item = Child>, height: u8) -> Branch {
        let mut children = Vec::with_capacity(FANOUT + 1);
        children.extend(of);
        let entries = children.iter().map(|child| child.node.entries()).sum();
        Branch { children, entries, height, tally: Tally::new(ledger) }
    }

    /// Index of the child in whose range the key lies.
    fn child_of(&self, key: u64, range: Range) -> usize {
        lower_bound(self.children.len(), key + 1, range, |index| self.children[index].fence).saturating_sub(1)
    }

    /// Range of a child, when `range` is that of the branch.
    pub(super) fn range(&self, index: usize, range: Range) -> Range {
        let high = self.children.get(index + 1).map_or(range.high, |next| next.fence);
        Range { low: self.children[index].fence, high }
    }

    /// Changes a child and keeps the sums right.
    fn change_child<T>(&mut self, index: usize, change: impl FnOnce(&mut Node) -> T) -> T {
        let node = &mut self.children[index].node;
        let entries = node.entries();
        let answer = change(node);
        self.entries = self.entries - entries + node.entries();
        answer
    }

    fn insert(&mut self, entry: Entry<'_>, range: Range) -> Option<Child> {
        let index = self.child_of(entry.key, range);
        let range = self.range(index, range);
        let right = self.change_child(index, |node| node.insert(entry, range))?;
        self.insert_child(index + 1, right);
        self.split_if_overfull()
    }

    fn remove(&mut self, key: u64, range: Range) -> Option<(InodeId, FileKind)> {
        let index = self.child_of(key, range);
        let range = self.range(index, range);
        let removed = self.change_child(index, |node| node.remove(key, range))?;
        if self.children[index].node.is_underfull() {
            self.refill(index);
        }
        Some(removed)
    }

    /// Joins an underfull child with a neighbour, or spreads the content of both evenly.
    fn refill(&mut self, index: usize) {
        let left = index.saturating_sub(1);
        let right = self.children.remove(left + 1).node;
        self.entries -= right.entries();
        if let Some(rest) = self.change_child(left, |node| node.absorb(right)) {
            self.insert_child(left + 1, rest);
        }
    }

    fn insert_child(&mut self, index: usize, child: Child) {
        self.entries += child.node.entries();
        self.children.insert(index, child);
    }

    fn absorb(&mut self, right: Arc<Branch>) -> Option<Child> {
        self.entries += right.entries;
        self.children.extend_from_slice(&right.children);
        self.split_if_overfull()
    }

    /// The right half, as a neighbour for this branch.
    fn split_if_overfull(&mut self) -> Option<Child> {
        if self.children.len() <= FANOUT {
            return None;
        }
        let half = self.children.len() / 2;
        let right = Branch::new(self.tally.ledger(), self.children.drain(half..), self.height);
        self.children.shrink_to(FANOUT + 1);
        self.entries -= right.entries;
        Some(Child { fence: right.children[0].fence, node: Node::Branch(Arc::new(right)) })
    }
}

#[cfg(test)]
impl Node {
    /// What the nodes take on the heap, shared or not.
    pub(super) fn heap_bytes(&self) -> u64 {
        match self {
            Node::Leaf(leaf) => leaf.heap_bytes(),
            Node::Branch(branch) => {
                Branch::BYTES as u64 + branch.children.iter().map(|child| child.node.heap_bytes()).sum::<u64>()
            }
        }
    }

    pub(super) fn count(&self) -> usize {
        match self {
            Node::Leaf(leaf) => usize::from(leaf.len() > 0),
            Node::Branch(branch) => 1 + branch.children.iter().map(|child| child.node.count()).sum::<usize>(),
        }
    }
}
