//! What keeps an accept from harm: names that it needs for itself, mounts in the target, permissions of directories, and what
//! somebody changes while it is at work.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::fs::Stat;

use super::{Conflict, Origin, Planner, is_directory, metadata, nanoseconds};
use crate::accept::engine;
use crate::accept::journal::{Location, Version, is_reserved};
use crate::accept::place::Place;
use crate::errors::Result;

/// What was there when conflicts were looked for, by path.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Seen(BTreeMap<PathBuf, (u64, Version)>);

impl Seen {
    pub(super) fn add(&mut self, path: &Path, found: &Stat) {
        self.0.insert(path.to_owned(), (found.st_ino, Version::of(found)));
    }

    /// Refuses if anything of it is another now.
    pub(super) fn check(&self, target: &Place) -> Result<()> {
        for (path, seen) in &self.0 {
            let found = target.look(path)?;
            if found.is_none_or(|found| (found.st_ino, Version::of(&found)) != *seen) {
                return Err(engine::changed(target, path));
            }
        }
        Ok(())
    }
}

impl Origin {
    /// Whether not even the time of change is another: in a directory nothing came or went, either.
    fn is_untouched(&self, found: &Stat) -> bool {
        let changed_now = nanoseconds(found.st_ctime, found.st_ctime_nsec as i64);
        match *self {
            Origin::Unknown => true,
            Origin::Recorded { changed, .. } => changed == changed_now,
            Origin::UnchangedSince(time) => changed_now <= time,
            Origin::Changed => false,
        }
    }
}

impl Planner<'_> {
    pub(super) fn check_names(&mut self) {
        let come = self.sorted.added.keys().chain(self.sorted.moved.keys());
        let reserved = come.filter(|path| path.file_name().is_some_and(is_reserved));
        for path in reserved.cloned().collect::<Vec<_>>() {
            self.conflict(&path, "has a name that accepts keep for themselves", false);
        }
    }

    /// Whether writing what the branch has of a directory, `path` there, changes nothing that others have set at `was`. The times of a
    /// directory tell only that something has come, gone or been set since.
    pub(super) fn directory_fits(&self, path: &Path, was: &Path, origin: Origin, found: &Stat) -> Result<bool> {
        if !is_directory(found) || origin.is_untouched(found) {
            return Ok(true);
        }
        Ok(metadata(self.source, path)?.is_same_but_times(&metadata(self.target, was)?))
    }
}

/// Names beside which something shall be made, and which are there already: not by this accept, so it may not remove them.
pub(super) fn taken(target: &Place, temporaries: &[Location]) -> Result<Vec<Conflict>> {
    let mut taken = Vec::new();
    for path in temporaries {
        if target.look(path)?.is_some() {
            let why = "is in the way: accepts use such names, move it elsewhere".to_owned();
            taken.push(Conflict { path: path.to_path_buf(), why, may_be_forced: false });
        }
    }
    Ok(taken)
}
