//! `bough branch`.

use bough::control::message;
use bough::control::messages::{fs_control_branch, fs_control_switch};

use crate::args::{BranchArgs, BranchVerb};
use crate::errors::{Exit, Failure, Result};
use crate::flush::flush;
use crate::home::trials;
use crate::mount;
use crate::refs::{self, Kind, Subject};
use crate::snapshot::{delete, delete_one, list, print_created, rename};
use crate::volume::Volume;
use crate::wire::Channel;

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
    let place = args.mount.as_deref().map(|point| mount::place_for(volume, name, point)).transpose()?;
    let id = grow(volume, name, args.from.as_deref())?;
    if let Some(place) = place {
        place.attach().map_err(|failure| take_back(volume, name, failure))?;
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

/// Deletes a new branch that could not be mounted.
fn take_back(volume: &mut Volume, name: &str, failure: Failure) -> Failure {
    match delete_one(volume, Kind::Branch, name) {
        Ok(()) => failure,
        Err(second) => {
            second.report();
            failure.context(format_args!("the branch `{name}` is there, but not mounted"))
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
