//! `bough branch`.

use std::time::{Duration, Instant};

use bough::control::message;
use bough::control::messages::{fs_control_branch, fs_control_delete, fs_control_switch};
use bough::error::tables::ResultCode;

use crate::args::{BranchArgs, BranchVerb};
use crate::errors::{Exit, Failure, Result};
use crate::flush::flush;
use crate::home::trials;
use crate::mount::NewPlace;
use crate::refs::{self, Kind, Ref, Subject};
use crate::snapshot::{delete, list, print_created, rename};
use crate::views;
use crate::volume::Volume;
use crate::wire::Channel;

/// How long a branch that is being let go of is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(verb: BranchVerb) -> Result<Exit> {
    let mut volume = Volume::here()?;
    match verb {
        BranchVerb::Create(args) => create(&mut volume, &args),
        BranchVerb::List(format) => list(&mut volume, Kind::Branch, &format),
        BranchVerb::Switch { name } => switch(&mut volume, &name),
        BranchVerb::Rename(args) => rename(&mut volume, Kind::Branch, &args),
        BranchVerb::Delete(args) => delete(&mut volume, Kind::Branch, &args),
    }
}

fn create(volume: &mut Volume, args: &BranchArgs) -> Result<Exit> {
    let name = &args.name;
    trials::check_free(name)?;
    // What is wrong with the mount point is told before there is a branch.
    let place = args.mount.as_deref().map(|point| NewPlace::of(volume, name, point)).transpose()?;
    let id = grow(volume, name, args.from.as_deref())?;
    if let Some(place) = place {
        place.attach(volume).map_err(|failure| take_back(volume, id, failure))?;
    }
    if args.format.json {
        return print_created(name, id, Kind::Branch, &args.format);
    }
    Ok(Exit::Done)
}

/// Answers the id of the new branch.
fn grow(volume: &mut Volume, name: &str, from: Option<&str>) -> Result<u64> {
    let shown = volume.shows();
    let mut branch: fs_control_branch = message();
    branch.name = refs::field(name)?;
    branch.from = refs::field(from.unwrap_or_default())?;
    flush(volume, &[from.unwrap_or(&shown)])?;
    let asked = volume.ask(&mut branch);
    asked.map_err(|failure| refs::explain(volume, &Subject { existing: from.as_slice(), new: Some(name) }, failure))?;
    Ok(branch.id)
}

/// A new branch could not be mounted, and goes.
fn take_back(volume: &mut Volume, id: u64, failure: Failure) -> Failure {
    match delete_new(volume, id) {
        Ok(()) => failure,
        Err(second) => {
            let text = format!("{}; the new branch is still there: {}", failure.text(), second.text());
            failure.reworded(text)
        }
    }
}

/// Deletes the branch, unless somebody has changed it since this began.
fn delete_new(volume: &mut Volume, id: u64) -> Result<()> {
    let begun = Instant::now();
    let found = refs::all(volume)?.into_iter().find(|found| found.key() == (id, Kind::Branch));
    let Some(Ref { name, changes, .. }) = found else { return Ok(()) };
    loop {
        let mut delete: fs_control_delete = message();
        delete.name = refs::field(&name)?;
        delete.kind = Kind::Branch.number();
        delete.changes = changes;
        match volume.ask(&mut delete) {
            // What was mounted for a moment may not be closed yet.
            Err(failure) if failure.code() == Some(ResultCode::Busy) => {
                views::bear_with(failure, volume, &name, begun, PATIENCE)?;
            }
            asked => {
                let subject = Subject { existing: &[&name], new: None };
                return asked.map_err(|failure| refs::explain(volume, &subject, failure));
            }
        }
    }
}

fn switch(volume: &mut Volume, name: &str) -> Result<Exit> {
    let mut message: fs_control_switch = message();
    message.to = refs::field(name)?;
    let asked = volume.ask(&mut message);
    asked.map_err(|failure| refs::explain(volume, &Subject { existing: &[name], new: None }, failure))?;
    Ok(Exit::Done)
}
