//! From differences to steps: what stands in the way, what is made, which names are switched in which order.
//!
//! Paths of what was removed or moved away are those of before; all others are those of afterwards. A move changes where everything
//! below it is, so paths in steps are worked out by following all moves in order (`Tracks`).

mod check;
mod guard;
mod links;
mod sorted;
mod split;
mod steps;
mod tracks;

use std::collections::{BTreeSet, HashMap};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Stat};
use serde::{Deserialize, Serialize};

use super::journal::Steps;
use super::object::Metadata;
use super::place::Place;
use crate::errors::{Context, Result};
use crate::mounts;
use guard::Seen;
use sorted::Sorted;
use split::Apart;

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

fn metadata(place: &Place, path: &Path) -> Result<Metadata> {
    let what = || format!("cannot look at {}", place.called(path));
    let spot = place.spot(path).context(what())?;
    Metadata::of(std::os::fd::AsFd::as_fd(&spot.directory), spot.name).context(what())
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
}
