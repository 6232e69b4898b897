//! The changes, sorted by what they do with names.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use rustix::fs::Stat;

use super::{Became, Change, Origin, Patch, is_directory, join};

/// Something new in the source, as far as steps depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) inode: u64,
    pub(super) names: u64,
    pub(super) is_directory: bool,
}

impl Shown {
    pub(super) fn of(found: &Stat) -> Shown {
        Shown { inode: found.st_ino, names: found.st_nlink, is_directory: is_directory(found) }
    }
}

/// The changes, sorted by what they do with names.
#[derive(Debug, Default)]
pub(super) struct Sorted {
    /// By where it was.
    pub(super) removed: BTreeMap<PathBuf, Origin>,
    /// By where it is: where it was.
    pub(super) moved: BTreeMap<PathBuf, (PathBuf, Origin)>,
    /// None: not looked at yet.
    pub(super) added: BTreeMap<PathBuf, Option<Shown>>,
    pub(super) set: BTreeMap<PathBuf, Origin>,
    /// All where something was that is not any more.
    pub(super) vacated: HashSet<PathBuf>,
    /// Where what moved is now, by where it was.
    pub(super) became: HashMap<PathBuf, PathBuf>,
    /// By where it is.
    pub(super) patches: HashMap<PathBuf, Patch>,
    /// What has other content: since when, and whether it moved.
    pub(super) rewritten: HashMap<PathBuf, (Origin, bool)>,
}

impl Sorted {
    pub(super) fn of(changes: &[Change]) -> Sorted {
        let mut sorted = Sorted::default();
        let moves = changes.iter().filter(|change| change.became == Became::Moved);
        for change in moves {
            let old = change.old_path.clone().unwrap_or_else(|| change.path.clone());
            sorted.moved.insert(change.path.clone(), (old, change.origin));
            sorted.set.insert(change.path.clone(), Origin::Unknown);
        }
        for change in changes {
            match change.became {
                Became::Moved => {}
                Became::Added => drop(sorted.added.insert(change.path.clone(), None)),
                Became::Removed => drop(sorted.removed.insert(change.path.clone(), change.origin)),
                Became::Set => drop(sorted.set.insert(change.path.clone(), change.origin)),
                Became::Replaced => sorted.replace(change, None),
                Became::MovedAndReplaced => sorted.replace(change, change.old_path.as_deref()),
            }
        }
        sorted.vacate();
        sorted
    }

    fn replace(&mut self, change: &Change, old: Option<&Path>) {
        self.rewritten.insert(change.path.clone(), (change.origin, old.is_some()));
        let was = old.map_or_else(|| self.was(&change.path), Path::to_owned);
        if let Some(own) = &change.own {
            let patch = Patch { was: was.clone(), own: own.clone(), origin: change.origin };
            self.patches.insert(change.path.clone(), patch);
        }
        self.removed.insert(was, change.origin);
        self.added.insert(change.path.clone(), None);
    }

    pub(super) fn vacate(&mut self) {
        self.became = self.moved.iter().map(|(new, (old, _))| (old.clone(), new.clone())).collect();
        self.vacated = self.removed.keys().chain(self.moved.values().map(|(old, _)| old)).cloned().collect();
    }

    /// Whether something new or moved comes to a path.
    pub(super) fn comes(&self, path: &Path) -> bool {
        self.added.contains_key(path) || self.moved.contains_key(path)
    }

    /// Where something was that is at `path` afterwards, if it is not new.
    pub(super) fn was(&self, path: &Path) -> PathBuf {
        let above = path.ancestors().find_map(|above| Some((above, &self.moved.get(above)?.0)));
        match above {
            Some((above, old)) => join(old, path.strip_prefix(above).expect("invariant: it lies above")),
            None => path.to_owned(),
        }
    }

    /// Where something is afterwards that was at `path`, if it stays.
    pub(super) fn becomes(&self, path: &Path) -> PathBuf {
        let found = path.ancestors().find_map(|above| Some((above, self.became.get(above)?)));
        match found {
            Some((above, new)) => join(new, path.strip_prefix(above).expect("invariant: it lies above")),
            None => path.to_owned(),
        }
    }
}
