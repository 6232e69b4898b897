//! From differences to steps: what stands in the way, what is made, which names are switched in which order.
//!
//! Paths of what was removed or moved away are those of before; all others are those of afterwards. A move changes where everything
//! below it is, so paths in steps are worked out by following all moves in order (`Tracks`).

mod guard;
mod links;
mod sorted;
mod split;
mod tracks;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use serde::{Deserialize, Serialize};

use super::journal::{Held, Leftover, Location, Move, Setting, Steps, Version};
use super::object::Metadata;
use super::place::{Place, Walk};
use crate::errors::{Context, Result};
use crate::mounts;
use guard::Seen;
use links::LinkTo;
use sorted::{Shown, Sorted};
use split::Apart;
use tracks::{Parked, Tracks};

/// What can be done with the target's directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Directories {
    /// They are renamed as files are.
    Move,
    /// They stay where they are, and their files are renamed one by one: overlayfs renames no directory that one of its lower layers has
    /// (EXDEV; `redirect_dir` in the kernel's documentation of it).
    Stay,
}

impl Directories {
    /// By the file system that the target is on.
    pub(crate) fn of(target: &Place) -> Result<Directories> {
        const OVERLAYFS: rustix::fs::FsWord = 0x794C_7630;
        let what = "cannot look at the base";
        let device = rustix::fs::fstat(target.root()).context(what)?.st_dev;
        let is_overlay = rustix::fs::fstatfs(target.root()).context(what)?.f_type == OVERLAYFS
            || mounts::type_of(device)?.is_some_and(|kind| kind == b"fuse.fuse-overlayfs");
        Ok(if is_overlay { Directories::Stay } else { Directories::Move })
    }
}

/// What became of a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// It has changed.
    Changed,
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
            Origin::UnchangedSince(_) | Origin::Changed if is_directory(found) => true,
            Origin::Recorded { device, inode, size, modified, changed } => {
                (device, inode, size) == (found.st_dev, found.st_ino, found.st_size as u64)
                    && (modified, changed) == (modified_now, changed_now)
            }
            Origin::UnchangedSince(time) => changed_now <= time,
            Origin::Changed => false,
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

/// What is new in a new directory, but names that are links.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Inside {
    pub(super) directories: Vec<OsString>,
    pub(super) others: Vec<OsString>,
}

/// A plan without conflicts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Planned {
    pub(super) steps: Steps,
    pub(super) stages: Vec<Stage>,
    /// By new directory: what is in it.
    inside: HashMap<PathBuf, Inside>,
    seen: Seen,
    patches: HashMap<PathBuf, Patch>,
}

impl Planned {
    /// Refuses when somebody has changed something since this was planned.
    pub(super) fn check_unchanged(&self, target: &Place) -> Result<()> {
        self.seen.check(target)
    }

    /// What of a new file is the target's already.
    pub(super) fn patch(&self, directory: &Path, name: &OsStr) -> Option<&Patch> {
        if self.patches.is_empty() { None } else { self.patches.get(&directory.join(name)) }
    }

    /// What is in a new directory.
    pub(super) fn inside(&self, directory: &Path) -> &Inside {
        self.inside.get(directory).expect("invariant: a new directory was looked into")
    }
}

/// Joining nothing leaves a slash.
pub(super) fn join(above: &Path, below: &Path) -> PathBuf {
    if below.as_os_str().is_empty() { above.to_owned() } else { above.join(below) }
}

fn nanoseconds(seconds: i64, rest: i64) -> i64 {
    seconds.saturating_mul(1_000_000_000).saturating_add(rest)
}

fn is_directory(found: &Stat) -> bool {
    FileType::from_raw_mode(found.st_mode).is_dir()
}

pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new(""))
}

/// What is to be done, or why it cannot be.
pub(super) fn plan(
    source: &Place,
    target: &Place,
    changes: &[Change],
    force: bool,
    directories: Directories,
    looks_only: bool,
) -> Result<std::result::Result<Planned, Vec<Conflict>>> {
    let (sorted, apart) = match directories {
        Directories::Move => (Sorted::of(changes), Vec::new()),
        Directories::Stay => {
            let (changes, apart) = split::split(source, target, changes)?;
            (Sorted::of(&changes), apart)
        }
    };
    let (linked, conflicts, seen) = (BTreeSet::new(), Vec::new(), Seen::default());
    let mut planner =
        Planner { source, target, sorted, apart, force, directories, looks_only, linked, conflicts, seen };
    planner.check()?;
    let links = planner.links()?;
    if planner.conflicts.iter().any(|conflict| !(force && conflict.may_be_forced)) {
        planner.conflicts.sort_by(|a, b| a.path.cmp(&b.path));
        return Ok(Err(planner.conflicts));
    }
    planner.settle_numbers()?;
    let planned = planner.steps(&links)?;
    let taken = guard::taken(target, &planned.steps.staged)?;
    Ok(if taken.is_empty() { Ok(planned) } else { Err(taken) })
}

struct Planner<'a> {
    source: &'a Place,
    target: &'a Place,
    sorted: Sorted,
    /// Directories that are made anew for what they were.
    apart: Vec<Apart>,
    force: bool,
    directories: Directories,
    /// Nothing is done with the plan.
    looks_only: bool,
    /// Files of several names that were seen.
    linked: BTreeSet<PathBuf>,
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
        self.check_apart()?;
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
                if self.sorted.added.keys().any(|added| self.sorted.was(added) == path) {
                    self.conflict(&path, "is gone in the base", true);
                }
                continue;
            };
            if is_directory(&found) && self.target.is_mount_point(&path)? {
                // In the branch it was empty: whoever removed it there has not seen what it holds.
                self.conflict(&path, "has another file system mounted on it", false);
            } else if !origin.fits(&found) {
                self.conflict(&path, "has changed in the base", true);
            } else if is_directory(&found) && self.directories == Directories::Stay && self.sorted.comes(&path) {
                let why = "is a directory on an overlay, where not each can make way for something else: remove it there first";
                self.conflict(&path, why, false);
            } else if is_directory(&found) {
                self.check_emptied(&path)?;
            } else {
                self.see_file(&path, &found);
            }
        }
        Ok(())
    }

    /// A directory that moved and is made anew has no attributes that others have set since.
    fn check_apart(&mut self) -> Result<()> {
        for Apart { old, new, origin } in std::mem::take(&mut self.apart) {
            let found = self.target.look(&old)?;
            if let Some(found) = found.filter(is_directory)
                && !self.directory_fits(&new, &old, origin, &found)?
            {
                self.conflict(&old, "has changed in the base", true);
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
                    self.sorted.added.insert(path.clone(), None);
                    // Looked at with what is new.
                    continue;
                }
            }
            self.check_free(&path)?;
        }
        Ok(())
    }

    fn check_added(&mut self) -> Result<()> {
        self.look_at_new()?;
        // What lies in a new directory has nothing in its way. A directory comes before what is in it.
        let mut last = (PathBuf::new(), false);
        for (path, new) in self.sorted.added.clone() {
            let parent = parent_of(&path);
            if last.0 != parent {
                last = (parent.to_owned(), self.sorted.added.contains_key(parent));
            }
            if !last.1 {
                self.check_new(&path, new.is_some_and(|new| new.is_directory))?;
            }
        }
        Ok(())
    }

    fn check_new(&mut self, path: &Path, is_new_directory: bool) -> Result<()> {
        let was = self.was_beside(path);
        let there = match &was {
            Some(was) => self.target.look(was)?,
            None => None,
        };
        match there {
            // Both made the same directory.
            Some(there) if is_directory(&there) && is_new_directory && !self.is_vacated(was.as_deref()) => {
                self.sorted.added.remove(path);
                Ok(())
            }
            _ => self.check_free(path),
        }
    }

    /// Looks at everything new that was not looked at yet; what has gone from the branch since is not new any more.
    fn look_at_new(&mut self) -> Result<()> {
        let mut walk = Walk::of(self.source);
        let mut gone = Vec::new();
        for (path, shown) in self.sorted.added.iter_mut().filter(|(_, shown)| shown.is_none()) {
            *shown = walk.look(path)?.map(|found| Shown::of(&found));
            match shown {
                None => gone.push(path.clone()),
                // All that is in it comes next.
                Some(shown) if shown.is_directory => walk.list_next(path),
                Some(_) => {}
            }
        }
        for path in &gone {
            self.sorted.added.remove(path);
        }
        Ok(())
    }

    /// Where something would stand in the way of `path`, now; `None` when its directory is new.
    fn was_beside(&self, path: &Path) -> Option<PathBuf> {
        let parent = parent_of(path);
        if self.sorted.added.contains_key(parent) {
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
                Some(found) if is_directory(&found) && self.is_mounted_on(&was)? => {
                    self.conflict(&path, "has another file system mounted on it", false);
                }
                Some(found) if origin.fits(&found) && self.directory_fits(&path, &was, origin, &found)? => {
                    self.see_file(&was, &found);
                }
                Some(_) => self.conflict(&path, "has changed in the base", true),
                None => {
                    let is_file = self.source.look(&path)?.is_some_and(|found| !is_directory(&found));
                    self.conflict(&path, "is gone in the base", is_file);
                    self.sorted.set.remove(&path);
                    self.sorted.added.insert(path, None);
                }
            }
        }
        Ok(())
    }

    fn is_mounted_on(&self, path: &Path) -> Result<bool> {
        Ok(!path.as_os_str().is_empty() && self.target.is_mount_point(path)?)
    }

    /// Of directories making what is new beside its place changes the times.
    fn see_file(&mut self, path: &Path, found: &Stat) {
        if is_directory(found) {
            return;
        }
        self.seen.add(path, found);
        if found.st_nlink > 1 {
            self.linked.insert(path.to_owned());
        }
    }

    /// An overlay gives a file with several names another number when it is first written to: now, not when it is renamed. Not before
    /// it is known that nothing stands in the way: what is refused writes nothing.
    fn settle_numbers(&mut self) -> Result<()> {
        if self.directories == Directories::Move || self.looks_only {
            return Ok(());
        }
        for path in std::mem::take(&mut self.linked) {
            if let Some(found) = self.target.look(&path)? {
                self.target.touch(&path, &found)?;
            }
            if let Some(found) = self.target.look(&path)? {
                self.seen.add(&path, &found);
            }
        }
        Ok(())
    }

    // ---- steps -------------------------------------------------------------------------------------------------

    fn steps(self, links: &BTreeMap<PathBuf, LinkTo>) -> Result<Planned> {
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

fn metadata(place: &Place, path: &Path) -> Result<Metadata> {
    let what = || format!("cannot look at {}", place.called(path));
    let spot = place.spot(path).context(what())?;
    Metadata::of(std::os::fd::AsFd::as_fd(&spot.directory), spot.name).context(what())
}
