//! The same changes without one that renames a directory. What moved with a directory moves by itself, into a directory that is made anew; a
//! directory in the place of another is the same with other attributes.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};

use super::{Became, Change, Origin};
use crate::accept::place::Place;
use crate::errors::Result;

/// A directory that is made anew for another.
pub(super) struct Apart {
    pub(super) old: PathBuf,
    pub(super) new: PathBuf,
    pub(super) origin: Origin,
}

pub(super) fn split(source: &Place, target: &Place, changes: &[Change]) -> Result<(Vec<Change>, Vec<Apart>)> {
    let mut split = Split::of(source, target, changes);
    for change in changes.iter().filter(|change| change.became == Became::Moved) {
        if let Some(old) = &change.old_path
            && target.is_directory(old)?
        {
            split.take_apart(old, &change.path, change.origin)?;
        }
    }
    split.keep_directories()?;
    Ok((split.removed.into_values().chain(split.others.into_values()).collect(), split.apart))
}

struct Split<'a> {
    source: &'a Place,
    target: &'a Place,
    /// What has gone from its place already, by where it was.
    vacated: HashSet<PathBuf>,
    /// By where it was.
    removed: BTreeMap<PathBuf, Change>,
    /// By where it is.
    others: BTreeMap<PathBuf, Change>,
    apart: Vec<Apart>,
}

fn change(became: Became, path: &Path, origin: Origin) -> Change {
    Change { became, path: path.to_owned(), old_path: None, origin, own: None }
}

impl<'a> Split<'a> {
    fn of(source: &'a Place, target: &'a Place, changes: &[Change]) -> Split<'a> {
        let (removed, others): (Vec<&Change>, _) = changes.iter().partition(|change| change.became == Became::Removed);
        let by_path =
            |changes: Vec<&Change>| changes.into_iter().map(|change| (change.path.clone(), change.clone())).collect();
        let gone = removed.iter().map(|change| &change.path);
        let moved = others.iter().filter(|change| matches!(change.became, Became::Moved | Became::MovedAndReplaced));
        let vacated = gone.chain(moved.filter_map(|change| change.old_path.as_ref())).cloned().collect();
        Split { source, target, vacated, removed: by_path(removed), others: by_path(others), apart: Vec::new() }
    }

    fn remove(&mut self, path: &Path, origin: Origin) {
        self.removed.insert(path.to_owned(), change(Became::Removed, path, origin));
    }

    fn add(&mut self, path: &Path) {
        self.others.insert(path.to_owned(), change(Became::Added, path, Origin::Unknown));
    }

    /// Has a directory be a new one, into which everything moves that has not gone elsewhere.
    fn take_apart(&mut self, old: &Path, new: &Path, origin: Origin) -> Result<()> {
        let mut left = vec![(old.to_owned(), new.to_owned(), origin)];
        while let Some((old, new, origin)) = left.pop() {
            self.remove(&old, origin);
            self.add(&new);
            self.apart.push(Apart { old: old.clone(), new: new.clone(), origin });
            for (name, _) in self.target.names(&old)? {
                let (from, to) = (old.join(&name), new.join(&name));
                if self.vacated.contains(&from) {
                    continue;
                }
                let is_directory = self.target.is_directory(&from)?;
                if is_directory && self.source.is_directory(&to)? {
                    // What moves along has the attributes that it had, unless the branch has set others.
                    let set = self.others.get(&to).filter(|other| other.became == Became::Set);
                    let origin = set.map_or(Origin::Changed, |set| set.origin);
                    left.push((from, to, origin));
                } else {
                    self.take_along(from, to, is_directory)?;
                }
            }
        }
        Ok(())
    }

    /// Something that is no directory on both sides.
    fn take_along(&mut self, from: PathBuf, to: PathBuf, was_directory: bool) -> Result<()> {
        let is_directory = self.source.is_directory(&to)?;
        let replaced = |change: &&Change| change.became == Became::Replaced;
        match self.others.get(&to).filter(replaced).cloned() {
            Some(other) if was_directory || is_directory => {
                self.remove(&from, other.origin);
                self.add(&to);
            }
            Some(other) => {
                let moved = Change { became: Became::MovedAndReplaced, old_path: Some(from), ..other };
                self.others.insert(to, moved);
            }
            // Somebody has made it since, and the branch has something else there, or nothing: it stays, which is a conflict.
            None if was_directory || is_directory || self.source.look(&to)?.is_none() => {}
            None if self.others.get(&to).is_some_and(|other| other.became != Became::Set) => {}
            None => {
                let origin = self.others.get(&to).map_or(Origin::Unknown, |set| set.origin);
                let moved = Change { old_path: Some(from), ..change(Became::Moved, &to, origin) };
                self.others.insert(to, moved);
            }
        }
        Ok(())
    }

    /// Where one directory came for another the first one stays.
    fn keep_directories(&mut self) -> Result<()> {
        let came: Vec<PathBuf> =
            self.others.values().filter(|other| self.may_stay(other)).map(|other| other.path.clone()).collect();
        for path in came {
            if self.target.is_directory(&path)? && self.source.is_directory(&path)? {
                let before = self.removed.remove(&path).or_else(|| self.others.get(&path).cloned());
                let origin = before.map_or(Origin::Unknown, |before| before.origin);
                self.others.insert(path.clone(), change(Became::Set, &path, origin));
            }
        }
        Ok(())
    }

    fn may_stay(&self, other: &Change) -> bool {
        match other.became {
            Became::Replaced => true,
            Became::Added => self.removed.contains_key(&other.path),
            _ => false,
        }
    }
}
