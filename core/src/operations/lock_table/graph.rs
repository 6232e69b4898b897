//! Which owner waits for which others, across all inodes of a table.
//!
//! An owner stands still while any of its waits lasts, and a wait lasts until all its blockers have given way: so
//! a way along the edges that comes back to an owner is a deadlock. What blocks a wait is left to the space, which
//! keeps its waits' edges as they are, under the shard's lock.

use hashbrown::{HashMap, HashSet};

struct Wait {
    number: u64,
    blockers: Vec<u64>,
}

/// Edges by the owner that waits. Empty, and without memory, while nobody waits for a range.
#[derive(Default)]
pub(super) struct WaitGraph {
    waits: HashMap<u64, Vec<Wait>>,
}

impl WaitGraph {
    /// These owners block that wait. Answers whether one of them did not before.
    pub(super) fn set(&mut self, owner: u64, number: u64, blockers: Vec<u64>) -> bool {
        let waits = self.waits.entry(owner).or_default();
        match waits.iter_mut().find(|wait| wait.number == number) {
            Some(wait) => {
                let grown = blockers.iter().any(|blocker| !wait.blockers.contains(blocker));
                wait.blockers = blockers;
                grown
            }
            None => {
                waits.push(Wait { number, blockers });
                true
            }
        }
    }

    /// The wait has ended. Fine for one that was never here.
    pub(super) fn remove(&mut self, owner: u64, number: u64) {
        let Some(waits) = self.waits.get_mut(&owner) else { return };
        waits.retain(|wait| wait.number != number);
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

fn blockers(wait: &Wait) -> impl Iterator<Item = u64> {
    wait.blockers.iter().copied()
}
