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

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::args::{AcceptArgs, RejectArgs};
use crate::attach::Attached;
use crate::chronicle::{Entry, Verdict};
use crate::diff::{self, Difference, Scope};
use crate::errors::{Exit, Failure, Result};
use crate::home::Home;
use crate::output::{self, Out, printable};
use crate::views;

use engine::{Breaker, Recovered};
use place::Place;
use plan::{Became, Change, Conflict, Origin};

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
    let home = Home::of(&args.base, false)?;
    if args.undo {
        return undo(&home);
    }
    let branch = home.chosen(args.branch.as_deref())?;
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

fn undo(home: &Home) -> Result<Exit> {
    let target = Place::at(&home.base)?;
    let _lock = journal::lock(&target)?;
    match engine::recover(&target, true, &Breaker::default())? {
        Recovered::Nothing => Err(Failure::refused("no accept was interrupted here: there is nothing to undo")),
        _ => {
            output::say("the accept that was interrupted is undone");
            Ok(Exit::Done)
        }
    }
}

/// Writes a branch to what it grew from. What is accepted is no difference any more afterwards.
pub(crate) fn accept(home: &Home, branch: &str, wishes: &Wishes<'_>) -> Result<Exit> {
    check_quiet(home, branch)?;
    home.check_into(wishes.into)?;
    let into = match wishes.into {
        Some(into) => Some(Attached::to(home, into, false)?),
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
    let accepted = accept_into(home, branch, target, wishes);
    if let Some(attached) = into {
        attached.end()?;
    }
    let Some(Settled { done, left, differences }) = accepted? else {
        if wishes.ends {
            home.reject(branch)?;
        }
        return Ok(Exit::Done);
    };
    home.note(&Entry::new(Verdict::Accepted, branch, wishes.into, &differences));
    match (left.is_empty(), wishes.ends) {
        (true, true) => home.reject(branch)?,
        (true, false) => rest::begin_anew(home, branch)?,
        (false, _) => rest::keep(home, branch, &done, &left)?,
    }
    Ok(Exit::Done)
}

/// What an accept has come to.
struct Settled {
    done: Vec<Change>,
    left: Vec<Change>,
    /// Those that were done, as a diff has them.
    differences: Vec<Difference>,
}

/// The differences of a branch, sorted into what is wanted and what is not.
struct Chosen {
    wanted: Vec<Change>,
    left: Vec<Change>,
    differences: Vec<Difference>,
}

/// Nobody may change the branch meanwhile.
fn check_quiet(home: &Home, branch: &str) -> Result<()> {
    let shown = views::all(&mut home.connect()?)?;
    match shown.iter().find(|view| view.shows == branch) {
        None => Ok(()),
        Some(view) => Err(Failure::refused(format!(
            "`{branch}` is in use at {}: end what works in it first",
            view.mount_point_text()
        ))),
    }
}

/// Answers what was done and what is left, if anything was.
fn accept_into(home: &Home, branch: &str, target: &Place, wishes: &Wishes<'_>) -> Result<Option<Settled>> {
    let _lock = journal::lock(target)?;
    match engine::recover(target, false, &Breaker::default())? {
        Recovered::Nothing => {}
        Recovered::Finished => output::say("an accept that was interrupted is finished now"),
        Recovered::Undone => output::say("an accept that was interrupted before it had changed anything is undone"),
    }
    let source = Attached::to(home, branch, true)?;
    let settled = choose(home, branch, source.place(), target, wishes).and_then(|chosen| {
        let Chosen { wanted, left, differences } = chosen;
        if wanted.is_empty() {
            output::say("there is nothing to accept");
            return Ok(None);
        }
        rest::check_whole(&wanted, &left)?;
        rest::check_apart(home, branch, &wanted, &left)?;
        let written = write(source.place(), target, &wanted, wishes)?;
        Ok(written.then_some(Settled { done: wanted, left, differences }))
    });
    source.end()?;
    settled
}

/// What of the changes is wanted, and what not.
fn choose(home: &Home, branch: &str, source: &Place, target: &Place, wishes: &Wishes<'_>) -> Result<Chosen> {
    let mut differences = home.differences(branch, wishes.into)?;
    let changes = home.changes(branch, &differences, source, target, wishes.into)?;
    let scope = Scope::of(wishes.paths, &home.base)?;
    let theirs = Scope::of(wishes.theirs, &home.base)?;
    let is_theirs = |change: &Change| !wishes.theirs.is_empty() && within(&theirs, change);
    let mut wanted: HashSet<PathBuf> = HashSet::new();
    for change in changes.iter().filter(|change| within(&scope, change) && !is_theirs(change)) {
        wanted.insert(change.path.clone());
        wanted.extend(needed(change, &changes));
    }
    let (wanted, left): (Vec<Change>, Vec<Change>) =
        changes.into_iter().partition(|change| wanted.contains(&change.path));
    let paths: HashSet<&Path> = wanted.iter().map(|change| change.path.as_path()).collect();
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

/// Writes them; answers whether anything was written.
fn write(source: &Place, target: &Place, wanted: &[Change], wishes: &Wishes<'_>) -> Result<bool> {
    let planned = match plan::plan(source, target, wanted, wishes.force)? {
        Ok(planned) => planned,
        Err(conflicts) => return Err(refused(&conflicts)),
    };
    if wishes.dry_run {
        let mut out = Out::new();
        for change in wanted {
            out.line(&line_of(change))?;
        }
        out.end()?;
        return Ok(false);
    }
    engine::apply(source, target, &planned, &Breaker::default())?;
    Ok(true)
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
    check_quiet(&home, &branch)?;
    let scope = Scope::of(&args.paths, &home.base)?;
    let mut differences = home.differences(&branch, None)?;
    if args.paths.is_empty() {
        reject_all(&home, &branch, &differences)?;
        return Ok(Exit::Done);
    }
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
    home.note(&Entry::new(Verdict::Rejected, &branch, None, &differences));
    Ok(Exit::Done)
}

/// Forgets a branch and all that was changed in it.
pub(crate) fn reject_all(home: &Home, branch: &str, differences: &[Difference]) -> Result<()> {
    home.reject(branch)?;
    if !differences.is_empty() {
        home.note(&Entry::new(Verdict::Rejected, branch, None, differences));
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
