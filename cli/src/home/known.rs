//! A branch as somebody saw it: what he then decides holds for that, and not for what others have done in it since.

use std::cell::Cell;

use crate::errors::Failure;
use crate::refs::Ref;

#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) name: String,
    /// When it grew, in nanoseconds since 1970; 0: nobody else knows of it.
    pub(crate) created: i64,
    /// Its number, which is another when it has begun to change, and no other branch's ever; 0: nobody else knows of it.
    changes: Cell<u64>,
}

impl Known {
    pub(super) fn of(found: Ref) -> Known {
        Known { name: found.name, created: found.created, changes: Cell::new(found.changes) }
    }

    /// One that nobody else knows of.
    pub(super) fn alone(name: String) -> Known {
        Known { name, created: 0, changes: Cell::new(0) }
    }

    pub(crate) fn changes(&self) -> u64 {
        self.changes.get()
    }

    /// Whoever knows it has changed it himself.
    pub(super) fn now_has(&self, changes: u64) {
        self.changes.set(changes);
    }

    /// Whether it is this one, and as it was.
    pub(super) fn is(&self, found: &Ref) -> bool {
        found.name == self.name && found.changes == self.changes.get()
    }

    pub(super) fn changed(&self, so: &str) -> Failure {
        Failure::refused(format!("something has worked in `{}` meanwhile: {so}", self.name))
    }
}
