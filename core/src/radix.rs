//! A persistent map from `u64` to values: a dense radix tree, 64 ways wide, as high as its largest key needs.
//!
//! Owns its nodes by `Arc`. A clone shares all of them and costs one reference count; a change copies the path to the
//! key where it is shared, and changes nodes that have one owner in place.
//!
//! Invariants: no node is empty; the root is as low as its keys allow; an inner node of shift `s` has children of
//! shift `s - 6` only, and knows how many entries lie below it; what a node remembers of the weight below it is so. So
//! two equal trees have the same shape, and nothing recurses deeper than [`node::LEVELS`].
//!
//! Leaves locking to its users, and the meaning of keys and values.

mod check;
mod diff;
mod node;
mod sole;
mod sum;
#[cfg(test)]
mod tests;

use self::node::{Leaf, Node, covers, reach};
pub(crate) use self::sum::Sum;
use crate::ledger::{Kind, Ledger};

/// What a [`Radix`] maps to.
pub(crate) trait Value: Clone {
    /// What the nodes of the map are counted as.
    const KIND: Kind;
    /// Whether it weighs something.
    const WEIGHS: bool = false;

    /// Who counts the nodes on the way to this value.
    fn ledger(&self) -> Ledger;

    /// What it adds to the [`Sum`] of the map. Values that weigh nothing cost nothing.
    fn weight(&self) -> u64 {
        0
    }
}

/// What was taken out of a map, but for a leaf's worth at either end: to be dropped where nobody waits for it.
#[derive(Debug)]
pub(crate) struct Removed<V: Value> {
    nodes: Vec<Node<V>>,
    values: Vec<V>,
}

impl<V: Value> Default for Removed<V> {
    fn default() -> Self {
        Self { nodes: Vec::new(), values: Vec::new() }
    }
}

impl<V: Value> Removed<V> {
    /// Adds what was taken out elsewhere.
    pub(crate) fn append(&mut self, mut other: Removed<V>) {
        self.nodes.append(&mut other.nodes);
        self.values.append(&mut other.values);
    }

    /// Adds a value that another came for.
    pub(crate) fn push(&mut self, value: V) {
        self.values.push(value);
    }
}

/// A persistent map from `u64` to `V`. Cloning it is cheap whatever it holds.
#[derive(Debug, Clone)]
pub(crate) struct Radix<V: Value> {
    root: Option<Node<V>>,
}

impl<V: Value> Default for Radix<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V: Value> Radix<V> {
    /// An empty map. Allocates nothing.
    pub(crate) const fn new() -> Self {
        Self { root: None }
    }

    /// How many entries there are. Costs the same at any size.
    pub(crate) fn len(&self) -> u64 {
        self.root.as_ref().map_or(0, Node::len)
    }

    /// Whether there is no entry.
    pub(crate) fn is_empty(&self) -> bool {
        self.root.is_none()
    }

    /// The value of `key`.
    pub(crate) fn get(&self, key: u64) -> Option<&V> {
        self.root.as_ref()?.get(key)
    }

    /// The value of `key`, to be changed; copies the nodes on its path that are shared. Copies nothing if there is no
    /// such key.
    pub(crate) fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        // Looked up first, so that a miss leaves shared nodes shared.
        self.get(key)?;
        self.root.as_mut()?.get_mut(key)
    }

    /// The value of `key`, to be changed, unless somebody else has a node on its path.
    pub(crate) fn alone_mut(&mut self, key: u64) -> Option<&mut V> {
        self.get(key)?;
        self.root.as_mut()?.alone_mut(key)
    }

    /// Sets the value of `key`, and returns the one it had.
    pub(crate) fn insert(&mut self, key: u64, value: V) -> Option<V> {
        let mut root = self.root.take();
        let mut shift = root.as_ref().map_or(0, Node::shift);
        if root.is_none() {
            while !covers(shift, key) {
                shift += node::BITS;
            }
        }
        while !covers(shift, key) {
            shift += node::BITS;
            root = root.map(|below| Node::above(below, shift));
        }
        let old = node::insert(&mut root, shift, key, value);
        self.root = root;
        old
    }

    /// Removes `key`, and returns its value. Frees nodes that become empty.
    pub(crate) fn remove(&mut self, key: u64) -> Option<V> {
        self.get(key)?;
        let shift = self.root.as_ref()?.shift();
        let old = node::remove_present(&mut self.root, shift, key);
        self.lower();
        old
    }

    /// Takes out the keys `from..to`. Subtrees that lie wholly within go at once, without a look at their keys.
    pub(crate) fn take_range(&mut self, from: u64, to: u64) -> Removed<V> {
        if from < to { self.take_inclusive(from, to - 1) } else { Removed::default() }
    }

    /// Takes out `key` and every key above it.
    pub(crate) fn take_from(&mut self, key: u64) -> Removed<V> {
        self.take_inclusive(key, u64::MAX)
    }

    /// As [`Radix::take_range`], and drops it.
    #[cfg(test)]
    pub(crate) fn remove_range(&mut self, from: u64, to: u64) {
        drop(self.take_range(from, to));
    }

    /// As [`Radix::take_from`], and drops it.
    pub(crate) fn retain_below(&mut self, key: u64) {
        drop(self.take_from(key));
    }

    /// Lets go of a leaf, or of a subtree that others have too. Says whether there was one. For who drops the map in
    /// pieces: it is good for nothing else any more.
    pub(crate) fn shed(&mut self) -> bool {
        node::shed(&mut self.root)
    }

    /// The first entry at or after `key`.
    pub(crate) fn next_from(&self, key: u64) -> Option<(u64, &V)> {
        let (base, leaf) = self.leaf_from(key)?;
        leaf.first_from(base, key)
    }

    /// The first key at or after `key` that has no value; `u64::MAX` if there is none. Full subtrees are passed over.
    pub(crate) fn gap_from(&self, key: u64) -> u64 {
        let Some(root) = &self.root else { return key };
        let shift = root.shift();
        if !covers(shift, key) {
            return key;
        }
        let past = reach(shift).saturating_add(1);
        root.gap_from(shift, key).unwrap_or(past)
    }

    /// The entries at or after `key`, ascending.
    pub(crate) fn iter_from(&self, key: u64) -> Iter<'_, V> {
        Iter { tree: self, leaf: self.leaf_from(key), next: key }
    }

    /// Every entry, ascending.
    pub(crate) fn iter(&self) -> Iter<'_, V> {
        self.iter_from(0)
    }

    /// Whether both are the same tree in memory (or both empty): equal without a look. `false` says nothing.
    pub(crate) fn same(&self, other: &Self) -> bool {
        match (&self.root, &other.root) {
            (None, None) => true,
            (Some(a), Some(b)) => a.same(b),
            _ => false,
        }
    }

    fn leaf_from(&self, key: u64) -> Option<(u64, &Leaf<V>)> {
        let root = self.root.as_ref()?;
        if !covers(root.shift(), key) {
            return None;
        }
        root.leaf_from(root.shift(), 0, key)
    }

    fn take_inclusive(&mut self, from: u64, last: u64) -> Removed<V> {
        let mut removed = Removed::default();
        if let Some(root) = &self.root
            && covers(root.shift(), from)
        {
            let shift = root.shift();
            node::remove_within(&mut self.root, shift, from, last.min(reach(shift)), &mut removed.nodes);
            self.lower();
        }
        removed
    }

    /// Drops root levels that only lead to child 0.
    fn lower(&mut self) {
        while let Some(Node::Inner(inner)) = &self.root {
            if inner.occupied != 1 {
                return;
            }
            self.root = inner.children[0].clone();
        }
    }

    /// How many nodes the tree has, shared or not. For tests that count.
    #[cfg(test)]
    pub(crate) fn node_count(&self) -> u64 {
        self.root.as_ref().map_or(0, Node::count)
    }

    /// How many nodes of this tree `other` does not have at the same place: what a change after a clone allocated.
    #[cfg(test)]
    pub(crate) fn nodes_not_in(&self, other: &Self) -> u64 {
        let level = |tree: &Self| tree.root.as_ref().map_or(0, Node::shift);
        let level = level(self).max(level(other));
        diff::count_unshared(self.root.as_ref(), other.root.as_ref(), level)
    }
}

/// The entries of a [`Radix`] from some key on, ascending.
pub(crate) struct Iter<'a, V: Value> {
    tree: &'a Radix<V>,
    /// Where the next entry lies, and the first key of that leaf.
    leaf: Option<(u64, &'a Leaf<V>)>,
    next: u64,
}

impl<'a, V: Value> Iterator for Iter<'a, V> {
    type Item = (u64, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        let (base, leaf) = self.leaf?;
        let (key, value) = leaf.first_from(base, self.next)?;
        if key == u64::MAX {
            self.leaf = None;
            return Some((key, value));
        }
        self.next = key + 1;
        if leaf.first_from(base, self.next).is_none() {
            self.leaf = self.tree.leaf_from(self.next);
        }
        Some((key, value))
    }
}
