//! What is left of a branch when some of its changes are accepted or rejected: a new branch of the same name, grown from what is
//! there now, with the changes that are left. So nothing of the others is a difference any more.

use std::os::unix::ffi::OsStrExt;

use super::engine::{self, Breaker};
use super::plan::{self, Change, Renamer};
use crate::attach::Attached;
use crate::errors::{Failure, Result};
use crate::home::Home;
use crate::output::printable;

/// Has a branch differ by `left` alone. `done` has been written to what it grew from.
pub(super) fn keep(home: &Home, branch: &str, done: &[Change], left: &[Change]) -> Result<()> {
    if left.is_empty() {
        home.reject(branch)?;
        return home.grow(&mut home.connect()?, branch);
    }
    let new = home.free_name(branch)?;
    home.grow(&mut home.connect()?, &new)?;
    match carry_over(home, branch, &new, done, left) {
        Ok(()) => {
            home.reject(branch)?;
            home.rename(&new, branch)
        }
        Err(failure) => {
            home.reject(&new)?;
            Err(failure.context(format_args!("`{branch}` still holds all its changes")))
        }
    }
}

fn carry_over(home: &Home, branch: &str, new: &str, done: &[Change], left: &[Change]) -> Result<()> {
    let renamer = Renamer::of(done);
    let left: Vec<Change> = left.iter().map(|change| renamer.carried(change)).collect();
    let source = Attached::to(home, branch, true)?;
    let target = Attached::to(home, new, false)?;
    let written = plan::plan(source.place(), target.place(), &left, true).and_then(|planned| match planned {
        Ok(planned) => engine::apply(source.place(), target.place(), &planned, &Breaker::default()),
        Err(conflicts) => Err(Failure::refused(format!(
            "{} {}, so the rest cannot be kept apart",
            printable(conflicts[0].path.as_os_str().as_bytes()),
            conflicts[0].why
        ))),
    });
    target.end()?;
    source.end()?;
    written
}
