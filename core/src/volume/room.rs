//! Room that is on its way: an operation that finds none while deleted trees are still being freed waits for that, and is
//! tried again. Here, above everything that locks, and nowhere else.

#[cfg(test)]
mod tests;

use super::Volume;
use super::view::View;
use crate::error::{Error, Result};

impl Volume {
    /// Answers as `operation` does, but [`Error::NoSpace`] only when nothing is left of what was to be freed in the background when
    /// it first found no room, or that makes no progress. Until then it waits, without a lock, for some of it, and tries again: where
    /// there was no room, nothing has changed.
    #[inline]
    pub(super) fn with_room<R>(&self, mut operation: impl FnMut() -> Result<R>) -> Result<R> {
        let reaper = &self.reaper;
        let mut seen = reaper.turns();
        let mut answer = operation();
        if matches!(answer, Err(Error::NoSpace)) {
            let given = reaper.given();
            let mut is_last = false;
            while matches!(answer, Err(Error::NoSpace)) && !is_last && self.waits_for_room(seen, given) {
                is_last = reaper.gone() >= given;
                seen = reaper.turns();
                answer = operation();
            }
        }
        answer
    }

    #[cold]
    fn waits_for_room(&self, seen: u64, given: u64) -> bool {
        if self.reaper.gone() < given {
            self.context.store.count_stall();
        }
        self.reaper.freed_since(seen, given)
    }
}

impl View {
    /// As [`Volume::with_room`].
    #[inline]
    pub(super) fn with_room<R>(&self, operation: impl FnMut() -> Result<R>) -> Result<R> {
        self.volume.with_room(operation)
    }

    /// Waits until there is memory for a lock more, which `admit` asks for. [`Error::Limit`] if there is none: a lock is no content
    /// that the volume is full of.
    pub(super) fn with_room_for_lock(&self, admit: impl FnMut() -> Result<()>) -> Result<()> {
        match self.with_room(admit) {
            Err(Error::NoSpace) => Err(Error::Limit("memory for locks")),
            other => other,
        }
    }
}
