//! What is left of a branch when some of its changes are accepted: the others. What was accepted is taken back to what the branch grew from,
//! which has it by now, so that it is no difference any more; nothing is copied.

use std::collections::{BTreeSet, HashSet};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use bough::error::tables::ResultCode;

use super::journal::{Accepted, Piece};
use super::plan::{Became, Change};
use crate::diff::{self, Difference};
use crate::errors::{Failure, Result};
use crate::home::{Home, Known};
use crate::output::printable;

/// Has a branch differ by nothing. All of it has been written to what it grew from.
pub(super) fn begin_anew(home: &Home, branch: &Known) -> Result<()> {
    home.reject(branch)?;
    match home.grow_again(&branch.name) {
        // Somebody wants to work in it, and was faster.
        Err(failure) if failure.code() == Some(ResultCode::RefExists) => Ok(()),
        other => other,
    }
}

/// Takes back what an accept has written that was interrupted after it had. Nothing depends on that: it is in what the branch grew from.
pub(super) fn of_interrupted(home: &Home, accepted: &Accepted) {
    let rested = home.known(&accepted.branch, accepted.created, accepted.changes).and_then(|known| match known {
        Some(branch) if accepted.left.is_empty() => begin_anew(home, &branch),
        Some(branch) => {
            let changes = |pieces: &[Piece]| -> Vec<Change> { pieces.iter().map(Piece::change).collect() };
            keep(home, &branch, &changes(&accepted.done), &changes(&accepted.left))
        }
        // It has gone, or went on: what it shows is what whoever did that has seen.
        None => Ok(()),
    });
    if let Err(failure) = rested {
        failure.context("it is accepted, and may show as different still").report();
    }
}

/// Has a branch differ by `left` alone. `done` has been written to what it grew from.
pub(super) fn keep(home: &Home, branch: &Known, done: &[Change], left: &[Change]) -> Result<()> {
    let back = Back::of(done, left);
    let taken_back = take_back(home, branch, among(done), |branch| {
        home.revert(branch, &bytes(&back.whole), false)?;
        home.revert(branch, &bytes(&back.themselves), true)
    });
    taken_back.map_err(|failure| failure.context("it is accepted; what was accepted may show as different still"))
}

/// Refuses what could not be taken back alone, before it is written.
pub(super) fn check_apart(home: &Home, branch: &Known, done: &[Change], left: &[Change]) -> Result<()> {
    if left.is_empty() {
        return Ok(());
    }
    // Directories of which only a part is accepted can be taken back only once they are there.
    let back = Back::of(done, left);
    try_back(home, branch, among(done), |copy| home.revert(copy, &bytes(&back.whole), false))
}

fn among(changes: &[Change]) -> impl Fn(&Difference) -> bool {
    let paths: HashSet<Vec<u8>> = changes.iter().map(|change| change.path.as_os_str().as_bytes().to_vec()).collect();
    move |difference| paths.contains(difference.path())
}

/// Takes changes of a branch back, those that `goes` tells and no others.
pub(super) fn take_back(
    home: &Home,
    branch: &Known,
    goes: impl Fn(&Difference) -> bool,
    work: impl Fn(&Known) -> Result<()>,
) -> Result<()> {
    try_back(home, branch, goes, &work)?;
    work(branch)
}

/// Tries that in a copy, which shows whether all others would still be there. A file with several names is one, and what lies in a
/// directory that moves goes with it.
fn try_back(
    home: &Home,
    branch: &Known,
    goes: impl Fn(&Difference) -> bool,
    work: impl Fn(&Known) -> Result<()>,
) -> Result<()> {
    let before = home.differences(&branch.name, None)?;
    let in_copy = |copy: &Known| {
        work(copy)?;
        let after: HashSet<_> = home.differences(&copy.name, None)?.iter().map(of_note).collect();
        match before.iter().find(|difference| !goes(difference) && !after.contains(&of_note(difference))) {
            Some(lost) => Err(Failure::refused(format!(
                "{} would go with it, as the same file or what moved there",
                printable(lost.path())
            ))),
            None => Ok(()),
        }
    };
    // Whoever ends this command leaves the copy behind, until the next one finds it (`home/trials.rs`): what is compared may take long.
    let copy = home.copy(branch)?;
    let tried = in_copy(&copy);
    let tried = home.reject(&copy).and(tried);
    tried.map_err(|failure| failure.context(format_args!("`{}` keeps all its changes", branch.name)))
}

/// What must still be told of a path.
fn of_note(difference: &Difference) -> (Vec<u8>, bool) {
    (difference.path().to_owned(), difference.change() == diff::Change::Deleted)
}

/// What is taken back with all below it, and what without.
struct Back {
    whole: BTreeSet<PathBuf>,
    themselves: BTreeSet<PathBuf>,
}

impl Back {
    fn of(done: &[Change], left: &[Change]) -> Back {
        let left = Left::of(left);
        let mut whole = BTreeSet::new();
        let mut themselves = BTreeSet::new();
        for change in done {
            for path in change.old_path.iter().chain([&change.path]) {
                match left.is_below(path) {
                    false => drop(whole.insert(left.highest(path))),
                    true if change.became == Became::Added => drop(themselves.insert(path.clone())),
                    true => {}
                }
            }
        }
        Back { whole, themselves }
    }
}

fn bytes(paths: &BTreeSet<PathBuf>) -> Vec<Vec<u8>> {
    paths.iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect()
}

/// What has moved cannot be accepted without what else has changed in it: that has its content from the old place.
pub(super) fn check_whole(wanted: &[Change], left: &[Change]) -> Result<()> {
    let left = Left::of(left);
    let moved = wanted.iter().filter(|change| matches!(change.became, Became::Moved | Became::MovedAndReplaced));
    match moved.map(|change| &change.path).find(|path| left.is_below(path)) {
        None => Ok(()),
        Some(path) => Err(Failure::refused(format!(
            "{0} has moved, and is accepted with all that has changed in it or not at all: `-- {0}`",
            printable(path.as_os_str().as_bytes())
        ))),
    }
}

/// The paths of changes that stay in the branch.
struct Left(BTreeSet<PathBuf>);

impl Left {
    fn of(changes: &[Change]) -> Left {
        Left(changes.iter().flat_map(|change| change.old_path.iter().chain([&change.path]).cloned()).collect())
    }

    /// Whether one of them lies below, or is there.
    fn is_below(&self, path: &Path) -> bool {
        self.0.range(path.to_owned()..).next().is_some_and(|next| next.starts_with(path))
    }

    /// The highest directory above, or the path itself, that none of them lies in.
    fn highest(&self, path: &Path) -> PathBuf {
        let above = path.ancestors().filter(|above| !above.as_os_str().is_empty());
        above.take_while(|above| !self.is_below(above)).last().unwrap_or(path).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::super::plan::Origin;
    use super::*;

    fn change(became: Became, path: &str) -> Change {
        Change { became, path: path.into(), old_path: None, origin: Origin::Unknown, own: None }
    }

    #[test]
    fn what_is_taken_back_is_as_few_paths_as_hold_nothing_that_stays() {
        let left = Left::of(&[change(Became::Added, "src/deep/kept"), change(Became::Removed, "other")]);
        assert_eq!(left.highest(Path::new("src/new/a/b")), Path::new("src/new"));
        assert_eq!(left.highest(Path::new("src/deep/gone")), Path::new("src/deep/gone"));
        assert_eq!(left.highest(Path::new("top/x")), Path::new("top"));
        assert!(left.is_below(Path::new("src")) && left.is_below(Path::new("other")));
        assert!(!left.is_below(Path::new("src/dee")) && !left.is_below(Path::new("oth")));
    }

    #[test]
    fn a_directory_that_moved_is_accepted_whole() {
        let moved = Change { old_path: Some("old".into()), ..change(Became::Moved, "lib") };
        assert!(check_whole(std::slice::from_ref(&moved), &[change(Became::Added, "other")]).is_ok());
        let refused = check_whole(&[moved], &[change(Became::Replaced, "lib/x")]).unwrap_err();
        assert!(refused.text().contains("`-- lib`"), "{}", refused.text());
    }
}
