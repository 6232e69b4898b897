//! From differences to steps: what stands in the way, what is made, which names are switched in which order.
//!
//! Paths of what was removed or moved away are those of before; all others are those of afterwards. A move changes where everything
//! below it is, so paths in steps are worked out by following all moves in order (`Tracks`).

mod guard;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};

use super::journal::{Location, Move, Setting, Steps, Version, temporary};
use super::object::Metadata;
use super::place::Place;
use crate::errors::{Context, Result};
use guard::Seen;

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Became {
    Added,
    Removed,
    /// Its content, or what kind of file it is.
    Replaced,
    /// Only attributes.
    Set,
    Moved,
    MovedAndReplaced,
}

/// One difference between the target, as the branch saw it, and the branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) became: Became,
    /// Where it is; of what was removed, where it was.
    pub(crate) path: PathBuf,
    /// Where it was, when it moved.
    pub(crate) old_path: Option<PathBuf>,
    pub(crate) origin: Origin,
    /// Of a file that shares content with what it was: what it does not share.
    pub(crate) own: Option<Own>,
}

/// The parts of a file that are the branch's own: offsets where they begin and end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Own(pub(crate) Vec<(u64, u64)>);

/// A file of which most is the target's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patch {
    /// Where it is in the target, before anything is switched.
    pub(super) was: PathBuf,
    pub(super) own: Own,
    pub(super) origin: Origin,
}

/// How to tell whether the target has changed since the branch saw it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Origin {
    /// Nothing is known.
    Unknown,
    /// It was this.
    Recorded { device: u64, inode: u64, size: u64, modified: i64, changed: i64 },
    /// It has not changed since this time, in nanoseconds.
    UnchangedSince(i64),
}

impl Origin {
    pub(super) fn fits(&self, found: &Stat) -> bool {
        let modified_now = nanoseconds(found.st_mtime, found.st_mtime_nsec as i64);
        let changed_now = nanoseconds(found.st_ctime, found.st_ctime_nsec as i64);
        match *self {
            Origin::Unknown => true,
            // A directory's times and size follow from its entries, which are looked at one by one.
            Origin::Recorded { device, inode, .. } if is_directory(found) => {
                (device, inode) == (found.st_dev, found.st_ino)
            }
            Origin::UnchangedSince(_) if is_directory(found) => true,
            Origin::Recorded { device, inode, size, modified, changed } => {
                (device, inode, size) == (found.st_dev, found.st_ino, found.st_size as u64)
                    && (modified, changed) == (modified_now, changed_now)
            }
            Origin::UnchangedSince(time) => changed_now <= time,
        }
    }
}

/// Why a change cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Conflict {
    pub(crate) path: PathBuf,
    pub(crate) why: String,
    /// Whether `--force` settles it.
    pub(crate) may_be_forced: bool,
}

/// Something new that is made beside its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    Copy {
        from: PathBuf,
        temporary: PathBuf,
    },
    /// A directory with all that is new in it.
    Tree {
        from: PathBuf,
        temporary: PathBuf,
    },
    /// Another name of something that is there, or was staged before.
    Link {
        shown: PathBuf,
        to: PathBuf,
        temporary: PathBuf,
    },
}

impl Stage {
    pub(super) fn temporary(&self) -> &Path {
        match self {
            Stage::Copy { temporary, .. } | Stage::Tree { temporary, .. } | Stage::Link { temporary, .. } => temporary,
        }
    }

    /// The path that people know.
    pub(super) fn shown(&self) -> &Path {
        match self {
            Stage::Copy { from, .. } | Stage::Tree { from, .. } => from,
            Stage::Link { shown, .. } => shown,
        }
    }
}

/// A plan without conflicts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Planned {
    pub(super) steps: Steps,
    pub(super) stages: Vec<Stage>,
    /// What is new in each directory.
    inside: HashMap<PathBuf, Vec<OsString>>,
    trees: HashSet<PathBuf>,
    links: HashSet<PathBuf>,
    seen: Seen,
    patches: HashMap<PathBuf, Patch>,
}

impl Planned {
    /// Refuses when somebody has changed something since this was planned.
    pub(super) fn check_unchanged(&self, target: &Place) -> Result<()> {
        self.seen.check(target)
    }

    /// What of a new file is the target's already.
    pub(super) fn patch(&self, path: &Path) -> Option<&Patch> {
        self.patches.get(path)
    }

    pub(super) fn inside(&self, directory: &Path) -> &[OsString] {
        self.inside.get(directory).map_or(&[], Vec::as_slice)
    }

    pub(super) fn is_tree(&self, path: &Path) -> bool {
        self.trees.contains(path)
    }

    /// Whether it is made as a link, once all else is there.
    pub(super) fn is_link(&self, path: &Path) -> bool {
        self.links.contains(path)
    }
}

/// The changes, sorted by what they do with names.
#[derive(Debug, Default)]
struct Sorted {
    /// By where it was.
    removed: BTreeMap<PathBuf, Origin>,
    /// By where it is: where it was.
    moved: BTreeMap<PathBuf, (PathBuf, Origin)>,
    added: BTreeSet<PathBuf>,
    set: BTreeMap<PathBuf, Origin>,
    /// All where something was that is not any more.
    vacated: HashSet<PathBuf>,
    /// Where what moved is now, by where it was.
    became: HashMap<PathBuf, PathBuf>,
    /// By where it is.
    patches: HashMap<PathBuf, Patch>,
    /// What has other content: since when, and whether it moved.
    rewritten: HashMap<PathBuf, (Origin, bool)>,
}

impl Sorted {
    fn of(changes: &[Change]) -> Sorted {
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
                Became::Added => drop(sorted.added.insert(change.path.clone())),
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
        self.added.insert(change.path.clone());
    }

    fn vacate(&mut self) {
        self.became = self.moved.iter().map(|(new, (old, _))| (old.clone(), new.clone())).collect();
        self.vacated = self.removed.keys().chain(self.moved.values().map(|(old, _)| old)).cloned().collect();
    }

    /// Where something was that is at `path` afterwards, if it is not new.
    fn was(&self, path: &Path) -> PathBuf {
        let above = path.ancestors().find_map(|above| Some((above, &self.moved.get(above)?.0)));
        match above {
            Some((above, old)) => join(old, path.strip_prefix(above).expect("invariant: it lies above")),
            None => path.to_owned(),
        }
    }

    /// Where something is afterwards that was at `path`, if it stays.
    fn becomes(&self, path: &Path) -> PathBuf {
        let found = path.ancestors().find_map(|above| Some((above, self.became.get(above)?)));
        match found {
            Some((above, new)) => join(new, path.strip_prefix(above).expect("invariant: it lies above")),
            None => path.to_owned(),
        }
    }
}

/// Joining nothing leaves a slash.
fn join(above: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { above.to_owned() } else { above.join(below) }
}

fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

fn is_directory(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode).is_dir()
}

fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// What is to be done, or why it cannot be.
pub(super) fn plan(
    source: &Place,
    target: &Place,
    changes: &[Change],
    force: bool,
) -> Result<std::result::Result<Planned, Vec<Conflict>>> {
    let (sorted, conflicts, seen) = (Sorted::of(changes), Vec::new(), Seen::default());
    let mut planner = Planner { source, target, sorted, force, conflicts, seen };
    planner.check()?;
    let links = planner.links()?;
    if planner.conflicts.iter().any(|conflict| !(force && conflict.may_be_forced)) {
        planner.conflicts.sort_by(|a, b| a.path.cmp(&b.path));
        return Ok(Err(planner.conflicts));
    }
    let planned = planner.steps(&links)?;
    let taken = guard::taken(target, &planned.steps.staged)?;
    Ok(if taken.is_empty() { Ok(planned) } else { Err(taken) })
}

struct Planner<'a> {
    source: &'a Place,
    target: &'a Place,
    sorted: Sorted,
    force: bool,
    conflicts: Vec<Conflict>,
    seen: Seen,
}

impl Planner<'_> {
    fn conflict(&mut self, path: &Path, why: impl Into<String>, may_be_forced: bool) {
        self.conflicts.push(Conflict { path: path.to_owned(), why: why.into(), may_be_forced });
    }

    /// Finds every conflict. With `force` the changes are turned into such as can be written.
    fn check(&mut self) -> Result<()> {
        self.check_names();
        self.check_removed()?;
        self.check_moved()?;
        self.check_added()?;
        self.check_set()?;
        self.sorted.vacate();
        Ok(())
    }

    fn check_removed(&mut self) -> Result<()> {
        for (path, origin) in self.sorted.removed.clone() {
            let Some(found) = self.target.look(&path)? else {
                self.sorted.removed.remove(&path);
                // Who wanted it gone has it; who replaced it did not know.
                if self.sorted.added.iter().any(|added| self.sorted.was(added) == path) {
                    self.conflict(&path, "is gone in the base", true);
                }
                continue;
            };
            self.seen.add(&path, &found);
            if is_directory(&found) && self.target.is_mount_point(&path)? {
                // In the branch it was empty: whoever removed it there has not seen what it holds.
                self.conflict(&path, "has another file system mounted on it", false);
            } else if !origin.fits(&found) {
                self.conflict(&path, "has changed in the base", true);
            } else if is_directory(&found) {
                self.check_emptied(&path)?;
            }
        }
        Ok(())
    }

    /// A directory that goes may hold nothing that the branch has not seen.
    fn check_emptied(&mut self, directory: &Path) -> Result<()> {
        for (name, _) in self.target.names(directory)? {
            let path = directory.join(name);
            if !self.sorted.vacated.contains(&path) {
                self.conflict(&path, "is new in the base, in a directory that the branch has removed", true);
            }
        }
        Ok(())
    }

    fn check_moved(&mut self) -> Result<()> {
        for (path, (old, origin)) in self.sorted.moved.clone() {
            match self.target.look(&old)? {
                Some(found) if origin.fits(&found) && self.directory_fits(&path, &old, origin, &found)? => {
                    self.see_file(&old, &found);
                }
                Some(_) => self.conflict(&old, "has changed in the base", true),
                None => {
                    let is_file = self.source.look(&path)?.is_some_and(|found| !is_directory(&found));
                    self.conflict(&old, "is gone in the base", is_file);
                    self.sorted.moved.remove(&path);
                    self.sorted.set.remove(&path);
                    self.sorted.added.insert(path.clone());
                    // Looked at with what is new.
                    continue;
                }
            }
            self.check_free(&path)?;
        }
        Ok(())
    }

    fn check_added(&mut self) -> Result<()> {
        for path in self.sorted.added.clone() {
            let Some(new) = self.source.look(&path)? else {
                // It has gone from the branch since.
                self.sorted.added.remove(&path);
                continue;
            };
            let was = self.was_beside(&path);
            let there = match &was {
                Some(was) => self.target.look(was)?,
                None => None,
            };
            match there {
                // Both made the same directory.
                Some(there) if is_directory(&there) && is_directory(&new) && !self.is_vacated(was.as_deref()) => {
                    self.sorted.added.remove(&path);
                }
                _ => self.check_free(&path)?,
            }
        }
        Ok(())
    }

    /// Where something would stand in the way of `path`, now; `None` when its directory is new.
    fn was_beside(&self, path: &Path) -> Option<PathBuf> {
        let parent = parent_of(path);
        if self.sorted.added.contains(parent) {
            return None;
        }
        Some(join(&self.sorted.was(parent), Path::new(path.file_name()?)))
    }

    fn is_vacated(&self, path: Option<&Path>) -> bool {
        path.is_some_and(|path| self.sorted.vacated.contains(path))
    }

    fn check_free(&mut self, path: &Path) -> Result<()> {
        let Some(was) = self.was_beside(path) else { return Ok(()) };
        let parent = self.target.look(parent_of(&was))?;
        if !parent.is_some_and(|parent| is_directory(&parent)) {
            self.conflict(path, "has no directory in the base to be in any more", false);
        } else if !self.is_vacated(Some(&was)) && self.target.look(&was)?.is_some() {
            self.conflict(path, "is new in the base, too", true);
            if self.force {
                self.sorted.removed.insert(was, Origin::Unknown);
            }
        }
        Ok(())
    }

    fn check_set(&mut self) -> Result<()> {
        for (path, origin) in self.sorted.set.clone() {
            let was = self.sorted.was(&path);
            let found = self.target.look(&was)?;
            match found {
                Some(found) if origin.fits(&found) && self.directory_fits(&path, &was, origin, &found)? => {
                    self.see_file(&was, &found);
                }
                Some(_) => self.conflict(&path, "has changed in the base", true),
                None => {
                    let is_file = self.source.look(&path)?.is_some_and(|found| !is_directory(&found));
                    self.conflict(&path, "is gone in the base", is_file);
                    self.sorted.set.remove(&path);
                    self.sorted.added.insert(path);
                }
            }
        }
        Ok(())
    }

    /// Of directories making what is new beside its place changes the times.
    fn see_file(&mut self, path: &Path, found: &Stat) {
        if !is_directory(found) {
            self.seen.add(path, found);
        }
    }

    // ---- steps -------------------------------------------------------------------------------------------------

    fn steps(self, links: &BTreeMap<PathBuf, LinkTo>) -> Result<Planned> {
        let mut planned = Planned::default();
        for path in &self.sorted.added {
            if self.source.look(path)?.is_some_and(|found| is_directory(&found)) {
                planned.trees.insert(path.clone());
            }
            if let Some(name) = path.file_name().filter(|_| self.sorted.added.contains(parent_of(path))) {
                planned.inside.entry(parent_of(path).to_owned()).or_default().push(name.to_owned());
            }
        }
        let mut tracks = Tracks::default();
        self.stage(&mut planned, &mut tracks, links);
        self.park(&mut planned, &mut tracks)?;
        self.put(&mut planned, &mut tracks);
        let steps = &mut planned.steps;
        steps.leftovers = tracks
            .parked
            .iter()
            .filter(|(old, _)| self.sorted.removed.contains_key(*old))
            .map(|(_, parked)| Location(parked.at.clone()))
            .collect();
        self.set(steps)?;
        self.times(steps, links)?;
        planned.seen = self.seen;
        planned.patches = self.sorted.patches;
        Ok(planned)
    }

    /// New files that are names of one: by path, what they are another name of. Such as lie where they lay are named by where that is.
    fn links(&mut self) -> Result<BTreeMap<PathBuf, LinkTo>> {
        let mut groups: BTreeMap<u64, (u64, Vec<PathBuf>)> = BTreeMap::new();
        for path in &self.sorted.added {
            let Some(found) = self.source.look(path)? else { continue };
            if found.st_nlink > 1 && !is_directory(&found) {
                groups.entry(found.st_ino).or_insert((found.st_nlink, Vec::new())).1.push(path.clone());
            }
        }
        let wanted: HashSet<u64> =
            groups.iter().filter(|(_, (names, known))| *names > known.len() as u64).map(|(inode, _)| *inode).collect();
        let mut others = if wanted.is_empty() { HashMap::new() } else { self.other_names(&wanted)? };
        let mut links = BTreeMap::new();
        for (inode, (_, known)) in groups {
            self.link_group(&known, others.remove(&inode).unwrap_or_default(), &mut links)?;
        }
        self.sorted.vacate();
        Ok(links)
    }

    /// `known` are new names or names of new content; `others` are names that the diff does not tell of.
    fn link_group(
        &mut self,
        known: &[PathBuf],
        others: Vec<PathBuf>,
        links: &mut BTreeMap<PathBuf, LinkTo>,
    ) -> Result<()> {
        let rewritten = self.rewritten(known)?;
        let mut known = known.to_vec();
        let mut kept = None;
        for other in others {
            let was = self.sorted.was(&other);
            match (rewritten, self.target.look(&was)?) {
                // Its content is another now, under every name.
                (Some(origin), Some(found)) => {
                    if !origin.fits(&found) {
                        self.conflict(&was, "has changed in the base", true);
                    }
                    self.seen.add(&was, &found);
                    self.sorted.removed.insert(was.clone(), origin);
                    // Made anew where it is, it need not move there.
                    self.sorted.moved.remove(&other);
                    self.sorted.vacated.insert(was);
                    self.sorted.added.insert(other.clone());
                    known.push(other);
                }
                (None, Some(_)) => kept = Some(was),
                (_, None) => {}
            }
        }
        let first = known[0].clone();
        let mut rest = known.iter();
        let to = match kept {
            Some(kept) => LinkTo::Kept(kept),
            None => {
                rest.next();
                LinkTo::Staged(first)
            }
        };
        links.extend(rest.map(|path| (path.clone(), to.clone())));
        Ok(())
    }

    /// Whether an inode of these names was written to, and since when it must not have changed; else they lead to what it was.
    fn rewritten(&self, names: &[PathBuf]) -> Result<Option<Origin>> {
        for path in names {
            let Some((origin, moved)) = self.sorted.rewritten.get(path) else { continue };
            // A name may lead to another inode than before, which itself is as it was.
            let is_itself = match origin {
                Origin::UnchangedSince(_) if !moved => {
                    let (now, was) = (self.source.look(path)?, self.target.look(&self.sorted.was(path))?);
                    now.map(|found| found.st_ino) == was.map(|found| found.st_ino)
                }
                _ => true,
            };
            if is_itself {
                return Ok(Some(*origin));
            }
        }
        Ok(None)
    }

    /// Every name in the branch of some inodes, but those that are new.
    fn other_names(&self, wanted: &HashSet<u64>) -> Result<HashMap<u64, Vec<PathBuf>>> {
        let mut found: HashMap<u64, Vec<PathBuf>> = HashMap::new();
        let mut left = vec![PathBuf::new()];
        while let Some(directory) = left.pop() {
            for (name, inode) in self.source.names(&directory)? {
                let path = directory.join(name);
                if wanted.contains(&inode) && !self.sorted.added.contains(&path) {
                    found.entry(inode).or_default().push(path);
                } else if self.source.look(&path)?.is_some_and(|found| is_directory(&found)) {
                    left.push(path);
                }
            }
        }
        Ok(found)
    }

    /// Whatever is new and stands in a directory that is not.
    fn tops(&self) -> impl Iterator<Item = &PathBuf> {
        self.sorted.added.iter().filter(|path| !self.sorted.added.contains(parent_of(path)))
    }

    fn stage(&self, planned: &mut Planned, tracks: &mut Tracks, links: &BTreeMap<PathBuf, LinkTo>) {
        let mut late = Vec::new();
        for path in self.tops() {
            let beside = join(&self.sorted.was(parent_of(path)), Path::new(&tracks.next_name()));
            tracks.staged.insert(path.clone(), beside.clone());
            planned.steps.staged.push(Location(beside.clone()));
            match links.contains_key(path) {
                true => late.push(path.clone()),
                false if planned.is_tree(path) => {
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
            planned.stages.push(Stage::Link { shown: path.clone(), to, temporary: tracks.where_staged(&path) });
            planned.links.insert(path);
        }
    }

    /// Puts aside whatever leaves its place, the inner before the outer, each beside where it is.
    fn park(&self, planned: &mut Planned, tracks: &mut Tracks) -> Result<()> {
        let moved_from: BTreeSet<&PathBuf> = self.sorted.moved.values().map(|(old, _)| old).collect();
        let leaves: BTreeSet<&PathBuf> = self.sorted.removed.keys().chain(moved_from.iter().copied()).collect();
        for old in leaves.iter().rev() {
            if !moved_from.contains(*old) && self.goes_along(old) {
                continue;
            }
            let Some(found) = self.target.look(old)? else { continue };
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
            tracks.parked.insert((*old).clone(), Parked { at: aside, inode: found.st_ino, directory });
        }
        Ok(())
    }

    /// Whether a directory above goes too, and takes it along.
    fn goes_along(&self, old: &Path) -> bool {
        let above = old.ancestors().skip(1).find(|above| self.sorted.vacated.contains(*above));
        above.is_some_and(|above| self.sorted.removed.contains_key(above))
    }

    /// Puts everything to where it shall be, the outer before the inner.
    fn put(&self, planned: &mut Planned, tracks: &mut Tracks) {
        let tops: BTreeSet<PathBuf> = self.tops().cloned().collect();
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
        planned.steps.placed = self.tops().map(|path| placed[path]).collect();
    }

    fn set(&self, steps: &mut Steps) -> Result<()> {
        for path in self.sorted.set.keys().filter(|path| !self.sorted.added.contains(*path)) {
            let before = metadata(self.target, &self.sorted.was(path))?;
            let after = metadata(self.source, path)?;
            if before != after {
                steps.settings.push(Setting { path: Location(path.clone()), before, after });
            }
        }
        Ok(())
    }

    /// Directories in which names change get the times that they have in the branch.
    fn times(&self, steps: &mut Steps, links: &BTreeMap<PathBuf, LinkTo>) -> Result<()> {
        let new =
            self.tops().chain(self.sorted.moved.keys()).chain(links.keys()).map(|path| parent_of(path).to_owned());
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

#[derive(Debug, Clone)]
enum LinkTo {
    /// A name that stays, by where it is now.
    Kept(PathBuf),
    /// One that is staged, by where it shall be.
    Staged(PathBuf),
}

fn metadata(place: &Place, path: &Path) -> Result<Metadata> {
    let what = || format!("cannot look at {}", place.called(path));
    let spot = place.spot(path).context(what())?;
    Metadata::of(std::os::fd::AsFd::as_fd(&spot.directory), spot.name).context(what())
}

/// Something that was put aside.
#[derive(Debug, Clone)]
struct Parked {
    at: PathBuf,
    inode: u64,
    directory: bool,
}

/// Where temporary names are after all moves up to now.
#[derive(Debug, Default)]
struct Tracks {
    /// By where they shall be.
    staged: BTreeMap<PathBuf, PathBuf>,
    /// By where they were.
    parked: BTreeMap<PathBuf, Parked>,
    used: usize,
}

impl Tracks {
    fn next_name(&mut self) -> String {
        self.used += 1;
        temporary(self.used)
    }

    /// Everything below `from` is below `to` now.
    fn follow(&mut self, from: &Path, to: &Path) {
        for path in self.staged.values_mut().chain(self.parked.values_mut().map(|parked| &mut parked.at)) {
            if let Ok(below) = path.strip_prefix(from) {
                *path = join(to, below);
            }
        }
    }

    /// Where something is that was staged, alone or in a directory.
    fn where_staged(&self, path: &Path) -> PathBuf {
        let top = path.ancestors().find_map(|above| Some((above, self.staged.get(above)?)));
        let (above, at) = top.expect("invariant: what is new is staged, or something above it");
        join(at, path.strip_prefix(above).expect("invariant: it lies above"))
    }
}
