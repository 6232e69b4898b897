//! The nodes of a [`Radix`](super::Radix): leaves of values, inner nodes of nodes, both 64 wide.
//!
//! Keys are passed whole; each level looks at its own six bits. Functions that may leave a node empty take the slot
//! that holds it, so that an empty node never stays.

use std::sync::Arc;

use super::Value;
use super::sum::Remembered;
use crate::ledger::{Counted, Kind, Ledger, Tally, arc_bytes};

/// Bits of a key that one level decides.
pub(super) const BITS: u32 = 6;
/// Children of one node.
const WIDTH: usize = 1 << BITS;
/// Levels of the highest tree: the top one decides the last four bits.
pub(super) const LEVELS: u32 = u64::BITS.div_ceil(BITS);

#[derive(Debug)]
pub(super) enum Node<V: Value> {
    Leaf(Arc<Leaf<V>>),
    Inner(Arc<Inner<V>>),
}

#[derive(Debug, Clone)]
pub(super) struct Leaf<V: Value> {
    /// Bit `i` is set while `values[i]` is there.
    pub(super) occupied: u64,
    pub(super) values: [Option<V>; WIDTH],
    pub(super) weight: Remembered,
    tally: Tally<Leaf<V>>,
}

#[derive(Debug, Clone)]
pub(super) struct Inner<V: Value> {
    /// Bit `i` is set while `children[i]` is there.
    pub(super) occupied: u64,
    /// Entries in all leaves below.
    len: u64,
    /// How far a key is shifted right to give the child's index.
    pub(super) shift: u32,
    pub(super) children: [Option<Node<V>>; WIDTH],
    pub(super) weight: Remembered,
    tally: Tally<Inner<V>>,
}

impl<V: Value> Counted for Leaf<V> {
    const KIND: Kind = V::KIND;
    const BYTES: usize = arc_bytes::<Self>();
}

impl<V: Value> Counted for Inner<V> {
    const KIND: Kind = V::KIND;
    const BYTES: usize = arc_bytes::<Self>();
}

// By hand, as derive would ask for `V: Clone`, which sharing does not need.
impl<V: Value> Clone for Node<V> {
    fn clone(&self) -> Self {
        match self {
            Node::Leaf(leaf) => Node::Leaf(Arc::clone(leaf)),
            Node::Inner(inner) => Node::Inner(Arc::clone(inner)),
        }
    }
}

/// Which child or value of a node with this shift leads to `key`.
pub(super) fn slot(shift: u32, key: u64) -> usize {
    (key >> shift) as usize % WIDTH
}

/// The largest key, counted from the node's first, that a node of this shift can hold.
pub(super) fn reach(shift: u32) -> u64 {
    u64::MAX >> (u64::BITS - BITS).saturating_sub(shift)
}

/// Whether a root of this shift can hold `key`.
pub(super) fn covers(shift: u32, key: u64) -> bool {
    key <= reach(shift)
}

/// The bits of `occupied` for slots `first..=last`.
pub(super) fn between(first: usize, last: usize) -> u64 {
    (u64::MAX << first) & (u64::MAX >> (WIDTH - 1 - last))
}

/// The positions of the set bits, ascending.
pub(super) fn bits(mut set: u64) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        let first = set.trailing_zeros() as usize;
        // Clears the lowest set bit; zero stays zero.
        set &= set.wrapping_sub(1);
        (first < WIDTH).then_some(first)
    })
}

impl<V: Value> Leaf<V> {
    fn new(ledger: Ledger) -> Self {
        Self { occupied: 0, values: [const { None }; WIDTH], weight: Remembered::default(), tally: Tally::new(ledger) }
    }

    /// The first entry at or after `key`; `base` is the leaf's first key.
    pub(super) fn first_from(&self, base: u64, key: u64) -> Option<(u64, &V)> {
        let skip = key.saturating_sub(base);
        if skip > reach(0) {
            return None;
        }
        let index = bits(self.occupied & (u64::MAX << skip)).next()?;
        Some((base + index as u64, self.values[index].as_ref()?))
    }
}

impl<V: Value> Leaf<V> {
    /// The leaf, to be changed: a copy if somebody else has it.
    fn to_change(this: &mut Arc<Self>) -> &mut Self {
        let leaf = Arc::make_mut(this);
        leaf.weight.forget::<V>();
        leaf
    }
}

impl<V: Value> Inner<V> {
    /// The node, for a change at or below it: a copy if somebody else has it.
    fn to_change(this: &mut Arc<Self>) -> &mut Self {
        let inner = Arc::make_mut(this);
        inner.weight.forget::<V>();
        inner
    }

    pub(super) fn len(&self) -> u64 {
        self.len
    }

    fn new(shift: u32, ledger: Ledger) -> Self {
        let children = [const { None }; WIDTH];
        Self { occupied: 0, len: 0, shift, children, weight: Remembered::default(), tally: Tally::new(ledger) }
    }
}

impl<V: Value> Node<V> {
    fn empty(shift: u32, ledger: Ledger) -> Self {
        debug_assert!(shift < LEVELS * BITS);
        match shift {
            0 => Node::Leaf(Arc::new(Leaf::new(ledger))),
            _ => Node::Inner(Arc::new(Inner::new(shift, ledger))),
        }
    }

    /// A root of shift `shift` over the root that was.
    pub(super) fn above(below: Node<V>, shift: u32) -> Self {
        let mut inner = Inner::new(shift, below.ledger());
        inner.occupied = 1;
        inner.len = below.len();
        inner.children[0] = Some(below);
        Node::Inner(Arc::new(inner))
    }

    fn ledger(&self) -> Ledger {
        match self {
            Node::Leaf(leaf) => leaf.tally.ledger(),
            Node::Inner(inner) => inner.tally.ledger(),
        }
    }

    pub(super) fn len(&self) -> u64 {
        match self {
            Node::Leaf(leaf) => u64::from(leaf.occupied.count_ones()),
            Node::Inner(inner) => inner.len,
        }
    }

    pub(super) fn weight(&self) -> &Remembered {
        match self {
            Node::Leaf(leaf) => &leaf.weight,
            Node::Inner(inner) => &inner.weight,
        }
    }

    pub(super) fn shift(&self) -> u32 {
        match self {
            Node::Leaf(_) => 0,
            Node::Inner(inner) => inner.shift,
        }
    }

    pub(super) fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Node::Leaf(a), Node::Leaf(b)) => Arc::ptr_eq(a, b),
            (Node::Inner(a), Node::Inner(b)) => Arc::ptr_eq(a, b),
            _ => false,
        }
    }

    /// The value of `key`, if this is the root or covers it.
    pub(super) fn get(&self, key: u64) -> Option<&V> {
        let mut node = self;
        // The shift is read from the root alone, so that each level costs one dependent load.
        let mut shift = node.shift();
        if !covers(shift, key) {
            return None;
        }
        loop {
            match node {
                Node::Leaf(leaf) => return leaf.values[slot(0, key)].as_ref(),
                Node::Inner(inner) => node = inner.children[slot(shift, key)].as_ref()?,
            }
            shift -= BITS;
        }
    }

    /// The value of `key`, which there is, unless somebody else has a node on its path.
    pub(super) fn alone_mut(&mut self, key: u64) -> Option<&mut V> {
        match self {
            Node::Leaf(leaf) => {
                let leaf = Arc::get_mut(leaf)?;
                leaf.weight.forget::<V>();
                leaf.values[slot(0, key)].as_mut()
            }
            Node::Inner(inner) => {
                let inner = Arc::get_mut(inner)?;
                inner.weight.forget::<V>();
                inner.children[slot(inner.shift, key)].as_mut()?.alone_mut(key)
            }
        }
    }

    /// The first leaf with an entry at or after `key`, and its first key. `base` is this node's.
    pub(super) fn leaf_from(&self, shift: u32, base: u64, key: u64) -> Option<(u64, &Leaf<V>)> {
        match self {
            Node::Leaf(leaf) => leaf.first_from(base, key).map(|_| (base, &**leaf)),
            Node::Inner(inner) => {
                let first = slot(shift, key.max(base));
                bits(inner.occupied & between(first, WIDTH - 1)).find_map(|index| {
                    let base = base | (index as u64) << shift;
                    let child = inner.children[index].as_ref()?;
                    child.leaf_from(shift - BITS, base, key)
                })
            }
        }
    }

    /// The first key at or after `key` without a value, both counted from this node's first key.
    pub(super) fn gap_from(&self, shift: u32, key: u64) -> Option<u64> {
        if self.len() > reach(shift) {
            return None;
        }
        let first = slot(shift, key);
        match self {
            Node::Leaf(leaf) => {
                let free = bits(!leaf.occupied & between(first, WIDTH - 1)).next()?;
                Some(free as u64)
            }
            Node::Inner(inner) => (first..=slot(shift, reach(shift))).find_map(|index| {
                let base = (index as u64) << shift;
                let from = key.max(base) - base;
                let Some(child) = &inner.children[index] else {
                    return Some(base + from);
                };
                child.gap_from(shift - BITS, from).map(|gap| base + gap)
            }),
        }
    }

    /// Whether there is an entry in `from..=last`, both counted from this node's first key.
    fn any_within(&self, shift: u32, from: u64, last: u64) -> bool {
        self.leaf_from(shift, 0, from)
            .and_then(|(base, leaf)| leaf.first_from(base, from))
            .is_some_and(|(key, _)| key <= last)
    }

    #[cfg(test)]
    pub(super) fn count(&self) -> u64 {
        match self {
            Node::Leaf(_) => 1,
            Node::Inner(inner) => 1 + inner.children.iter().flatten().map(Node::count).sum::<u64>(),
        }
    }
}

impl<V: Value> Node<V> {
    /// The value of `key`, which this node covers.
    pub(super) fn get_mut(&mut self, key: u64) -> Option<&mut V> {
        let mut node = self;
        loop {
            match node {
                Node::Leaf(leaf) => return Leaf::to_change(leaf).values[slot(0, key)].as_mut(),
                Node::Inner(inner) => {
                    let inner = Inner::to_change(inner);
                    node = inner.children[slot(inner.shift, key)].as_mut()?;
                }
            }
        }
    }
}

/// Sets the value of `key` in the node that `place` holds or is to hold.
pub(super) fn insert<V: Value>(place: &mut Option<Node<V>>, shift: u32, key: u64, value: V) -> Option<V> {
    let index = slot(shift, key);
    match place.get_or_insert_with(|| Node::empty(shift, value.ledger())) {
        Node::Leaf(leaf) => {
            let leaf = Leaf::to_change(leaf);
            leaf.occupied |= 1 << index;
            leaf.values[index].replace(value)
        }
        Node::Inner(inner) => {
            let inner = Inner::to_change(inner);
            let old = insert(&mut inner.children[index], shift - BITS, key, value);
            inner.occupied |= 1 << index;
            inner.len += u64::from(old.is_none());
            old
        }
    }
}

/// Removes `key`, which is there.
pub(super) fn remove_present<V: Value>(place: &mut Option<Node<V>>, shift: u32, key: u64) -> Option<V> {
    if place.as_ref()?.len() == 1 {
        // The last entry: the node goes, and need not be copied if it is shared.
        let node = place.take()?;
        return node.get(key & reach(shift)).cloned();
    }
    let index = slot(shift, key);
    match place.as_mut()? {
        Node::Leaf(leaf) => {
            let leaf = Leaf::to_change(leaf);
            leaf.occupied &= !(1 << index);
            leaf.values[index].take()
        }
        Node::Inner(inner) => {
            let inner = Inner::to_change(inner);
            let old = remove_present(&mut inner.children[index], shift - BITS, key);
            inner.len -= 1;
            if inner.children[index].is_none() {
                inner.occupied &= !(1 << index);
            }
            old
        }
    }
}

/// Drops the first leaf of the node in `place`, or the first subtree on the way there that somebody else has too; and what is
/// empty by that. Nothing but this may be done with the node then: it miscounts its entries.
pub(super) fn shed<V: Value>(place: &mut Option<Node<V>>) -> bool {
    let Some(node) = place else { return false };
    if let Node::Inner(inner) = node
        && let Some(inner) = Arc::get_mut(inner)
        && let Some(first) = bits(inner.occupied).next()
    {
        shed(&mut inner.children[first]);
        if inner.children[first].is_none() {
            inner.occupied &= !(1 << first);
        }
        if inner.occupied != 0 {
            return true;
        }
    }
    *place = None;
    true
}

/// Removes `from..=last`, both counted from the first key of the node in `place`. Copies nothing if nothing is there. Nodes that go whole
/// are put into `removed`.
pub(super) fn remove_within<V: Value>(
    place: &mut Option<Node<V>>,
    shift: u32,
    from: u64,
    last: u64,
    removed: &mut Vec<Node<V>>,
) {
    let Some(node) = place else { return };
    if from == 0 && last == reach(shift) {
        removed.extend(place.take());
        return;
    }
    if !node.any_within(shift, from, last) {
        return;
    }
    match node {
        Node::Leaf(leaf) => remove_values(Leaf::to_change(leaf), from as usize, last as usize),
        Node::Inner(inner) => remove_children(Inner::to_change(inner), from, last, removed),
    }
    if node.len() == 0 {
        *place = None;
    }
}

fn remove_values<V: Value>(leaf: &mut Leaf<V>, first: usize, last: usize) {
    leaf.values[first..=last].fill_with(|| None);
    leaf.occupied &= !between(first, last);
}

/// Only the children at the two edges can lie partly within, so only these are entered.
fn remove_children<V: Value>(inner: &mut Inner<V>, from: u64, last: u64, removed: &mut Vec<Node<V>>) {
    let shift = inner.shift;
    let below = reach(shift - BITS);
    let (first_slot, last_slot) = (slot(shift, from), slot(shift, last));
    for index in bits(inner.occupied & between(first_slot, last_slot)) {
        let from = if index == first_slot { from & below } else { 0 };
        let last = if index == last_slot { last & below } else { below };
        let place = &mut inner.children[index];
        let before = place.as_ref().map_or(0, Node::len);
        remove_within(place, shift - BITS, from, last, removed);
        inner.len -= before - place.as_ref().map_or(0, Node::len);
        if place.is_none() {
            inner.occupied &= !(1 << index);
        }
    }
}
