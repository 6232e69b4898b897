//! Which owner waits for which others, across all inodes of a table.
//!
//! An owner stands still while any of its waits lasts, and a wait lasts until all its blockers have given way: so
//! a way along the edges that comes back to an owner is a deadlock. What blocks a wait is left to the space, which
//! keeps its waits' edges as they are, under the shard's lock.

use hashbrown::{HashMap, HashSet};

use crate::ledger::{Kind, Ledger, heap_bytes};

struct Wait {
    number: u64,
    blockers: Vec<u64>,
}

impl Wait {
    /// What it takes of the heap, with its place in the graph.
    fn bytes(&self) -> usize {
        OWNER_BYTES + heap_bytes(self.blockers.capacity() * size_of::<u64>())
    }
}

/// What an owner with one wait takes.
const OWNER_BYTES: usize = (size_of::<(u64, Vec<Wait>)>() + 1) * 4 / 3 + heap_bytes(4 * size_of::<Wait>());

/// Edges by the owner that waits. Empty, and without memory, while nobody waits for a range.
pub(super) struct WaitGraph {
    waits: HashMap<u64, Vec<Wait>>,
    ledger: Ledger,
}

impl WaitGraph {
    pub(super) fn new(ledger: Ledger) -> WaitGraph {
        WaitGraph { waits: HashMap::new(), ledger }
    }

    /// These owners block that wait. Answers whether one of them did not before.
    pub(super) fn set(&mut self, owner: u64, number: u64, blockers: Vec<u64>) -> bool {
        let waits = self.waits.entry(owner).or_default();
        match waits.iter_mut().find(|wait| wait.number == number) {
            Some(wait) => {
                let grown = blockers.iter().any(|blocker| !wait.blockers.contains(blocker));
                let before = wait.bytes();
                wait.blockers = blockers;
                self.ledger.recount(Kind::References, before, wait.bytes());
                grown
            }
            None => {
                let wait = Wait { number, blockers };
                self.ledger.add(Kind::References, wait.bytes());
                waits.push(wait);
                true
            }
        }
    }

    /// The wait has ended. Fine for one that was never here.
    pub(super) fn remove(&mut self, owner: u64, number: u64) {
        let Some(waits) = self.waits.get_mut(&owner) else { return };
        if let Some(at) = waits.iter().position(|wait| wait.number == number) {
            self.ledger.sub(Kind::References, waits.remove(at).bytes());
        }
        if waits.is_empty() {
            self.waits.remove(&owner);
        }
        if self.waits.is_empty() {
            self.waits = HashMap::new();
        }
    }

    /// Whether this wait comes back, over any number of others, to its own owner.
    pub(super) fn is_deadlocked(&self, owner: u64, number: u64) -> bool {
        let mut seen = HashSet::new();
        let mut open: Vec<u64> = self.of(owner).filter(|wait| wait.number == number).flat_map(blockers).collect();
        while let Some(blocker) = open.pop() {
            if blocker == owner {
                return true;
            }
            if seen.insert(blocker) {
                open.extend(self.of(blocker).flat_map(blockers));
            }
        }
        false
    }

    fn of(&self, owner: u64) -> impl Iterator<Item = &Wait> {
        self.waits.get(&owner).into_iter().flatten()
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.waits.is_empty()
    }
}

impl Drop for WaitGraph {
    fn drop(&mut self) {
        let left: usize = self.waits.values().flatten().map(Wait::bytes).sum();
        self.ledger.sub(Kind::References, left);
    }
}

fn blockers(wait: &Wait) -> impl Iterator<Item = u64> {
    wait.blockers.iter().copied()
}
