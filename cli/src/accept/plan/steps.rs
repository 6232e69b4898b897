//! The steps of a plan without conflicts: what is made, what leaves its place, what is put there, and what is set.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};

use super::links::LinkTo;
use super::tracks::{Parked, Tracks};
use super::{Directories, Inside, Planned, Planner, Stage, is_directory, join, metadata, parent_of};
use crate::accept::journal::{Held, Leftover, Location, Move, Setting, Steps, Version};
use crate::errors::Result;

impl Planner<'_> {
    pub(super) fn steps(self, links: &BTreeMap<PathBuf, LinkTo>) -> Result<Planned> {
        let mut planned = Planned { inside: self.inside(links), ..Planned::default() };
        let tops = self.tops();
        let mut tracks = Tracks::default();
        self.stage(&mut planned, &mut tracks, links, &tops);
        let mut holds = self.park(&mut planned, &mut tracks)?;
        self.put(&mut planned, &mut tracks, &tops);
        let steps = &mut planned.steps;
        let removed = tracks.parked.iter().filter_map(|(old, parked)| Some((old, parked, holds.remove(old)?)));
        let leftover = |(old, parked, holds): (&PathBuf, &Parked, Vec<Held>)| Leftover {
            path: Location(parked.at.clone()),
            was: Location(old.clone()),
            holds,
        };
        steps.leftovers = removed.map(leftover).collect();
        self.set(steps)?;
        self.times(steps, links, &tops)?;
        planned.seen = self.seen;
        planned.patches = self.sorted.patches;
        Ok(planned)
    }

    /// What is in each new directory. A directory comes before what is in it.
    fn inside(&self, links: &BTreeMap<PathBuf, LinkTo>) -> HashMap<PathBuf, Inside> {
        let mut inside: HashMap<PathBuf, Inside> = HashMap::new();
        for (path, new) in &self.sorted.added {
            let is_directory = new.is_some_and(|new| new.is_directory);
            if let (Some(above), Some(name)) = (inside.get_mut(parent_of(path)), path.file_name()) {
                match is_directory {
                    true => above.directories.push(name.to_owned()),
                    false if links.contains_key(path) => {}
                    false => above.others.push(name.to_owned()),
                }
            }
            if is_directory {
                inside.insert(path.clone(), Inside::default());
            }
        }
        inside
    }

    /// Whatever is new and stands in a directory that is not.
    fn tops(&self) -> Vec<PathBuf> {
        let added = self.sorted.added.keys();
        added.filter(|path| !self.sorted.added.contains_key(parent_of(path))).cloned().collect()
    }

    fn stage(&self, planned: &mut Planned, tracks: &mut Tracks, links: &BTreeMap<PathBuf, LinkTo>, tops: &[PathBuf]) {
        let mut late = Vec::new();
        for path in tops {
            let beside = join(&self.sorted.was(parent_of(path)), Path::new(&tracks.next_name()));
            tracks.staged.insert(path.clone(), beside.clone());
            planned.steps.staged.push(Location(beside.clone()));
            match links.contains_key(path) {
                true => late.push(path.clone()),
                false if planned.inside.contains_key(path) => {
                    planned.stages.push(Stage::Tree { from: path.clone(), temporary: beside })
                }
                false => planned.stages.push(Stage::Copy { from: path.clone(), temporary: beside }),
            }
        }
        late.extend(links.keys().filter(|path| !tracks.staged.contains_key(*path)).cloned());
        for path in late {
            let to = match &links[&path] {
                LinkTo::Kept(kept) => kept.clone(),
                LinkTo::Staged(first) => tracks.where_staged(first),
            };
            let temporary = tracks.where_staged(&path);
            planned.stages.push(Stage::Link { shown: path, to, temporary });
        }
    }

    /// Puts aside whatever leaves its place, the inner before the outer, each beside where it is. Answers of what goes for ever what it is
    /// and holds.
    fn park(&self, planned: &mut Planned, tracks: &mut Tracks) -> Result<HashMap<PathBuf, Vec<Held>>> {
        let mut holds = HashMap::new();
        let moved_from: BTreeSet<&PathBuf> = self.sorted.moved.values().map(|(old, _)| old).collect();
        let leaves: BTreeSet<&PathBuf> = self.sorted.removed.keys().chain(moved_from.iter().copied()).collect();
        for old in leaves.iter().rev() {
            if !moved_from.contains(*old) && self.goes_along(old) {
                continue;
            }
            let Some(found) = self.target.look(old)? else { continue };
            if is_directory(&found) && self.directories == Directories::Stay {
                // With all that is in it, once all else is done.
                holds.insert((*old).clone(), self.holds(old)?);
                let parked = Parked { at: (*old).clone(), inode: found.st_ino, directory: true };
                tracks.parked.insert((*old).clone(), parked);
                continue;
            }
            let aside = join(parent_of(old), Path::new(&tracks.next_name()));
            planned.steps.moves.push(Move {
                from: Location((*old).clone()),
                to: Location(aside.clone()),
                inode: found.st_ino,
                content: (!is_directory(&found)).then(|| Version::of(&found)),
            });
            let directory = is_directory(&found);
            if directory {
                tracks.follow(old, &aside);
            }
            if self.sorted.removed.contains_key(*old) {
                holds.insert((*old).clone(), self.holds(old)?);
            }
            tracks.parked.insert((*old).clone(), Parked { at: aside, inode: found.st_ino, directory });
        }
        Ok(holds)
    }

    /// What goes with a path: what the branch has seen, and with `force` all that is there.
    fn holds(&self, old: &Path) -> Result<Vec<Held>> {
        let found = self.target.all_below(old)?;
        let known = found.iter().filter(|(path, _)| self.force || self.sorted.vacated.contains(path));
        Ok(known.map(|(path, found)| Held::of(path.strip_prefix(old).unwrap_or(path), found)).collect())
    }

    /// Whether a directory above goes too, and takes it along.
    fn goes_along(&self, old: &Path) -> bool {
        let above = old.ancestors().skip(1).find(|above| self.sorted.vacated.contains(*above));
        above.is_some_and(|above| self.sorted.removed.contains_key(above))
    }

    /// Puts everything to where it shall be, the outer before the inner.
    fn put(&self, planned: &mut Planned, tracks: &mut Tracks, tops: &[PathBuf]) {
        let all: BTreeSet<&PathBuf> = tops.iter().chain(self.sorted.moved.keys()).collect();
        let mut placed = HashMap::new();
        for path in all {
            let parked = self.sorted.moved.get(path).map(|(old, _)| tracks.parked[old].clone());
            let Parked { at, inode, directory } = parked.unwrap_or_else(|| {
                placed.insert(path.clone(), planned.steps.moves.len());
                Parked { at: tracks.staged[path].clone(), inode: 0, directory: false }
            });
            let (from, to) = (Location(at.clone()), Location(path.clone()));
            planned.steps.moves.push(Move { from, to, inode, content: None });
            if directory {
                tracks.follow(&at, path);
            }
        }
        planned.steps.placed = tops.iter().map(|path| placed[path]).collect();
    }

    fn set(&self, steps: &mut Steps) -> Result<()> {
        for path in self.sorted.set.keys().filter(|path| !self.sorted.added.contains_key(*path)) {
            let before = metadata(self.target, &self.sorted.was(path))?;
            let after = metadata(self.source, path)?;
            if before != after {
                steps.settings.push(Setting { path: Location(path.clone()), before, after });
            }
        }
        Ok(())
    }

    /// Directories in which names change get the times that they have in the branch.
    fn times(&self, steps: &mut Steps, links: &BTreeMap<PathBuf, LinkTo>, tops: &[PathBuf]) -> Result<()> {
        let new =
            tops.iter().chain(self.sorted.moved.keys()).chain(links.keys()).map(|path| parent_of(path).to_owned());
        let old = self.sorted.vacated.iter().map(|path| self.sorted.becomes(parent_of(path)));
        let directories: BTreeSet<PathBuf> = new.chain(old).collect();
        for path in directories.into_iter().rev() {
            if self.source.look(&path)?.is_some_and(|found| is_directory(&found)) {
                steps.times.push((Location(path.clone()), metadata(self.source, &path)?));
            }
        }
        Ok(())
    }
}
