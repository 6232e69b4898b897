//! What a check of the invariants collects: what is broken, said for people, and how much was looked at.
//!
//! Each layer says in a file of its own, called `check`, what must hold of its part; [`crate::Volume::check_invariants`]
//! walks a volume and has all of them look. A check changes nothing and repairs nothing.

use std::collections::HashSet;

use crate::limits;

/// What a check of a volume found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CheckReport {
    /// Branches and snapshots looked at.
    pub trees: u64,
    /// Versions of inodes looked at. One that several trees share counts once.
    pub inodes: u64,
    /// Entries of directories looked at.
    pub entries: u64,
    /// Chunks that the trees hold.
    pub chunks: u64,
    /// Small buffers that the trees hold.
    pub small_buffers: u64,
    /// What is broken, each in one sentence; at most [`limits::CHECK_PROBLEMS`] of them.
    pub problems: Vec<String>,
    /// How many problems there were, told or not.
    pub problem_count: u64,
}

impl CheckReport {
    /// Whether every invariant holds.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.problem_count == 0
    }

    /// Tells a problem unless `holds`.
    pub(crate) fn ensure(&mut self, holds: bool, problem: impl FnOnce() -> String) {
        if !holds {
            self.tell(problem());
        }
    }

    pub(crate) fn tell(&mut self, problem: String) {
        self.problem_count += 1;
        if self.problems.len() < limits::CHECK_PROBLEMS {
            self.problems.push(problem);
        }
    }
}

/// Shared parts that were looked at already, by where they lie. What it was told of must outlive it.
#[derive(Debug, Default)]
pub(crate) struct Visited(HashSet<usize>);

impl Visited {
    /// Whether this is the first look.
    pub(crate) fn is_new<T: ?Sized>(&mut self, part: *const T) -> bool {
        self.0.insert(part.cast::<()>() as usize)
    }
}
