//! Descriptors kept open, so that what is used is not opened each time: the latest few of them.
//!
//! Second chance: what was used since the clock last came by stays. Whoever got a descriptor keeps it for as long as he
//! needs it; the limit counts what is kept here.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hashbrown::{HashMap, HashSet};

use crate::sync::Mutex;
use crate::types::InodeId;

struct Kept {
    file: Arc<OwnedFd>,
    used: AtomicBool,
}

#[derive(Default)]
struct Held {
    files: HashMap<InodeId, Kept>,
    order: VecDeque<InodeId>,
}

pub(super) struct Descriptors {
    most: usize,
    held: Mutex<Held>,
}

impl Descriptors {
    /// Keeps at most `most` of them, and at least one.
    pub(super) fn new(most: usize) -> Descriptors {
        Descriptors { most: most.max(1), held: Mutex::default() }
    }

    pub(super) fn get(&self, id: InodeId) -> Option<Arc<OwnedFd>> {
        let held = self.held.lock();
        let kept = held.files.get(&id)?;
        kept.used.store(true, Ordering::Relaxed);
        Some(kept.file.clone())
    }

    pub(super) fn keep(&self, id: InodeId, file: Arc<OwnedFd>) {
        // What goes is closed after the lock: closing may take long.
        let _gone;
        let mut held = self.held.lock();
        let kept = Kept { file, used: AtomicBool::new(false) };
        let old = held.files.insert(id, kept);
        if old.is_none() {
            held.order.push_back(id);
        }
        if held.order.len() > 2 * self.most {
            held.tidy();
        }
        _gone = (old, if held.files.len() > self.most { held.give_up() } else { None });
        drop(held);
    }

    pub(super) fn forget(&self, id: InodeId) {
        let gone = self.held.lock().files.remove(&id);
        drop(gone);
    }
}

impl Held {
    /// Forgets the places of what is not kept any more, or has another.
    fn tidy(&mut self) {
        let Held { files, order } = self;
        let mut seen = HashSet::new();
        order.retain(|id| files.contains_key(id) && seen.insert(*id));
    }

    /// Takes out one that was not used since the last time around.
    fn give_up(&mut self) -> Option<Kept> {
        while let Some(id) = self.order.pop_front() {
            match self.files.get(&id) {
                // Forgotten before.
                None => {}
                Some(kept) if kept.used.swap(false, Ordering::Relaxed) => self.order.push_back(id),
                Some(_) => return self.files.remove(&id),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> Arc<OwnedFd> {
        Arc::new(std::fs::File::open("/dev/null").unwrap().into())
    }

    #[test]
    fn no_more_are_kept_than_the_limit_and_those_in_use_stay() {
        let descriptors = Descriptors::new(3);
        for id in 1..=3 {
            descriptors.keep(InodeId(id), file());
        }
        assert!(descriptors.get(InodeId(1)).is_some());
        descriptors.keep(InodeId(4), file());
        assert_eq!(descriptors.held.lock().files.len(), 3);
        assert!(descriptors.get(InodeId(1)).is_some() && descriptors.get(InodeId(2)).is_none());
    }

    #[test]
    fn what_is_forgotten_and_kept_anew_is_there_once() {
        let descriptors = Descriptors::new(2);
        for _ in 0..10 {
            descriptors.keep(InodeId(1), file());
            descriptors.forget(InodeId(1));
            assert!(descriptors.held.lock().order.len() <= 4);
        }
        assert!(descriptors.get(InodeId(1)).is_none());
        for id in 1..=5 {
            descriptors.keep(InodeId(id), file());
        }
        assert_eq!(descriptors.held.lock().files.len(), 2);
        assert!(descriptors.held.lock().order.len() <= 2);
    }
}
