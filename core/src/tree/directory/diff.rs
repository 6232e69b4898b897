//! What differs between two versions of a directory, at a cost proportional to the nodes that they do not share.
//!
//! Both trees are walked side by side as sequences of heads: an entry, or a subtree not yet opened. A subtree
//! that is at the head of both is dropped from both. Otherwise the head with the lower fence is dealt with first, and
//! at the same fence the higher one, so that neither side ever passes or opens a shared node that the other
//! has still to come to: a shared node has the same fence in both trees (see [`super::branch`]).

use std::cmp::Reverse;

use super::Entry;
use super::branch::{Child, KEY_END, Node};
use super::leaf::Leaf;

/// Iterates over the pairs of entries with one key of which one is missing or differs.
pub(crate) struct Differences<'a> {
    left: Walk<'a>,
    right: Walk<'a>,
}

/// An entry before and after; at least one of them.
pub(crate) type Difference<'a> = (Option<Entry<'a>>, Option<Entry<'a>>);

enum Head<'a> {
    Entry(Entry<'a>),
    Subtree(u64, &'a Node),
    End,
}

/// One tree's part that has not been seen yet.
struct Walk<'a> {
    /// What is left of the nodes opened on the way to the head, none of them empty.
    opened: Vec<Opened<'a>>,
    #[cfg(test)]
    opened_count: usize,
}

enum Opened<'a> {
    Root(&'a Node),
    Branch(&'a [Child]),
    Leaf(&'a Leaf, usize),
}

impl<'a> Head<'a> {
    /// The head with the smaller rank is dealt with first.
    fn rank(&self) -> (u64, Reverse<u8>) {
        match self {
            Head::Entry(entry) => (entry.key, Reverse(0)),
            Head::Subtree(fence, node) => (*fence, Reverse(node.height() + 1)),
            Head::End => (KEY_END, Reverse(0)),
        }
    }
}

impl<'a> Walk<'a> {
    fn new(root: &'a Node) -> Walk<'a> {
        Walk {
            opened: vec![Opened::Root(root)],
            #[cfg(test)]
            opened_count: 0,
        }
    }

    fn head(&self) -> Head<'a> {
        match self.opened.last() {
            None => Head::End,
            Some(Opened::Root(node)) => Head::Subtree(0, node),
            Some(Opened::Branch(children)) => Head::Subtree(children[0].fence, &children[0].node),
            Some(Opened::Leaf(leaf, index)) => leaf.entry(*index).map_or(Head::End, Head::Entry),
        }
    }

    /// Drops the head.
    fn skip(&mut self) {
        let done = match self.opened.last_mut() {
            None | Some(Opened::Root(_)) => true,
            Some(Opened::Branch(children)) => {
                *children = &children[1..];
                children.is_empty()
            }
            Some(Opened::Leaf(leaf, index)) => {
                *index += 1;
                *index == leaf.len()
            }
        };
        if done {
            self.opened.pop();
        }
    }

    /// Puts what the node at the head holds in its place.
    fn open(&mut self, node: &'a Node) {
        self.skip();
        #[cfg(test)]
        {
            self.opened_count += 1;
        }
        match node {
            Node::Leaf(leaf) if leaf.len() == 0 => {}
            Node::Leaf(leaf) => self.opened.push(Opened::Leaf(leaf, 0)),
            Node::Branch(branch) => self.opened.push(Opened::Branch(branch.children())),
        }
    }
}

impl<'a> Differences<'a> {
    pub(super) fn new(left: &'a Node, right: &'a Node) -> Differences<'a> {
        Differences { left: Walk::new(left), right: Walk::new(right) }
    }

    /// Nodes opened so far.
    #[cfg(test)]
    pub(super) fn opened(&self) -> usize {
        self.left.opened_count + self.right.opened_count
    }
}

impl<'a> Iterator for Differences<'a> {
    type Item = Difference<'a>;

    fn next(&mut self) -> Option<Difference<'a>> {
        loop {
            let (left, right) = (self.left.head(), self.right.head());
            let order = left.rank().cmp(&right.rank());
            match (left, right) {
                (Head::End, Head::End) => return None,
                (Head::Subtree(_, a), Head::Subtree(_, b)) if a.same(b) => {
                    self.left.skip();
                    self.right.skip();
                }
                (Head::Entry(a), Head::Entry(b)) if order.is_eq() => {
                    self.left.skip();
                    self.right.skip();
                    if a != b {
                        return Some((Some(a), Some(b)));
                    }
                }
                (Head::Subtree(_, node), _) if order.is_le() => self.left.open(node),
                (_, Head::Subtree(_, node)) if order.is_ge() => self.right.open(node),
                (Head::Entry(a), _) if order.is_lt() => {
                    self.left.skip();
                    return Some((Some(a), None));
                }
                (_, Head::Entry(b)) => {
                    self.right.skip();
                    return Some((None, Some(b)));
                }
                _ => unreachable!("invariant: the end ranks last"),
            }
        }
    }
}
