//! `bough accept`: writes what was changed in a branch to the base, or to the branch that it grew from.
//!
//! Runs with the rights of whoever calls it: the branch is read through a mount of its own, the target is an open directory. What
//! was accepted is taken back in the branch afterwards (`rest`), so that it shows no difference for it.

mod content;
mod engine;
mod journal;
mod object;
pub(crate) mod place;
mod plan;
mod rest;
mod stage;
#[cfg(test)]
mod tests;

use std::cell::RefCell;
use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::args::{AcceptArgs, RejectArgs};
use crate::attach::Attached;
use crate::chronicle::{Entry, Verdict};
use crate::daemon::StateDirectory;
use crate::diff::{self, Difference, Scope};
use crate::errors::{Exit, Failure, Result};
use crate::home::{self, Home, Known};
use crate::output::{self, Out, printable};

use engine::{Applied, Breaker, Recovered};
use journal::{Accepted, Piece};
use place::Place;
use plan::{Became, Change, Conflict, Directories, Origin};

const INTERRUPTED: &str =
    "an accept was interrupted here: `bough accept` finishes it, `bough accept --undo` takes it back";

/// How an accept shall go about it.
#[derive(Debug, Default)]
pub(crate) struct Wishes<'a> {
    pub(crate) dry_run: bool,
    pub(crate) force: bool,
    /// Where the target's side of a conflict is taken.
    pub(crate) theirs: &'a [PathBuf],
    /// Only these; none: everything.
    pub(crate) paths: &'a [PathBuf],
    /// The branch that is written to; none: what the branch grew from.
    pub(crate) into: Option<&'a str>,
    /// Nobody has a use for the branch afterwards, if all of it is accepted.
    pub(crate) ends: bool,
}

pub(crate) fn run(args: &AcceptArgs) -> Result<Exit> {
    let found = Home::of(&args.base, false);
    let base = match &found {
        Ok(home) => home.base.clone(),
        // What was interrupted needs no volume, and after a crash of the machine there is none.
        Err(_) => home::directory_of(&args.base)?,
    };
    if args.undo {
        return undo(&Place::at(&base)?);
    }
    let resumed = args.into.is_none() && resume_alone(&Place::at(&base)?, found.as_ref().ok(), args.dry_run)?;
    let home = match found {
        Err(failure) if resumed && failure.exit() == Exit::NoVolume => return Ok(Exit::Done),
        found => found?,
    };
    let branch = match home.chosen(args.branch.as_deref()) {
        Err(failure) if resumed && args.branch.is_none() => {
            failure.report();
            return Ok(Exit::Done);
        }
        chosen => home.quiet(&chosen?)?,
    };
    let wishes = Wishes {
        dry_run: args.dry_run,
        force: args.force,
        theirs: &args.theirs,
        paths: &args.paths,
        into: args.into.as_deref(),
        ends: false,
    };
    accept(&home, &branch, &wishes)
}

fn undo(target: &Place) -> Result<Exit> {
    let _lock = journal::lock(target)?;
    match engine::recover(target, true, &Breaker::default(), &|_| ())? {
        Recovered::Nothing => Err(Failure::refused("no accept was interrupted here: there is nothing to undo")),
        _ => {
            output::say("the accept that was interrupted is undone");
            Ok(Exit::Done)
        }
    }
}

/// Says so where an accept was interrupted: what is there may be half of one thing and half of another.
pub(crate) fn warn_of_interrupted(base: &Path) {
    let Ok(target) = Place::at(base) else { return };
    // Whoever has the lock is still at work.
    if matches!(journal::Journal::is_there(&target), Ok(true)) && journal::probe(&target).is_ok() {
        output::say(INTERRUPTED);
    }
}

/// As [`resume`], when nobody else is at work.
fn resume_alone(target: &Place, home: Option<&Home>, dry_run: bool) -> Result<bool> {
    if !journal::Journal::is_there(target)? {
        return Ok(false);
    }
    let _lock = journal::lock(target)?;
    resume(target, home, dry_run)
}

/// Finishes an accept that was interrupted, or undoes it if it had changed nothing yet; answers whether there was one.
fn resume(target: &Place, home: Option<&Home>, dry_run: bool) -> Result<bool> {
    if dry_run && journal::Journal::is_there(target)? {
        return Err(Failure::refused(INTERRUPTED));
    }
    let late = RefCell::new(None);
    let rest = |accepted: &Accepted| match home {
        Some(home) if home.is_over_host() => rest::of_interrupted(home, accepted),
        _ => drop(late.replace(Some(accepted.clone()))),
    };
    let recovered = engine::recover(target, false, &Breaker::default(), &rest)?;
    if let (Some(home), Some(accepted)) = (home, late.take()) {
        rest::of_interrupted(home, &accepted);
    }
    match recovered {
        Recovered::Nothing => return Ok(false),
        Recovered::Finished => output::say("an accept that was interrupted is finished now"),
        Recovered::Undone => output::say("an accept that was interrupted before it had changed anything is undone"),
    }
    Ok(true)
}

/// Writes a branch to what it grew from, if it still is what is known of it. What is accepted is no difference any more afterwards.
pub(crate) fn accept(home: &Home, branch: &Known, wishes: &Wishes<'_>) -> Result<Exit> {
    home.check_into(wishes.into)?;
    // Two mounts of one branch know nothing of each other's locks.
    let _turn = match wishes.into {
        Some(_) => Some(StateDirectory::find()?.lock_of(&format!("{}.accept.lock", home.volume))?),
        None => None,
    };
    let into = match wishes.into {
        Some(into) => Some(Attached::to(home, into, wishes.dry_run)?),
        None => None,
    };
    let own;
    let target = match &into {
        Some(attached) => attached.place(),
        None => {
            own = Place::at(&home.base)?;
            &own
        }
    };
    let locked = journal::lock(target)?;
    let accepted = accept_into(home, branch, target, wishes).and_then(|settled| match settled {
        Some(settled) => settled.conclude(home, branch, target, wishes),
        None if wishes.ends => home.reject(branch),
        None => Ok(()),
    });
    drop(locked);
    let ended = into.map_or(Ok(()), Attached::end);
    accepted.and(ended).map(|()| Exit::Done)
}

/// What an accept has come to: what was wanted is written, and the journal still tells of it.
struct Settled {
    chosen: Chosen,
    applied: Applied,
}

impl Settled {
    /// Has the branch differ by what is left alone. Over a host directory the journal ends after that, so that the next accept does it for
    /// whoever was killed; elsewhere it ends before, and the branch may differ still by what is accepted.
    fn conclude(self, home: &Home, branch: &Known, target: &Place, wishes: &Wishes<'_>) -> Result<()> {
        let Settled { chosen: Chosen { wanted, left, differences }, applied } = self;
        home.note(&Entry::new(Verdict::Accepted, &branch.name, wishes.into, &differences));
        let rest = || match (left.is_empty(), wishes.ends) {
            (true, true) => home.reject(branch),
            (true, false) => rest::begin_anew(home, branch),
            (false, _) => rest::keep(home, branch, &wanted, &left),
        };
        let end = || applied.end(target, &Breaker::default());
        // A branch that grows anew from where the journal lies would have one, too.
        let (rested, ended) = match home.is_over_host() {
            true => {
                let rested = rest();
                (rested, end())
            }
            false => {
                let ended = end();
                (rest(), ended)
            }
        };
        rested.map_err(|failure| failure.context("it is accepted, and may show as different still"))?;
        ended
    }
}

/// The differences of a branch, sorted into what is wanted and what is not.
struct Chosen {
    wanted: Vec<Change>,
    left: Vec<Change>,
    differences: Vec<Difference>,
}

/// Answers what was done and what is left, if anything was.
fn accept_into(home: &Home, branch: &Known, target: &Place, wishes: &Wishes<'_>) -> Result<Option<Settled>> {
    resume(target, Some(home), wishes.dry_run)?;
    home.check_still(branch)?;
    let source = Attached::to(home, &branch.name, true)?;
    let settled = choose(home, &branch.name, target, wishes).and_then(|chosen| {
        if chosen.wanted.is_empty() {
            output::say("there is nothing to accept");
            return Ok(None);
        }
        rest::check_whole(&chosen.wanted, &chosen.left)?;
        rest::check_apart(home, branch, &chosen.wanted, &chosen.left)?;
        let applied = write(home, branch, source.place(), target, &chosen, wishes)?;
        Ok(applied.map(|applied| Settled { chosen, applied }))
    });
    source.end()?;
    settled
}

/// What of the changes is wanted, and what not.
fn choose(home: &Home, branch: &str, target: &Place, wishes: &Wishes<'_>) -> Result<Chosen> {
    let mut differences = home.differences(branch, wishes.into)?;
    let changes = home.changes(branch, &differences, target, wishes.into)?;
    let scope = Scope::of(wishes.paths, &home.base)?;
    let theirs = Scope::of(wishes.theirs, &home.base)?;
    let is_theirs = |change: &Change| !wishes.theirs.is_empty() && within(&theirs, change);
    let mut wanted: HashSet<PathBuf> = HashSet::new();
    for change in changes.iter().filter(|change| within(&scope, change) && !is_theirs(change)) {
        wanted.insert(change.path.clone());
        wanted.extend(needed(change, &changes));
    }
    let (wanted, mut left): (Vec<Change>, Vec<Change>) =
        changes.into_iter().partition(|change| wanted.contains(&change.path));
    let paths: HashSet<&Path> = wanted.iter().map(|change| change.path.as_path()).collect();
    if wishes.into.is_some() && !left.is_empty() {
        // What the other branch has already is no difference to that, and stays one to what this one grew from.
        let own = home.differences(branch, None)?;
        let own = own.iter().map(|difference| change_of(difference, Origin::Unknown));
        left.extend(own.filter(|change| !paths.contains(change.path.as_path())));
    }
    differences.retain(|difference| paths.contains(Path::new(OsStr::from_bytes(difference.path()))));
    Ok(Chosen { wanted, left, differences })
}

fn within(scope: &Scope, change: &Change) -> bool {
    let old = change.old_path.as_deref().is_some_and(|old| scope.covers(old.as_os_str().as_bytes()));
    scope.covers(change.path.as_os_str().as_bytes()) || old
}

/// The directories above that are new or have moved: without them it has no place.
fn needed<'a>(change: &'a Change, all: &'a [Change]) -> impl Iterator<Item = PathBuf> + 'a {
    let comes = |became| matches!(became, Became::Added | Became::Moved | Became::Replaced | Became::MovedAndReplaced);
    change
        .path
        .ancestors()
        .skip(1)
        .filter(move |above| {
            let found = all.binary_search_by(|other| other.path.as_path().cmp(above));
            change.became != Became::Removed && found.is_ok_and(|at| comes(all[at].became))
        })
        .map(Path::to_owned)
}

/// Writes what is wanted if the branch still is as it was when all is ready to be.
fn write(
    home: &Home,
    branch: &Known,
    source: &Place,
    target: &Place,
    chosen: &Chosen,
    wishes: &Wishes<'_>,
) -> Result<Option<Applied>> {
    let mut planned =
        match plan::plan(source, target, &chosen.wanted, wishes.force, Directories::of(target)?, wishes.dry_run)? {
            Ok(planned) => planned,
            Err(conflicts) => return Err(refused(&conflicts)),
        };
    if wishes.dry_run {
        let mut out = Out::new();
        for change in &chosen.wanted {
            out.line(&line_of(change))?;
        }
        out.end()?;
        return Ok(None);
    }
    planned.steps.accepted = Some(accepted_of(branch, chosen));
    let still = || home.check_still(branch);
    engine::apply(source, target, &planned, &still, &Breaker::default()).map(Some)
}

/// What the journal tells of a branch: paths only where not all of it is accepted.
fn accepted_of(branch: &Known, chosen: &Chosen) -> Accepted {
    let pieces = |changes: &[Change]| match chosen.left.is_empty() {
        true => Vec::new(),
        false => changes.iter().map(Piece::of).collect(),
    };
    Accepted {
        branch: branch.name.clone(),
        created: branch.created,
        changes: branch.changes(),
        done: pieces(&chosen.wanted),
        left: pieces(&chosen.left),
    }
}

fn refused(conflicts: &[Conflict]) -> Failure {
    for conflict in conflicts {
        output::say(&format!("conflict: {} {}", printable(conflict.path.as_os_str().as_bytes()), conflict.why));
    }
    let advice = match conflicts.iter().all(|conflict| conflict.may_be_forced) {
        true => "--force takes the branch's side, --theirs PATH the base's",
        false => "--theirs PATH takes the base's side",
    };
    Failure::refused(format!("nothing was written: {} conflicts; {advice}", conflicts.len()))
}

fn line_of(change: &Change) -> String {
    let path = printable(change.path.as_os_str().as_bytes());
    match (change.became, &change.old_path) {
        (Became::Moved | Became::MovedAndReplaced, Some(old)) => {
            format!("R {} -> {path}", printable(old.as_os_str().as_bytes()))
        }
        (Became::Added, _) => format!("A {path}"),
        (Became::Removed, _) => format!("D {path}"),
        (Became::Set, _) => format!("m {path}"),
        _ => format!("M {path}"),
    }
}

/// `bough reject`: forgets what was changed, all of it with the branch, or by path.
pub(crate) fn reject(args: &RejectArgs) -> Result<Exit> {
    let home = Home::of(&args.base, false)?;
    let branch = home.chosen(args.branch.as_deref())?;
    let branch = home.quiet(&branch)?;
    let scope = Scope::of(&args.paths, &home.base)?;
    if args.paths.is_empty() {
        reject_all(&home, &branch, &home.own_differences(&branch.name)?)?;
        return Ok(Exit::Done);
    }
    let mut differences = home.differences(&branch.name, None)?;
    differences.retain(|difference| scope.holds(difference));
    if differences.is_empty() {
        output::say("there is nothing to reject");
        return Ok(Exit::Done);
    }
    rest::take_back(
        &home,
        &branch,
        |difference| scope.holds(difference),
        |copy| home.revert(copy, scope.paths(), false),
    )?;
    home.note(&Entry::new(Verdict::Rejected, &branch.name, None, &differences));
    Ok(Exit::Done)
}

/// Forgets a branch and all that was changed in it.
pub(crate) fn reject_all(home: &Home, branch: &Known, differences: &[Difference]) -> Result<()> {
    home.reject(branch)?;
    if !differences.is_empty() {
        home.note(&Entry::new(Verdict::Rejected, &branch.name, None, differences));
    }
    Ok(())
}

/// A difference as a change; where it came from is told besides.
pub(crate) fn change_of(difference: &Difference, origin: Origin) -> Change {
    let path = |bytes: &[u8]| PathBuf::from(OsStr::from_bytes(bytes));
    let became = match difference.change() {
        diff::Change::Added => Became::Added,
        diff::Change::Deleted => Became::Removed,
        diff::Change::Modified => Became::Replaced,
        diff::Change::Metadata => Became::Set,
        diff::Change::Renamed if difference.has_other_content() => Became::MovedAndReplaced,
        diff::Change::Renamed => Became::Moved,
    };
    Change { became, path: path(difference.path()), old_path: difference.old_path().map(path), origin, own: None }
}

pub(crate) use plan::{Became as ChangeKind, Change as AcceptChange, Origin as ChangeOrigin, Own};
