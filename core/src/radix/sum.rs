//! What the values of a tree weigh in all. Nodes remember it of what lies below them until something there changes, so that
//! a second sum costs what has changed since the first; and trees that share nodes share what these remember.
//!
//! Invariants: a node remembers nothing else than the sum over its values as they are; an inner one that remembers has
//! children that do. Who changes a tree forgets all that lies on the way. Values that change in place are for the
//! caller to tell: they, and what they lie in, are not remembered.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::node::{BITS, Inner, Leaf, Node, bits, reach};
use super::{Radix, Value};

/// No sum is as large.
const UNKNOWN: u64 = u64::MAX;

/// The sum over a node's values, if it is remembered. That of a copy is not: it is made to be changed.
#[derive(Debug)]
pub(super) struct Remembered(AtomicU64);

impl Default for Remembered {
    fn default() -> Self {
        Self(AtomicU64::new(UNKNOWN))
    }
}

impl Clone for Remembered {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl Remembered {
    pub(super) fn get(&self) -> Option<u64> {
        Some(self.0.load(Relaxed)).filter(|&weight| weight != UNKNOWN)
    }

    /// Of a node that others may read: they all find the same sum.
    fn set(&self, weight: u64) {
        self.0.store(weight, Relaxed);
    }

    /// Costs nothing where values weigh nothing.
    #[inline]
    pub(super) fn forget<V: Value>(&mut self) {
        if V::WEIGHS {
            *self.0.get_mut() = UNKNOWN;
        }
    }
}

/// A sum that is taken in steps.
#[derive(Debug)]
pub(crate) struct Sum<V> {
    pub(crate) weight: u64,
    /// Values that may change and are not in the sum: for the caller to weigh, and to take away.
    pub(crate) loose: Vec<V>,
    /// How many leaves were looked at.
    #[cfg(test)]
    pub(crate) leaves: usize,
}

impl<V> Default for Sum<V> {
    fn default() -> Self {
        Self {
            weight: 0,
            loose: Vec::new(),
            #[cfg(test)]
            leaves: 0,
        }
    }
}

impl<V: Value> Radix<V> {
    /// Adds what the values at or after `start`, a multiple of 64, weigh. Stops after looking at `leaves` leaves, and answers where
    /// to go on. `settled`: whether a value changes no more as long as it is here.
    pub(crate) fn sum_from(
        &self,
        sum: &mut Sum<V>,
        start: u64,
        leaves: usize,
        settled: impl Fn(&V) -> bool,
    ) -> Option<u64> {
        let root = self.root.as_ref()?;
        let mut walk = Walk { sum, start, leaves, settled };
        walk.node(root, root.shift(), 0).break_value()
    }
}

struct Walk<'a, V, Settled> {
    sum: &'a mut Sum<V>,
    start: u64,
    leaves: usize,
    settled: Settled,
}

impl<V: Value, Settled: Fn(&V) -> bool> Walk<'_, V, Settled> {
    fn node(&mut self, node: &Node<V>, shift: u32, base: u64) -> ControlFlow<u64> {
        if base.saturating_add(reach(shift)) < self.start {
            return ControlFlow::Continue(());
        }
        // Of one that begins before the start a part has been added already.
        if base >= self.start
            && let Some(weight) = node.weight().get()
        {
            self.sum.weight += weight;
            return ControlFlow::Continue(());
        }
        match node {
            Node::Leaf(leaf) => self.leaf(leaf, base),
            Node::Inner(inner) => self.inner(inner, shift, base),
        }
    }

    fn inner(&mut self, inner: &Inner<V>, shift: u32, base: u64) -> ControlFlow<u64> {
        for index in bits(inner.occupied) {
            if let Some(child) = &inner.children[index] {
                self.node(child, shift - BITS, base | (index as u64) << shift)?;
            }
        }
        let below = inner.children.iter().flatten().map(|child| child.weight().get());
        if let Some(weight) = below.sum::<Option<u64>>() {
            inner.weight.set(weight);
        }
        ControlFlow::Continue(())
    }

    fn leaf(&mut self, leaf: &Leaf<V>, base: u64) -> ControlFlow<u64> {
        #[cfg(test)]
        {
            self.sum.leaves += 1;
        }
        let loose = self.sum.loose.len();
        let mut weight = 0;
        for value in leaf.values.iter().flatten() {
            if (self.settled)(value) {
                weight += value.weight();
            } else {
                self.sum.loose.push(value.clone());
            }
        }
        self.sum.weight += weight;
        if self.sum.loose.len() == loose {
            leaf.weight.set(weight);
        }
        self.leaves -= 1;
        match base.checked_add(1 << BITS) {
            Some(next) if self.leaves == 0 => ControlFlow::Break(next),
            _ => ControlFlow::Continue(()),
        }
    }
}
